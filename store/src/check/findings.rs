//! What a check has found.

/// What a [`Finding`](crate::Finding) is about.
///
/// ```
/// assert_eq!(tamarack::FindingKind::Page.to_string(), "page");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum FindingKind {
    /// One of the two superblocks is damaged, or they contradict each other.
    Superblock,
    /// The list of free blocks is damaged.
    FreeMap,
    /// The list of trees is damaged.
    Directory,
    /// A page of a table or an index cannot be read, or its bytes are not what was written.
    Page,
    /// A page is whole, and does not fit the page above it: keys outside their range, a wrong level, a page newer than its parent.
    Tree,
    /// A value that lies outside its page is damaged.
    Value,
    /// Blocks that two things own, or that are in use and listed as free.
    Space,
    /// Blocks that nobody owns and that are not listed as free. Nothing is lost but their room: what named them was damaged, and was dropped.
    Leak,
    /// The log is damaged.
    Log,
    /// The catalog contradicts itself or the trees of the file.
    Catalog,
    /// A record does not have the shape that the catalog gives its table.
    Row,
    /// An index lacks an entry, or has one without a record.
    Index,
    /// A table's number of records, or its largest automatic id, is wrong.
    Counter,
}

impl FindingKind {
    /// Whether every page is there and as it was written all the same.
    fn leaves_pages_whole(self) -> bool {
        matches!(self, Self::Leak | Self::Catalog | Self::Row | Self::Index | Self::Counter)
    }
}

impl std::fmt::Display for FindingKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Superblock => "superblock",
            Self::FreeMap => "free map",
            Self::Directory => "directory",
            Self::Page => "page",
            Self::Tree => "tree",
            Self::Value => "value",
            Self::Space => "space",
            Self::Leak => "leak",
            Self::Log => "log",
            Self::Catalog => "catalog",
            Self::Row => "row",
            Self::Index => "index",
            Self::Counter => "counter",
        })
    }
}

/// How far a check, a salvage or a compaction has come.
///
/// ```
/// let db = tamarack::Database::<()>::in_memory()?;
/// let mut last = tamarack::Progress::default();
/// db.check_with(&mut |progress| last = progress)?;
/// assert!(last.done > 0 && last.done <= last.total);
/// # Ok::<(), tamarack::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Progress {
    /// Bytes of the file that were gone through.
    pub done: u64,
    /// Bytes that there are to go through, as far as is known.
    pub total: u64,
}

/// Which keys of a tree are concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Keys {
    One(Vec<u8>),
    /// From the first one on, up to and without the second one.
    Range(Vec<u8>, Option<Vec<u8>>),
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) kind: FindingKind,
    pub(crate) tree: Option<u32>,
    pub(crate) keys: Option<Keys>,
    pub(crate) block: Option<u64>,
    /// Whether the device refused, so that nobody knows what lies there.
    pub(crate) unread: bool,
    pub(crate) what: String,
}

impl Found {
    pub(crate) fn new(kind: FindingKind, what: impl Into<String>) -> Self {
        Self { kind, tree: None, keys: None, block: None, unread: false, what: what.into() }
    }

    #[must_use]
    pub(crate) fn in_tree(mut self, tree: u32) -> Self {
        self.tree = Some(tree);
        self
    }

    #[must_use]
    pub(crate) fn keys(mut self, keys: Keys) -> Self {
        self.keys = Some(keys);
        self
    }

    #[must_use]
    pub(crate) fn unread(mut self, unread: bool) -> Self {
        self.unread = unread;
        self
    }

    #[must_use]
    pub(crate) fn at(mut self, block: u64) -> Self {
        self.block = Some(block);
        self
    }
}

/// A list that does not grow without bound (I36): what is beyond is counted.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub(crate) list: Vec<Found>,
    pub(crate) more: u64,
    /// Whether one of them, kept or not, says that pages are missing, damaged, or not where they belong.
    pub(crate) broken: bool,
}

impl Findings {
    /// Findings that are kept.
    pub(crate) const MOST: usize = 10_000;

    pub(crate) fn add(&mut self, found: Found) {
        self.broken |= found.unread || !found.kind.leaves_pages_whole();
        if self.list.len() < Self::MOST {
            self.list.push(found);
        } else {
            self.more += 1;
        }
    }

    /// Takes over what another list holds.
    pub(crate) fn append(&mut self, other: Self) {
        self.more += other.more;
        self.broken |= other.broken;
        other.list.into_iter().for_each(|found| self.add(found));
    }
}
