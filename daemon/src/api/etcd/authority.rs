//! Lets gRPC clients in whose `:authority` is none. Some (grpc-go of etcd 3.4's time among them) send the *path* of a unix socket
//! as it, or an endpoint with its scheme (`http://127.0.0.1:4748`), which the HTTP/2 library refuses as malformed before any of our code sees the request.
//!
//! So the bytes of a connection pass through here on their way in, and in the first mention of `:authority` in a
//! header block the characters `/`, `%` and space become `-`. All four have six bits in HPACK's Huffman code
//! (RFC 7541, appendix B), so that neither the length of anything nor the size of any table entry changes, and both
//! ends' dynamic tables stay in step. Pure; whatever is not understood passes as it is.

use bytes::{Bytes, BytesMut};

/// What an HTTP/2 connection begins with.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Length, type, flags and stream of a frame.
const FRAME_HEAD: usize = 9;
/// Largest frame that a peer may send by default; larger ones are left to the library to refuse.
const FRAME: usize = 16 * 1024;
/// Frame type of a header block's beginning.
const HEADERS: u8 = 1;
const PADDED: u8 = 0x8;
const PRIORITY: u8 = 0x20;
/// Index of `:authority` in HPACK's static table.
const AUTHORITY: usize = 1;

/// Printable characters by the length of their Huffman code. Codes of one length follow each other.
const HUFFMAN: [(u32, u32, &[u8]); 8] = [
    (5, 0x0, b"012aceiost"),
    (6, 0x14, b" %-./3456789=A_bdfghlmnpru"),
    (7, 0x5c, b":BCDEFGHIJKLMNOPQRSTUVWYjkqvwxyz"),
    (8, 0xf8, b"&*,;XZ"),
    (10, 0x3f8, b"!\"()?"),
    (11, 0x7fa, b"'+|"),
    (12, 0xffa, b"#>"),
    (13, 0x1ff8, b"\0$@[]~"),
];
/// The code of `-`.
const DASH: u32 = 0x16;

/// Rewrites one connection.
#[derive(Debug, Default)]
pub(super) struct Rewriter {
    state: State,
    /// What is held until it is whole: at most the preface, or one frame head and one header frame.
    held: BytesMut,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum State {
    /// It is not known yet whether this is HTTP/2.
    #[default]
    Preface,
    /// Before the head of a frame.
    Head,
    /// Inside a frame that passes as it is.
    Passing(usize),
    /// Not HTTP/2.
    Other,
}

impl Rewriter {
    /// Takes bytes as they come in, gives bytes as they may go on.
    pub(super) fn pass(&mut self, bytes: &[u8]) -> Bytes {
        let mut out = BytesMut::with_capacity(bytes.len());
        self.held.extend_from_slice(bytes);
        while self.step(&mut out) {}
        out.freeze()
    }

    /// Whether there may be more to do.
    fn step(&mut self, out: &mut BytesMut) -> bool {
        match self.state {
            State::Other => out.unsplit(self.held.split()),
            State::Preface => {
                let known = self.held.len().min(PREFACE.len());
                if self.held[..known] != PREFACE[..known] {
                    self.state = State::Other;
                    return true;
                }
                if known == PREFACE.len() {
                    out.unsplit(self.held.split_to(known));
                    self.state = State::Head;
                    return true;
                }
            }
            State::Passing(left) => {
                let taken = left.min(self.held.len());
                out.unsplit(self.held.split_to(taken));
                self.state = if taken == left { State::Head } else { State::Passing(left - taken) };
                return taken == left;
            }
            State::Head => return self.frame(out),
        }
        false
    }

    fn frame(&mut self, out: &mut BytesMut) -> bool {
        let Some(head) = self.held.get(..FRAME_HEAD) else { return false };
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        let (kind, flags) = (head[3], head[4]);
        if kind != HEADERS || length > FRAME {
            self.state = State::Passing(FRAME_HEAD + length);
            return true;
        }
        if self.held.len() < FRAME_HEAD + length {
            return false;
        }
        let mut frame = self.held.split_to(FRAME_HEAD + length);
        let skip = usize::from(flags & PADDED != 0) + 5 * usize::from(flags & PRIORITY != 0);
        if let Some(block) = frame.get_mut(FRAME_HEAD + skip..) {
            rewrite_block(block);
        }
        out.unsplit(frame);
        true
    }
}

/// Walks a header block up to the literal value of `:authority`, if there is one.
fn rewrite_block(block: &mut [u8]) {
    let mut at = 0;
    while let Some(&first) = block.get(at) {
        let (prefix, literal) = match first {
            0x80.. => (7, false),
            0x40.. => (6, true),
            0x20.. => (5, false),
            _ => (4, true),
        };
        let Some((index, behind)) = integer(block, at, prefix) else { return };
        at = behind;
        if !literal {
            continue;
        }
        if index == 0 {
            let Some(name) = string(block, at) else { return };
            at = name.end;
        }
        let Some(value) = string(block, at) else { return };
        let huffman = block[at] & 0x80 != 0;
        at = value.end;
        if index == AUTHORITY {
            let value = &mut block[value];
            return if huffman { rewrite_huffman(value) } else { rewrite_plain(value) };
        }
    }
}

/// An HPACK integer, and where it ends.
fn integer(block: &[u8], at: usize, prefix: u32) -> Option<(usize, usize)> {
    let full = (1_usize << prefix) - 1;
    let mut value = usize::from(*block.get(at)?) & full;
    if value < full {
        return Some((value, at + 1));
    }
    for (i, shift) in [0, 7, 14].into_iter().enumerate() {
        let byte = *block.get(at + 1 + i)?;
        value += usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some((value, at + 2 + i));
        }
    }
    None
}

