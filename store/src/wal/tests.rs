//! The parts together: what is written is read back, and what is torn, rotten or left over is not taken for it.

use super::position::{MAX_RECORD, unit_floor};
use super::reset::PinGuard;
use super::*;
use crate::vfs::{CrashPolicy, FaultFile, FaultPlan, Storage};
use std::collections::BTreeMap;
use std::convert::Infallible;

mod edges;

const UNIT: u64 = 512;

/// No remains are from behind it.
const ALL: (u64, u64) = (u64::MAX, u64::MAX);

/// A log in a file of its own, written as the pipeline writes it.
struct Log {
    file: FaultFile,
    ring: Ring,
    window: RingWindow,
    sealer: Sealer,
    salts: Vec<(u64, u64)>,
    chain: u64,
    timestamp: u64,
    buffer: Vec<u8>,
    /// Start of the log: position, chain, timestamp.
    base: (u64, u64, u64),
    /// Every commit: position, timestamp, body, end, chain.
    commits: Vec<(u64, u64, Vec<u8>, u64, u64)>,
}

fn ring(units: u64) -> Ring {
    Ring::new(vec![RingSegment { first: 0, offset: 1024, length: units * UNIT }], UNIT).unwrap()
}

impl Log {
    fn new(units: u64) -> Self {
        let file = FaultFile::from_image(vec![0; (1024 + units * UNIT) as usize], FaultPlan::default());
        let ring = ring(units);
        let window = ring.window(0, 0);
        Self {
            file,
            ring,
            window,
            sealer: Sealer::new(100, UNIT),
            salts: vec![(100, 0)],
            chain: 5,
            timestamp: 0,
            buffer: Vec::new(),
            base: (0, 5, 0),
            commits: Vec::new(),
        }
    }

    fn commit(&mut self, body: &[u8]) -> Result<(), Full> {
        let position = self.window.reserve(record_len(body.len() as u64))?;
        self.timestamp += 1;
        let durable = self.window.durable();
        let stamp = Stamp { position, chain: self.chain, durable, timestamp: self.timestamp };
        let sealed = self.sealer.commit(&mut self.buffer, stamp, body, body_check(body));
        assert_eq!(sealed.position, self.window.head());
        self.chain = sealed.chain;
        self.commits.push((position, self.timestamp, body.to_vec(), sealed.position, sealed.chain));
        Ok(())
    }

    fn flush(&mut self, sync: bool) {
        let position = self.window.head();
        let stamp = Stamp { position, chain: self.chain, durable: self.window.durable(), timestamp: 0 };
        let sealed = self.sealer.pad(&mut self.buffer, stamp);
        self.chain = sealed.chain;
        assert_eq!(self.window.seal(), sealed.position);
        self.ring.write(&self.file, self.window.written(), &self.buffer).unwrap();
        self.buffer.clear();
        self.window.note_written(sealed.position);
        if sync {
            self.file.sync().unwrap();
            self.window.note_durable(sealed.position);
        }
    }

    /// A checkpoint of everything up to the last commit.
    fn release(&mut self) {
        let &(_, timestamp, _, end, chain) = self.commits.last().unwrap();
        self.window.begin_release(end);
        self.window.finish_release();
        self.base = (end, chain, timestamp);
        let current = self.salts.iter().rposition(|&(_, first)| first <= end).unwrap_or(0);
        self.salts.drain(..current);
    }

    fn scan_image(&self, image: &[u8]) -> Result<(LogEnd, Vec<u64>), LogError<Infallible>> {
        let file = FaultFile::from_image(image.to_vec(), FaultPlan::default());
        let (position, chain, timestamp) = self.base;
        let start = LogStart { position, chain, timestamp, salts: &self.salts };
        let mut seen = Vec::new();
        let end = scan(&file, &self.ring, start, &mut |commit| {
            let known = self.commits.iter().find(|known| known.1 == commit.timestamp).unwrap();
            assert_eq!((commit.position, commit.body), (known.0, &known.2[..]), "a ghost");
            assert_eq!((commit.end, commit.chain), (known.3, known.4));
            seen.push(commit.timestamp);
            Ok(())
        })?;
        let expected: Vec<u64> = (timestamp + 1..=timestamp + seen.len() as u64).collect();
        assert_eq!(seen, expected, "a hole");
        assert_eq!(end.records, seen.len() as u64);
        Ok((end, seen))
    }

