//! Changes to bytes: those that break a message anywhere, and those that keep its lengths right.

use crate::mutation::wire::{NUMBERS, below, mutate as mutate_fields, parse, put_varint, write};
use quorate_tests::random::Random;

/// A changed copy of `input`. `donor` is another input, parts of which may be taken over; `head` bytes in front are
/// no part of the message. The result is at most `longest` bytes long.
pub(crate) fn mutated(
    input: &[u8],
    donor: &[u8],
    head: usize,
    longest: usize,
    random: &mut Random,
) -> Vec<u8> {
    let mut bytes = input.to_vec();
    // One input in sixteen goes in as it is, so that what has a state gets somewhere.
    if random.below(16) == 0 {
        return bytes;
    }
    let cut = head.min(bytes.len());
    let mut front: Vec<u8> = bytes.drain(..cut).collect();
    let donor = donor.get(head..).unwrap_or(&[]);
    for byte in &mut front {
        if random.percent(30) {
            *byte = random.draw() as u8;
        }
    }
    for _ in 0..=random.below(4) {
        match parse(&bytes) {
            Some(mut fields) if random.percent(70) => {
                let donor = parse(donor).unwrap_or_default();
                mutate_fields(&mut fields, random, &donor);
                bytes = write(&fields);
            }
            _ => break_somewhere(&mut bytes, donor, random),
        }
    }
    front.append(&mut bytes);
    front.truncate(longest);
    front
}

fn break_somewhere(bytes: &mut Vec<u8>, donor: &[u8], random: &mut Random) {
    if bytes.is_empty() {
        bytes.extend_from_slice(donor);
        bytes.push(random.draw() as u8);
        return;
    }
    let at = below(random, bytes.len());
    let number = NUMBERS[below(random, NUMBERS.len())];
    match random.below(12) {
        0 => bytes[at] ^= 1 << random.below(8),
        1 => bytes[at] = random.draw() as u8,
        2 => bytes[at] = bytes[at].wrapping_add(1),
        3 => bytes[at] = bytes[at].wrapping_sub(1),
        4 => replace_varint(bytes, at, number),
        5 => replace_varint(bytes, at, u64::from(bytes[at]) + random.below(5)),
        6 => inflate_varint(bytes, at, random),
        7 => overwrite(bytes, at, &number.to_le_bytes()[..1 << random.below(4)]),
        8 => overwrite(bytes, at, &number.to_be_bytes()[8 - (1 << random.below(4))..]),
        9 => bytes.truncate(at),
        10 => {
            let end = at + 1 + below(random, (bytes.len() - at).min(64));
            let range = bytes[at..end.min(bytes.len())].to_vec();
            let times = if random.percent(10) { 100 } else { 1 };
            for _ in 0..times {
                let _ = bytes.splice(at..at, range.iter().copied()).count();
            }
        }
        _ => {
            let from = below(random, donor.len() + 1);
            bytes.truncate(at);
            bytes.extend_from_slice(&donor[from..]);
        }
    }
}

fn overwrite(bytes: &mut [u8], at: usize, with: &[u8]) {
    for (place, byte) in bytes[at..].iter_mut().zip(with) {
        *place = *byte;
    }
}

/// How long the varint at `at` is, if it is one.
fn varint_length(bytes: &[u8], at: usize) -> usize {
    let more = bytes[at..].iter().take_while(|byte| **byte & 0x80 != 0).count();
    (more + 1).min(bytes.len() - at)
}

/// Another number where a number or a length may be.
fn replace_varint(bytes: &mut Vec<u8>, at: usize, number: u64) {
    let mut varint = Vec::new();
    put_varint(number, &mut varint);
    let end = at + varint_length(bytes, at);
    let _ = bytes.splice(at..end, varint).count();
}

/// The same number in more bytes than it needs.
fn inflate_varint(bytes: &mut Vec<u8>, at: usize, random: &mut Random) {
    let last = at + varint_length(bytes, at) - 1;
    bytes[last] |= 0x80;
    let padding = random.below(10);
    let zeros = (0..padding).map(|_| 0x80).chain([0]);
    let _ = bytes.splice(last + 1..last + 1, zeros).count();
}
