use super::*;

/// Takes an extent, or a run of which the end goes back.
fn take(allocator: &mut Allocator, random: &mut fastrand::Rng) -> Extent {
    let (len, before) = (random.u64(1..20), allocator.tail());
    if random.bool() {
        return allocator.allocate(len).unwrap();
    }
    let run = allocator.allocate_run(len, len + random.u64(0..30)).unwrap();
    assert!(run.len >= len);
    if run.len == len || random.bool() {
        return run;
    }
    allocator.give_back(Extent { start: run.start + len, len: run.len - len }).unwrap();
    assert!(allocator.tail() <= before.max(run.start + len), "it ends where it did, or with what is used");
    Extent { len, ..run }
}

/// The allocator against one flag per block.
#[test]
fn i29_allocator_against_a_bitmap() {
    let mut random = fastrand::Rng::with_seed(3);
    let mut allocator = Allocator::default();
    let mut used: Vec<bool> = Vec::new();
    let mut held: Vec<Extent> = Vec::new();
    for step in 0..120_000 {
        match random.u32(0..100) {
            0..=47 => {
                let extent = take(&mut allocator, &mut random);
                // It may end earlier than before, if it had grown for the run before this one.
                assert!(used.iter().skip(allocator.tail() as usize).all(|used| !used));
                used.resize(allocator.tail() as usize, false);
                for block in extent.start..extent.end() {
                    assert!(!std::mem::replace(&mut used[block as usize], true), "step {step}");
                }
                held.push(extent);
            }
            48..=95 if !held.is_empty() => {
                let extent = held.swap_remove(random.usize(0..held.len()));
                allocator.free(extent).unwrap();
                used[extent.start as usize..extent.end() as usize].fill(false);
                assert!(matches!(allocator.free(extent), Err(SpaceError::Overlap { .. })));
            }
            96 => {
                let before = allocator.tail();
                if allocator.shrink() {
                    assert!(used[allocator.tail() as usize..before as usize].iter().all(|used| !used));
                    used.truncate(allocator.tail() as usize);
                }
            }
            _ => {
                let extent = Extent { start: random.u64(0..used.len() as u64 + 50), len: random.u64(1..5) };
                let free =
                    (extent.start..extent.end()).all(|block| !used.get(block as usize).is_some_and(|used| *used));
                assert_eq!(allocator.claim(extent).is_ok(), free);
                used.resize(allocator.tail() as usize, false);
                if free {
                    used[extent.start as usize..extent.end() as usize].fill(true);
                    held.push(extent);
                }
            }
        }
        if step % 1000 == 0 {
            assert_eq!(allocator.free_blocks(), used.iter().filter(|used| !**used).count() as u64);
            assert!(allocator.iter().zip(allocator.iter().skip(1)).all(|(a, b)| a.end() < b.start));
        }
    }
}

#[test]
fn what_is_not_in_use_cannot_be_given_back() {
    let mut allocator = Allocator::new(10, &[Extent { start: 4, len: 2 }]).unwrap();
    for (start, len) in [(4, 1), (3, 2), (5, 3), (9, 2), (11, 1), (u64::MAX, 2), (2, 0)] {
        assert!(allocator.free(Extent { start, len }).is_err(), "{start} {len}");
    }
    assert_eq!(allocator.free_blocks(), 2);
}

#[test]
fn quarantine_waits_for_old_snapshots() {
    let mut space = Space::new(0, &[]).unwrap();
    let extent = space.allocate(3).unwrap();
    space.retire(extent, 7);
    space.release(6).unwrap();
    assert_eq!(space.free_blocks(), 0);
    space.audit([]).unwrap();
    space.release(7).unwrap();
    assert_eq!(space.free_blocks(), 3);
}

#[test]
fn tentative_extents_are_free_on_disk_until_a_checkpoint_holds_their_commit() {
    let mut space = Space::new(0, &[]).unwrap();
    let a = space.allocate_tentative(1).unwrap();
    let b = space.allocate_tentative(2).unwrap();
    space.commit(a, 5);
    space.commit(b, 6);
    assert_eq!(space.free_after(4), [a, b]);
    assert_eq!(space.free_after(5), [b]);
    space.settle(5);
    assert_eq!(space.free_after(5), [b]);
    space.audit([a, b]).unwrap();
    assert!(matches!(space.audit([a]), Err(SpaceError::Leak { .. })));
    assert!(matches!(space.audit([a, a, b]), Err(SpaceError::Overlap { .. })));
}

