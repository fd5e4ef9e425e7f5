//! The data: random 24-byte keys and 150-byte values, made from a number, the same for every engine and every run.

/// Bytes of a key.
pub(crate) const KEY: usize = 24;
/// Bytes of a value.
pub(crate) const VALUE: usize = 150;
/// Bytes of a record, the live bytes that `size` counts.
pub(crate) const RECORD: u64 = (KEY + VALUE) as u64;

/// A bijection of the numbers that looks random (the finalizer of SplitMix64).
pub(crate) fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The key of a record; two records never share one, because its first eight bytes are a bijection of the number.
pub(crate) fn key(record: u64) -> [u8; KEY] {
    let mut bytes = [0; KEY];
    let mut word = record;
    for chunk in bytes.chunks_exact_mut(8) {
        word = mix(word);
        chunk.copy_from_slice(&word.to_be_bytes());
    }
    bytes
}

/// The value of a record. Does not compress.
pub(crate) fn value(record: u64) -> [u8; VALUE] {
    let mut bytes = [0; VALUE];
    let mut word = !record;
    for chunk in bytes.chunks_mut(8) {
        word = word.wrapping_mul(0x2545_f491_4f6c_dd1d).rotate_left(29) ^ record;
        chunk.copy_from_slice(&word.to_le_bytes()[..chunk.len()]);
    }
    bytes
}

/// Reads every byte of a value. All engines' reads go through it, so that none is measured for handing out a pointer. It adds words of
/// eight bytes: byte by byte, a scan is measured for one addition after the other, and not for what the engine does meanwhile.
pub(crate) fn sum(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let words = words.iter().map(|word| u64::from_le_bytes(*word));
    let sum = words.chain(rest.iter().map(|&byte| u64::from(byte))).fold(0, u64::wrapping_add);
    // 32 bits, so that the sums of billions of values can be added up.
    (sum ^ (sum >> 32)) & u64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn keys_differ() {
        let keys: BTreeSet<_> = (0..10_000).map(key).collect();
        assert_eq!(keys.len(), 10_000);
    }

    #[test]
    fn values_depend_on_the_record() {
        assert_ne!(value(1), value(2));
        assert_eq!(value(7), value(7));
    }

    #[test]
    fn every_byte_is_in_the_sum() {
        let whole = sum(&value(7));
        for index in 0..value(7).len() {
            let mut changed = value(7);
            changed[index] ^= 1;
            assert_ne!(sum(&changed), whole, "byte {index}");
        }
    }
}
