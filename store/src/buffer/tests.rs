#![allow(clippy::disallowed_methods, reason = "tests use threads as programs do")]

use super::*;
use crate::format::ChildEntry;

#[test]
fn i12_versions_never_decrease_across_reuse() {
    let latch = OptimisticLatch::new();
    let first = latch.read().unwrap();
    latch.upgrade(first).unwrap().retire();
    assert!(latch.read().is_err(), "an obsolete node sends readers back to the root");
    latch.renew(0);
    let renewed = latch.read().unwrap();
    assert_ne!(first, renewed);
    assert!(latch.validate(first).is_err());
    drop(latch.lock().unwrap());
    assert!(latch.validate(renewed).is_err());
}

fn pool() -> std::sync::Arc<Pool> {
    Pool::new(PoolOptions { smallest: 256, largest: 1 << 17, budget: 1 << 30, reserve: true })
}

fn drain(pool: &Pool) {
    // Other tests' threads may be pinned meanwhile: they share the epochs.
    for _ in 0..10_000 {
        if pool.usage().limbo == 0 {
            return;
        }
        pin().flush();
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    panic!("frames stay in limbo");
}

#[test]
fn frames_of_all_sizes_keep_their_bytes() {
    let pool = pool();
    let mut ids = Vec::new();
    for (i, len) in [0, 1, 100, 192, 193, 4000, 16_320, 65_472, 100_000].into_iter().enumerate() {
        for children in [0, 3] {
            let mut building = pool.allocate(children as u8, len, children).unwrap();
            building.body_mut().fill(i as u8);
            ids.push((building.finish(), len, children, i as u8));
        }
    }
    let guard = pin();
    for (id, len, children, byte) in ids {
        let frame = pool.frame(id, &guard).unwrap();
        assert_eq!((frame.body().len(), frame.children()), (len, children));
        assert!(frame.body().iter().all(|&found| found == byte));
        assert!(frame.child(children).is_none());
    }
    assert!(pool.allocate(0, 1 << 17, 0).is_err());
}

/// All tests of this crate run with this check where threads wait.
#[test]
#[should_panic(expected = "I7")]
fn i7_who_waits_while_pinned_is_found() {
    about_to_wait();
    let _guard = pin();
    about_to_wait();
}

#[test]
fn i6_a_pinned_frame_is_not_reused() {
    let pool = pool();
    let mut building = pool.allocate(0, 64, 0).unwrap();
    building.body_mut().fill(7);
    let id = building.finish();
    let pinned = {
        let guard = pin();
        PinnedFrame::new(&pool, pool.frame(id, &guard).unwrap())
    };
    pool.retire(vec![id], &pin());
    drain(&pool);
    for _ in 0..100 {
        let mut other = pool.allocate(0, 64, 0).unwrap();
        other.body_mut().fill(9);
        let other = other.finish();
        pool.retire(vec![other], &pin());
        drain(&pool);
    }
    assert!(pinned.body().iter().all(|&byte| byte == 7));
    drop(pinned);
    let other = pool.allocate(0, 64, 0).unwrap().finish();
    pool.retire(vec![other], &pin());
    drain(&pool);
    assert_eq!(pool.usage().resident, 0);
    assert!(pool.frame(id, &pin()).is_none_or(|frame| frame.id() == id));
}

#[test]
fn a_stale_name_is_noticed() {
    let pool = pool();
    let id = pool.allocate(0, 64, 0).unwrap().finish();
    pool.retire(vec![id], &pin());
    drain(&pool);
    let again = pool.allocate(0, 64, 0).unwrap().finish();
    let guard = pin();
    assert!(pool.frame(id, &guard).is_none());
    assert!(pool.frame(again, &guard).is_some());
}

#[test]
fn i8_a_frozen_swip_takes_no_page() {
    let pool = pool();
    let root = RootSlot::default();
    let entry = crate::format::ChildEntry { address: 5, length: 99, generation: 1, checksum: 2 };
    root.child().set_cold(&entry);
    assert_eq!(root.child().freeze(), Swip::Cold { address: 5, frozen: true });
    let id = pool.allocate(0, 8, 0).unwrap().finish();
    assert!(!root.child().install(5, id, false));
    let open = RootSlot::default();
    open.child().set_cold(&entry);
    assert!(!open.child().install(6, id, false), "a page of another place");
    assert!(open.child().install(5, id, false));
    assert_eq!(open.child().swip(), Swip::Resident(id));
    assert_eq!(open.child().freeze(), Swip::Resident(id));
}

/// One thread replaces a node over and over, others follow the swip: they see whole bodies only.
#[test]
fn i4_readers_see_whole_bodies_while_frames_are_reused() {
    let pool = pool();
    let root = RootSlot::default();
    let build = |byte: u8| {
        let mut building = pool.allocate(0, 200, 0).unwrap();
        building.body_mut().fill(byte);
        building.finish()
    };
    root.child().set_hot(build(0));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..20_000 {
                    let guard = pin();
                    let Swip::Resident(id) = root.child().swip() else { panic!("cold") };
                    let body = pool.frame(id, &guard).unwrap().body();
                    assert!(body.iter().all(|&byte| byte == body[0]));
                }
            });
        }
        scope.spawn(|| {
            for i in 0..20_000u32 {
                let Swip::Resident(old) = root.child().swip() else { panic!("cold") };
                root.child().set_hot(build(i as u8));
                pool.retire(vec![old], &pin());
            }
        });
    });
    drain(&pool);
}