    /// What recovery does: scan, forget what was cut, begin a session.
    fn reopen(&mut self, image: Vec<u8>, salt: u64) -> u64 {
        let (end, _) = self.scan_image(&image).unwrap();
        self.commits.retain(|commit| commit.1 <= end.timestamp);
        let first = unit_ceil(end.position, UNIT);
        if self.salts.last().is_some_and(|last| last.1 == first) {
            self.salts.pop();
        }
        self.salts.push((salt, first));
        self.file = FaultFile::from_image(image, FaultPlan::default());
        self.window = self.ring.window(self.base.0, first);
        self.sealer = Sealer::new(salt, UNIT);
        (self.chain, self.timestamp) = (end.chain, end.timestamp);
        self.buffer.clear();
        end.timestamp
    }
}

fn body(rng: &mut fastrand::Rng, most: usize) -> Vec<u8> {
    let length = rng.usize(..=most);
    std::iter::repeat_with(|| rng.u8(..)).take(length).collect()
}

/// Three synced flushes of a few commits each.
fn three_flushes() -> Log {
    let mut log = Log::new(16);
    let mut rng = fastrand::Rng::with_seed(3);
    for _ in 0..3 {
        for _ in 0..3 {
            log.commit(&body(&mut rng, 200)).unwrap();
        }
        log.flush(true);
    }
    log
}

#[test]
fn round_trip_round_and_round() {
    let mut rng = fastrand::Rng::with_seed(1);
    let mut log = Log::new(16);
    let mut released = 0;
    for _ in 0..3000 {
        match log.commit(&body(&mut rng, 1500)) {
            Ok(()) => {}
            Err(Full { blocker: Blocker::Flush, .. }) => log.flush(true),
            Err(Full { blocker: Blocker::Checkpoint, .. }) => {
                log.release();
                released += 1;
            }
            Err(full) => panic!("{full}"),
        }
        if rng.u8(..4) == 0 {
            log.flush(rng.bool());
            let (end, _) = log.scan_image(&log.file.image()).unwrap();
            assert_eq!((end.timestamp, end.chain), (log.timestamp, log.chain));
            assert_eq!(end.position, log.window.head());
        }
    }
    assert!(released > 50 && log.window.head() > 50 * log.ring.capacity());
}

#[test]
fn torn_tails_are_cut_at_every_byte() {
    let mut log = three_flushes();
    let before = log.file.image();
    let last = log.timestamp;
    let mut rng = fastrand::Rng::with_seed(4);
    for _ in 0..4 {
        log.commit(&body(&mut rng, 400)).unwrap();
    }
    log.flush(false);
    let after = log.file.image();
    for cut in 0..=after.len() {
        // New bytes up to the cut, and the other way round.
        let front = [&after[..cut], &before[cut..]].concat();
        let back = [&before[..cut], &after[cut..]].concat();
        for image in [front, back] {
            let (end, _) = log.scan_image(&image).unwrap();
            assert!((last..=last + 4).contains(&end.timestamp), "cut {cut}: {}", end.timestamp);
        }
    }
}

#[test]
fn every_flipped_bit_is_cut_reported_or_carries_nothing() {
    let log = three_flushes();
    let image = log.file.image();
    // The second flush's records say nothing about itself; the third's say that the first two were durable.
    let third = unit_ceil(log.commits[5].3, UNIT);
    let (mut cut, mut reported, mut dead) = (0, 0, 0);
    for byte in 1024..1024 + log.window.head() {
        for bit in 0..8 {
            let mut bad = image.clone();
            bad[byte as usize] ^= 1 << bit;
            match log.scan_image(&bad) {
                Err(LogError::Damaged { position, proof }) => {
                    assert!(position <= byte - 1024 && position < third && proof > position, "{position} {proof}");
                    reported += 1;
                }
                Err(error) => panic!("{error:?}"),
                Ok((end, _)) if end.timestamp == log.timestamp => dead += 1,
                Ok(_) => {
                    assert!(byte - 1024 >= third, "durable commits were cut: byte {byte}");
                    cut += 1;
                }
            }
        }
    }
    assert!(cut > 1000 && reported > 5000 && dead > 0, "{cut} {reported} {dead}");
    // What carries nothing: alignment, zeros behind pads, and the last pad.
    assert!(dead < (UNIT * 5 + 64) * 8, "{dead}");
}

