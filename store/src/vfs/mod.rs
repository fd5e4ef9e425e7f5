//! Storage: the few calls that the engine makes on a file.
//!
//! Everything that speaks to the operating system is here. The trait is small, so that a fault-injecting twin fits one page. All reads and writes
//! are whole: short ones are continued, interrupted ones repeated; a sync is never repeated (I30).

#[cfg(target_os = "linux")]
mod direct;
#[cfg(any(test, feature = "simulate"))]
pub(crate) mod fault;
mod file;
mod memory;
mod overlay;
mod owner;
mod plain;

#[cfg(test)]
mod tests;

#[cfg(test)]
pub(crate) use fault::{CrashPolicy, Failure, FaultFile, FaultPlan};
pub(crate) use file::{OpenError, OpenMode, RealFile};
pub(crate) use memory::MemoryFile;
pub(crate) use overlay::Overlay;
pub(crate) use owner::Owner;
pub(crate) use plain::{create_plain, discard, finish_plain, open_plain};

use std::io;

/// A file as the engine sees it.
pub(crate) trait Storage: Send + Sync {
    /// Fills `buffer` from `offset` on. `UnexpectedEof` past the end.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;
    /// Writes all of `bytes` at `offset`, growing the file if need be.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Makes everything written before durable.
    fn sync(&self) -> io::Result<()>;
    /// Writes these bytes and makes them durable, and nothing else; `false` if the storage does not offer that, and then it wrote nothing.
    fn write_durable(&self, bytes: &[u8], offset: u64) -> io::Result<bool> {
        let _ = (bytes, offset);
        Ok(false)
    }
    /// [`write_at`](Self::write_at) of much that is not read soon: past the operating system's cache, if that is offered, so that neither a sync
    /// nor another write waits for it. Returns whether it was. Not durable before a sync.
    fn write_past_cache(&self, bytes: &[u8], offset: u64) -> io::Result<bool> {
        self.write_at(bytes, offset).map(|()| false)
    }
    /// Whether [`write_durable`](Self::write_durable) is offered, as far as is known.
    fn offers_durable_writes(&self) -> bool {
        false
    }
    /// Length in bytes.
    fn len(&self) -> io::Result<u64>;
    /// Cuts or extends (with zeros).
    fn set_len(&self, length: u64) -> io::Result<()>;
}
