//! The bytes of a simulated device: pieces that copies share until one of them writes.

use std::sync::Arc;

const PIECE: usize = 4096;

/// A copy costs one pointer a piece. A piece that was never written takes no memory.
#[derive(Clone, Default)]
pub(crate) struct Image {
    pieces: Vec<Option<Arc<[u8; PIECE]>>>,
    len: usize,
}

impl Image {
    /// An image of these bytes.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Self {
        let mut image = Self::default();
        image.put(0, bytes);
        image
    }

    /// All bytes.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.len];
        self.get(0, &mut bytes);
        bytes
    }

    /// Length in bytes.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Fills `out` from `offset` on; `false` if that goes beyond the end.
    pub(crate) fn get(&self, offset: usize, out: &mut [u8]) -> bool {
        if offset.checked_add(out.len()).is_none_or(|end| end > self.len) {
            return false;
        }
        let mut at = offset;
        let mut rest = out;
        while !rest.is_empty() {
            let within = at % PIECE;
            let (part, later) = rest.split_at_mut((PIECE - within).min(rest.len()));
            match self.pieces.get(at / PIECE).and_then(Option::as_ref).and_then(|piece| piece.get(within..)) {
                Some(from) => part.copy_from_slice(from.get(..part.len()).unwrap_or_default()),
                None => part.fill(0),
            }
            at += part.len();
            rest = later;
        }
        true
    }

    /// Writes, and grows if need be.
    pub(crate) fn put(&mut self, offset: usize, bytes: &[u8]) {
        if self.len < offset + bytes.len() {
            self.resize(offset + bytes.len());
        }
        let mut at = offset;
        let mut rest = bytes;
        while !rest.is_empty() {
            let within = at % PIECE;
            let (part, later) = rest.split_at((PIECE - within).min(rest.len()));
            if let Some(place) = self.pieces.get_mut(at / PIECE)
                && (place.is_some() || part.iter().any(|&byte| byte != 0))
            {
                let piece = Arc::make_mut(place.get_or_insert_with(|| Arc::new([0; PIECE])));
                if let Some(to) = piece.get_mut(within..within + part.len()) {
                    to.copy_from_slice(part);
                }
            }
            at += part.len();
            rest = later;
        }
    }

    /// Cuts, or extends with zeros.
    pub(crate) fn resize(&mut self, len: usize) {
        if len < self.len
            && let Some(Some(last)) = self.pieces.get_mut(len / PIECE)
            && let Some(behind) = Arc::make_mut(last).get_mut(len % PIECE..)
        {
            behind.fill(0);
        }
        self.pieces.resize(len.div_ceil(PIECE), None);
        self.len = len;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_are_their_own() {
        let mut image = Image::from_bytes(&[7; 10_000]);
        let copy = image.clone();
        image.put(4000, &[8; 200]);
        image.resize(4100);
        image.resize(9000);
        let mut expected = vec![7; 4000];
        expected.extend([8; 100]);
        expected.resize(9000, 0);
        assert_eq!(image.to_bytes(), expected);
        assert_eq!(copy.to_bytes(), [7; 10_000]);
        assert!(!image.get(8999, &mut [0; 2]));
    }
}