#[test]
fn a_flipped_bit_in_an_earlier_session_is_reported_also_in_its_last_unit() {
    let mut log = Log::new(16);
    log.commit(b"first").unwrap();
    log.commit(b"second").unwrap();
    log.flush(true);
    let first_session = log.window.head();
    log.reopen(log.file.image(), 101);
    log.commit(b"third").unwrap();
    log.flush(true);
    let image = log.file.image();
    let mut reported = 0;
    for byte in 1024..1024 + first_session {
        let mut bad = image.clone();
        bad[byte as usize] ^= 4;
        match log.scan_image(&bad) {
            Err(LogError::Damaged { .. }) => reported += 1,
            Err(error) => panic!("{error:?}"),
            Ok((end, _)) => {
                assert_eq!(end.timestamp, 3, "a durable commit was lost without a word")
            }
        }
    }
    assert!(reported >= 2 * 64 + 11 + 64, "{reported}");
}

/// A session begins behind what was durable, also if nothing has been written in it yet.
#[test]
fn the_beginning_of_a_session_proves_what_lies_before_it() {
    let mut log = three_flushes();
    let begins = log.window.head();
    log.reopen(log.file.image(), 101);
    let mut bad = log.file.image();
    bad[1024 + 8] ^= 1;
    match log.scan_image(&bad) {
        Err(LogError::Damaged { position: 0, proof }) => assert_eq!(proof, begins),
        other => panic!("{other:?}"),
    }
    let said = |error: LogError<&str>| error.to_string();
    let damaged = "the log record at position 7 is damaged, and position 9 shows that it had been durable";
    assert_eq!(said(LogError::Damaged { position: 7, proof: 9 }), damaged);
    assert_eq!(said(std::io::Error::other("no").into()), "reading the log: no");
    assert_eq!(said(LogError::Visitor("stop")), "stop");
}

/// After a clean close the salts are forgotten, and the log is empty from the middle of a unit on. The first flush of the next session may
/// be torn in any way: that is no damage.
#[test]
fn i24_a_torn_first_flush_after_a_clean_close_is_cut() {
    let mut log = three_flushes();
    log.release();
    log.salts.clear();
    let image = log.file.image();
    let first = log.reopen(image, 300);
    assert_ne!(first, log.base.0, "the log ends in mid-unit");
    let before = log.file.image();
    log.commit(&[7; 700]).unwrap();
    log.commit(&[8; 40]).unwrap();
    log.flush(false);
    let after = log.file.image();
    for policy in CrashPolicy::ALL {
        for seed in 0..200 {
            log.scan_image(&log.file.crash(policy, seed)).unwrap();
        }
    }
    let changed: Vec<usize> = (0..after.len()).filter(|&i| before[i] != after[i]).collect();
    for lost in changed {
        let mut torn = before.clone();
        torn[..lost].copy_from_slice(&after[..lost]);
        log.scan_image(&torn).unwrap();
    }
}

#[test]
fn crash_upon_crash() {
    for seed in 0..3000 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut log = Log::new(24);
        for session in 0..rng.u64(1..6) {
            let mut synced = log.timestamp;
            for _ in 0..rng.usize(..8) {
                match log.commit(&body(&mut rng, 700)) {
                    Ok(()) if rng.bool() => {}
                    Err(Full { blocker: Blocker::Checkpoint, .. }) => {
                        // A checkpoint syncs the file before its superblocks.
                        log.file.sync().unwrap();
                        log.release();
                        synced = synced.max(log.base.2);
                    }
                    _ => {
                        let sync = rng.u8(..3) > 0;
                        log.flush(sync);
                        if sync {
                            synced = log.timestamp;
                        }
                    }
                }
            }
            let policy = CrashPolicy::ALL[rng.usize(..CrashPolicy::ALL.len())];
            let image = log.file.crash(policy, rng.u64(..));
            // Recovery is cut off once and starts over.
            let once = log.scan_image(&image).unwrap().0;
            let survived = log.reopen(image, 200 + session);
            assert_eq!(once.timestamp, survived, "seed {seed}");
            assert!(survived >= synced, "seed {seed}: {survived} of {synced} synced commits");
        }
    }
}

