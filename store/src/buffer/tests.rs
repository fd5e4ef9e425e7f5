#![allow(clippy::disallowed_methods, reason = "tests use threads as programs do")]

use super::*;

#[test]
fn i12_versions_never_decrease_across_reuse() {
    let latch = OptimisticLatch::new();
    let first = latch.read().unwrap();
    latch.upgrade(first).unwrap().retire();
    assert!(latch.read().is_err(), "an obsolete node sends readers back to the root");
    latch.renew();
    let renewed = latch.read().unwrap();
    assert_ne!(first, renewed);
    assert!(latch.validate(first).is_err());
    drop(latch.lock().unwrap());
    assert!(latch.validate(renewed).is_err());
}

fn pool() -> std::sync::Arc<Pool> {
    Pool::new(PoolOptions { smallest: 256, largest: 1 << 17 })
}

fn drain(pool: &Pool) {
    // Other tests' threads may be pinned meanwhile: they share the epochs.
    for _ in 0..10_000 {
        if pool.limbo_bytes() == 0 {
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
    assert_eq!(pool.resident_bytes(), 0);
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
    assert!(!root.child().install(5, id));
    let open = RootSlot::default();
    open.child().set_cold(&entry);
    assert!(!open.child().install(6, id), "a page of another place");
    assert!(open.child().install(5, id));
    assert_eq!(open.child().swip(), Swip::Hot(id));
    assert_eq!(open.child().freeze(), Swip::Hot(id));
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
                    let Swip::Hot(id) = root.child().swip() else { panic!("cold") };
                    let body = pool.frame(id, &guard).unwrap().body();
                    assert!(body.iter().all(|&byte| byte == body[0]));
                }
            });
        }
        scope.spawn(|| {
            for i in 0..20_000u32 {
                let Swip::Hot(old) = root.child().swip() else { panic!("cold") };
                root.child().set_hot(build(i as u8));
                pool.retire(vec![old], &pin());
            }
        });
    });
    drain(&pool);
}
