//! Reads the log back: recovery's pure half. Writes nothing, needs one record at a time in memory (I28, I36).
//!
//! Reading ends at the first record that is not exactly what the session would have written next: its position, salt, own check,
//! body check and chain must be right, its timestamp greater than the one before (I24). Two things may be the reason. Either the crash
//! tore the end of the log: nobody was promised what lies there, and it is cut. Or something durable rotted: then a later
//! record of the same session may prove it, because it says up to where the log was durable when it was written. So the rest of
//! the ring is searched for such a proof; with one, the answer is [`LogError::Damaged`] and not a shorter log.
//!
//! Sessions: each has a salt and begins at a unit boundary, right behind the unit in which the one before it ended (I35). A session
//! that ends elsewhere has lost records. Its successor's first record continues the chain from the record that recovery
//! stopped at, so a record that rotted afterwards, in that last unit, is noticed there.

use super::position::{HEADER_LEN, unit_ceil, unit_floor};
use super::record::{HEADER, Header, Kind, body_check};
use super::ring::Ring;
use crate::format::TIMESTAMP_LIMIT;
use crate::vfs::Storage;
use std::{error, fmt, io};

/// Bytes read at once. Longer records are read whole.
const CHUNK: u64 = 256 << 10;
/// So many units behind the log's end may be unreadable.
const UNREAD: u32 = 16;
/// The first read; each one after it is longer.
const FIRST_CHUNK: u64 = 4 << 10;

/// Where a scan begins: what the superblock says.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LogStart<'a> {
    /// Position of the first record that is needed.
    pub(crate) position: u64,
    /// Chain check of the record before it.
    pub(crate) chain: u64,
    /// Timestamp of the commit before it: the checkpoint's.
    pub(crate) timestamp: u64,
    /// Salts of the sessions and the positions that they begin at, ascending.
    pub(crate) salts: &'a [(u64, u64)],
}

/// Where the log ends. A new session begins at the next unit boundary and continues the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LogEnd {
    /// Behind the last record.
    pub(crate) position: u64,
    /// Chain check of the last record, pads included.
    pub(crate) chain: u64,
    /// Timestamp of the last commit; the start's if there was none.
    pub(crate) timestamp: u64,
    /// Commits read.
    pub(crate) records: u64,
    /// Units behind it that the device did not read.
    pub(crate) unread: u32,
}

/// A commit as it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Commit<'a> {
    /// Where its record begins.
    pub(crate) position: u64,
    /// Its timestamp.
    pub(crate) timestamp: u64,
    /// Its operations, for [`super::OpsReader`].
    pub(crate) body: &'a [u8],
    /// Where the next record begins.
    pub(crate) end: u64,
    /// Chain check of this record.
    pub(crate) chain: u64,
}

/// Why a log was not read.
#[derive(Debug)]
pub(crate) enum LogError<E> {
    /// A record that had been durable is bad. Nothing was changed.
    Damaged {
        /// The bad record's position.
        position: u64,
        /// Where the proof lies that it was durable: a later record, or the beginning of a later session.
        proof: u64,
    },
    /// The storage failed.
    Io(io::Error),
    /// The visitor gave up.
    Visitor(E),
}

impl<E: fmt::Display> fmt::Display for LogError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damaged { position, proof } => write!(
                f,
                "the log record at position {position} is damaged, and position {proof} shows that it had been durable"
            ),
            Self::Io(error) => write!(f, "reading the log: {error}"),
            Self::Visitor(error) => error.fmt(f),
        }
    }
}

impl<E: error::Error> error::Error for LogError<E> {}

impl<E> From<io::Error> for LogError<E> {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Reads the log from `start` to its end and shows each commit to `visitor`, in order. Damage may be found only at the end, so what
/// the visitor does must be undone or forgotten if the scan fails. A first scan with a visitor that does nothing settles it.
///
/// # Errors
/// See [`LogError`].
pub(crate) fn scan<E>(
    storage: &dyn Storage,
    ring: &Ring,
    start: LogStart<'_>,
    visitor: &mut dyn FnMut(Commit<'_>) -> Result<(), E>,
) -> Result<LogEnd, LogError<E>> {
    let end =
        LogEnd { position: start.position, chain: start.chain, timestamp: start.timestamp, records: 0, unread: 0 };
    let begun = start.salts.partition_point(|&(_, first)| first <= start.position);
    let mut scan = Scan {
        reader: Reader { storage, ring, limit: ring.limit(start.position), buffer: Vec::new(), at: 0 },
        unit: ring.unit(),
        salt: begun.checked_sub(1).and_then(|last| start.salts.get(last)).map(|&(salt, _)| salt),
        later: start.salts.get(begun..).unwrap_or_default(),
        end,
        suspect: None,
    };
    loop {
        scan.enter_sessions();
        if scan.step(visitor)? {
            continue;
        }
        if !scan.skip_to_next_session()? {
            break;
        }
    }
    scan.search_proof()?;
    Ok(scan.end)
}

struct Scan<'a> {
    reader: Reader<'a>,
    unit: u64,
    /// The session that is read; none before the first.
    salt: Option<u64>,
    /// Sessions that begin later.
    later: &'a [(u64, u64)],
    end: LogEnd,
    /// Where a session stopped in mid-unit, until a record of a later one has continued its chain.
    suspect: Option<u64>,
}

impl Scan<'_> {
    /// Switches to the session that begins here, if one does.
    fn enter_sessions(&mut self) {
        while let Some((&(salt, first), later)) = self.later.split_first()
            && first == self.end.position
        {
            self.salt = Some(salt);
            self.later = later;
        }
    }