#[test]
fn any_bytes_end_in_an_answer() {
    let mut rng = fastrand::Rng::with_seed(9);
    let log = three_flushes();
    let good = log.file.image();
    for _ in 0..5000 {
        let mut image = good.clone();
        for _ in 0..rng.usize(1..20) {
            let at = rng.usize(1024..image.len());
            let length = rng.usize(..=64).min(image.len() - at);
            match rng.u8(..3) {
                0 => rng.fill(&mut image[at..at + length]),
                1 => image[at..at + length].fill(0),
                _ => {
                    let from = rng.usize(..=image.len() - length);
                    image.copy_within(from..from + length, at);
                }
            }
        }
        let _ = log.scan_image(&image);
        // Starts that no superblock of this log would hold.
        let salts = [(rng.u64(..), rng.u64(..4) * 512), (100, rng.u64(..)), (1, 0)];
        let position = if rng.bool() { rng.u64(..) } else { rng.u64(..9000) };
        let start = LogStart { position, chain: 5, timestamp: 0, salts: &salts[..rng.usize(..4)] };
        let file = FaultFile::from_image(image, FaultPlan::default());
        let _ = scan::<Infallible>(&file, &log.ring, start, &mut |_| Ok(()));
    }
}

#[test]
fn pieces_agree_with_the_definition() {
    let segments = vec![
        RingSegment { first: 0, offset: 100_000, length: 1024 },
        RingSegment { first: 5120, offset: 7000, length: 2048 },
        RingSegment { first: 8192, offset: 512, length: 1536 },
    ];
    let ring = Ring::new(segments.clone(), UNIT).unwrap();
    let place = |position: u64| {
        let segment = segments.iter().rev().find(|segment| segment.first <= position).unwrap();
        segment.offset + (position - segment.first) % segment.length
    };
    for position in (0..12_000).step_by(37) {
        let mut places = Vec::new();
        for piece in ring.locate(position, 5000) {
            assert_eq!(piece.range.start, places.len());
            places.extend((0..piece.range.len() as u64).map(|i| piece.offset + i));
        }
        assert_eq!(places, (0..5000).map(|i| place(position + i)).collect::<Vec<_>>());
    }
    let bad = |first, length| Ring::new(vec![RingSegment { first, offset: 0, length }], UNIT).is_err();
    assert!(bad(1, 1024) && bad(0, 512) && bad(0, 1000) && bad(1 << 62, 1024));
    assert!(Ring::new(vec![], UNIT).is_err() && Ring::new(vec![segments[1], segments[0]], UNIT).is_err());
}

/// The window against a map of which position each unit holds and who still needs it.
#[test]
fn window_never_hands_out_what_is_needed() {
    for seed in 0..300 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let units = rng.u64(2..8);
        let window = ring(units).window(0, 0);
        let mut places: BTreeMap<u64, u64> = BTreeMap::new();
        let (mut start, mut releasing, mut refused) = (0, None, 0);
        let mut pins: Vec<PinGuard<'_>> = Vec::new();
        for _ in 0..400 {
            match rng.u8(..10) {
                0..4 => {
                    let bytes = record_len(rng.u64(..900));
                    let head = window.head();
                    let floor =
                        pins.iter().map(PinGuard::position).min().unwrap_or(start).min(start).min(window.written());
                    let fits = head + bytes <= unit_floor(floor, UNIT) + units * UNIT;
                    match window.reserve(bytes) {
                        Ok(position) => {
                            assert!(fits && position == head);
                            for unit in head / UNIT..(head + bytes).div_ceil(UNIT) {
                                let old = places.insert(unit % units, unit);
                                assert!(
                                    old.is_none_or(|old| old == unit || (old + 1) * UNIT <= floor),
                                    "{old:?} {floor}"
                                );
                            }
                        }
                        Err(full) => {
                            assert!(!fits || bytes > (units - 1) * UNIT, "{full}");
                            refused += 1;
                        }
                    }
                }
                4 => {
                    let head = window.seal();
                    window.note_written(head);
                    window.note_durable(head);
                }
                5 | 6 => {
                    let from = releasing.unwrap_or(start).max(start);
                    releasing = Some(rng.u64(from..=window.head()));
                    window.begin_release(releasing.unwrap());
                    assert_eq!(window.start(), start, "released too early");
                }
                7 => {
                    window.finish_release();
                    start = releasing.take().unwrap_or(start);
                    assert_eq!(window.start(), start);
                }
                8 => pins.push(window.pin()),
                _ if !pins.is_empty() => drop(pins.swap_remove(rng.usize(..pins.len()))),
                _ => {}
            }
            assert!(window.durable() <= window.written() && window.written() <= window.head());
            assert!(window.used() <= window.capacity());
        }
        assert!(refused > 0);
    }
}

