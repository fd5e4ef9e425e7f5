//! Ways in which a file goes bad.

use fastrand::Rng;
use std::ops::Range;

const SECTOR: usize = 512;

/// What happens to a whole file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Damage {
    /// One bit is another.
    Bit,
    /// A sector is zero.
    Zeroed,
    /// A sector holds bytes that nobody wrote.
    Random,
    /// A page is as it was before: a write was lost.
    Stale,
    /// Two pages lie in each other's places.
    Swapped,
    /// The end is missing.
    Truncated,
    /// Something is behind the end.
    Extended,
}

impl Damage {
    /// All kinds.
    pub const ALL: [Self; 7] =
        [Self::Bit, Self::Zeroed, Self::Random, Self::Stale, Self::Swapped, Self::Truncated, Self::Extended];

    /// Damages the bytes of a file. `before` is what it held earlier, `page` the length of what is stale or swapped. Returns the places that
    /// may be others now.
    pub fn apply(self, bytes: &mut Vec<u8>, before: &[u8], page: usize, random: &mut Rng) -> Vec<Range<usize>> {
        let length = bytes.len();
        match self {
            Self::Bit => {
                let at = random.usize(0..length);
                bytes[at] ^= 1 << random.u8(0..8);
                one(at..at + 1)
            }
            Self::Zeroed | Self::Random => {
                let place = piece(length, SECTOR, random);
                let random = (self == Self::Random).then_some(random);
                match random {
                    Some(random) => random.fill(&mut bytes[place.clone()]),
                    None => bytes[place.clone()].fill(0),
                }
                one(place)
            }
            Self::Stale => {
                let shared = length.min(before.len()) / page;
                let differs = |&at: &usize| bytes[at * page..][..page] != before[at * page..][..page];
                let pages: Vec<usize> = (0..shared).filter(differs).collect();
                let Some(&at) = random.choice(&pages) else { return Vec::new() };
                bytes[at * page..][..page].copy_from_slice(&before[at * page..][..page]);
                one(at * page..(at + 1) * page)
            }
            Self::Swapped => {
                let (one, other) = (piece(length, page, random), piece(length, page, random));
                if one.len() == other.len() {
                    let kept = bytes[one.clone()].to_vec();
                    bytes.copy_within(other.clone(), one.start);
                    bytes[other.clone()].copy_from_slice(&kept);
                }
                vec![one, other]
            }
            Self::Truncated => {
                bytes.truncate(random.usize(0..length));
                Vec::new()
            }
            Self::Extended => {
                let more = random.usize(1..3 * page);
                let noise = random.bool();
                bytes.extend((0..more).map(|_| if noise { random.u8(..) } else { 0 }));
                Vec::new()
            }
        }
    }
}

fn one(place: Range<usize>) -> Vec<Range<usize>> {
    std::iter::once(place).collect()
}

fn piece(length: usize, piece: usize, random: &mut Rng) -> Range<usize> {
    let start = random.usize(0..length.div_ceil(piece)) * piece;
    start..(start + piece).min(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_damage_changes_what_it_says_and_nothing_else() {
        let before: Vec<u8> = (0..40_000_u32).map(|i| (i % 251) as u8).collect();
        let mut sound = before.clone();
        sound[20_000..].fill(9);
        for damage in Damage::ALL {
            let mut changed = 0;
            for seed in 0..50 {
                let mut bytes = sound.clone();
                let places = damage.apply(&mut bytes, &before, 4096, &mut Rng::with_seed(seed));
                changed += usize::from(bytes != sound);
                for at in (0..bytes.len().min(sound.len())).filter(|&at| bytes[at] != sound[at]) {
                    assert!(places.iter().any(|place| place.contains(&at)), "{damage:?}: byte {at}");
                }
            }
            assert!(changed > 15, "{damage:?} changes nothing");
        }
    }
}
