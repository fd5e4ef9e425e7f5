//! Lists of edits: what a fuzzer turns into a file or a stream that is nearly sound.

use std::ops::Range;

/// Numbers that break what does not look.
const NUMBERS: [u64; 12] =
    [0, 1, 2, 0x7f, 0xff, 0xffff, 1 << 20, u32::MAX as u64, 1 << 40, (1 << 48) - 1, i64::MAX as u64, u64::MAX];
/// Bytes of a block of the files that are edited, and of the header of a page.
const BLOCK: usize = 512;
const PAGE_HEADER: usize = 40;

/// One edit: a part of the file, a place in it, and what is done there. The payload of another part never goes over the first few `fixed` ones.
pub(crate) fn edit(parts: &[Range<usize>], fixed: usize, image: &mut [u8], mut edits: &[u8]) {
    while let Some((&[part, low, high, what], rest)) = edits.split_first_chunk::<4>() {
        edits = rest;
        let number = usize::from(part) % parts.len().max(1);
        let Some(part) = parts.get(number) else { continue };
        let at = part.start + usize::from(u16::from_le_bytes([low, high])) % part.len();
        let other = &parts[usize::from(what >> 2) * 3 % parts.len()];
        match what % 4 {
            0 | 1 => edits = written(image, at..part.end, what, rest),
            2 => put(image, at..part.end, (other.start / BLOCK) as u64),
            _ if number >= fixed => {
                // Another part's payload, behind the header of this one.
                let count = part.len().min(other.len()).saturating_sub(PAGE_HEADER);
                let from = other.start + PAGE_HEADER;
                image.copy_within(from..from + count, part.start + PAGE_HEADER);
            }
            _ => {}
        }
    }
}

/// The same without what moves from part to part.
pub(crate) fn poke(parts: &[Range<usize>], image: &mut [u8], mut edits: &[u8]) {
    while let Some((&[part, low, high, what], rest)) = edits.split_first_chunk::<4>() {
        edits = rest;
        let Some(part) = parts.get(usize::from(part) % parts.len().max(1)) else { continue };
        let at = part.start + usize::from(u16::from_le_bytes([low, high])) % part.len();
        edits = written(image, at..part.end, what, rest);
    }
}

/// Writes bytes of the list or a number. Returns what is left of the list.
fn written<'a>(image: &mut [u8], place: Range<usize>, what: u8, list: &'a [u8]) -> &'a [u8] {
    if what.is_multiple_of(2) {
        let count = (usize::from(what >> 2) % 16 + 1).min(list.len()).min(place.len());
        let (new, later) = list.split_at(count);
        image[place.start..place.start + count].copy_from_slice(new);
        return later;
    }
    put(image, place, NUMBERS[usize::from(what >> 2) % NUMBERS.len()]);
    list
}

fn put(image: &mut [u8], place: Range<usize>, number: u64) {
    let count = place.len().min(8);
    image[place.start..place.start + count].copy_from_slice(&number.to_le_bytes()[..count]);
}
