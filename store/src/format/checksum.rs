//! Checksums of pages: xxh3-64, seeded so that a page in the wrong place or from another file does not match (I32).

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// The checksum of a page's stored bytes at a block of a file.
pub(crate) fn page_checksum(file_id: &[u8; 16], address: u64, bytes: &[u8]) -> u64 {
    let (low, high) = file_id.split_at(8);
    let word = |bytes: &[u8]| bytes.try_into().map_or(0, u64::from_le_bytes);
    let seed = word(low) ^ word(high).rotate_left(32) ^ address.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    xxh3_64_with_seed(bytes, seed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn place_and_file_matter() {
        let here = page_checksum(&[1; 16], 7, b"page");
        assert_ne!(here, page_checksum(&[1; 16], 8, b"page"));
        assert_ne!(here, page_checksum(&[2; 16], 7, b"page"));
        assert_ne!(here, page_checksum(&[1; 16], 7, b"pagf"));
    }
}