    /// Reads one record; false if there is none that continues the log.
    fn step<E>(&mut self, visitor: &mut dyn FnMut(Commit<'_>) -> Result<(), E>) -> Result<bool, LogError<E>> {
        // No session has written here: nothing is read that nobody needs.
        if self.salt.is_none() {
            return Ok(false);
        }
        let limit = self.later.first().map_or(self.reader.limit, |&(_, first)| first.min(self.reader.limit));
        let position = self.end.position;
        let Some(header) = self.reader.header(position)? else {
            return Ok(false);
        };
        let continues = Some(header.salt) == self.salt
            && header.end() <= limit
            && header.chain_check == header.chain_after(self.end.chain);
        if !continues {
            return Ok(false);
        }
        let end = header.next(self.unit);
        if header.kind == Kind::Commit {
            if header.timestamp <= self.end.timestamp || header.timestamp >= TIMESTAMP_LIMIT {
                return Ok(false);
            }
            let body = self.reader.bytes(position + HEADER_LEN, u64::from(header.length))?;
            if body_check(body) != header.body_check {
                return Ok(false);
            }
            let commit = Commit { position, timestamp: header.timestamp, body, end, chain: header.chain_check };
            visitor(commit).map_err(LogError::Visitor)?;
            self.end.timestamp = header.timestamp;
            self.end.records += 1;
        }
        self.end.position = end;
        self.end.chain = header.chain_check;
        self.suspect = None;
        Ok(true)
    }

    /// The session has ended here. If another begins at the next unit boundary, goes there; false if this was the last one.
    fn skip_to_next_session<E>(&mut self) -> Result<bool, LogError<E>> {
        let Some(&(_, first)) = self.later.first() else {
            return Ok(false);
        };
        let position = self.end.position;
        if position >= first || unit_ceil(position, self.unit) != first {
            return Err(LogError::Damaged { position: self.suspect.unwrap_or(position), proof: first });
        }
        self.suspect.get_or_insert(position);
        self.end.position = first;
        Ok(true)
    }

    /// Looks for a record of the last session that says that the log was durable beyond where reading stopped. Records are found at
    /// unit boundaries, where flushes begin, and behind each other.
    ///
    /// A session's first records say that the log was durable up to their session's beginning: that is no proof of anything lost, as the end
    /// of the last unit before it may never have held a record that counts. What was lost there is shown by the very first record alone,
    /// if it is whole, so that it was not torn itself, and continues another chain.
    ///
    /// A few units that the device does not read are no reason to refuse the log: nothing that is needed lies there, as far as anybody knows, and
    /// a proof is followed by others.
    fn search_proof<E>(&mut self) -> Result<(), LogError<E>> {
        let stopped = self.end.position;
        let Some(salt) = self.salt else { return Ok(()) };
        if let Some(position) = self.suspect
            && self.continues_another_chain(salt)?
        {
            return Err(LogError::Damaged { position, proof: stopped });
        }
        let mut at = stopped;
        while at < self.reader.limit {
            let header = match self.reader.header(at) {
                Err(error)
                    if error.kind() != io::ErrorKind::OutOfMemory && at > stopped && self.end.unread < UNREAD =>
                {
                    self.end.unread += 1;
                    None
                }
                header => header?.filter(|header| header.salt == salt),
            };
            at = match header {
                Some(header) if header.durable > stopped => {
                    return Err(LogError::Damaged { position: self.suspect.unwrap_or(stopped), proof: at });
                }
                Some(header) => header.next(self.unit),
                None => unit_floor(at, self.unit) + self.unit,
            };
        }
        Ok(())
    }
}

impl Scan<'_> {
    /// Whether the record where reading stopped is whole, but for its chain.
    fn continues_another_chain(&mut self, salt: u64) -> io::Result<bool> {
        let position = self.end.position;
        let Some(header) = self.reader.header(position)?.filter(|header| header.salt == salt) else { return Ok(false) };
        if header.chain_check == header.chain_after(self.end.chain) || header.end() > self.reader.limit {
            return Ok(false);
        }
        let body = self.reader.bytes(position + HEADER_LEN, u64::from(header.length))?;
        Ok(header.kind == Kind::Commit && body_check(body) == header.body_check)
    }
}

/// Reads the ring forward through a buffer.
struct Reader<'a> {
    storage: &'a dyn Storage,
    ring: &'a Ring,
    /// No record ends behind it.
    limit: u64,
    buffer: Vec<u8>,
    /// Position of the buffer's first byte.
    at: u64,
}