/// Where the bytes of an HPACK string are.
fn string(block: &[u8], at: usize) -> Option<std::ops::Range<usize>> {
    let (length, start) = integer(block, at, 7)?;
    let end = start.checked_add(length)?;
    (end <= block.len()).then_some(start..end)
}

fn is_path_like(symbol: u8) -> bool {
    matches!(symbol, b'/' | b'%' | b' ')
}

fn rewrite_plain(value: &mut [u8]) {
    for symbol in value.iter_mut().filter(|symbol| is_path_like(**symbol)) {
        *symbol = b'-';
    }
}

fn rewrite_huffman(value: &mut [u8]) {
    let bits = value.len() * 8;
    let mut at = 0;
    while let Some((length, symbol)) = symbol_at(value, at, bits) {
        if is_path_like(symbol) {
            put_bits(value, at, length, DASH);
        }
        at += length;
    }
}

/// The symbol whose code begins at this bit, with the code's length. None at the padding's end and for codes that
/// no path has.
fn symbol_at(value: &[u8], at: usize, bits: usize) -> Option<(usize, u8)> {
    let (mut code, mut length) = (0_u32, 0_usize);
    for (width, first, symbols) in HUFFMAN {
        while length < width as usize {
            let place = at + length;
            if place >= bits {
                return None;
            }
            code = code << 1 | u32::from(value[place / 8] >> (7 - place % 8) & 1);
            length += 1;
        }
        let found = code.checked_sub(first).and_then(|nth| symbols.get(nth as usize));
        if let Some(&symbol) = found {
            return Some((length, symbol));
        }
    }
    None
}

fn put_bits(value: &mut [u8], at: usize, length: usize, code: u32) {
    for i in 0..length {
        let place = at + i;
        let bit = u8::try_from(code >> (length - 1 - i) & 1).expect("one bit");
        let mask = 1 << (7 - place % 8);
        value[place / 8] = value[place / 8] & !mask | if bit == 1 { mask } else { 0 };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        [&length[1..], &[kind, flags, 0, 0, 0, 1], payload].concat()
    }

    fn huffman(text: &[u8]) -> Vec<u8> {
        let mut bits = Vec::new();
        for symbol in text {
            let (width, first, nth) = HUFFMAN
                .iter()
                .find_map(|(width, first, symbols)| {
                    Some((*width, *first, symbols.iter().position(|s| s == symbol)?))
                })
                .unwrap();
            let code = first + u32::try_from(nth).unwrap();
            bits.extend((0..width).rev().map(|i| code >> i & 1));
        }
        bits.resize(bits.len().div_ceil(8) * 8, 1);
        bits.chunks(8).map(|byte| byte.iter().fold(0, |sum, bit| sum << 1 | *bit as u8)).collect()
    }

    fn literal(name: u8, huffman: bool, value: &[u8]) -> Vec<u8> {
        let length = u8::try_from(value.len()).unwrap() | if huffman { 0x80 } else { 0 };
        [&[0x40 | name, length], value].concat()
    }

    /// Method POST, scheme http, a path, then `:authority`.
    fn block(huffman: bool, authority: &[u8]) -> Vec<u8> {
        let path = literal(4, false, b"/etcdserverpb.KV/Put");
        [&[0x83, 0x86][..], &path, &literal(1, huffman, authority)].concat()
    }

    fn connection(authority: &[u8]) -> Vec<u8> {
        let settings = frame(4, 0, &[0; 6]);
        let body = frame(0, 1, b"/some/body");
        [PREFACE, &settings, &frame(HEADERS, 4, &block(true, &huffman(authority))), &body].concat()
    }

    #[test]
    fn a_path_as_authority_becomes_a_name_however_the_bytes_arrive() {
        let sent = connection(b"/run/quorate/Quorate_1%2F.sock");
        let wanted = connection(b"-run-quorate-Quorate_1-2F.sock");
        for size in [1, 2, 7, 100, sent.len()] {
            let mut rewriter = Rewriter::default();
            let got: Vec<u8> =
                sent.chunks(size).flat_map(|chunk| rewriter.pass(chunk).to_vec()).collect();
            assert_eq!(got, wanted, "in pieces of {size}");
        }
    }

    #[test]
    fn plain_strings_padding_and_priority_are_understood() {
        let before = block(false, b"/a/b");
        let after = block(false, b"-a-b");
        let with = |block: &[u8]| [&[2, 0, 0, 0, 0, 16], block, &[0, 0]].concat();
        let sent = [PREFACE, &frame(HEADERS, 0x2c, &with(&before))].concat();
        let wanted = [PREFACE, &frame(HEADERS, 0x2c, &with(&after))].concat();
        assert_eq!(Rewriter::default().pass(&sent), wanted);
    }

    #[test]
    fn everything_else_passes_untouched() {
        let http1 = b"GET /v1/status HTTP/1.1\r\n\r\n".to_vec();
        let name = connection(b"localhost:4748");
        let torn = [PREFACE, &frame(HEADERS, 4, &[0x41, 0x8f, 0x60])].concat();
        let endless = [PREFACE, &frame(HEADERS, 4, &[0xff; 40])].concat();
        let padded_away = [PREFACE, &frame(HEADERS, 0x28, &[1])].concat();
        for sent in [http1, name, torn, endless, padded_away, b"PRI * HTTP/1".to_vec()] {
            let mut rewriter = Rewriter::default();
            let mut got = rewriter.pass(&sent).to_vec();
            got.extend_from_slice(&rewriter.held);
            assert_eq!(got, sent);
        }
    }
}
