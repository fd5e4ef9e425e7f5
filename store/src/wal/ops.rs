//! The body of a commit: its operations, one after the other.
//!
//! | operation | bytes |
//! |---|---|
//! | put | 01, tree, key length, key, value length, value |
//! | delete | 02, tree, key length, key |
//! | put overflow | 03, tree, key length, key, total length of the value, reference length, reference |
//! | drop tree | 04, tree |
//! | spill | 05, reference length, reference: a run of the commit's writes lies in extents |
//! | claim | 06, first block, number of blocks: reserved, and refused by recovery |
//!
//! Trees, lengths and blocks are LEB128 varints: unsigned, minimal. References are those of `blob/`, opaque here; what they name was
//! durable before the record was. Recovery claims what put overflows and spills of all records name before it allocates anything (I25).

use std::fmt;

const PUT: u8 = 1;
const DELETE: u8 = 2;
const PUT_OVERFLOW: u8 = 3;
const DROP_TREE: u8 = 4;
const SPILL: u8 = 5;
const CLAIM: u8 = 6;

/// One operation. Borrows from the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Op<'a> {
    /// The value under a key becomes this one.
    Put { tree: u32, key: &'a [u8], value: &'a [u8] },
    /// Nothing is under a key any more.
    Delete { tree: u32, key: &'a [u8] },
    /// The value under a key becomes one that lies in extents; `length` is its own.
    PutOverflow { tree: u32, key: &'a [u8], length: u64, reference: &'a [u8] },
    /// A tree is gone with everything in it.
    DropTree { tree: u32 },
    /// A run of writes lies in extents.
    Spill { reference: &'a [u8] },
    /// An extent that is in use because of this commit.
    Claim { start: u64, blocks: u64 },
}

/// A body that no writer wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed {
    /// Byte of the body at which the operation begins.
    pub(crate) at: usize,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the operation at byte {} of a log record is malformed", self.at)
    }
}

impl std::error::Error for Malformed {}

/// Appends operations to a body.
#[derive(Debug, Default)]
pub(crate) struct OpsWriter {
    body: Vec<u8>,
}

impl OpsWriter {
    /// An empty body.
    #[cfg(test)]
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Goes on behind what `body` holds: for a buffer that is used again.
    pub(crate) fn append_to(body: Vec<u8>) -> Self {
        Self { body }
    }

    /// Appends one operation. Cost: the copy.
    pub(crate) fn push(&mut self, op: Op<'_>) {
        match op {
            Op::Put { tree, key, value } => {
                self.keyed(PUT, tree, key);
                self.bytes(value);
            }
            Op::Delete { tree, key } => self.keyed(DELETE, tree, key),
            Op::PutOverflow { tree, key, length, reference } => {
                self.keyed(PUT_OVERFLOW, tree, key);
                self.number(length);
                self.bytes(reference);
            }
            Op::DropTree { tree } => {
                self.body.push(DROP_TREE);
                self.number(u64::from(tree));
            }
            Op::Spill { reference } => {
                self.body.push(SPILL);
                self.bytes(reference);
            }
            Op::Claim { start, blocks } => {
                self.body.push(CLAIM);
                self.number(start);
                self.number(blocks);
            }
        }
    }

    /// The body so far.
    #[cfg(test)]
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.body
    }

    /// The body.
    pub(crate) fn into_body(self) -> Vec<u8> {
        self.body
    }

    fn keyed(&mut self, tag: u8, tree: u32, key: &[u8]) {
        self.body.push(tag);
        self.number(u64::from(tree));
        self.bytes(key);
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.body.extend_from_slice(bytes);
    }

    fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.body.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.body.push(number as u8);
    }
}

/// Reads operations from a body that nobody vouches for (I36). After an error it is at its end.
#[derive(Debug, Clone)]
pub(crate) struct OpsReader<'a> {
    rest: &'a [u8],
    length: usize,
}

impl<'a> OpsReader<'a> {
    /// Reads a body.
    pub(crate) fn new(body: &'a [u8]) -> Self {
        Self { rest: body, length: body.len() }
    }

