use super::*;
use crate::vfs::MemoryFile;

fn ctx(max_chunk: u32) -> BlobCtx {
    BlobCtx { file_id: [5; 16], block_size: 256, kind: PageKind::Overflow, generation: 3, max_chunk }
}

fn write_all(storage: &MemoryFile, ctx: &BlobCtx, bytes: &[u8]) -> (BlobRef, Vec<Extent>) {
    let mut next = 1;
    let mut taken = Vec::new();
    let mut allocate = |len| {
        let extent = Extent { start: next, len };
        next += len;
        taken.push(extent);
        Ok(extent)
    };
    (write(storage, ctx, &mut allocate, bytes).unwrap(), taken)
}

#[test]
fn round_trip_of_every_size() {
    let mut random = fastrand::Rng::with_seed(1);
    for max_chunk in [256, 512, 4096] {
        let ctx = ctx(max_chunk);
        for len in [0, 1, 215, 216, 217, 432, 433, 5000, 100_000] {
            let storage = MemoryFile::default();
            let bytes: Vec<u8> = (0..len).map(|_| random.u8(..)).collect();
            let (blob, mut taken) = write_all(&storage, &ctx, &bytes);
            let end = taken.last().map_or(0, |extent| (extent.start + extent.len) * 256);
            storage.set_len(end.max(1)).unwrap();
            let blob = BlobRef::decode(&blob.encode()).unwrap();
            assert_eq!(read(&storage, &ctx, &blob).unwrap(), bytes);
            let mut found = extents(&storage, &ctx, &blob).unwrap();
            found.sort_by_key(|extent| extent.start);
            taken.sort_by_key(|extent| extent.start);
            assert_eq!(found, taken);
        }
    }
}

#[test]
fn i32_every_damaged_byte_is_found() {
    let ctx = ctx(256);
    let storage = MemoryFile::default();
    let bytes: Vec<u8> = (0..2000).map(|i| i as u8).collect();
    let (blob, taken) = write_all(&storage, &ctx, &bytes);
    for extent in taken {
        // The header and some bytes behind it: padding behind the last chunk belongs to nobody.
        for at in extent.start * 256..extent.start * 256 + 60 {
            let mut byte = [0];
            storage.read_at(&mut byte, at).unwrap();
            storage.write_at(&[byte[0] ^ 4], at).unwrap();
            assert!(read(&storage, &ctx, &blob).is_err(), "byte {at}");
            storage.write_at(&byte, at).unwrap();
        }
    }
    assert_eq!(read(&storage, &ctx, &blob).unwrap(), bytes);
}

#[test]
fn i36_hostile_references_end_in_errors() {
    let ctx = ctx(256);
    let storage = MemoryFile::default();
    let (blob, _) = write_all(&storage, &ctx, &[7; 3000]);
    let mut random = fastrand::Rng::with_seed(2);
    for _ in 0..20_000 {
        let mut bytes = blob.encode();
        for _ in 0..random.usize(1..4) {
            bytes[random.usize(0..48)] = random.u8(..);
        }
        if let Ok(changed) = BlobRef::decode(&bytes)
            && changed != blob
        {
            assert!(read(&storage, &ctx, &changed).is_err());
        }
    }
}

/// Index chunks that name one and the same chunk below again and again: a list of 2^32 extents, if nothing counted.
#[test]
fn i36_chunks_that_share_children_cost_no_more_than_the_file_is_long() {
    let ctx = ctx(4096);
    let storage = MemoryFile::default();
    let (mut next, generation) = (1, || 3);
    let mut allocate = |len| {
        let extent = Extent { start: next, len };
        next += len;
        Ok(extent)
    };
    let mut writer = BlobWriter::new(&storage, ctx, &mut allocate, &generation);
    let mut below = writer.chunk(0, &[]).unwrap();
    for level in 1..=5 {
        let payload = below.encode().repeat(ctx.payload() / CHILD_ENTRY_LEN);
        below = writer.chunk(level, &payload).unwrap();
    }
    let blob = BlobRef { length: 4096, height: 5, top: below };
    let kind = |result: Result<()>| result.unwrap_err().kind();
    assert_eq!(kind(extents(&storage, &ctx, &blob).map(drop)), ErrorKind::Corrupt);
    assert_eq!(kind(read(&storage, &ctx, &blob).map(drop)), ErrorKind::Corrupt);
    let blocks: u64 = extents_left(&storage, &ctx, &blob).unwrap().iter().map(|extent| extent.len).sum();
    assert!(blocks <= storage.len().unwrap().div_ceil(256), "{blocks} blocks");
}
