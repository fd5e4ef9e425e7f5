//! Writes past the page cache: of one range of the log, durable by itself, and of a checkpoint's pages, durable with a sync.
//!
//! `O_DIRECT` and `RWF_DSYNC` together make a write durable without the rest of the file: a commit does not wait for the pages of a checkpoint that
//! happens to run. A checkpoint's pages without `RWF_DSYNC` leave no heap of dirty pages behind that a sync would have to wait for, and file systems let
//! the log's direct writes into the file beside them, which a write through the cache locks for itself. Both are offers of the file system; where either is refused, the caller writes and syncs as usual.

use crate::sync::Mutex;
use crate::sync::atomic::{AtomicBool, Ordering};
use rustix::io::{Errno, ReadWriteFlags, pwritev2};
use std::fs::{File, OpenOptions};
use std::io::{self, IoSlice};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;

/// Places, lengths and memory are multiples of this. No device asks for more.
const ALIGN: usize = 4096;

/// The buffer keeps no more memory than this between two writes: it is not part of the budget.
const KEPT: usize = 1 << 20;

/// See the module.
pub(super) struct DirectFile {
    file: File,
    refused: AtomicBool,
    /// Memory whose address suits the device.
    buffer: Mutex<Vec<u8>>,
}

/// Whether writes with `RWF_DSYNC` are durable on a file system of this kind (statfs(2)). No error tells: one in user space (FUSE) gets the flag as
/// part of a request, which servers ignore, and network and stacked file systems are as good as what lies behind them.
///
/// These are the ones whose direct writes end in the kernel's `generic_write_sync`, or in a write that the device must not cache: ext2 to ext4 and XFS by
/// `iomap_dio_complete` (fs/iomap/direct-io.c); Btrfs in `btrfs_do_write_iter` (fs/btrfs/file.c); F2FS in `f2fs_file_write_iter` (fs/f2fs/file.c).
fn keeps_its_word(kind: u32) -> bool {
    const EXT: u32 = 0xef53;
    const XFS: u32 = 0x5846_5342;
    const BTRFS: u32 = 0x9123_683e;
    const F2FS: u32 = 0xf2f5_2010;
    matches!(kind, EXT | XFS | BTRFS | F2FS)
}

impl DirectFile {
    /// Opens a file once more, for such writes; `None` if the file system does not offer them. Not by its name, which may be another
    /// file's by now.
    ///
    /// # Errors
    /// The process or the system has no descriptor or no memory for it now.
    #[expect(clippy::disallowed_methods, reason = "this is where files are opened")]
    pub(super) fn open(known: &File) -> io::Result<Option<Self>> {
        let flags = rustix::fs::OFlags::DIRECT.bits().cast_signed();
        let place = format!("/proc/self/fd/{}", known.as_raw_fd());
        match OpenOptions::new().write(true).custom_flags(flags).open(place) {
            Ok(file) => Ok(Some(Self { file, refused: AtomicBool::new(false), buffer: Mutex::default() })),
            Err(error) => match Errno::from_io_error(&error) {
                Some(Errno::MFILE | Errno::NFILE | Errno::NOMEM) => Err(error),
                _ => Ok(None),
            },
        }
    }

    /// The same, for writes that are durable by themselves; `None` also where nobody knows whether the file system would keep that promise.
    pub(super) fn open_durable(known: &File) -> io::Result<Option<Self>> {
        let kind = rustix::fs::fstatfs(known).map(|found| found.f_type);
        if kind.is_ok_and(|kind| keeps_its_word(kind as u32)) { Self::open(known) } else { Ok(None) }
    }

    /// Whether writes have not been refused so far.
    pub(super) fn works(&self) -> bool {
        !self.refused.load(Ordering::Relaxed)
    }

