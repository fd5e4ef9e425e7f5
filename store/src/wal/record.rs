//! Records: 64 bytes of header, then the body.
//!
//! | bytes | field |
//! |---|---|
//! | 0..4 | length of the body |
//! | 4..6 | kind: 1 commit, 2 pad |
//! | 6..8 | flags, zero |
//! | 8..16 | position of this record in the log |
//! | 16..24 | commit timestamp; zero in a pad |
//! | 24..32 | salt of the session |
//! | 32..40 | durable position known when it was written: everything before it was on the device |
//! | 40..48 | body check: xxh3-64 of the body |
//! | 48..56 | own check: xxh3-64 of bytes 0..48 |
//! | 56..64 | chain check: xxh3-64 of the previous record's chain check and this own check |
//! | 64.. | body, then zeros up to a multiple of 8 |
//!
//! All numbers are little-endian. The next record follows at once, or at the next unit if fewer than 64 bytes remain in this one
//! (then zeros). A flush ends at a unit boundary: a pad record, which has no body, says that nothing else follows in its unit; the
//! rest of the unit is zero. Zeros that only fill carry nothing and are not checked.

use super::position::{HEADER_LEN, MAX_RECORD, next_record, record_len, unit_ceil};
use xxhash_rust::xxh3::xxh3_64;

/// Bytes of a header, as a length.
pub(super) const HEADER: usize = HEADER_LEN as usize;
const COMMIT: u16 = 1;
const PAD: u16 = 2;

/// What a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A commit's operations.
    Commit,
    /// The end of a flush.
    Pad,
}

/// A header whose own check was right: somebody who knew the salt wrote these fields. Nothing is known about the body yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) length: u32,
    pub(super) kind: Kind,
    pub(super) position: u64,
    pub(super) timestamp: u64,
    pub(super) salt: u64,
    pub(super) durable: u64,
    pub(super) body_check: u64,
    pub(super) own_check: u64,
    pub(super) chain_check: u64,
}

impl Header {
    /// Encodes the header, computing both checks; `chain_check` and `own_check` of `self` are ignored. Returns the chain.
    fn encode(&self, chain: u64) -> ([u8; HEADER], u64) {
        let kind = match self.kind {
            Kind::Commit => COMMIT,
            Kind::Pad => PAD,
        };
        let words = [
            u64::from(self.length) | (u64::from(kind) << 32),
            self.position,
            self.timestamp,
            self.salt,
            self.durable,
            self.body_check,
            0,
            0,
        ];
        let mut bytes = [0; HEADER];
        for (place, word) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(words) {
            *place = word.to_le_bytes();
        }
        let own = own_check(&bytes);
        let chain = next_chain(chain, own);
        for (place, word) in bytes.as_chunks_mut::<8>().0.iter_mut().skip(6).zip([own, chain]) {
            *place = word.to_le_bytes();
        }
        (bytes, chain)
    }

    /// Decodes a header; `None` if the own check is wrong or a field is impossible.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; HEADER] = bytes.try_into().ok()?;
        let (chunks, _) = bytes.as_chunks::<8>();
        let mut words = chunks.iter().map(|chunk| u64::from_le_bytes(*chunk));
        let first = words.next()?;
        let header = Self {
            length: first as u32,
            kind: match (first >> 32) as u32 {
                // The upper half of this word is the flags, which must be zero.
                kind if kind == u32::from(COMMIT) => Kind::Commit,
                kind if kind == u32::from(PAD) => Kind::Pad,
                _ => return None,
            },
            position: words.next()?,
            timestamp: words.next()?,
            salt: words.next()?,
            durable: words.next()?,
            body_check: words.next()?,
            own_check: words.next()?,
            chain_check: words.next()?,
        };
        let empty = header.length == 0 && header.timestamp == 0 && header.body_check == body_check(&[]);
        let sound = header.own_check == own_check(bytes)
            && header.durable <= header.position
            && record_len(u64::from(header.length)) <= MAX_RECORD
            && (header.kind == Kind::Commit || empty);
        sound.then_some(header)
    }

    /// The chain check that this header has if it follows a record with that chain.
    pub(super) fn chain_after(&self, chain: u64) -> u64 {
        next_chain(chain, self.own_check)
    }

    /// The position behind header, body and alignment.
    pub(super) fn end(&self) -> u64 {
        self.position.saturating_add(record_len(u64::from(self.length)))
    }

    /// Where the next record begins.
    pub(super) fn next(&self, unit: u64) -> u64 {
        match self.kind {
            Kind::Commit => next_record(self.end(), unit),
            Kind::Pad => unit_ceil(self.end(), unit),
        }
    }
}