#[test]
fn a_full_ring_says_what_has_to_happen() {
    let window = ring(4).window(0, 0);
    let full = |bytes: u64, free, blocker| {
        assert_eq!(window.reserve(bytes), Err(Full { wanted: bytes, free, blocker }));
    };
    full(3 * UNIT + 1, 4 * UNIT, Blocker::Capacity);
    assert_eq!((window.reserve(3 * UNIT), window.used(), window.capacity()), (Ok(0), 3 * UNIT, 4 * UNIT));
    full(600, UNIT, Blocker::Flush);
    window.note_written(window.seal());
    full(600, UNIT, Blocker::Checkpoint);
    // A pin where the log starts: only a checkpoint helps. One before it: only its end.
    let pin = window.pin();
    assert_eq!(pin.position(), 0);
    full(600, UNIT, Blocker::Checkpoint);
    window.begin_release(2 * UNIT + 8);
    full(600, UNIT, Blocker::Checkpoint);
    window.finish_release();
    assert_eq!(window.start(), 2 * UNIT + 8);
    full(600, UNIT, Blocker::Pin);
    drop(pin);
    // The unit in which the log starts is kept whole.
    assert_eq!(window.used(), UNIT);
    assert_eq!(window.reserve(600), Ok(3 * UNIT));
    full(3 * UNIT, 6 * UNIT - window.head(), Blocker::Flush);
    assert_eq!(window.durable(), 0);
    window.note_durable(3 * UNIT);
    assert_eq!((window.durable(), window.written()), (3 * UNIT, 3 * UNIT));
    // What is written would just fit behind itself: a flush does not help.
    let window = ring(4).window(0, 0);
    assert_eq!(window.reserve(UNIT), Ok(0));
    window.note_written(window.seal());
    assert_eq!(window.reserve(UNIT), Ok(UNIT));
    assert_eq!(window.reserve(3 * UNIT).map_err(|full| full.blocker), Err(Blocker::Checkpoint));
    // No record is longer than the longest, however large the ring is.
    let window = RingWindow::new(UNIT, 0, 4 * MAX_RECORD, 0, 0);
    assert_eq!(window.reserve(MAX_RECORD + 8).map_err(|full| full.blocker), Err(Blocker::Capacity));
    assert_eq!(window.reserve(MAX_RECORD), Ok(0));
    let told = |blocker| Full { wanted: 9, free: 8, blocker }.to_string();
    assert_eq!(told(Blocker::Capacity), "the log has no room for 9 bytes (8 are free): the ring is too small for it");
    assert!(told(Blocker::Flush).ends_with("older commits have to be written first"));
    assert!(told(Blocker::Pin).ends_with("a backup still reads it"));
    assert!(told(Blocker::Checkpoint).ends_with("a checkpoint has to finish first"));
}

#[test]
fn rings_have_limits() {
    let ring = |first, offset, length, unit| Ring::new(vec![RingSegment { first, offset, length }], unit);
    let said = |ring: Result<Ring, super::ring::BadRing>| ring.map(|_| ()).unwrap_err().to_string();
    for unit in [256, 768, 1 << 21] {
        assert!(said(ring(0, 0, 4 * unit, unit)).ends_with("no power of two between 512 bytes and 1 MiB"));
    }
    for unit in [512, 4096, 1 << 20] {
        assert_eq!(ring(0, 0, 2 * unit, unit).unwrap().unit(), unit);
        assert!(said(ring(0, 0, unit, unit)).contains("whole number of units"));
        assert!(said(ring(0, 0, 2 * unit + 8, unit)).contains("whole number of units"));
        assert!(said(ring(8, 0, 2 * unit, unit)).contains("unit boundary"));
    }
    let most = 1 << 62;
    assert!(ring(most - 512, 0, 1024, 512).is_ok());
    assert!(said(ring(most, 0, 1024, 512)).contains("unit boundary"));
    assert!(ring(0, most - 1025, 1024, 512).is_ok());
    assert!(said(ring(0, most - 1024, 1024, 512)).contains("beyond any file"));
    assert!(said(ring(0, u64::MAX, 1024, 512)).contains("beyond any file"));
    assert!(said(Ring::new(vec![], 512)).contains("there are none"));
    let segment = |first| RingSegment { first, offset: first, length: 1024 };
    assert!(said(Ring::new(vec![segment(512), segment(512)], 512)).contains("do not ascend"));
    let two = Ring::new(vec![segment(512), segment(2048)], 512).unwrap();
    // Behind the whole ring: what a log needs that starts there.
    for (start, limit) in [(0, 3072), (2048, 3072), (2600, 2560 + 1024), (most - 8, most), (u64::MAX, most)] {
        assert_eq!(two.limit(start), limit, "{start}");
    }
    assert_eq!((two.capacity(), two.pieces().collect::<Vec<_>>()), (1024, vec![512..1536, 2048..3072]));
    let places = |position, len| two.locate(position, len).map(|piece| piece.offset).collect::<Vec<_>>();
    assert!(places(511, 1).is_empty() && places(512, 0).is_empty() && places(most, 1).is_empty());
    assert_eq!((places(512, 1), places(2047, 2), places(3071, 2)), (vec![512], vec![1023, 2048], vec![3071, 2048]));
    let storage = FaultFile::from_image(vec![7; 4096], FaultPlan::default());
    let mut byte = [0];
    assert!(two.read(&storage, 511, &mut byte).is_err());
    assert!(two.read(&storage, 512, &mut byte).is_ok() && byte == [7]);
}

