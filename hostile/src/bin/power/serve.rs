//! Lends disks in memory to the operating system: a file system in user space (FUSE) with one file for each disk, on which a loop device can lie, and one
//! beside it for what the process above says. One thread answers, so that the record of a disk has one order.

use crate::disk::{Disk, Entry, Image};
use crate::work::Said;
use fuser::{
    BsdFileFlags, Config, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo,
    LockOwner, MountOption, OpenFlags, ReplyAttr, ReplyData, ReplyEmpty, ReplyEntry, ReplyOpen, ReplyWrite, Request,
    TimeOrNow, WriteFlags,
};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

type Disks = Arc<Mutex<BTreeMap<u64, Disk>>>;

/// How long the system may believe what it was told of a file.
const VALID: Duration = Duration::from_secs(1);

/// The folder with the disks.
pub(crate) struct Shelf {
    disks: Disks,
    next: u64,
    folder: PathBuf,
    /// Unmounts when it is dropped.
    _session: fuser::BackgroundSession,
}

impl Shelf {
    pub(crate) fn new(folder: &Path) -> Result<Self, String> {
        let disks = Disks::default();
        let mut config = Config::default();
        config.mount_options.push(MountOption::FSName("tamarack-disks".to_owned()));
        let session = fuser::spawn_mount(Server(Arc::clone(&disks)), folder, &config);
        let session = session.map_err(|error| format!("mounting FUSE: {error}"))?;
        Ok(Self { disks, next: 0, folder: folder.to_owned(), _session: session })
    }

    /// Puts a disk there. Its number was never another's, so that nothing in the system's caches is taken for it.
    pub(crate) fn put(&mut self, image: Image) -> u64 {
        self.next += 1;
        lock(&self.disks).insert(self.next, Disk::new(image));
        self.next
    }

    /// Takes a disk away.
    pub(crate) fn take(&self, number: u64) -> Option<Disk> {
        lock(&self.disks).remove(&number)
    }

    /// Looks at a disk while it is used.
    pub(crate) fn with<T>(&self, number: u64, look: impl FnOnce(&mut Disk) -> T) -> Option<T> {
        lock(&self.disks).get_mut(&number).map(look)
    }

    pub(crate) fn path(&self, number: u64) -> PathBuf {
        self.folder.join(format!("{number}.disk"))
    }

    /// Where the process above tells what it has done.
    pub(crate) fn acks(&self, number: u64) -> PathBuf {
        self.folder.join(format!("{number}.acks"))
    }
}

fn lock(disks: &Disks) -> MutexGuard<'_, BTreeMap<u64, Disk>> {
    disks.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Server(Disks);

/// A disk, or what is said beside it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Node {
    Disk(u64),
    Acks(u64),
}

impl Node {
    fn named(name: &OsStr) -> Option<Self> {
        let (number, kind) = name.to_str()?.split_once('.')?;
        let number = number.parse().ok()?;
        match kind {
            "disk" => Some(Self::Disk(number)),
            "acks" => Some(Self::Acks(number)),
            _ => None,
        }
    }

    fn numbered(inode: INodeNo) -> Option<Self> {
        let number = u64::from(inode).checked_sub(2)?;
        Some(if number.is_multiple_of(2) { Self::Disk(number / 2) } else { Self::Acks(number / 2) })
    }

    fn inode(self) -> INodeNo {
        match self {
            Self::Disk(number) => INodeNo(2 * number + 2),
            Self::Acks(number) => INodeNo(2 * number + 3),
        }
    }
}

fn attributes(inode: INodeNo, kind: FileType, size: u64) -> FileAttr {
    let time = UNIX_EPOCH;
    let (perm, nlink) = if kind == FileType::Directory { (0o700, 2) } else { (0o600, 1) };
    FileAttr {
        ino: inode,
        size,
        blocks: size.div_ceil(512),
        atime: time,
        mtime: time,
        ctime: time,
        crtime: time,
        kind,
        perm,
        nlink,
        uid: 0,
        gid: 0,
        rdev: 0,
        blksize: 4096,
        flags: 0,
    }
}

impl Server {
    fn of(&self, inode: INodeNo) -> Option<FileAttr> {
        if inode == INodeNo::ROOT {
            return Some(attributes(inode, FileType::Directory, 0));
        }
        let size = match Node::numbered(inode)? {
            Node::Disk(number) => lock(&self.0).get(&number)?.image.length(),
            Node::Acks(number) => lock(&self.0).contains_key(&number).then_some(0)?,
        };
        Some(attributes(inode, FileType::RegularFile, size))
    }
}

impl Filesystem for Server {
    fn lookup(&self, _: &Request, _: INodeNo, name: &OsStr, reply: ReplyEntry) {
        match Node::named(name).and_then(|node| self.of(node.inode())) {
            Some(attributes) => reply.entry(&VALID, &attributes, Generation(0)),
            None => reply.error(Errno::ENOENT),
        }
    }

    fn getattr(&self, _: &Request, inode: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        match self.of(inode) {
            Some(attributes) => reply.attr(&VALID, &attributes),
            None => reply.error(Errno::ENOENT),
        }
    }

    /// Nothing changes: who opens the file of what is said may want to make it empty.
    fn setattr(
        &self,
        request: &Request,
        inode: INodeNo,
        _: Option<u32>,
        _: Option<u32>,
        _: Option<u32>,
        size: Option<u64>,
        _: Option<TimeOrNow>,
        _: Option<TimeOrNow>,
        _: Option<SystemTime>,
        handle: Option<FileHandle>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        match Node::numbered(inode) {
            Some(Node::Disk(_)) if size.is_some() => reply.error(Errno::EINVAL),
            _ => self.getattr(request, inode, handle, reply),
        }
    }

    fn open(&self, _: &Request, inode: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        // Each line is to be here when the write of it returns.
        let direct = matches!(Node::numbered(inode), Some(Node::Acks(_)));
        reply.opened(FileHandle(0), if direct { FopenFlags::FOPEN_DIRECT_IO } else { FopenFlags::empty() });
    }

    fn read(
        &self,
        _: &Request,
        inode: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        match Node::numbered(inode) {
            Some(Node::Disk(number)) => match lock(&self.0).get(&number) {
                Some(disk) => reply.data(&disk.image.read(offset, size as usize)),
                None => reply.error(Errno::EIO),
            },
            _ => reply.data(&[]),
        }
    }

    fn write(
        &self,
        _: &Request,
        inode: INodeNo,
        _: FileHandle,
        offset: u64,
        data: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let mut disks = lock(&self.0);
        let node = Node::numbered(inode);
        let (Some(Node::Disk(number)) | Some(Node::Acks(number))) = node else { return reply.error(Errno::EINVAL) };
        let Some(disk) = disks.get_mut(&number) else { return reply.error(Errno::EIO) };
        if node == Some(Node::Disk(number)) {
            return reply.written(disk.write(offset, data) as u32);
        }
        match std::str::from_utf8(data).ok().and_then(Said::read) {
            Some(said) => disk.log.push(Entry::Said(said)),
            None => return reply.error(Errno::EINVAL),
        }
        reply.written(data.len() as u32);
    }

    fn fsync(&self, _: &Request, inode: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        if let Some(Node::Disk(number)) = Node::numbered(inode)
            && let Some(disk) = lock(&self.0).get_mut(&number)
        {
            disk.log.push(Entry::Flush);
        }
        reply.ok();
    }
}
