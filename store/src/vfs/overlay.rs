//! A layer of memory over a file that is not to be changed: how a read-only file is recovered (I28).

use super::Storage;
use crate::sync::RwLock;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

const BLOCK: usize = 4096;

/// Reads fall through to the file below where nothing was written.
pub(crate) struct Overlay {
    below: Arc<dyn Storage>,
    state: RwLock<State>,
}

struct State {
    blocks: BTreeMap<u64, Box<[u8; BLOCK]>>,
    len: u64,
    /// Length of the part of the file below that still shows.
    shows: u64,
}

impl Overlay {
    /// A layer over a file.
    pub(crate) fn new(below: Arc<dyn Storage>) -> io::Result<Self> {
        let len = below.len()?;
        Ok(Self { below, state: RwLock::new(State { blocks: BTreeMap::new(), len, shows: len }) })
    }

    /// A block as it reads now.
    fn block(&self, state: &State, number: u64) -> io::Result<Box<[u8; BLOCK]>> {
        if let Some(block) = state.blocks.get(&number) {
            return Ok(block.clone());
        }
        let mut block = Box::new([0; BLOCK]);
        let start = number * BLOCK as u64;
        let count = state.shows.saturating_sub(start).min(BLOCK as u64) as usize;
        if let Some(shown) = block.get_mut(..count).filter(|shown| !shown.is_empty()) {
            self.below.read_at(shown, start)?;
        }
        Ok(block)
    }
}

impl Storage for Overlay {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let state = self.state.read();
        if offset.checked_add(buffer.len() as u64).is_none_or(|end| end > state.len) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut offset = offset;
        let mut rest = buffer;
        while !rest.is_empty() {
            let within = (offset % BLOCK as u64) as usize;
            let (now, later) = rest.split_at_mut((BLOCK - within).min(rest.len()));
            let block = self.block(&state, offset / BLOCK as u64)?;
            if let Some(from) = block.get(within..within + now.len()) {
                now.copy_from_slice(from);
            }
            offset += now.len() as u64;
            rest = later;
        }
        Ok(())
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut state = self.state.write();
        let end = offset.checked_add(bytes.len() as u64).ok_or(io::ErrorKind::FileTooLarge)?;
        let mut offset = offset;
        let mut rest = bytes;
        while !rest.is_empty() {
            let within = (offset % BLOCK as u64) as usize;
            let (now, later) = rest.split_at((BLOCK - within).min(rest.len()));
            let mut block = self.block(&state, offset / BLOCK as u64)?;
            if let Some(to) = block.get_mut(within..within + now.len()) {
                to.copy_from_slice(now);
            }
            state.blocks.insert(offset / BLOCK as u64, block);
            offset += now.len() as u64;
            rest = later;
        }
        state.len = state.len.max(end);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.state.read().len)
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        let mut state = self.state.write();
        if length < state.len {
            let number = length / BLOCK as u64;
            let mut block = self.block(&state, number)?;
            if let Some(cut) = block.get_mut((length % BLOCK as u64) as usize..) {
                cut.fill(0);
            }
            state.blocks.split_off(&number);
            state.blocks.insert(number, block);
            state.shows = state.shows.min(length);
        }
        state.len = length;
        Ok(())
    }
}