impl Reader<'_> {
    /// The header at a position, if it is sound and says so.
    fn header(&mut self, position: u64) -> io::Result<Option<Header>> {
        if position.checked_add(HEADER_LEN).is_none_or(|end| end > self.limit) {
            return Ok(None);
        }
        let header = Header::decode(self.bytes(position, HEADER_LEN)?);
        debug_assert_eq!(HEADER as u64, HEADER_LEN);
        Ok(header.filter(|header| header.position == position))
    }

    /// Bytes before the limit.
    fn bytes(&mut self, position: u64, length: u64) -> io::Result<&[u8]> {
        let have = self.at + self.buffer.len() as u64;
        if position < self.at || position + length > have {
            // The log of a file that was closed is empty, and opening one should cost little.
            let ahead = (4 * self.buffer.len() as u64).clamp(FIRST_CHUNK, CHUNK);
            let wanted = length.max(ahead).min(self.limit.saturating_sub(position));
            if wanted < length {
                return Err(io::ErrorKind::InvalidInput.into());
            }
            // What lies ahead may be unreadable, and nobody needs it yet.
            self.read(position, wanted).or_else(|error| match error.kind() {
                io::ErrorKind::OutOfMemory => Err(error),
                _ => self.read(position, length),
            })?;
        }
        let from = (position - self.at) as usize;
        let bytes = self.buffer.get(from..).and_then(|rest| rest.get(..length as usize));
        bytes.ok_or_else(|| io::ErrorKind::InvalidInput.into())
    }

    fn read(&mut self, position: u64, wanted: u64) -> io::Result<()> {
        let wanted = usize::try_from(wanted).map_err(|_| io::ErrorKind::OutOfMemory)?;
        self.buffer.clear();
        self.buffer.try_reserve_exact(wanted).map_err(|_| io::ErrorKind::OutOfMemory)?;
        self.buffer.resize(wanted, 0);
        self.at = position;
        self.ring.read(self.storage, position, &mut self.buffer).inspect_err(|_| self.buffer.clear())
    }
}

/// Where the records lie that follow each other from a position on: byte in the file, bytes of the header, of the body, and whether it is a
/// commit. Those that go round the ring are left out.
#[cfg(all(feature = "simulate", not(shuttle)))]
pub(crate) fn record_places(bytes: &[u8], ring: &Ring, mut position: u64) -> Vec<(usize, usize, usize, bool)> {
    let mut places = Vec::new();
    let limit = ring.limit(position);
    while position < limit {
        let at = ring.locate(position, HEADER).next().map_or(0, |piece| piece.offset as usize);
        let header = bytes.get(at..at + HEADER).and_then(Header::decode).filter(|header| header.position == position);
        let Some(header) = header else { break };
        let length = HEADER + header.length as usize;
        if ring.locate(position, length).count() == 1 {
            places.push((at, HEADER, header.length as usize, header.kind == Kind::Commit));
        }
        position = header.next(ring.unit());
    }
    places
}

/// Shows the commits that lie in the ring and are from before `released`, position and newest timestamp: which a checkpoint has released and
/// nothing has overwritten yet, for whoever looks for what is left of a damaged file. Each is whole by its own checks; that it continues another
/// is not asked. In order of their positions.
///
/// A recovery that cuts a torn tail leaves whole records of it behind the cut, which never were. Those that lie where the log has not come to since
/// are not from before its start. What is left of them in the last unit before the next session, which begins behind that unit, has
/// timestamps that the session gives again: in a log they rise with the positions, so of two that do not the lower one never was.
pub(crate) fn remains(storage: &dyn Storage, ring: &Ring, released: (u64, u64), visitor: &mut dyn FnMut(u64, &[u8])) {
    let mut found = Vec::new();
    for piece in ring.pieces() {
        let mut at = piece.start;
        while at < piece.end {
            let mut bytes = [0; HEADER];
            let header = storage.read_at(&mut bytes, at).ok().and_then(|()| Header::decode(&bytes));
            // One that is not at its place is a copy of a record, in somebody's value.
            let is_at_its_place = |header: &Header| {
                let place = ring.locate(header.position, HEADER).next().map(|piece| piece.offset);
                header.kind == Kind::Commit && header.position < 1 << 62 && place == Some(at)
            };
            at = match header.filter(is_at_its_place) {
                Some(header) => {
                    let length = header.next(ring.unit()) - header.position;
                    found.push(header);
                    at.saturating_add(length.max(1))
                }
                None => unit_floor(at, ring.unit()) + ring.unit(),
            };
        }
    }
    found.retain(|header| header.position < released.0 && header.timestamp <= released.1);
    found.sort_unstable_by_key(|header| header.position);
    let mut later = u64::MAX;
    let mut kept = Vec::new();
    for header in found.into_iter().rev() {
        if header.timestamp < later {
            later = header.timestamp;
            kept.push(header);
        }
    }
    for header in kept.into_iter().rev() {
        let mut body = Vec::new();
        if body.try_reserve_exact(header.length as usize).is_err() {
            continue;
        }
        body.resize(header.length as usize, 0);
        // A body may go round the ring.
        let read = ring.read(storage, header.position + HEADER_LEN, &mut body);
        if read.is_ok() && body_check(&body) == header.body_check {
            visitor(header.position, &body);
        }
    }
}
