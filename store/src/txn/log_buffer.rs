//! The end of the log that is sequenced and not written yet.

use crate::ckpt::LogPosition;
use crate::wal::{Full, OpsWriter, RingWindow, Sealed, Sealer, Stamp, body_check, record_len};
use xxhash_rust::xxh3::Xxh3;

/// Records in memory.
pub(super) struct LogBuffer {
    bytes: Vec<u8>,
    /// Position of the first byte: a unit boundary.
    start: u64,
    /// Where this session's records begin.
    first: u64,
    sealer: Sealer,
    /// Where the next record goes, and what it continues.
    next: Sealed,
    /// Behind the last commit.
    end: LogPosition,
    /// A buffer to use again.
    spare: Vec<u8>,
}

/// What one flush writes.
pub(super) struct Taken {
    pub(super) start: u64,
    /// Where this session's records begin.
    pub(super) first: u64,
    pub(super) bytes: Vec<u8>,
}

impl Taken {
    fn end(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }
}

impl LogBuffer {
    /// A session whose records begin at `first`; the log before it ends at `end`.
    pub(super) fn new(first: u64, sealer: Sealer, end: LogPosition) -> Self {
        let next = Sealed { position: first, chain: end.chain };
        Self { bytes: Vec::new(), start: first, first, sealer, next, end, spare: Vec::new() }
    }

    /// Appends a commit.
    pub(super) fn append(&mut self, window: &RingWindow, timestamp: u64, body: &[u8], check: u64) -> Result<(), Full> {
        let position = window.reserve(record_len(body.len() as u64))?;
        debug_assert_eq!(position, self.next.position);
        let stamp = Stamp { position, chain: self.next.chain, durable: window.durable(), timestamp };
        self.next = self.sealer.commit(&mut self.bytes, stamp, body, check);
        self.end = LogPosition { position: self.next.position, chain: self.next.chain };
        Ok(())
    }

    /// Behind the last commit.
    pub(super) fn end(&self) -> LogPosition {
        self.end
    }

    /// Bytes that wait.
    pub(super) fn unwritten(&self) -> usize {
        self.bytes.len()
    }

    /// Takes what waits, filled up to a unit (I23).
    pub(super) fn take(&mut self, window: &RingWindow) -> Taken {
        let Sealed { position, chain } = self.next;
        let stamp = Stamp { position, chain, durable: window.durable(), timestamp: 0 };
        self.next = self.sealer.pad(&mut self.bytes, stamp);
        let head = window.seal();
        debug_assert_eq!(head, self.next.position);
        let spare = std::mem::take(&mut self.spare);
        let taken = Taken { start: self.start, first: self.first, bytes: std::mem::replace(&mut self.bytes, spare) };
        self.bytes.clear();
        self.start = self.next.position;
        taken
    }

    /// Notes that a flush succeeded; with `synced`, everything up to its end is durable.
    pub(super) fn written(&mut self, window: &RingWindow, taken: Taken, synced: bool) {
        window.note_written(taken.end());
        if synced {
            window.note_durable(taken.end());
        }
        self.spare = taken.bytes;
    }
}

/// A commit's body with its check, which is computed outside any lock but for the end, which only the sequencer knows.
pub(crate) struct CheckedBody {
    bytes: Vec<u8>,
    own: usize,
    check: u64,
    state: Option<Box<Xxh3>>,
}

impl CheckedBody {
    /// A body; `open` if an end is to be put to it.
    pub(crate) fn new(bytes: Vec<u8>, open: bool) -> Self {
        let state = open.then(|| {
            let mut state = Box::new(Xxh3::new());
            state.update(&bytes);
            state
        });
        let check = if open { 0 } else { body_check(&bytes) };
        Self { own: bytes.len(), bytes, check, state }
    }

    /// Puts an end to it, in the place of any that was there.
    pub(super) fn end_with(&mut self, append: impl FnOnce(&mut OpsWriter)) {
        self.bytes.truncate(self.own);
        let mut ops = OpsWriter::append_to(std::mem::take(&mut self.bytes));
        append(&mut ops);
        self.bytes = ops.into_body();
        if let Some(mut state) = self.state.clone() {
            state.update(self.bytes.get(self.own..).unwrap_or_default());
            self.check = state.digest();
        }
    }

    /// The bytes and their check.
    pub(super) fn parts(&self) -> (&[u8], u64) {
        (&self.bytes, self.check)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wal::Op;

    #[test]
    fn the_check_covers_the_end() {
        let whole = |ops: &[Op<'_>]| {
            let mut out = OpsWriter::new();
            ops.iter().for_each(|&op| out.push(op));
            out.into_body()
        };
        let (a, b) = (Op::Put { tree: 1, key: b"k", value: &[7; 300] }, Op::Delete { tree: 2, key: b"long" });
        let mut body = CheckedBody::new(whole(&[a]), true);
        for end in [a, b] {
            body.end_with(|ops| ops.push(end));
            let expected = whole(&[a, end]);
            assert_eq!(body.parts(), (expected.as_slice(), body_check(&expected)));
        }
        let closed = CheckedBody::new(whole(&[a]), false);
        assert_eq!(closed.parts().1, body_check(closed.parts().0));
    }
}
