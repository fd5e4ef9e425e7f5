//! A file in memory.

use super::Storage;
use crate::sync::RwLock;
use std::io;

const CHUNK: usize = 1 << 20;

/// Bytes in chunks, so that growth does not copy them. Sync has nothing to do.
#[derive(Default)]
pub(crate) struct MemoryFile(RwLock<Bytes>);

#[derive(Default)]
struct Bytes {
    chunks: Vec<Box<[u8]>>,
    len: u64,
}

impl Bytes {
    fn resize(&mut self, len: u64) -> io::Result<()> {
        let chunks = usize::try_from(len.div_ceil(CHUNK as u64)).map_err(|_| io::ErrorKind::StorageFull)?;
        if len < self.len {
            let (chunk, within) = place(len);
            if let Some(rest) = self.chunks.get_mut(chunk).and_then(|chunk| chunk.get_mut(within..)) {
                rest.fill(0);
            }
        }
        self.chunks.resize_with(chunks, || vec![0; CHUNK].into_boxed_slice());
        self.len = len;
        Ok(())
    }
}

fn place(offset: u64) -> (usize, usize) {
    ((offset / CHUNK as u64) as usize, (offset % CHUNK as u64) as usize)
}

/// Calls `with` for each chunk that `len` bytes at `offset` touch: chunk number, range within it, range within the bytes.
fn pieces(
    offset: u64,
    len: usize,
    mut with: impl FnMut(usize, std::ops::Range<usize>, std::ops::Range<usize>) -> io::Result<()>,
) -> io::Result<()> {
    let mut done = 0;
    while done < len {
        let (chunk, within) = place(offset + done as u64);
        let count = (CHUNK - within).min(len - done);
        with(chunk, within..within + count, done..done + count)?;
        done += count;
    }
    Ok(())
}

impl Storage for MemoryFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let bytes = self.0.read();
        if offset.checked_add(buffer.len() as u64).is_none_or(|end| end > bytes.len) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let len = buffer.len();
        pieces(offset, len, |chunk, from, to| {
            let from = bytes.chunks.get(chunk).and_then(|chunk| chunk.get(from));
            match (from, buffer.get_mut(to)) {
                (Some(from), Some(to)) => to.copy_from_slice(from),
                _ => return Err(io::ErrorKind::UnexpectedEof.into()),
            }
            Ok(())
        })
    }

    fn write_at(&self, new: &[u8], offset: u64) -> io::Result<()> {
        let mut bytes = self.0.write();
        let end = offset.checked_add(new.len() as u64).ok_or(io::ErrorKind::FileTooLarge)?;
        if end > bytes.len {
            bytes.resize(end)?;
        }
        pieces(offset, new.len(), |chunk, to, from| {
            let to = bytes.chunks.get_mut(chunk).and_then(|chunk| chunk.get_mut(to));
            match (new.get(from), to) {
                (Some(from), Some(to)) => to.copy_from_slice(from),
                _ => return Err(io::ErrorKind::WriteZero.into()),
            }
            Ok(())
        })
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.read().len)
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.0.write().resize(length)
    }
}