    fn op(&mut self) -> Option<Op<'a>> {
        Some(match self.byte()? {
            PUT => Op::Put { tree: self.tree()?, key: self.bytes()?, value: self.bytes()? },
            DELETE => Op::Delete { tree: self.tree()?, key: self.bytes()? },
            PUT_OVERFLOW => Op::PutOverflow {
                tree: self.tree()?,
                key: self.bytes()?,
                length: self.number()?,
                reference: self.bytes()?,
            },
            DROP_TREE => Op::DropTree { tree: self.tree()? },
            SPILL => Op::Spill { reference: self.bytes()? },
            CLAIM => Op::Claim { start: self.number()?, blocks: self.number()? },
            _ => return None,
        })
    }

    fn byte(&mut self) -> Option<u8> {
        let (&byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(byte)
    }

    fn tree(&mut self) -> Option<u32> {
        self.number()?.try_into().ok()
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        let (bytes, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(bytes)
    }

    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            // The tenth byte has room for one bit.
            if shift == 63 && bits > 1 {
                return None;
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                // A final zero says nothing: there is a shorter encoding.
                return (byte != 0 || shift == 0).then_some(number);
            }
        }
        None
    }
}

impl<'a> Iterator for OpsReader<'a> {
    type Item = Result<Op<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let at = self.length - self.rest.len();
        let op = self.op();
        if op.is_none() {
            self.rest = &[];
        }
        Some(op.ok_or(Malformed { at }))
    }
}

impl std::iter::FusedIterator for OpsReader<'_> {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// An operation that owns its bytes.
    type Owned = (u8, u32, Vec<u8>, u64, Vec<u8>);

    fn view((tag, tree, key, number, value): &Owned) -> Op<'_> {
        match tag % 6 {
            0 => Op::Put { tree: *tree, key, value },
            1 => Op::Delete { tree: *tree, key },
            2 => Op::PutOverflow { tree: *tree, key, length: *number, reference: value },
            3 => Op::DropTree { tree: *tree },
            4 => Op::Spill { reference: value },
            _ => Op::Claim { start: *number, blocks: u64::from(*tree) },
        }
    }

    proptest! {
        #[test]
        fn round_trip(ops in prop::collection::vec(any::<Owned>(), 0..20)) {
            let mut writer = OpsWriter::new();
            for op in &ops {
                writer.push(view(op));
            }
            let body = writer.into_body();
            let read: Result<Vec<_>, _> = OpsReader::new(&body).collect();
            prop_assert_eq!(read.unwrap(), ops.iter().map(view).collect::<Vec<_>>());
        }

        #[test]
        fn any_bytes_end_in_an_answer_and_only_canonical_ones_are_read(body in prop::collection::vec(any::<u8>(), 0..64)) {
            let read: Result<Vec<_>, _> = OpsReader::new(&body).collect();
            if let Ok(ops) = read {
                let mut writer = OpsWriter::append_to(Vec::new());
                ops.iter().for_each(|&op| writer.push(op));
                prop_assert_eq!(writer.as_bytes(), &body[..]);
            }
        }
    }

    #[test]
    fn cut_and_overlong_bodies_are_refused_with_the_place() {
        let mut writer = OpsWriter::new();
        writer.push(Op::DropTree { tree: 300 });
        let second = writer.as_bytes().len();
        // A body goes on where it was left.
        let mut writer = OpsWriter::append_to(writer.into_body());
        writer.push(Op::Put { tree: u32::MAX, key: b"key", value: &[7; 200] });
        let body = writer.into_body();
        for cut in second + 1..body.len() {
            let mut reader = OpsReader::new(&body[..cut]);
            assert_eq!(reader.next(), Some(Ok(Op::DropTree { tree: 300 })));
            assert_eq!(reader.next(), Some(Err(Malformed { at: second })));
            assert_eq!(reader.next(), None);
        }
        // Lengths beyond the body, numbers too long, not minimal, too large; unknown tags.
        let huge = [1, 1, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1];
        let overlong = [4, 255, 255, 255, 255, 255, 255, 255, 255, 255, 2];
        let overlong_start = [6, 255, 255, 255, 255, 255, 255, 255, 255, 255, 2, 1];
        let wide = [4, 255, 255, 255, 255, 31];
        for bad in [&huge[..], &overlong, &overlong_start, &wide, &[4, 128, 0], &[0], &[7, 1], &[4]] {
            assert_eq!(OpsReader::new(bad).next(), Some(Err(Malformed { at: 0 })), "{bad:?}");
        }
        assert_eq!(Malformed { at: 7 }.to_string(), "the operation at byte 7 of a log record is malformed");
    }
}
