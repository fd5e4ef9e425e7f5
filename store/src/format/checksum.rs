//! Checksums of pages: xxh3-64, seeded so that a page in the wrong place or from another file does not match (I32).

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// The checksum of a page's stored bytes at a block of a file.
pub(crate) fn page_checksum(file_id: &[u8; 16], address: u64, bytes: &[u8]) -> u64 {
    let (low, high) = file_id.split_at(8);
    let word = |bytes: &[u8]| bytes.try_into().map_or(0, u64::from_le_bytes);
    // Odd multipliers keep equal halves of an id, or an id that resembles an address, from cancelling each other out.
    let high = word(high).wrapping_mul(0xd6e8_feb8_6659_fd93).rotate_left(29);
    let seed = word(low) ^ high ^ address.wrapping_mul(0x9e37_79b9_7f4a_7c15);
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