#[test]
fn free_maps_round_trip_and_lies_are_refused() {
    let free = [Extent { start: 2, len: 3 }, Extent { start: 5, len: 1 }, Extent { start: 9, len: 1 }];
    let mut bytes = encode_free_map(&free);
    bytes.resize(bytes.len() + 40, 0);
    let read = decode_free_map(&bytes, 10).unwrap();
    assert_eq!(read, [Extent { start: 2, len: 4 }, Extent { start: 9, len: 1 }]);
    assert!(decode_free_map(&bytes, 9).is_err());
    bytes[0] = 200;
    assert!(decode_free_map(&bytes, 10).is_err());
    bytes[0..8].fill(0xff);
    assert!(decode_free_map(&bytes, 10).is_err());
    assert!(decode_free_map(&[1], 10).is_err());
    let overlapping = encode_free_map(&[Extent { start: 4, len: 3 }, Extent { start: 5, len: 3 }]);
    assert!(decode_free_map(&overlapping, 10).is_err());
}

/// A checkpoint that found nothing free took the blocks of one page at a time, and wrote them past the cache one by one.
#[test]
fn a_file_grows_by_runs_and_keeps_no_more_than_it_needs() {
    let mut allocator = Allocator::new(1000, &[]).unwrap();
    let run = allocator.allocate_run(2, 256).unwrap();
    assert_eq!((run, allocator.tail()), (Extent { start: 1000, len: 64 }, 1064), "a sixteenth, or 64 blocks");
    allocator.give_back(Extent { start: 1010, len: 54 }).unwrap();
    assert_eq!((allocator.tail(), allocator.free_blocks()), (1010, 0));
    // What was free before stays so: cutting it off is a checkpoint's to decide.
    allocator.free(Extent { start: 990, len: 10 }).unwrap();
    allocator.free(Extent { start: 1000, len: 10 }).unwrap();
    let run = allocator.allocate_run(30, 256).unwrap();
    assert_eq!(run, Extent { start: 990, len: 64 });
    allocator.give_back(Extent { start: 992, len: 62 }).unwrap();
    assert_eq!((allocator.tail(), allocator.free_blocks()), (1010, 18));
    // Somebody else has taken what lies behind.
    let run = allocator.allocate_run(30, 256).unwrap();
    assert_eq!(allocator.allocate(5).unwrap().start, run.end());
    allocator.give_back(Extent { start: run.start + 1, len: run.len - 1 }).unwrap();
    assert_eq!(allocator.tail(), run.end() + 5);
}

#[test]
fn packing_fills_the_front_first() {
    let mut allocator = Allocator::new(100, &[Extent { start: 3, len: 1 }, Extent { start: 10, len: 20 }]).unwrap();
    allocator.free(Extent { start: 50, len: 4 }).unwrap();
    assert_eq!(allocator.allocate(4).unwrap().start, 50, "the best fit");
    allocator.free(Extent { start: 50, len: 4 }).unwrap();
    allocator.set_packing(true);
    assert_eq!(allocator.allocate(4).unwrap(), Extent { start: 10, len: 4 });
    assert_eq!(allocator.allocate_run(1, 8).unwrap(), Extent { start: 3, len: 1 });
    assert_eq!(allocator.allocate_run(2, 8).unwrap(), Extent { start: 14, len: 8 });
    assert_eq!(allocator.allocate_below(2, 80, 26), Some(Extent { start: 22, len: 4 }));
    assert_eq!(allocator.allocate_below(2, 80, 27), None, "there is one block before 27");
    assert_eq!(allocator.allocate_below(4, 4, 54), Some(Extent { start: 26, len: 4 }));
    assert_eq!(allocator.allocate(5).unwrap(), Extent { start: 100, len: 5 }, "no hole: it grows");
    allocator.free(Extent { start: 104, len: 1 }).unwrap();
    assert!(allocator.shrink() && allocator.tail() == 104, "one block is worth it");
    allocator.set_packing(false);
    allocator.free(Extent { start: 103, len: 1 }).unwrap();
    assert!(!allocator.shrink());
}
