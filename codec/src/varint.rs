//! LEB128, unsigned, minimal.

use crate::error::DecodeError;

/// Bytes of the longest varint.
const MOST: usize = 10;

/// Appends a number.
pub(crate) fn put(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Takes a number off the front.
pub(crate) fn take(input: &mut &[u8]) -> Result<u64, DecodeError> {
    let mut value = 0_u64;
    for (at, &byte) in input.iter().enumerate().take(MOST) {
        let bits = u64::from(byte & 0x7F);
        if at == MOST - 1 && byte > 1 {
            return Err(DecodeError::new("a varint above 64 bits"));
        }
        value |= bits << (7 * at);
        if byte & 0x80 == 0 {
            if byte == 0 && at > 0 {
                return Err(DecodeError::new("a varint in more bytes than it needs"));
            }
            *input = input.get(at + 1..).unwrap_or_default();
            return Ok(value);
        }
    }
    Err(DecodeError::new("a varint without an end"))
}

/// Takes a number that counts bytes of what follows it.
pub(crate) fn take_len(input: &mut &[u8]) -> Result<usize, DecodeError> {
    let value = take(input)?;
    match usize::try_from(value) {
        Ok(len) if len <= input.len() => Ok(len),
        _ => Err(DecodeError::new(format!("a length of {value} bytes where {} remain", input.len()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip_and_minimal() {
        for shift in 0..64 {
            for value in [1_u64 << shift, (1 << shift) - 1, u64::MAX >> shift] {
                let mut out = Vec::new();
                put(value, &mut out);
                assert_eq!(take(&mut &out[..]), Ok(value));
            }
        }
        assert!(take(&mut &[0x80, 0][..]).is_err());
        assert!(take(&mut &[0xFF; 10][..]).is_err());
        let above = [&[0x80; 9][..], &[2]].concat();
        assert!(take(&mut &above[..]).is_err(), "2 to the 64th");
        assert!(take(&mut &[0x80; 20][..]).is_err());
        assert!(take(&mut &[][..]).is_err());
        assert!(take_len(&mut &[2, 0][..]).is_err());
    }
}