fn own_check(bytes: &[u8; HEADER]) -> u64 {
    xxh3_64(bytes.split_at(48).0)
}

fn next_chain(chain: u64, own: u64) -> u64 {
    xxh3_64(&(u128::from(chain) | (u128::from(own) << 64)).to_le_bytes())
}

/// The check of a body. Committers compute it before they take any lock.
pub(crate) fn body_check(body: &[u8]) -> u64 {
    xxh3_64(body)
}

/// Makes the checks of a record right, whatever it says, as the next one behind a chain value. Returns the chain's next one.
#[cfg(all(feature = "simulate", not(shuttle)))]
pub(crate) fn seal_record(record: &mut [u8], chain: u64) -> u64 {
    let Some((header, body)) = record.split_first_chunk_mut::<HEADER>() else { return chain };
    let mut put = |at: usize, word: u64| {
        if let Some(place) = header.get_mut(at..at + 8) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        own_check(header)
    };
    let own = put(40, body_check(body));
    put(48, own);
    let chain = next_chain(chain, own);
    put(56, chain);
    chain
}

/// What a record says besides its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// Where it goes: what [`super::RingWindow::reserve`] returned.
    pub(crate) position: u64,
    /// Chain check of the record before it.
    pub(crate) chain: u64,
    /// Everything before this position is known to be durable.
    pub(crate) durable: u64,
    /// Its commit; pads ignore it.
    pub(crate) timestamp: u64,
}

/// Where the log stands behind a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sealed {
    /// Where the next record begins.
    pub(crate) position: u64,
    /// The chain check that it continues.
    pub(crate) chain: u64,
}

/// Turns bodies into records of one session.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sealer {
    salt: u64,
    unit: u64,
}

impl Sealer {
    /// A sealer for a session's salt and the ring's unit.
    pub(crate) fn new(salt: u64, unit: u64) -> Self {
        Self { salt, unit }
    }

    /// Appends a commit's record, and what fills the space to the next record. `out` holds the log from some position on up to the
    /// stamp's; `check` is the [`body_check`]. Cost: the copy.
    pub(crate) fn commit(&self, out: &mut Vec<u8>, stamp: Stamp, body: &[u8], check: u64) -> Sealed {
        debug_assert!(stamp.timestamp > 0 && record_len(body.len() as u64) <= MAX_RECORD);
        let header = self.header(Kind::Commit, stamp, body.len() as u32, check);
        let (bytes, chain) = header.encode(stamp.chain);
        out.extend_from_slice(&bytes);
        out.extend_from_slice(body);
        self.fill(out, stamp.position + HEADER_LEN + body.len() as u64, header.next(self.unit), chain)
    }

    /// Ends a flush: fills the unit. Does nothing at a unit boundary.
    pub(crate) fn pad(&self, out: &mut Vec<u8>, stamp: Stamp) -> Sealed {
        if stamp.position.is_multiple_of(self.unit) {
            return Sealed { position: stamp.position, chain: stamp.chain };
        }
        let header = self.header(Kind::Pad, Stamp { timestamp: 0, ..stamp }, 0, body_check(&[]));
        let (bytes, chain) = header.encode(stamp.chain);
        out.extend_from_slice(&bytes);
        self.fill(out, stamp.position + HEADER_LEN, header.next(self.unit), chain)
    }

    fn header(&self, kind: Kind, stamp: Stamp, length: u32, body_check: u64) -> Header {
        debug_assert!(stamp.durable <= stamp.position, "durable {} > {}", stamp.durable, stamp.position);
        Header {
            length,
            kind,
            position: stamp.position,
            timestamp: stamp.timestamp,
            salt: self.salt,
            durable: stamp.durable,
            body_check,
            own_check: 0,
            chain_check: 0,
        }
    }

