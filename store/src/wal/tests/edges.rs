//! Records at the very end of what may be read, and beyond it.

use super::*;

/// The last header that fits ends where the ring does.
#[test]
fn a_log_is_read_up_to_its_limit() {
    let mut log = Log::new(2);
    for unit in 1..=2 {
        // Room for a pad and no more.
        log.commit(&[unit as u8; 512 - 2 * 64]).unwrap();
        log.flush(true);
        assert_eq!(log.window.head(), unit * UNIT);
    }
    let (end, seen) = log.scan_image(&log.file.image()).unwrap();
    assert_eq!((end.position, end.chain, seen), (2 * UNIT, log.chain, vec![1, 2]));
}

/// The first record of a session shows that the one before it lost something, if it is whole: up to the limit, and not beyond.
#[test]
fn a_first_record_is_a_proof_up_to_the_limit() {
    let mut log = Log::new(16);
    log.commit(b"first").unwrap();
    log.commit(b"second").unwrap();
    log.flush(true);
    let second = log.commits[1].0;
    log.reopen(log.file.image(), 101);
    let mut image = log.file.image();
    image[(1024 + second + 8) as usize] ^= 1;
    let limit = log.ring.limit(0);
    for (beyond, damaged) in [(0, true), (8, false)] {
        let body = vec![7; (limit + beyond - UNIT - 64) as usize];
        let stamp = Stamp { position: UNIT, chain: 77, durable: UNIT, timestamp: 3 };
        let mut record = Vec::new();
        Sealer::new(101, UNIT).commit(&mut record, stamp, &body, body_check(&body));
        let mut image = image.clone();
        let place = &mut image[(1024 + UNIT) as usize..];
        let fits = record.len().min(place.len());
        place[..fits].copy_from_slice(&record[..fits]);
        match log.scan_image(&image) {
            Err(LogError::Damaged { position, proof }) => assert_eq!((damaged, position, proof), (true, second, UNIT)),
            Ok((end, _)) => assert_eq!((damaged, end.timestamp), (false, 1)),
            Err(other) => panic!("{other:?}"),
        }
    }
}

/// Where one segment ends and the next one begins, a record is found once; and what is not whole is not shown.
#[test]
fn remains_of_two_segments_are_found_once() {
    let segment = |first| RingSegment { first, offset: 1024 + first, length: 2 * UNIT };
    let ring = Ring::new(vec![segment(0), segment(2 * UNIT)], UNIT).unwrap();
    let mut image = vec![0; (1024 + 4 * UNIT) as usize];
    for (position, timestamp) in [(0, 1), (2 * UNIT, 2)] {
        let stamp = Stamp { position, chain: 1, durable: 0, timestamp };
        let mut record = Vec::new();
        Sealer::new(9, UNIT).commit(&mut record, stamp, b"body", body_check(b"body"));
        image[(1024 + position) as usize..][..record.len()].copy_from_slice(&record);
    }
    let found = |image: &[u8]| {
        let file = FaultFile::from_image(image.to_vec(), FaultPlan::default());
        let mut found = Vec::new();
        remains(&file, &ring, ALL, &mut |position, body| found.push((position, body.to_vec())));
        found
    };
    assert_eq!(found(&image), [(0, b"body".to_vec()), (2 * UNIT, b"body".to_vec())]);
    image[1024 + 64] ^= 1;
    assert_eq!(found(&image), [(2 * UNIT, b"body".to_vec())]);
}

/// A recovery cut the tail behind the first of three records in one unit. The third one is whole, and so are those of later units where the
/// next session has not come to; none of them ever was.
#[test]
fn remains_of_a_lost_tail_are_not_shown() {
    let mut log = Log::new(8);
    log.commit(b"first").unwrap();
    log.commit(b"torn").unwrap();
    log.commit(b"lost in the same unit").unwrap();
    log.flush(false);
    for _ in 0..3 {
        log.commit(b"lost").unwrap();
        log.flush(false);
    }
    let mut image = log.file.image();
    image[(1024 + log.commits[1].0) as usize + 64] ^= 1;
    // The next session's: two commits, a unit each, with the timestamps of what was lost.
    let mut stamp = Stamp { position: UNIT, chain: log.commits[0].4, durable: UNIT, timestamp: 2 };
    let (mut next, mut real) = (Vec::new(), vec![(0, b"first".to_vec())]);
    for (timestamp, body) in [(2, b"second".as_slice()), (3, b"third")] {
        real.push((stamp.position, body.to_vec()));
        stamp.timestamp = timestamp;
        let sealed = Sealer::new(200, UNIT).commit(&mut next, stamp, body, body_check(body));
        (stamp.position, stamp.chain) = (sealed.position, sealed.chain);
        let sealed = Sealer::new(200, UNIT).pad(&mut next, stamp);
        (stamp.position, stamp.chain) = (sealed.position, sealed.chain);
    }
    image[1024 + UNIT as usize..][..next.len()].copy_from_slice(&next);
    let found = |image: &[u8], released| {
        let file = FaultFile::from_image(image.to_vec(), FaultPlan::default());
        let mut found = Vec::new();
        remains(&file, &log.ring, released, &mut |position, body| found.push((position, body.to_vec())));
        found
    };
    assert_eq!(found(&image, (3 * UNIT, 3)), real);
    assert_eq!(found(&image, (3 * UNIT, 1)), real[..1], "what is newer than the checkpoint");
    assert_eq!(found(&image, (UNIT, 2)), real[..1], "what the log still holds");
    assert_eq!(found(&image, ALL)[..3], real, "without a checkpoint, what lies between them at least");
    // Of two with one timestamp the lower one never was, also if what lies between them is gone.
    image[1024 + UNIT as usize + 8] ^= 1;
    real.remove(1);
    assert_eq!(found(&image, (3 * UNIT, 3)), real);
}

/// The format says so: a header needs 64 bytes of its unit, and takes them if they are there.
#[test]
fn a_record_begins_where_a_header_fits() {
    use super::super::position::next_record;
    let next = [440, 448, 449, 456, 504, 512].map(|end| next_record(end, UNIT));
    assert_eq!(next, [440, 448, 512, 512, 512, 512]);
}

/// No superblock could hold such a timestamp: it would be the last one of the file.
#[test]
fn i36_a_timestamp_that_no_session_writes_ends_the_log() {
    for timestamp in [crate::format::TIMESTAMP_LIMIT, (1 << 62) - 1, 1 << 63, u64::MAX] {
        let mut log = Log::new(2);
        log.commit(b"first").unwrap();
        let stamp = Stamp { position: log.window.head(), chain: log.chain, durable: 0, timestamp };
        log.sealer.commit(&mut log.buffer, stamp, b"second", body_check(b"second"));
        let mut image = log.file.image();
        image[1024..][..log.buffer.len()].copy_from_slice(&log.buffer);
        let (end, seen) = log.scan_image(&image).unwrap();
        assert_eq!((end.position, end.timestamp, seen), (log.commits[0].3, 1, vec![1]));
    }
}
