//! Random changes of files. Opening a changed file may give an error, but never a panic, a hang or
//! a large allocation.

use rand::{Rng, RngExt};

/// Applies one to eight changes, of kinds that parsers often fail on.
pub fn mutate(bytes: &mut Vec<u8>, others: &[Vec<u8>], rng: &mut impl Rng) {
    for _ in 0..rng.random_range(1..=8) {
        let length = bytes.len();
        let place = |rng: &mut dyn FnMut(usize) -> usize| if length == 0 { 0 } else { rng(length) };
        let at = place(&mut |length| rng.random_range(0..length));
        match rng.random_range(0..10) {
            // A bit, a byte, or a byte with a special value.
            0 if length > 0 => bytes[at] ^= 1 << rng.random_range(0..8),
            1 if length > 0 => bytes[at] = rng.random(),
            2 if length > 0 => bytes[at] = [0, 1, 0x7f, 0x80, 0xff][rng.random_range(0..5)],
            // A number in place of a length.
            3 if length > 8 => {
                let number: u64 = match rng.random_range(0..5) {
                    0 => u64::MAX,
                    1 => u64::from(u32::MAX),
                    2 => 1 << rng.random_range(0..63),
                    3 => length as u64 + rng.random_range(0..16),
                    _ => rng.random(),
                };
                let at = at.min(length - 8);
                let width = [1, 2, 4, 8][rng.random_range(0..4)];
                bytes[at..at + width].copy_from_slice(&number.to_le_bytes()[..width]);
            }
            // Text in place of a number.
            4 => {
                let texts: [&[u8]; 6] = [b"-1", b"99999999999", b"1e308", b"[", b"\"", b"0"];
                let text = texts[rng.random_range(0..6)];
                bytes.splice(at..at, text.iter().copied());
            }
            // Truncate, drop or repeat.
            5 => bytes.truncate(at),
            6 if length > 0 => {
                let end = (at + rng.random_range(1..64)).min(length);
                bytes.drain(at..end);
            }
            7 if length > 0 => {
                let end = (at + rng.random_range(1..256)).min(length);
                let part = bytes[at..end].to_vec();
                for _ in 0..rng.random_range(1..4) {
                    bytes.splice(at..at, part.iter().copied());
                }
            }
            // A part of another file.
            8 if !others.is_empty() => {
                let other = &others[rng.random_range(0..others.len())];
                if !other.is_empty() {
                    let from = rng.random_range(0..other.len());
                    let end = (from + rng.random_range(1..512)).min(other.len());
                    bytes.splice(at..at, other[from..end].iter().copied());
                }
            }
            _ if length > 1 => {
                let other = rng.random_range(0..length);
                bytes.swap(at, other);
            }
            _ => bytes.push(rng.random()),
        }
    }
}
