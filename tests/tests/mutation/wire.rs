//! A protobuf message as a tree of fields, of whichever type: to change it without breaking the lengths around the
//! change, and to tell how two messages differ in kind.

use quorate_tests::random::Random;

/// Deeper nesting stays bytes; the decoder under test gives up at 100.
const DEEPEST: usize = 16;

/// Numbers at which something may tip over.
pub(crate) const NUMBERS: [u64; 20] = [
    0,
    1,
    2,
    3,
    7,
    8,
    100,
    127,
    128,
    255,
    256,
    65_535,
    65_536,
    (1 << 31) - 1,
    1 << 31,
    (1 << 32) - 1,
    1 << 32,
    1 << 62,
    1 << 63,
    u64::MAX,
];

/// The content of a field.
#[derive(Debug, Clone)]
enum Value {
    Varint(u64),
    Fixed64([u8; 8]),
    Fixed32([u8; 4]),
    Bytes(Vec<u8>),
    Message(Vec<Field>),
}

/// A field with its number.
#[derive(Debug, Clone)]
pub(crate) struct Field {
    tag: u64,
    value: Value,
}

/// Takes a varint off the front.
pub(crate) fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for place in 0..10 {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f).checked_shl(7 * place)?;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

pub(crate) fn put_varint(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// The fields of a message; none when the bytes are no message.
pub(crate) fn parse(bytes: &[u8]) -> Option<Vec<Field>> {
    parse_at(bytes, 0)
}

fn parse_at(mut bytes: &[u8], depth: usize) -> Option<Vec<Field>> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let key = take_varint(&mut bytes)?;
        let value = match key & 7 {
            0 => Value::Varint(take_varint(&mut bytes)?),
            1 => {
                let (word, rest) = bytes.split_first_chunk()?;
                bytes = rest;
                Value::Fixed64(*word)
            }
            2 => {
                let length = usize::try_from(take_varint(&mut bytes)?).ok()?;
                let (content, rest) = bytes.split_at_checked(length)?;
                bytes = rest;
                let inner = (depth < DEEPEST && !content.is_empty())
                    .then(|| parse_at(content, depth + 1))
                    .flatten();
                inner.map_or_else(|| Value::Bytes(content.to_vec()), Value::Message)
            }
            5 => {
                let (word, rest) = bytes.split_first_chunk()?;
                bytes = rest;
                Value::Fixed32(*word)
            }
            _ => return None,
        };
        if key >> 3 == 0 {
            return None;
        }
        fields.push(Field { tag: key >> 3, value });
    }
    Some(fields)
}

/// The message with these fields.
pub(crate) fn write(fields: &[Field]) -> Vec<u8> {
    let mut out = Vec::new();
    for Field { tag, value } in fields {
        let (wire, bytes) = match value {
            Value::Varint(number) => {
                put_varint(tag << 3, &mut out);
                put_varint(*number, &mut out);
                continue;
            }
            Value::Fixed64(word) => {
                put_varint(tag << 3 | 1, &mut out);
                out.extend_from_slice(word);
                continue;
            }
            Value::Fixed32(word) => {
                put_varint(tag << 3 | 5, &mut out);
                out.extend_from_slice(word);
                continue;
            }
            Value::Bytes(bytes) => (2, bytes.clone()),
            Value::Message(inner) => (2, write(inner)),
        };
        put_varint(tag << 3 | wire, &mut out);
        put_varint(bytes.len() as u64, &mut out);
        out.extend_from_slice(&bytes);
    }
    out
}

/// Changes one thing somewhere; `donor` is another message, whose fields may be taken over.
pub(crate) fn mutate(fields: &mut Vec<Field>, random: &mut Random, donor: &[Field]) {
    if fields.is_empty() {
        fields.extend(pick(donor, random).cloned());
        return;
    }
    let at = below(random, fields.len());
    if let Value::Message(inner) = &mut fields[at].value
        && random.percent(70)
    {
        return mutate(inner, random, donor);
    }
    match random.below(10) {
        0 => {
            fields.remove(at);
        }
        1 => {
            let most = if random.percent(10) { 200 } else { 3 };
            let copy = fields[at].clone();
            for _ in 0..=random.below(most) {
                fields.insert(at, copy.clone());
            }
        }
        2 => {
            let other = below(random, fields.len());
            fields.swap(at, other);
        }
        3 => fields[at].tag = 1 + random.below(18),
        4 | 5 => {
            if let Some(field) = pick(donor, random) {
                fields.insert(at, field.clone());
            }
        }
        6 => {
            if let Some(field) = pick(donor, random) {
                fields[at].value = field.value.clone();
            }
        }
        _ => change(&mut fields[at].value, random),
    }
}

fn change(value: &mut Value, random: &mut Random) {
    let any = NUMBERS[below(random, NUMBERS.len())];
    let number = |old: u64, random: &mut Random| match random.below(5) {
        0 => old.wrapping_add(1),
        1 => old.wrapping_sub(1),
        2 => old ^ (1 << random.below(64)),
        _ => any,
    };
    match value {
        Value::Varint(old) => *old = number(*old, random),
        Value::Fixed64(word) => *word = number(u64::from_le_bytes(*word), random).to_le_bytes(),
        Value::Fixed32(word) => *word = (random.draw() as u32).to_le_bytes(),
        Value::Message(_) => *value = Value::Bytes(Vec::new()),
        Value::Bytes(bytes) => match random.below(4) {
            0 => bytes.clear(),
            1 => bytes.push(random.draw() as u8),
            2 if !bytes.is_empty() => {
                let at = below(random, bytes.len());
                bytes[at] = random.draw() as u8;
            }
            _ => bytes.resize(bytes.len() + below(random, 300), b'a'),
        },
    }
}

/// Some field, at some depth.
fn pick<'a>(fields: &'a [Field], random: &mut Random) -> Option<&'a Field> {
    if fields.is_empty() {
        return None;
    }
    let field = &fields[below(random, fields.len())];
    match &field.value {
        Value::Message(inner) if random.percent(60) => pick(inner, random).or(Some(field)),
        _ => Some(field),
    }
}

pub(crate) fn below(random: &mut Random, bound: usize) -> usize {
    usize::try_from(random.below(bound as u64)).expect("below a usize")
}

/// What kind of message this is: for each field by its path how often it occurs and how large it is, roughly.
pub(crate) fn kinds(fields: &[Field]) -> Vec<u64> {
    let mut kinds = Vec::new();
    walk(fields, 0, &mut kinds);
    kinds.sort_unstable();
    kinds.dedup();
    kinds
}

fn walk(fields: &[Field], above: u64, kinds: &mut Vec<u64>) {
    let size = |number: usize| u64::from(usize::BITS - number.leading_zeros());
    kinds.push(mix(above, 1_000 + size(fields.len())));
    for Field { tag, value } in fields {
        let path = mix(above, *tag);
        let kind = match value {
            Value::Varint(number) => 100 + u64::from((67 - number.leading_zeros()) / 8),
            Value::Fixed64(_) => 1,
            Value::Fixed32(_) => 2,
            Value::Bytes(bytes) => 200 + size(bytes.len()),
            Value::Message(inner) => {
                walk(inner, path, kinds);
                3
            }
        };
        kinds.push(mix(path, kind));
    }
}

/// One number out of two.
pub(crate) fn mix(one: u64, other: u64) -> u64 {
    Random::new(one.rotate_left(32) ^ other).draw()
}
