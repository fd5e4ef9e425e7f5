//! The one public error: what went wrong, where, and what to do about it.

use std::{error, fmt, io};

/// The result of every operation of this crate.
///
/// ```
/// fn count() -> tamarack::Result<u64> {
///     Ok(1)
/// }
/// # assert!(count().is_ok());
/// ```
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What kind of thing went wrong. Match on this; read the message of [`Error`] to a person.
///
/// ```
/// use tamarack::{Error, ErrorKind};
/// fn retry_later(error: &Error) -> bool {
///     matches!(error.kind(), ErrorKind::StorageFull)
/// }
/// # let _ = retry_later;
/// assert_eq!(ErrorKind::UniqueViolation.to_string(), "unique violation");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The operating system refused a read, a write or a sync.
    Io,
    /// There is no room on the device. The commit was not made; the database goes on once there is room. If it was found full only in the
    /// midst of a write of the log or of a superblock, the database refuses further commits until it is opened again.
    StorageFull,
    /// Another process, or another handle in this one, has the file open.
    Locked,
    /// The file holds something else. Nothing in it was changed.
    NotADatabase,
    /// The file was written by a newer format than this program knows. Nothing in it was changed.
    TooNew,
    /// The file is shorter than its superblock says, or a backup lacks its end.
    Truncated,
    /// A page of the file is damaged.
    Corrupt,
    /// The log holds damage below a position that is known to have been durable. Nothing was changed.
    LogDamaged,
    /// An earlier failure of the log or of a superblock stopped all writing until the file is opened again.
    Poisoned,
    /// The database was opened for reading only; or the file, or the file system that it is on, cannot be written to.
    ReadOnly,
    /// The database was closed.
    Closed,
    /// A backup is of another database, or not the one that has to come next. Nothing was changed.
    BackupMismatch,
    /// The program's schema and the file's differ, or the program's has a type that no file can describe.
    SchemaMismatch,
    /// A record with this primary key exists.
    KeyExists,
    /// No record with this key exists. For closures of programs: the operations of this crate answer `None`.
    NotFound,
    /// Another record holds this value of a unique index.
    UniqueViolation,
    /// An encoded key or key part is longer than the limit.
    KeyTooLong,
    /// A value is longer than the limit.
    ValueTooLong,
    /// The file has given out all its numbers for tables; deleted tables do not give theirs back.
    TooManyTables,
    /// Stored bytes do not decode as the type that the program asked for.
    Decode,
    /// A value could not be encoded.
    Encode,
    /// A write transaction was begun on a thread that already has one open.
    NestedTransaction,
    /// Another transaction changed what this one used; it can be run again. [`Database::write`](crate::Database::write) does so by itself.
    Conflict,
    /// Another write transaction stayed open for longer than `Options::write_timeout`.
    Timeout,
    /// The snapshot is older than what the database still keeps.
    SnapshotTooOld,
    /// There is no memory for a value, or for a node of a table. Everything else goes on.
    OutOfMemory,
    /// This process was forked from the one that has the database open, and only that one may write to it. Nothing was changed.
    Forked,
    /// An argument or option is out of its range.
    InvalidArgument,
    /// The transaction's closure gave up, see the source.
    Aborted,
}

impl fmt::Display for ErrorKind {
    /// A few words, for statistics and logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Io => "I/O error",
            Self::StorageFull => "storage full",
            Self::Locked => "locked",
            Self::NotADatabase => "not a database",
            Self::TooNew => "too new",
            Self::Truncated => "truncated",
            Self::Corrupt => "corrupt",
            Self::LogDamaged => "log damaged",
            Self::Poisoned => "poisoned",
            Self::ReadOnly => "read only",
            Self::Closed => "closed",
            Self::BackupMismatch => "backup mismatch",
            Self::SchemaMismatch => "schema mismatch",
            Self::KeyExists => "key exists",
            Self::NotFound => "not found",
            Self::UniqueViolation => "unique violation",
            Self::KeyTooLong => "key too long",
            Self::ValueTooLong => "value too long",
            Self::TooManyTables => "too many tables",
            Self::Decode => "decode error",
            Self::Encode => "encode error",
            Self::NestedTransaction => "nested transaction",
            Self::Conflict => "conflict",
            Self::Timeout => "timeout",
            Self::SnapshotTooOld => "snapshot too old",
            Self::OutOfMemory => "out of memory",
            Self::Forked => "forked",
            Self::InvalidArgument => "invalid argument",
            Self::Aborted => "aborted",
        })
    }
}

/// An error of the database: a [kind](ErrorKind), a sentence, and the cause underneath where there is one.
///
/// One pointer wide, `Send + Sync + 'static`.
///
/// ```
/// use tamarack::{Error, ErrorKind};
/// let error = Error::new(ErrorKind::Aborted, "the order has no lines");
/// assert_eq!(error.kind(), ErrorKind::Aborted);
/// assert_eq!(error.to_string(), "the order has no lines");
/// ```
pub struct Error(Box<Repr>);

struct Repr {
    kind: ErrorKind,
    message: String,
    /// Of a unique index, if it has to do with one.
    index: Option<&'static str>,
    source: Option<Box<dyn error::Error + Send + Sync>>,
}

