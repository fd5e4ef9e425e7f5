//! A real file: positioned reads and writes, and an advisory lock for as long as it is open.
//!
//! Only the standard library is used, but for direct writes on Linux (`direct.rs`). Its `sync_data` is `fdatasync` on Linux and `F_FULLFSYNC` on macOS, its `try_lock` is `flock` on
//! Unix and `LockFileEx` on Windows; both belong to the open file, so that a second handle in this process is refused like one in another.

use super::{Owner, Storage};
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::Path;

/// How a file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OpenMode {
    /// For writing; made if it does not exist.
    CreateOrOpen,
    /// For writing; refused if it exists.
    CreateNew,
    /// For writing; refused if it does not exist.
    Existing,
    /// For reading only.
    ReadOnly,
}

/// Why a file was not opened.
#[derive(Debug)]
pub(crate) enum OpenError {
    /// Somebody has it open.
    Locked,
    /// It is a folder, a pipe or a device.
    NotAFile,
    /// It can be read, and this process may not write to it.
    ReadOnly(io::Error),
    /// The operating system refused.
    Io(io::Error),
}

/// See the module.
pub(crate) struct RealFile {
    file: File,
    owner: Owner,
    /// Opened for the first write that is to be durable by itself.
    #[cfg(target_os = "linux")]
    direct: Direct,
    /// Opened for the first large write. Not the same: its writes take longer than one that a commit waits for.
    #[cfg(target_os = "linux")]
    past_cache: Direct,
    /// Shared by writes through the cache, exclusive to one past it: what the cache holds of its range, and of the neighbours that lie in the same
    /// folio, must not become dirty meanwhile, or it could not be dropped and would be read in the place of what was written.
    #[cfg(target_os = "linux")]
    cached: crate::sync::RwLock<()>,
    #[cfg(not(any(unix, windows)))]
    turn: crate::sync::Mutex<()>,
}

/// How often, and for how long at a time, somebody waits for a locked file: a fifth of a second in all.
const LOCK_TRIES: usize = 100;
const LOCK_PAUSE: std::time::Duration = std::time::Duration::from_millis(2);

impl RealFile {
    /// Opens and locks a file, the one that bears this name when it is locked. A new one is entered durably into its folder.
    pub(crate) fn open(path: &Path, mode: OpenMode) -> Result<Self, OpenError> {
        /// Somebody takes the name away each time.
        const TRIES: usize = 8;
        for _ in 0..TRIES {
            if let Some(file) = Self::open_once(path, mode)? {
                return Ok(file);
            }
        }
        Err(OpenError::Locked)
    }

    /// `None` if the file has lost its name while this waited for its lock: what would be written to it nobody would find again.
    #[expect(clippy::disallowed_methods, reason = "this is where files are opened")]
    fn open_once(path: &Path, mode: OpenMode) -> Result<Option<Self>, OpenError> {
        // Opening a pipe would wait for its other end.
        let existed = match std::fs::metadata(path) {
            Ok(metadata) if !metadata.is_file() => return Err(OpenError::NotAFile),
            Ok(_) => true,
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(error) => return Err(OpenError::Io(error)),
        };
        let writing = mode != OpenMode::ReadOnly;
        let mut options = OpenOptions::new();
        let create = mode == OpenMode::CreateOrOpen;
        options.read(true).write(writing).create(create).truncate(false).create_new(mode == OpenMode::CreateNew);
        let file = options.open(path).map_err(|error| {
            let refused = matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem);
            let readable = refused && existed && writing && OpenOptions::new().read(true).open(path).is_ok();
            if readable { OpenError::ReadOnly(error) } else { OpenError::Io(error) }
        })?;
        let kept = keep(&file, path, writing, existed).inspect_err(|error| {
            // Whoever was told that nothing was made finds nothing there. What somebody else has locked meanwhile is theirs.
            if mode == OpenMode::CreateNew && matches!(error, OpenError::Io(_)) {
                super::plain::discard(path);
            }
        })?;
        Ok(kept.then_some(Self {
            #[cfg(target_os = "linux")]
            direct: std::sync::OnceLock::new(),
            #[cfg(target_os = "linux")]
            past_cache: std::sync::OnceLock::new(),
            #[cfg(target_os = "linux")]
            cached: crate::sync::RwLock::new(()),
            file,
            owner: Owner::this_process(),
            #[cfg(not(any(unix, windows)))]
            turn: crate::sync::Mutex::new(()),
        }))
    }
}

/// Locks a file and makes its name durable. Whether it still bears that name.
fn keep(file: &File, path: &Path, writing: bool, existed: bool) -> Result<bool, OpenError> {
    lock(file, writing)?;
    if !bears_name(file, path).map_err(OpenError::Io)? {
        return Ok(false);
    }
    // An empty one may be what somebody left who failed here.
    if writing && (!existed || file.metadata().map_err(OpenError::Io)?.len() == 0) {
        sync_folder(path, file).map_err(OpenError::Io)?;
    }
    Ok(true)
}