/// A durable write goes round the ring as any other; where it is not offered, nothing is said to be there.
#[test]
fn durable_writes_go_round_the_ring() {
    let ring = ring(4);
    let bytes: Vec<u8> = (0..3 * UNIT).map(|at| (at % 251) as u8 + 1).collect();
    for direct in [true, false] {
        let plan = FaultPlan { direct, ..FaultPlan::default() };
        let file = FaultFile::from_image(vec![0; (1024 + 4 * UNIT) as usize], plan);
        assert_eq!(ring.write_durable(&file, 2 * UNIT, &bytes).unwrap(), direct);
        let mut read = vec![0; bytes.len()];
        ring.read(&file, 2 * UNIT, &mut read).unwrap();
        assert_eq!(read == bytes, direct);
        let nowhere = 1 << 62;
        assert!(ring.write(&file, nowhere, &bytes).is_err() && ring.read(&file, nowhere, &mut read).is_err());
        assert!(ring.write_durable(&file, nowhere, &bytes).is_err());
    }
}

/// What a checkpoint has released is still found, in the order in which it was written, but for what is damaged.
#[test]
fn remains_are_what_is_whole() {
    let mut log = three_flushes();
    log.release();
    let found = |image: &[u8]| {
        let file = FaultFile::from_image(image.to_vec(), FaultPlan::default());
        let mut found = Vec::new();
        remains(&file, &log.ring, ALL, &mut |position, body| found.push((position, body.to_vec())));
        found
    };
    let all: Vec<_> = log.commits.iter().map(|commit| (commit.0, commit.2.clone())).collect();
    let image = log.file.image();
    assert_eq!(found(&image), all);
    // The second of the second flush; what follows a damaged header in its flush may not be found either.
    let (position, third) = (all[4].0, all[6].0);
    assert!(!all[4].1.is_empty());
    for at in [position + 8, position + 64] {
        let mut damaged = image.clone();
        damaged[(1024 + at) as usize] ^= 1;
        let found = found(&damaged);
        assert!(!found.contains(&all[4]));
        let sure = |commit: &&(u64, Vec<u8>)| commit.0 < position || commit.0 >= third;
        assert_eq!(found.iter().filter(sure).collect::<Vec<_>>(), all.iter().filter(sure).collect::<Vec<_>>());
    }
}

/// A ring that has gone round holds the end of one record at its beginning.
#[test]
fn remains_go_round_the_ring() {
    let mut log = Log::new(5);
    for number in 0..40 {
        // Two units each, in a ring of five.
        log.commit(&[number; 700]).unwrap();
        log.flush(true);
        log.release();
    }
    let file = FaultFile::from_image(log.file.image(), FaultPlan::default());
    let mut found = Vec::new();
    remains(&file, &log.ring, ALL, &mut |position, body| found.push((position, body.to_vec())));
    let newest = &log.commits[log.commits.len() - found.len()..];
    assert_eq!(found, newest.iter().map(|commit| (commit.0, commit.2.clone())).collect::<Vec<_>>());
    assert_eq!(found.len(), 2);
}