impl Error {
    /// An error of a kind with a sentence. Transaction closures may use it to roll back.
    ///
    /// ```
    /// let error = tamarack::Error::new(tamarack::ErrorKind::Aborted, "the order has no lines");
    /// assert_eq!(error.to_string(), "the order has no lines");
    /// ```
    #[must_use]
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Repr { kind, message: message.into(), index: None, source: None }))
    }

    /// An error about a unique index.
    pub(crate) fn of_index(kind: ErrorKind, index: &'static str, message: String) -> Self {
        Self(Box::new(Repr { kind, message, index: Some(index), source: None }))
    }

    /// The same with the error underneath, which [`std::error::Error::source`] then returns.
    ///
    /// ```
    /// let cause = std::fmt::Error;
    /// let error = tamarack::Error::with_source(tamarack::ErrorKind::Aborted, "no price", cause);
    /// assert!(std::error::Error::source(&error).is_some());
    /// ```
    #[must_use]
    pub fn with_source(
        kind: ErrorKind,
        message: impl Into<String>,
        source: impl Into<Box<dyn error::Error + Send + Sync>>,
    ) -> Self {
        Self(Box::new(Repr { kind, message: message.into(), index: None, source: Some(source.into()) }))
    }

    /// What kind of thing went wrong.
    ///
    /// ```
    /// let error = tamarack::Error::new(tamarack::ErrorKind::Aborted, "no");
    /// assert_eq!(error.kind(), tamarack::ErrorKind::Aborted);
    /// ```
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The name of the unique index whose value another record holds, of an [`ErrorKind::UniqueViolation`]: the field's, unless the record names it
    /// otherwise. `None` for errors of other kinds.
    ///
    /// ```
    /// # use tamarack::{Database, ErrorKind, Record, Schema};
    /// # #[derive(Record)] struct User { #[record(key)] id: u32, #[record(unique)] email: String }
    /// # #[derive(Schema)] struct Users(User);
    /// # let db = Database::<Users>::in_memory()?;
    /// let taken = db.write(|tx| {
    ///     let mut users = tx.table::<User>()?;
    ///     users.insert(User { id: 1, email: "a@b.no".into() })?;
    ///     users.insert(User { id: 2, email: "a@b.no".into() })
    /// });
    /// assert_eq!(taken.unwrap_err().index(), Some("email"));
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    #[must_use]
    pub fn index(&self) -> Option<&str> {
        self.0.index
    }

    /// Wraps a system error: a full device becomes [`ErrorKind::StorageFull`], a call of a forked process [`ErrorKind::Forked`], all else
    /// [`ErrorKind::Io`].
    pub(crate) fn io(doing: &str, error: io::Error) -> Self {
        let kind = match error.kind() {
            io::ErrorKind::Other if error.get_ref().is_some_and(|inner| inner.is::<Forked>()) => ErrorKind::Forked,
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                ErrorKind::StorageFull
            }
            _ => ErrorKind::Io,
        };
        let hint = match kind {
            ErrorKind::StorageFull if error.kind() == io::ErrorKind::FileTooLarge => {
                "; the system lets this program's files grow no further (`ulimit -f`), or the file system does"
            }
            ErrorKind::StorageFull => "; free some space",
            _ => "",
        };
        Self::with_source(kind, format!("{doing}: {error}{hint}"), error)
    }

    /// A damaged page: names the tree and the place.
    pub(crate) fn corrupt(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Corrupt, message)
    }

    /// Puts a name in front of the message, as in "table `cities`: ...".
    #[must_use]
    pub(crate) fn context(mut self, what: impl fmt::Display) -> Self {
        self.0.message = format!("{what}: {}", self.0.message);
        self
    }

    /// Puts what to do about it behind the message.
    #[must_use]
    pub(crate) fn hint(mut self, advice: &str) -> Self {
        self.0.message = format!("{}; {advice}", self.0.message);
        self
    }

    /// A copy to hand to several waiters; the source is kept as text only.
    pub(crate) fn duplicate(&self) -> Self {
        let Repr { kind, message, index, .. } = &*self.0;
        Self(Box::new(Repr { kind: *kind, message: message.clone(), index: *index, source: None }))
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.0.kind)
            .field("message", &self.0.message)
            .field("source", &self.0.source)
            .finish()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl error::Error for Error {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn error::Error + 'static))
    }
}

/// What a call on a file ends with in a process that was forked from the one that opened it.
#[derive(Debug)]
pub(crate) struct Forked;

impl fmt::Display for Forked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this process was forked from the one that has the database open; only that one can write to it")
    }
}

impl error::Error for Forked {}

#[cfg(test)]
mod tests {
    use super::*;

    /// The words are those of the name, but for three that say nothing alone.
    #[test]
    fn kinds_are_told_in_words() {
        use ErrorKind as K;
        let kinds = [
            K::StorageFull,
            K::Locked,
            K::NotADatabase,
            K::TooNew,
            K::Truncated,
            K::Corrupt,
            K::LogDamaged,
            K::Poisoned,
            K::ReadOnly,
            K::Closed,
            K::BackupMismatch,
            K::SchemaMismatch,
            K::KeyExists,
            K::NotFound,
            K::UniqueViolation,
            K::KeyTooLong,
            K::ValueTooLong,
            K::TooManyTables,
            K::NestedTransaction,
            K::Conflict,
            K::Timeout,
            K::SnapshotTooOld,
            K::OutOfMemory,
            K::Forked,
            K::InvalidArgument,
            K::Aborted,
        ];
        for kind in kinds {
            assert_eq!(kind.to_string().replace(' ', ""), format!("{kind:?}").to_lowercase());
        }
        assert_eq!(
            [K::Io, K::Decode, K::Encode].map(|kind| kind.to_string()),
            ["I/O error", "decode error", "encode error"]
        );
        assert_eq!(format!("{:>8}|{:8}|", K::Locked, K::Closed), "  locked|closed  |");
    }
}