#[test]
fn idle_memory_goes_to_the_class_that_needs_it() {
    for reserve in [true, false] {
        let pool = Pool::new(PoolOptions { smallest: 4096, largest: 1 << 17, budget: 1 << 20, reserve });
        let fill = |len: usize| -> Vec<FrameId> {
            let count = (1 << 20) / (len + FRAME_HEADER);
            (0..count).map(|_| pool.allocate(0, len, 0).unwrap().finish()).collect()
        };
        let small = fill(4096 - FRAME_HEADER);
        assert_eq!((pool.usage().resident, pool.usage().idle), (1 << 20, 0));
        pool.retire(small, &pin());
        drain(&pool);
        assert_eq!((pool.usage().resident, pool.usage().idle), (0, 1 << 20));
        let large = fill((64 << 10) - FRAME_HEADER);
        let idle = if reserve && cfg!(target_os = "linux") { 0 } else { 1 << 20 };
        assert_eq!((pool.usage().resident, pool.usage().idle), (1 << 20, idle), "reserve: {reserve}");
        pool.retire(large, &pin());
        drain(&pool);
    }
}

#[test]
fn i12_a_slot_whose_memory_was_given_back_begins_later() {
    let pool = Pool::new(PoolOptions { smallest: 4096, largest: 1 << 17, budget: 64 << 10, reserve: true });
    let first = pool.allocate(0, 4000, 0).unwrap().finish();
    let before = {
        let guard = pin();
        let frame = pool.frame(first, &guard).unwrap();
        for _ in 0..100 {
            drop(frame.latch().lock().unwrap());
        }
        frame.latch().word()
    };
    pool.retire(vec![first], &pin());
    drain(&pool);
    // Takes the whole budget, and so the idle slot's memory.
    let big = pool.allocate(0, (64 << 10) - FRAME_HEADER, 0).unwrap();
    let again = pool.allocate(0, 4000, 0).unwrap().finish();
    assert_eq!((first.class(), first.slot()), (again.class(), again.slot()));
    assert_ne!(first, again);
    let guard = pin();
    assert!(pool.frame(first, &guard).is_none());
    assert!(pool.frame(again, &guard).unwrap().latch().word() > before);
    drop(big);
}

#[test]
fn a_second_chance() {
    let pool = pool();
    let id = pool.allocate(0, 64, 0).unwrap().finish();
    let root = RootSlot::default();
    let child = root.child();
    child.set_entry(&ChildEntry { address: 5, ..ChildEntry::default() }, false);
    child.set_hot(id);
    assert!(!child.pass(id), "hot becomes cool");
    assert!(child.pass(id), "cool stays cool");
    assert_eq!(child.follow(), Swip::Resident(id));
    assert!(!child.evict(id), "followed since: hot again");
    assert!(!child.pass(id));
    assert_eq!(child.swip(), Swip::Resident(id), "a look does not warm");
    assert!(child.evict(id));
    assert_eq!(child.swip(), Swip::Cold { address: 5, frozen: false });
    assert!(child.install(5, id, true));
    assert!(child.pass(id), "installed cool, as by a scan");
    child.freeze();
    assert_eq!(child.follow(), Swip::Resident(id));
    assert!(!child.evict(id), "I8: a frozen swip stays");
    pool.retire(vec![id], &pin());
}

#[test]
fn stock_is_idle_memory_within_the_budget() {
    for (budget, stocked) in [(64 << 20, true), (8 << 20, false)] {
        let pool = Pool::new(PoolOptions { smallest: 4096, largest: 1 << 16, budget, reserve: true });
        pool.stock(1 << 20);
        assert_eq!(pool.usage().idle, 0, "no class is large");
        assert!(!pool.wants_stock(1 << 20));
        // 8 MiB of one class.
        let frames: Vec<_> = (0..512).map(|_| pool.allocate(0, 16_000, 0).unwrap().finish()).collect();
        assert_eq!(pool.wants_stock(1 << 20), stocked);
        pool.stock(1 << 20);
        assert!(!pool.wants_stock(1 << 20));
        pool.stock(1 << 20);
        assert_eq!(pool.usage().idle, if stocked { 1 << 20 } else { 0 });
        assert_eq!(pool.usage().resident, 8 << 20);
        // What is allocated now comes from there, as good as new.
        let mut building = pool.allocate(1, 8_000, 100).unwrap();
        building.body_mut().fill(7);
        let id = building.finish();
        assert!(!frames.contains(&id));
        assert_eq!(pool.usage().idle, if stocked { (1 << 20) - (16 << 10) } else { 0 });
        let guard = pin();
        let frame = pool.frame(id, &guard).unwrap();
        assert!(frame.body().iter().all(|&byte| byte == 7) && frame.child(99).is_some());
    }
}