    /// Writes and, if asked, makes durable; `false` if that is not offered, and then nothing was written.
    pub(super) fn write(&self, bytes: &[u8], offset: u64, durable: bool) -> io::Result<bool> {
        let whole = bytes.len().is_multiple_of(ALIGN) && offset.is_multiple_of(ALIGN as u64);
        if !whole || !self.works() {
            return Ok(false);
        }
        // A durable write waits for the device, and pieces of it would wait one after the other.
        let most = if durable { bytes.len().max(KEPT) } else { KEPT };
        let flags = if durable { ReadWriteFlags::DSYNC } else { ReadWriteFlags::empty() };
        let mut buffer = self.buffer.lock();
        let mut done = 0;
        for piece in bytes.chunks(most) {
            let Some(aligned) = aligned(&mut buffer, piece.len()) else { return Ok(false) };
            aligned.copy_from_slice(piece);
            let end = done + piece.len();
            while let Some(rest) = aligned.get(piece.len() - (end - done)..).filter(|rest| !rest.is_empty()) {
                match pwritev2(&self.file, &[IoSlice::new(rest)], offset + done as u64, flags) {
                    Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                    Ok(count) => done += count,
                    Err(Errno::INTR) => {}
                    // Refused before the first byte: not a failure of the device.
                    Err(Errno::INVAL | Errno::OPNOTSUPP | Errno::NOSYS) if done == 0 => {
                        self.refused.store(true, Ordering::Relaxed);
                        return Ok(false);
                    }
                    Err(error) => return Err(error.into()),
                }
            }
        }
        if buffer.len() > KEPT + ALIGN {
            *buffer = Vec::new();
        }
        Ok(true)
    }
}

/// So many bytes of the buffer that lie as the device wants it.
fn aligned(buffer: &mut Vec<u8>, len: usize) -> Option<&mut [u8]> {
    let needed = len + ALIGN;
    if buffer.len() < needed {
        *buffer = vec![0; needed];
    }
    let start = buffer.as_ptr().align_offset(ALIGN);
    buffer.get_mut(start..).and_then(|rest| rest.get_mut(..len))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_what_it_says_or_nothing() {
        let folder = tempfile::tempdir_in(".").unwrap();
        let file = tempfile::tempfile_in(folder.path()).unwrap();
        file.set_len(1 << 16).unwrap();
        let Some(direct) = DirectFile::open(&file).unwrap() else { return };
        let read = |offset: u64, len: usize| {
            let mut bytes = vec![0; len];
            std::os::unix::fs::FileExt::read_exact_at(&file, &mut bytes, offset).unwrap();
            bytes
        };
        assert!(!direct.write(&[1; 100], 4096, true).unwrap(), "not a whole unit");
        assert!(!direct.write(&[1; 4096], 100, true).unwrap());
        assert_eq!(read(4096, 100), [0; 100]);
        for round in 1..4_u8 {
            let offset = u64::from(round) * 8192;
            if direct.write(&[round; 8192], offset, round > 1).unwrap() {
                assert_eq!(read(offset, 8192), [round; 8192]);
                assert_eq!(read(offset + 8192, 16), [0; 16]);
            } else {
                assert!(!direct.works());
                assert_eq!(read(offset, 16), [0; 16]);
            }
        }
    }

    #[test]
    fn large_writes_keep_no_memory() {
        let folder = tempfile::tempdir_in(".").unwrap();
        let file = tempfile::tempfile_in(folder.path()).unwrap();
        let Some(direct) = DirectFile::open(&file).unwrap() else { return };
        let bytes: Vec<u8> = (0..3 * KEPT + 4096).map(|i| (i / 4096) as u8).collect();
        for durable in [true, false] {
            file.set_len(0).unwrap();
            if direct.write(&bytes, 8192, durable).unwrap() {
                let mut read = vec![0; bytes.len()];
                std::os::unix::fs::FileExt::read_exact_at(&file, &mut read, 8192).unwrap();
                assert!(read == bytes, "durable {durable}");
            }
            assert!(direct.buffer.lock().len() <= KEPT + ALIGN, "durable {durable}");
        }
    }
}
