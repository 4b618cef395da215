//! The frames of a snapshot stream, written a second time: so that changed records can come under right checksums.
//!
//! Says what the format is, independently of the code that is tested: length, number and CRC-32 before each payload,
//! and at the end a record with the number of frames and the rolling hash over their checksums.

use crate::mutation::mutate::mutated;
use crate::mutation::wire::below;
use quorate_tests::random::Random;

/// Most payload in one frame.
const PAYLOAD: usize = quorate_proto::limits::BULK_CHUNK - 12;
/// Kind of the last record.
const END: u8 = 9;

struct Chain {
    frames: u32,
    sum: u64,
}

impl Chain {
    fn add(&mut self, payload: &[u8], out: &mut Vec<u8>) {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&self.frames.to_le_bytes());
        hasher.update(payload);
        let crc = hasher.finalize();
        let length = u32::try_from(payload.len()).expect("a payload is short");
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(&self.frames.to_le_bytes());
        out.extend_from_slice(&crc.to_le_bytes());
        out.extend_from_slice(payload);
        self.frames += 1;
        let (step, mix) = (0x9e37_79b9_7f4a_7c15_u64, 0x2437_54a3_c0ac_29b7_u64);
        let word = u64::from(crc);
        let product = u128::from(self.sum ^ word.wrapping_mul(step)) * u128::from(mix);
        let folded = (product as u64) ^ ((product >> 64) as u64);
        self.sum = folded.rotate_left(23).wrapping_add(word ^ step);
    }
}

/// The stream of these records, without the last one, which is added.
pub(crate) fn stream_of(records: &[u8]) -> Vec<u8> {
    let mut chain = Chain { frames: 0, sum: 0x1319_8a2e_0370_7344 };
    let mut out = Vec::new();
    for payload in records.chunks(PAYLOAD) {
        chain.add(payload, &mut out);
    }
    let mut end = vec![END, 12, 0, 0, 0];
    end.extend_from_slice(&chain.frames.to_le_bytes());
    end.extend_from_slice(&chain.sum.to_le_bytes());
    chain.add(&end, &mut out);
    out
}

/// The records of a stream, without the last one, which is in a frame of its own.
pub(crate) fn payload_of(mut stream: &[u8]) -> Vec<u8> {
    let mut payloads: Vec<&[u8]> = Vec::new();
    while let Some((length, rest)) = stream.split_first_chunk::<4>() {
        let (payload, rest) = rest[8..].split_at(u32::from_le_bytes(*length) as usize);
        payloads.push(payload);
        stream = rest;
    }
    payloads.pop();
    payloads.concat()
}

/// Changes a few records, or their order, and keeps their lengths right. A record is its kind, the length of its
/// body in four bytes, and the body.
pub(crate) fn change_records(records: &[u8], donor: &[u8], random: &mut Random) -> Vec<u8> {
    let (mut records, donors) = (split(records), split(donor));
    for _ in 0..=random.below(3) {
        if records.is_empty() || donors.is_empty() {
            break;
        }
        let at = below(random, records.len());
        let donor = &donors[below(random, donors.len())];
        match random.below(8) {
            0 => drop(records.remove(at)),
            1 => records.insert(at, records[at].clone()),
            2 => {
                let other = below(random, records.len());
                records.swap(at, other);
            }
            3 => records.insert(at, donor.clone()),
            4 => records[at].0 = random.below(11) as u8,
            _ => records[at].1 = mutated(&records[at].1, &donor.1, 0, 4096, random),
        }
    }
    let mut out = Vec::new();
    for (kind, body) in records {
        out.push(kind);
        out.extend_from_slice(&u32::try_from(body.len()).expect("short").to_le_bytes());
        out.extend_from_slice(&body);
    }
    out
}

/// What is in these records: each kind with how many there are, roughly.
pub(crate) fn kinds_of_records(records: &[u8]) -> Vec<u64> {
    let mut counts = [0_u64; 256];
    split(records).iter().for_each(|(kind, _)| counts[usize::from(*kind)] += 1);
    let kinds = counts.iter().enumerate().filter(|(_, count)| **count > 0);
    kinds.map(|(kind, count)| kind as u64 * 1000 + u64::from(64 - count.leading_zeros())).collect()
}

fn split(mut bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut records = Vec::new();
    while let Some((head, rest)) = bytes.split_first_chunk::<5>() {
        let length = u32::from_le_bytes([head[1], head[2], head[3], head[4]]) as usize;
        let (body, rest) = rest.split_at(length.min(rest.len()));
        records.push((head[0], body.to_vec()));
        bytes = rest;
    }
    records
}