/// Whether this is the file that the path leads to now.
#[cfg(unix)]
fn bears_name(file: &File, path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let here = file.metadata()?;
    match std::fs::metadata(path) {
        Ok(there) => Ok((here.dev(), here.ino()) == (there.dev(), there.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// The standard library has nothing to compare elsewhere.
#[cfg(not(unix))]
fn bears_name(_file: &File, _path: &Path) -> io::Result<bool> {
    Ok(true)
}

/// Waits a moment for whoever is about to let go: a process that ends, or a worker of an asynchronous transaction whose outcome is known.
#[expect(clippy::disallowed_methods, reason = "this is where files are opened")]
fn lock(file: &File, writing: bool) -> Result<(), OpenError> {
    let mut tries = 0;
    loop {
        let locked = if writing { file.try_lock() } else { file.try_lock_shared() };
        match locked {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) if tries < LOCK_TRIES => {
                tries += 1;
                std::thread::sleep(LOCK_PAUSE);
            }
            Err(TryLockError::WouldBlock) => return Err(OpenError::Locked),
            Err(TryLockError::Error(error)) => return Err(OpenError::Io(error)),
        }
    }
}

/// A new name is durable only when its folder is: that of the file itself, which a link may have led to.
#[cfg(unix)]
#[expect(clippy::disallowed_methods, reason = "this is where files are opened")]
pub(super) fn sync_folder(path: &Path, file: &File) -> io::Result<()> {
    let place = std::fs::canonicalize(path)?;
    let synced = place.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all());
    match synced {
        // Who may write to a folder need not be allowed to read it, and some file systems have no sync for one.
        Err(error) if unable(&error) => sync_everything(file),
        synced => synced,
    }
}

#[cfg(unix)]
fn unable(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidInput, PermissionDenied, Unsupported};
    matches!(error.kind(), InvalidInput | PermissionDenied | Unsupported)
}

/// The names on the file's file system are among that.
#[cfg(target_os = "linux")]
fn sync_everything(file: &File) -> io::Result<()> {
    rustix::fs::syncfs(file).map_err(io::Error::from)
}

/// The most there is.
#[cfg(all(unix, not(target_os = "linux")))]
fn sync_everything(file: &File) -> io::Result<()> {
    file.sync_all()
}

#[cfg(not(unix))]
pub(super) fn sync_folder(_path: &Path, _file: &File) -> io::Result<()> {
    Ok(())
}

#[cfg(target_os = "linux")]
type Direct = std::sync::OnceLock<Option<super::direct::DirectFile>>;

/// Opened when it is first asked for. A lack of descriptors or memory says nothing of the file: then it is tried again.
#[cfg(target_os = "linux")]
fn direct(
    slot: &Direct,
    open: impl FnOnce() -> io::Result<Option<super::direct::DirectFile>>,
) -> Option<&super::direct::DirectFile> {
    if slot.get().is_none()
        && let Ok(opened) = open()
    {
        return slot.get_or_init(|| opened).as_ref();
    }
    slot.get().and_then(Option::as_ref)
}

#[cfg(unix)]
impl RealFile {
    fn read_some(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        std::os::unix::fs::FileExt::read_at(&self.file, buffer, offset)
    }

    fn write_some(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        std::os::unix::fs::FileExt::write_at(&self.file, bytes, offset)
    }
}

#[cfg(windows)]
impl RealFile {
    fn read_some(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        std::os::windows::fs::FileExt::seek_read(&self.file, buffer, offset)
    }

    fn write_some(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        std::os::windows::fs::FileExt::seek_write(&self.file, bytes, offset)
    }
}

#[cfg(not(any(unix, windows)))]
impl RealFile {
    fn read_some(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        use std::io::{Read, Seek, SeekFrom};
        let _turn = self.turn.lock();
        (&self.file).seek(SeekFrom::Start(offset))?;
        (&self.file).read(buffer)
    }

    fn write_some(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        use std::io::{Seek, SeekFrom, Write};
        let _turn = self.turn.lock();
        (&self.file).seek(SeekFrom::Start(offset))?;
        (&self.file).write(bytes)
    }
}

impl Storage for RealFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let mut done = 0;
        while let Some(rest) = buffer.get_mut(done..).filter(|rest| !rest.is_empty()) {
            match self.read_some(rest, offset + done as u64) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => done += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.owner.check()?;
        #[cfg(target_os = "linux")]
        let _cached = self.cached.read();
        let mut done = 0;
        while let Some(rest) = bytes.get(done..).filter(|rest| !rest.is_empty()) {
            match self.write_some(rest, offset + done as u64) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => done += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        self.owner.check()?;
        self.file.sync_data()
    }

    /// Without `cached`, so that a commit does not wait for a checkpoint's writes. What the cache holds of the range is clean: the log's units are whole pages, and one
    /// that was written through the cache is not written again before a sync (I21, I23). A neighbour that shares a folio with it and becomes dirty
    /// in that very moment, as slot B may, could keep a stale copy of the log in the cache, of which the system tells the next sync (I30).
    #[cfg(target_os = "linux")]
    fn write_durable(&self, bytes: &[u8], offset: u64) -> io::Result<bool> {
        self.owner.check()?;
        let direct = direct(&self.direct, || super::direct::DirectFile::open_durable(&self.file));
        direct.map_or(Ok(false), |direct| direct.write(bytes, offset, true))
    }

    #[cfg(target_os = "linux")]
    fn write_past_cache(&self, bytes: &[u8], offset: u64) -> io::Result<bool> {
        let direct = direct(&self.past_cache, || super::direct::DirectFile::open(&self.file));
        if let Some(direct) = direct.filter(|direct| direct.works()) {
            self.owner.check()?;
            let _alone = self.cached.write();
            if direct.write(bytes, offset, false)? {
                return Ok(true);
            }
        }
        self.write_at(bytes, offset).map(|()| false)
    }

    #[cfg(target_os = "linux")]
    fn offers_durable_writes(&self) -> bool {
        self.direct.get().and_then(Option::as_ref).is_some_and(super::direct::DirectFile::works)
    }

    fn len(&self) -> io::Result<u64> {
        self.file.metadata().map(|metadata| metadata.len())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.owner.check()?;
        self.file.set_len(length)
    }
}
