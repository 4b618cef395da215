//! Messages without a state: they decode or not, cost little, and mean the same after they were written again.

use crate::mutation::harness::Target;
use crate::mutation::memory::{Bound, within};
use crate::mutation::wire::{kinds, mix, parse, put_varint};
use bytes::Bytes;
use quorate_proto::{Envelope, EnvelopeBody, EnvelopeError, Lane, Message, limits};
use std::marker::PhantomData;

/// A message that comes from a peer.
pub(crate) trait Word: Message + Default + PartialEq + std::fmt::Debug {
    /// Directory of its corpus.
    const NAME: &'static str;
    /// Longest input that is tried.
    const LONGEST: usize;
    /// What decoding it may cost: an empty element of two bytes becomes a whole struct, and its list grows by doubling.
    const BOUND: Bound;

    /// Real ones.
    fn samples() -> Vec<(String, Self)>;
}

/// The target that a message is.
pub(crate) struct Words<M>(PhantomData<M>);

impl<M: Word> Target for Words<M> {
    const NAME: &'static str = M::NAME;
    const LONGEST: usize = M::LONGEST;
    const INPUTS: u64 = 40_000;

    fn fresh() -> Self {
        Self(PhantomData)
    }

    fn seeds() -> Vec<(String, Vec<u8>)> {
        M::samples().into_iter().map(|(name, word)| (name, word.encode_to_vec())).collect()
    }

    fn feed(&mut self, input: &[u8]) -> Vec<u64> {
        decoded::<M>(input, M::BOUND).map_or_else(|error| vec![error], |(_, kinds)| kinds)
    }
}

/// Decodes, within the bound; the number of the error, or the message and what kind of message it is.
pub(crate) fn decoded<M: Word>(input: &[u8], bound: Bound) -> Result<(M, Vec<u64>), u64> {
    let bytes = Bytes::copy_from_slice(input);
    let word = within(bound, input.len(), || M::decode(bytes));
    let word = word.map_err(|error| name(&error.to_string()))?;
    let again = word.encode_to_vec();
    assert_eq!(again.len(), word.encoded_len(), "a message is as long as it says");
    let same = M::decode(&again[..]).expect("what was written can be read");
    assert!(same == word, "{word:?} became {same:?} when it was written and read again");
    let fields = parse(&again).expect("what was written is made of fields");
    Ok((word, kinds(&fields)))
}

/// The number of a text without its numbers, hexadecimal ones too.
pub(crate) fn name(text: &str) -> u64 {
    text.bytes()
        .filter(|byte| !matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        .fold(1, |hash, byte| mix(hash, u64::from(byte)))
}

/// Envelopes, through the door that frames go through.
pub(crate) struct Envelopes;

impl Target for Envelopes {
    const NAME: &'static str = "envelope";
    const LONGEST: usize = 16 * 1024;
    const INPUTS: u64 = 30_000;

    fn fresh() -> Self {
        Self
    }

    fn seeds() -> Vec<(String, Vec<u8>)> {
        Words::<Envelope>::seeds()
    }

    fn feed(&mut self, input: &[u8]) -> Vec<u64> {
        let control = open(Lane::Control, input);
        if let Ok(body) = open(Lane::Log, input) {
            assert_eq!(control, Ok(body), "a short frame means the same on both lanes");
        }
        match (control, decoded::<Envelope>(input, Envelope::BOUND)) {
            (Ok(body), Ok((envelope, kinds))) => {
                assert_eq!(envelope.body.as_ref(), Some(&body), "the body is that of the envelope");
                let raft = matches!(body, EnvelopeBody::Raft(_));
                let again = Envelope::encode_body(body);
                let body = envelope.body.expect("seen");
                assert_eq!(open(Lane::Control, &again).as_ref(), Ok(&body));
                let log = open(Lane::Log, &again);
                assert_eq!(log.ok(), raft.then_some(body), "the log lane carries Raft only");
                kinds
            }
            (Err(error), Ok((envelope, _))) => {
                assert_eq!(envelope.body, None, "only an empty envelope is refused: {error}");
                vec![name(&error)]
            }
            (Err(_), Err(error)) => vec![error],
            (Ok(body), Err(_)) => panic!("{body:?} cannot be decoded and was let in"),
        }
    }
}

fn open(lane: Lane, input: &[u8]) -> Result<EnvelopeBody, String> {
    let bytes = Bytes::copy_from_slice(input);
    within(Envelope::BOUND, input.len(), || Envelope::open(lane, bytes))
        .map_err(|error| error.to_string())
}

/// A frame above the limit of its lane costs nothing, whatever is in it.
pub(crate) fn refuse_long_frames() {
    let nothing = Bound { per_byte: 0, constant: 1024 };
    for (lane, limit) in [(Lane::Control, limits::CONTROL_FRAME), (Lane::Log, limits::LOG_FRAME)] {
        let frame = Bytes::from([0x1a_u8, 0x00].repeat(limit / 2 + 1));
        let opened = within(nothing, 0, || Envelope::open(lane, frame));
        assert!(opened.is_err_and(|error| error.to_string().contains("limit")));
    }
}

/// The longest frames there may be, full of the shortest elements of the largest lists: refused before they cost anything.
pub(crate) fn open_frames_of_empty_elements() {
    // Where the list is, from the outside in, and the lane on which such a frame comes.
    let lists: [(&str, Lane, &[u64]); 5] = [
        ("members of a view", Lane::Control, &[1, 6, 1, 2]),
        ("members of a difference", Lane::Control, &[1, 6, 2, 2]),
        ("differences", Lane::Control, &[1, 6, 2]),
        ("verdicts", Lane::Control, &[4, 2]),
        ("entries", Lane::Log, &[6, 3, 7]),
    ];
    for (what, lane, path) in lists {
        let limit = if lane == Lane::Log { limits::LOG_FRAME } else { limits::CONTROL_FRAME };
        let (list, around) = path.split_last().expect("a path");
        let element = [(list << 3 | 2) as u8, 0];
        let mut frame = element.repeat((limit - 64) / 2);
        for tag in around.iter().rev() {
            let mut outer = vec![(tag << 3 | 2) as u8];
            put_varint(frame.len() as u64, &mut outer);
            outer.append(&mut frame);
            frame = outer;
        }
        let (length, frame) = (frame.len(), Bytes::from(frame));
        let nothing = Bound { per_byte: 0, constant: 1024 };
        let opened = within(nothing, length, || Envelope::open(lane, frame));
        assert_eq!(opened, Err(EnvelopeError::TooMany), "{what}");
    }
}
