//! What a backup says of itself.

use crate::backup::{Base, Copied};
use crate::error::Result;
use std::fmt;
use std::io::Read;

/// A backup, as [`Database::backup`](crate::Database::backup) has made it or its front describes it. It is what the next increment goes on from.
///
/// Holds 16 bytes for each run of blocks that were free.
///
/// ```
/// let db = tamarack::Database::<()>::in_memory()?;
/// let mut bytes = Vec::new();
/// let backup = db.backup(&mut bytes)?;
/// println!("{backup}");
/// assert!(!backup.is_increment());
/// # Ok::<(), tamarack::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backup {
    base: Base,
    bytes: Option<u64>,
}

impl Backup {
    pub(super) fn made(copied: Copied) -> Self {
        Self { base: copied.base, bytes: Some(copied.bytes) }
    }

    pub(super) fn base(&self) -> &Base {
        &self.base
    }

    /// Reads the front of a backup: what an increment must know of it. Says nothing about the rest, see [`verify`](Self::verify).
    ///
    /// ```
    /// # let db = tamarack::Database::<()>::in_memory()?;
    /// let mut bytes = Vec::new();
    /// db.backup(&mut bytes)?;
    /// let earlier = tamarack::Backup::read_header(&bytes[..])?;
    /// db.backup_since(&earlier, &mut Vec::new())?;
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::NotADatabase`](crate::ErrorKind::NotADatabase) if it is no backup; [`ErrorKind::TooNew`](crate::ErrorKind::TooNew);
    /// [`ErrorKind::Corrupt`](crate::ErrorKind::Corrupt), [`ErrorKind::Truncated`](crate::ErrorKind::Truncated) for its front;
    /// [`ErrorKind::Io`](crate::ErrorKind::Io) if the reader fails.
    pub fn read_header(reader: impl Read) -> Result<Self> {
        Ok(Self { base: Base::read(reader)?, bytes: None })
    }

    /// Reads a whole backup, and verifies that it is what was written, up to its end. A restore does so too, and checks the database that comes of
    /// it; this tells after a transfer that nothing was lost on the way. Memory: a frame of at most a mebibyte.
    ///
    /// ```
    /// # let db = tamarack::Database::<()>::in_memory()?;
    /// let mut bytes = Vec::new();
    /// db.backup(&mut bytes)?;
    /// tamarack::Backup::verify(&bytes[..])?;
    /// let cut = tamarack::Backup::verify(&bytes[..bytes.len() - 1]).unwrap_err();
    /// assert_eq!(cut.kind(), tamarack::ErrorKind::Truncated);
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`read_header`](Self::read_header), for all of it.
    pub fn verify(reader: impl Read) -> Result<Self> {
        let (base, bytes) = Base::verify(reader)?;
        Ok(Self { base, bytes: Some(bytes) })
    }

    /// Whether it holds only what has changed since another one.
    ///
    /// ```
    /// # let db = tamarack::Database::<()>::in_memory()?;
    /// let first = db.backup(&mut Vec::new())?;
    /// assert!(db.backup_since(&first, &mut Vec::new())?.is_increment());
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    #[must_use]
    pub fn is_increment(&self) -> bool {
        self.base.header.follows.is_some()
    }

    /// Whether it is the increment that comes next after another one.
    ///
    /// ```
    /// # let db = tamarack::Database::<()>::in_memory()?;
    /// let first = db.backup(&mut Vec::new())?;
    /// let second = db.backup_since(&first, &mut Vec::new())?;
    /// assert!(second.follows(&first) && !first.follows(&second));
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    #[must_use]
    pub fn follows(&self, earlier: &Self) -> bool {
        self.base.header.follows.is_some_and(|(id, _)| id == earlier.base.header.id)
    }

    /// Whether an increment can follow it: not if it was made of a database that was opened for reading only, which notes nothing.
    ///
    /// ```
    /// # let db = tamarack::Database::<()>::in_memory()?;
    /// assert!(db.backup(&mut Vec::new())?.can_be_followed());
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    #[must_use]
    pub fn can_be_followed(&self) -> bool {
        self.base.header.known
    }

    /// The timestamp of the newest commit in it, as [`ReadTxn::timestamp`](crate::ReadTxn::timestamp): it holds all commits up to this one, and no other.
    ///
    /// ```
    /// # let db = tamarack::Database::<()>::in_memory()?;
    /// assert_eq!(db.backup(&mut Vec::new())?.timestamp(), db.begin_read()?.timestamp());
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    #[must_use]
    pub fn timestamp(&self) -> u64 {
        self.base.header.superblock.commit_timestamp
    }

    /// The generation of the checkpoint in it: of two backups of one database the later one has the higher.
    ///
    /// ```
    /// # let db = tamarack::Database::<()>::in_memory()?;
    /// let (first, second) = (db.backup(&mut Vec::new())?, db.backup(&mut Vec::new())?);
    /// assert!(first.checkpoint() < second.checkpoint());
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    #[must_use]
    pub fn checkpoint(&self) -> u64 {
        self.base.header.superblock.generation
    }

    /// Bytes of the backup; `None` if only its header was read.
    ///
    /// ```
    /// # let db = tamarack::Database::<()>::in_memory()?;
    /// let mut bytes = Vec::new();
    /// assert_eq!(db.backup(&mut bytes)?.bytes(), Some(bytes.len() as u64));
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    #[must_use]
    pub fn bytes(&self) -> Option<u64> {
        self.bytes
    }
}

impl fmt::Display for Backup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let header = &self.base.header;
        let short = |id: &[u8; 16]| id.iter().take(4).map(|byte| format!("{byte:02x}")).collect::<String>();
        match header.follows {
            None => write!(f, "full backup {}", short(&header.id))?,
            Some((follows, _)) => write!(f, "increment {} of {}", short(&header.id), short(&follows))?,
        }
        write!(f, ", up to commit {}, checkpoint {}", self.timestamp(), self.checkpoint())
    }
}
