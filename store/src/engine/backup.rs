//! What a backup of a running database reads: a checkpoint that stays in the file, and that the database remembers.

use super::Engine;
use super::open::Shared;
use super::pinned::Pin;
use crate::backup::{Base, Header};
use crate::ckpt;
use crate::error::{Error, ErrorKind, Result};
use crate::format::{KnownBackup, Superblock};
use crate::vfs::Storage;
use std::sync::Arc;

/// See the module. The checkpoint stays until this is dropped.
pub(crate) struct BackupImage {
    shared: Arc<Shared>,
    _pin: Pin,
    pub(crate) header: Header,
}

impl Engine {
    /// Writes a checkpoint, gives it a generation of its own, and pins it. Of a database that was opened for reading the checkpoint is written in memory,
    /// if the log holds anything. Fails before that if nothing can follow `since`. The database knows nothing of the backup before [`BackupImage::note`].
    pub(crate) fn backup_image(&self, since: Option<&Base>) -> Result<BackupImage> {
        let shared = self.shared();
        let base = &shared.base;
        // What was acknowledged since the failure is in no checkpoint, and never will be.
        base.poison.check()?;
        if self.read_only() {
            self.check_open()?;
            ckpt::run(base)?;
        } else {
            self.checkpoint()?;
        }
        let id = self.fresh_id()?;
        let mut superblock = base.superblock.lock();
        base.check_open()?;
        if let Some(since) = since {
            check_known(&superblock, since)?;
        }
        base.poison.check()?;
        let known = !self.read_only();
        if known {
            ckpt::next_generation(base, &mut superblock)?;
        }
        let pin = Pin::of(shared, &superblock)?;
        let follows = since.map(|since| (since.header.id, since.header.superblock.generation));
        // The restored file's log is empty, as after a clean close: there are no sessions in it. A directory without trees is read as none, so
        // that a backup says the same of itself when it is made and when it is read.
        let directory = superblock.directory.filter(|blob| blob.top().is_some());
        let mut restored = Superblock { salts: Vec::new(), directory, ..superblock.clone() };
        if known {
            // What is restored from it knows it.
            restored.remember(KnownBackup { id, generation: restored.generation });
        }
        Ok(BackupImage {
            shared: Arc::clone(shared),
            _pin: pin,
            header: Header { id, follows, known, superblock: restored },
        })
    }
}

/// Whether what the superblock names goes back to a backup.
fn check_known(superblock: &Superblock, since: &Base) -> Result<()> {
    let mismatch = |what: &str| Err(Error::new(ErrorKind::BackupMismatch, format!("{what}; make a full backup")));
    let before = &since.header;
    if before.superblock.file_id != superblock.file_id {
        return mismatch("the backup to go on from is of another database");
    }
    if !before.known {
        return mismatch(
            "no increment can follow the backup to go on from: it was made of a file that was opened for reading only",
        );
    }
    let of_it = KnownBackup { id: before.id, generation: before.superblock.generation };
    if !superblock.backups.contains(&of_it) {
        return mismatch(
            "the database does not know the backup to go on from: one of the two is of a copy that has gone its own way, or was restored to \
             a state before the backup, or many backups were made since",
        );
    }
    Ok(())
}

impl BackupImage {
    /// Notes in the superblocks that the backup was made, so that increments may follow. Not before all of it is where it is kept: a restore refuses a
    /// part of it, and every increment of that part.
    pub(crate) fn note(&self) -> Result<()> {
        if !self.header.known {
            return Ok(());
        }
        let base = &self.shared.base;
        let mut superblock = base.superblock.lock();
        self.shared.check_open()?;
        base.poison.check()?;
        let generation = self.header.superblock.generation;
        ckpt::note_backup(base, &mut superblock, KnownBackup { id: self.header.id, generation })
    }

    /// Where its pages lie.
    pub(crate) fn storage(&self) -> &dyn Storage {
        &*self.shared.base.pager.storage
    }
}
