//! The reset of the log ring (I23, I38): committer, checkpointer and a reader, with a crash at every moment.

use crate::wal::reset::RingWindow;
use loom::sync::{Arc, Mutex};
use loom::thread;

const UNIT: u64 = 128;
/// Units of the ring.
const UNITS: u64 = 2;

/// What is on the device, seen at one moment: what a crash would leave.
struct Disk {
    /// The log's start in superblocks A and B.
    slots: [u64; 2],
    /// For each unit of the ring, the number of the unit of the log that it holds.
    ring: [u64; UNITS as usize],
    /// Units of the log that were acknowledged.
    durable: u64,
}

impl Disk {
    fn write(&mut self, unit: u64) {
        self.ring[(unit % UNITS) as usize] = unit;
    }

    fn holds(&self, unit: u64) -> bool {
        self.ring[(unit % UNITS) as usize] == unit
    }

    /// Recovery may take either superblock, and needs all that was acknowledged behind its start.
    fn check(&self) {
        for start in self.slots {
            for unit in start..self.durable {
                assert!(self.holds(unit), "unit {unit} is needed from {start} on and was overwritten");
            }
        }
    }
}

/// In which order the checkpointer works.
#[derive(Clone, Copy, PartialEq)]
enum Order {
    Right,
    /// The mutant: what lies before the new start is released when only one superblock names it.
    ReleaseBeforeSecondSuperblock,
    /// The mutant: released before any superblock names it.
    ReleaseAtOnce,
}

struct World {
    window: RingWindow,
    disk: Mutex<Disk>,
    /// Units that are applied, and so superfluous once a checkpoint has written them.
    applied: Mutex<u64>,
}

impl World {
    fn new() -> Self {
        Self {
            window: RingWindow::new(UNIT, 0, UNITS * UNIT, 0, 0),
            disk: Mutex::new(Disk { slots: [0; 2], ring: [u64::MAX; UNITS as usize], durable: 0 }),
            applied: Mutex::new(0),
        }
    }

    /// One commit of one unit, if there is room.
    fn commit(&self) -> bool {
        let Ok(position) = self.window.reserve(UNIT - 64) else { return false };
        let end = self.window.seal();
        let unit = position / UNIT;
        assert_eq!(position % UNIT, 0);
        self.disk.lock().unwrap().write(unit);
        self.window.note_written(end);
        self.disk.lock().unwrap().durable = unit + 1;
        self.window.note_durable(end);
        *self.applied.lock().unwrap() = unit + 1;
        true
    }

    fn checkpoint(&self, order: Order) {
        let start = *self.applied.lock().unwrap();
        self.window.begin_release(start * UNIT);
        if order == Order::ReleaseAtOnce {
            self.window.finish_release();
        }
        self.disk.lock().unwrap().slots[0] = start;
        if order == Order::ReleaseBeforeSecondSuperblock {
            self.window.finish_release();
        }
        self.disk.lock().unwrap().slots[1] = start;
        self.window.finish_release();
    }
}

fn bounded(model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(model);
}

/// The committer works while checkpoints run; a crash looks at the disk at any moment.
fn crash_at_any_moment(order: Order) {
    bounded(move || {
        let world = Arc::new(World::new());
        assert!(world.commit() && world.commit() && !world.commit(), "the ring is full");
        let checkpointer = thread::spawn({
            let world = Arc::clone(&world);
            move || world.checkpoint(order)
        });
        let committer = thread::spawn({
            let world = Arc::clone(&world);
            move || {
                world.commit();
                world.commit();
            }
        });
        world.disk.lock().unwrap().check();
        checkpointer.join().unwrap();
        committer.join().unwrap();
        world.disk.lock().unwrap().check();
        assert!(
            world.commit() || world.window.used() == world.window.capacity(),
            "room without anything that needs it"
        );
    });
}

#[test]
fn i38_a_crash_at_any_moment_finds_the_log() {
    crash_at_any_moment(Order::Right);
}

#[test]
#[should_panic(expected = "was overwritten")]
fn mutant_release_before_second_superblock() {
    crash_at_any_moment(Order::ReleaseBeforeSecondSuperblock);
}

#[test]
#[should_panic(expected = "was overwritten")]
fn mutant_release_at_once() {
    crash_at_any_moment(Order::ReleaseAtOnce);
}

/// A reader reads unit after unit while checkpoints finish and commits go on. `pinned`: as it should.
fn reader(pinned: bool) {
    bounded(move || {
        let world = Arc::new(World::new());
        assert!(world.commit() && world.commit());
        let writer = thread::spawn({
            let world = Arc::clone(&world);
            move || {
                world.checkpoint(Order::Right);
                world.commit();
            }
        });
        let pin = pinned.then(|| world.window.pin());
        let (start, durable) = {
            let disk = world.disk.lock().unwrap();
            (disk.slots[0].max(disk.slots[1]), disk.durable)
        };
        if let Some(pin) = &pin {
            assert!(pin.position() <= start * UNIT, "the superblock starts before the pin");
        }
        for unit in start..durable {
            assert!(world.disk.lock().unwrap().holds(unit), "unit {unit} was overwritten under a reader");
        }
        drop(pin);
        writer.join().unwrap();
    });
}

#[test]
fn a_pinned_reader_reads_what_it_began_with() {
    reader(true);
}

#[test]
#[should_panic(expected = "was overwritten under a reader")]
fn mutant_reader_without_a_pin() {
    reader(false);
}