    /// Zeros from `end` to `next`, which is less than a unit.
    fn fill(&self, out: &mut Vec<u8>, end: u64, next: u64, chain: u64) -> Sealed {
        out.resize(out.len() + (next - end) as usize, 0);
        Sealed { position: next, chain }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp() -> Stamp {
        Stamp { position: 512, chain: 9, durable: 512, timestamp: 4 }
    }

    #[test]
    fn layout_is_as_documented() {
        let mut out = Vec::new();
        let sealed = Sealer::new(7, 512).commit(&mut out, stamp(), b"hello", body_check(b"hello"));
        assert_eq!(sealed.position, 512 + 72);
        assert_eq!(out.len(), 72);
        let mut expected = vec![5, 0, 0, 0, 1, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0];
        for word in [4, 7, 512, xxh3_64(b"hello")] {
            expected.extend_from_slice(&u64::to_le_bytes(word));
        }
        let own = xxh3_64(&expected);
        expected.extend_from_slice(&own.to_le_bytes());
        let chain = xxh3_64(&[9u64.to_le_bytes(), own.to_le_bytes()].concat());
        expected.extend_from_slice(&chain.to_le_bytes());
        expected.extend_from_slice(b"hello\0\0\0");
        assert_eq!(out, expected);
        assert_eq!(sealed.chain, chain);
    }

    #[test]
    fn a_flipped_header_bit_is_noticed() {
        let mut out = Vec::new();
        Sealer::new(7, 512).commit(&mut out, stamp(), &[], body_check(&[]));
        let header = Header::decode(&out).unwrap();
        assert_eq!(header.chain_check, header.chain_after(9));
        for bit in 0..HEADER * 8 {
            let mut bad = out.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(Header::decode(&bad).is_none_or(|header| header.chain_check != header.chain_after(9)), "bit {bit}");
        }
    }

    /// Right by its own check, and yet nothing that is written.
    #[test]
    fn impossible_headers_are_refused() {
        let sealer = Sealer::new(7, 512);
        let header = |change: &dyn Fn(&mut Header)| {
            let mut header = sealer.header(Kind::Commit, stamp(), 5, 1);
            change(&mut header);
            Header::decode(&header.encode(9).0)
        };
        let longest = (MAX_RECORD - HEADER_LEN) as u32;
        let read = header(&|header| header.length = longest).unwrap();
        assert_eq!((read.length, read.end()), (longest, 512 + MAX_RECORD));
        assert!(header(&|header| header.length = longest + 1).is_none());
        assert!(header(&|header| header.durable = 512).is_some());
        assert!(header(&|header| header.durable = 513).is_none());
        let pad = |change: &dyn Fn(&mut Header)| {
            header(&|header| {
                (header.kind, header.length, header.timestamp, header.body_check) = (Kind::Pad, 0, 0, body_check(&[]));
                change(header);
            })
        };
        assert!(pad(&|_| {}).is_some_and(|header| header.kind == Kind::Pad && header.next(512) == 1024));
        assert!(pad(&|header| header.length = 1).is_none());
        assert!(pad(&|header| header.timestamp = 1).is_none());
        assert!(pad(&|header| header.body_check = 1).is_none());
        let (mut bytes, _) = sealer.header(Kind::Commit, stamp(), 5, 1).encode(9);
        let (empty, _) = sealer.header(Kind::Pad, Stamp { timestamp: 0, ..stamp() }, 0, body_check(&[])).encode(9);
        let wrong = [(4, 0), (4, 3), (5, 1), (6, 1), (7, 0x80)];
        for (like, at, byte) in [bytes, empty].iter().flat_map(|like| wrong.map(|(at, byte)| (like, at, byte))) {
            let mut other = *like;
            other[at] = byte;
            let own = own_check(&other);
            other[48..56].copy_from_slice(&own.to_le_bytes());
            assert!(Header::decode(&other).is_none(), "byte {at}");
        }
        bytes[48] ^= 1;
        assert!(Header::decode(&bytes).is_none() && Header::decode(&bytes[1..]).is_none());
    }

    #[test]
    fn fills_to_the_next_unit_when_no_header_fits() {
        for body in 0..1200usize {
            let mut out = Vec::new();
            let bytes = vec![1; body];
            let sealed = Sealer::new(1, 512).commit(&mut out, stamp(), &bytes, body_check(&bytes));
            assert_eq!(out.len() as u64, sealed.position - 512);
            assert!(sealed.position.is_multiple_of(8));
            let rest = sealed.position.next_multiple_of(512) - sealed.position;
            assert!(rest == 0 || rest >= HEADER_LEN, "{rest} bytes remain");
            let stamp = Stamp { position: sealed.position, chain: sealed.chain, ..stamp() };
            let from = out.len();
            let end = Sealer::new(1, 512).pad(&mut out, stamp);
            // A pad has no timestamp, whatever the stamp says.
            let pad = out.get(from..from + HEADER).map(|bytes| Header::decode(bytes).map(|header| header.kind));
            assert_eq!(pad, (rest > 0).then_some(Some(Kind::Pad)));
            assert!(end.position.is_multiple_of(512) && end.position - sealed.position < 512);
            assert_eq!(out.len() as u64, end.position - 512);
            assert_eq!(end.chain == sealed.chain, rest == 0);
        }
    }
}
