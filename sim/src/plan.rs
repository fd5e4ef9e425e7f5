//! What a run does, drawn up before it begins: a seed gives a plan, and a plan always does the same. A plan is a tree, as each power cut
//! begins a life of its own; parts of it can be left out, which is how failures are shrunk.

use crate::tables::Table;
use fastrand::Rng;
use std::fmt;
use tamarack::Durability;
use tamarack::simulate::{Crash, Fault, On};

/// A run.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) shape: Shape,
    pub(crate) life: Life,
}

/// What stays the same for a whole run.
#[derive(Debug, Clone)]
pub(crate) struct Shape {
    /// Whether the schema has records, or plain tables alone.
    pub(crate) records: bool,
    pub(crate) tables: Vec<Table>,
    /// Keys of each table are below it.
    pub(crate) keys: u32,
    pub(crate) block: u32,
    pub(crate) page: u32,
    pub(crate) memory: u64,
    pub(crate) write_buffer: usize,
    pub(crate) snapshot_isolation: bool,
    /// Whether the disk offers durable writes of single ranges.
    pub(crate) direct: bool,
}

/// From a start of the machine to the end of its power, with processes that are killed in between. It is cut at many places.
#[derive(Debug, Clone, Default)]
pub(crate) struct Life {
    pub(crate) steps: Vec<Step>,
    pub(crate) faults: Vec<Failing>,
    pub(crate) cuts: Vec<Cut>,
}

/// Something that a logical client does.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    pub(crate) client: usize,
    pub(crate) what: What,
    /// The seed of its own decisions.
    pub(crate) dice: u64,
}

#[derive(Debug, Clone)]
pub(crate) enum What {
    Begin {
        exclusive: bool,
    },
    Write {
        count: usize,
    },
    Read,
    /// Removes many rows at once; with nothing open, in a transaction of its own.
    Remove(Removal),
    /// Gives the commit its place and leaves it there.
    Sequence(Durability),
    /// Waits for it.
    Finish,
    /// Both; with nothing open, a small transaction of its own.
    Commit(Durability),
    Abort,
    /// Takes a snapshot to hold.
    Snapshot,
    /// Takes a snapshot of a checkpoint of its own.
    LongRead,
    /// Reads everything that a held snapshot sees.
    Look,
    Release,
    /// A checkpoint; meanwhile other clients do this.
    Checkpoint(Vec<Step>),
    Flush,
    Check,
    /// The file is made short; meanwhile other clients do this.
    Compact(Vec<Step>),
    /// A backup, perhaps an increment of an earlier one; meanwhile other clients do this.
    Backup(Vec<Step>),
    /// A backup and those that it goes back to are restored on another disk.
    Restore,
    /// The process is killed and started again.
    Kill,
    /// The database is closed and opened again.
    Close,
    /// From here on the file can grow by so many bytes.
    Full(u64),
    Room,
}

/// How many rows are removed at once.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Removal {
    /// A table is deleted; who uses it again makes it anew.
    Delete,
    /// The same by its name alone.
    DeleteNamed,
    Clear,
    /// Those that a query or a closure names.
    Some,
}

/// A call that fails.
#[derive(Debug, Clone)]
pub(crate) struct Failing {
    pub(crate) after: u64,
    pub(crate) on: On,
    pub(crate) fault: Fault,
}

/// A power cut, and the life that comes after it.
#[derive(Debug, Clone)]
pub(crate) struct Cut {
    pub(crate) place: Place,
    /// Where in that, in 65,536ths.
    pub(crate) at: u64,
    pub(crate) crash: Crash,
    pub(crate) dice: u64,
    /// What else happens to a copy of the disk.
    pub(crate) damage: Option<Damage>,
    pub(crate) life: Life,
}

/// The writes among which a power cut comes. Where there are none, there is no cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// All of a life's.
    Life,
    /// Those of its first open, which has not returned yet.
    Open,
    /// Those that follow until a commit is acknowledged for the first time: what an open has left to do is done by then.
    Unsettled,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Damage {
    /// A bit flips.
    Rot,
    /// A sector becomes zeros.
    Zeros,
    /// A sector becomes noise.
    Noise,
    /// A sector holds what it held before.
    Stale,
    /// A sector holds what another one holds.
    Twin,
    Truncated,
    Extended,
    /// The next process writes once into the void.
    LostWrite,
    /// The next process writes once to another place.
    Misdirected,
}

impl Damage {
    pub(crate) const ALL: [Self; 9] = [
        Self::Rot,
        Self::Zeros,
        Self::Noise,
        Self::Stale,
        Self::Twin,
        Self::Truncated,
        Self::Extended,
        Self::LostWrite,
        Self::Misdirected,
    ];
}

/// Lives that go on to be long ones, one after the other.
const LONG_LIVES: u32 = 2;
/// Clients beside each other.
const CLIENTS: usize = 4;

impl Plan {
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = Rng::with_seed(seed);
        let shape = Shape::new(&mut random);
        let life = long_life(&mut random, LONG_LIVES);
        Self { shape, life }
    }
}

impl Shape {
    /// Bytes of memory with which no snapshot is ever given up: more than all that a life writes.
    pub(crate) const ROOMY: u64 = 64 << 20;

    fn new(random: &mut Rng) -> Self {
        let records = random.bool();
        let mut tables: Vec<Table> = Table::ALL.into_iter().filter(|table| records || !table.is_record()).collect();
        random.shuffle(&mut tables);
        tables.truncate(random.usize(1..4));
        if records && !tables.contains(&Table::Customers) && random.bool() {
            tables.push(Table::Customers);
        }
        let roomy = random.u8(..) < 40;
        Self {
            records,
            tables,
            keys: random.u32(6..60),
            block: 256,
            page: if random.bool() { 512 } else { 1024 },
            memory: if roomy { Self::ROOMY } else { random.u64(20..80) << 10 },
            write_buffer: if random.u8(..) < 60 { 600 } else { 1 << 20 },
            snapshot_isolation: random.u8(..) < 50,
            direct: random.bool(),
        }
    }
}

fn long_life(random: &mut Rng, more: u32) -> Life {
    let steps = (0..random.usize(15..60)).map(|_| step(random, true)).collect();
    let faults =
        if random.u8(..) < 90 { (0..random.usize(1..4)).map(|_| failing(random, 400)).collect() } else { Vec::new() };
    let mut cuts: Vec<Cut> = (0..random.usize(10..20)).map(|_| cut(random, Place::Life, 0)).collect();
    if more > 0
        && let Some(cut) = cuts.last_mut()
    {
        cut.life = long_life(random, more - 1);
    }
    Life { steps, faults, cuts }
}

/// Opens, commits once or twice, and is perhaps cut before that is over.
fn short_life(random: &mut Rng, depth: u32) -> Life {
    let mut steps = vec![Step { client: 0, what: What::Commit(Durability::Synced), dice: random.u64(..) }];
    if random.u8(..) < 12 {
        let what = if random.bool() { What::Backup(during_backup(random, 4)) } else { What::Restore };
        steps.push(Step { client: 0, what, dice: random.u64(..) });
    }
    while random.u8(..) < 60 {
        steps.push(step(random, false));
    }
    let faults = if random.u8(..) < 20 { vec![failing(random, 40)] } else { Vec::new() };
    // A third of the opens write something before they return, and most of those behind a cut of such an open do.
    let (opens, unsettled) = match depth {
        0 => (3, random.u8(..) < 80),
        1 => (random.usize(1..3), random.u8(..) < 30),
        2 | 3 => (usize::from(random.u8(..) < 150), random.u8(..) < 30),
        _ => (0, false),
    };
    let places = [Place::Open; 3].into_iter().take(opens).chain(unsettled.then_some(Place::Unsettled));
    Life { steps, faults, cuts: places.map(|place| cut(random, place, depth + 1)).collect() }
}

fn cut(random: &mut Rng, place: Place, depth: u32) -> Cut {
    let damage = (random.u8(..) < 12).then(|| Damage::ALL[random.usize(0..Damage::ALL.len())]);
    Cut {
        place,
        at: random.u64(0..65_536),
        crash: Crash::ALL[random.usize(0..Crash::ALL.len())],
        dice: random.u64(..),
        damage,
        life: short_life(random, depth),
    }
}

fn failing(random: &mut Rng, within: u64) -> Failing {
    let (on, fault) = match random.u32(0..12) {
        0 | 1 => (On::Read, Fault::Error),
        2 => (On::Write, Fault::Error),
        3 | 4 => (On::Write, Fault::Full),
        5 | 6 => (On::Write, Fault::Short),
        7 => (On::Sync, Fault::Error),
        8..=10 => (On::Sync, Fault::Forgotten),
        _ => (On::Resize, Fault::Full),
    };
    Failing { after: random.u64(0..within), on, fault }
}

pub(crate) fn durability(random: &mut Rng) -> Durability {
    [Durability::Synced, Durability::Synced, Durability::Buffered, Durability::Deferred][random.usize(0..4)]
}

fn step(random: &mut Rng, all: bool) -> Step {
    let what = match random.u32(0..if all { 125 } else { 73 }) {
        0..20 => What::Commit(durability(random)),
        20..32 => What::Write { count: if random.u8(..) < 20 { random.usize(20..80) } else { random.usize(1..8) } },
        32..40 => What::Begin { exclusive: random.u8(..) < 80 },
        40..44 => What::Sequence(durability(random)),
        44..48 => What::Finish,
        48..52 => What::Read,
        52..54 => What::Abort,
        54..56 => What::Flush,
        56..60 => What::Snapshot,
        60..64 => What::Look,
        64..66 => What::Close,
        66..68 => What::Check,
        68..70 => What::Checkpoint(Vec::new()),
        70..73 => What::Remove(removal(random)),
        73..79 => What::Release,
        79..81 => What::LongRead,
        81..93 => {
            let most = if random.u8(..) < 100 { 120 } else { 20 };
            // The log goes round before a superblock is durable only if no commit syncs the whole file: those that are all alike do not.
            let alike = (random.u8(..) < 200).then(|| durability(random));
            What::Checkpoint((0..random.usize(0..most)).map(|_| within(random, alike)).collect())
        }
        93..97 => What::Kill,
        97..100 => What::Full(random.u64(0..4) * 1024),
        100..104 => What::Room,
        104..106 => What::Look,
        106..108 => What::Snapshot,
        108..110 => What::Compact((0..random.usize(0..20)).map(|_| within(random, None)).collect()),
        110..116 => What::Backup(during_backup(random, 12)),
        116..118 => What::Restore,
        118..122 => What::Sequence(durability(random)),
        _ => What::Commit(durability(random)),
    };
    Step { client: random.usize(0..CLIENTS), what, dice: random.u64(..) }
}

fn removal(random: &mut Rng) -> Removal {
    [Removal::Delete, Removal::DeleteNamed, Removal::Clear, Removal::Some][random.usize(0..4)]
}

/// What happens while a backup is made: it holds up nothing.
fn during_backup(random: &mut Rng, most: usize) -> Vec<Step> {
    let one = |random: &mut Rng| {
        let what = match random.u32(0..40) {
            0..6 => What::Checkpoint(Vec::new()),
            6..8 => What::Compact(Vec::new()),
            8 => What::Kill,
            9 => What::Flush,
            _ => return within(random, None),
        };
        Step { client: random.usize(0..CLIENTS), what, dice: random.u64(..) }
    };
    (0..random.usize(0..most)).map(|_| one(random)).collect()
}

/// What clients do while a checkpoint runs. `alike`: how durable all of their commits are.
fn within(random: &mut Rng, alike: Option<Durability>) -> Step {
    let what = match random.u32(0..50) {
        0..5 => What::Snapshot,
        5..10 => What::Look,
        10..15 => What::Read,
        15..20 => What::Write { count: random.usize(1..6) },
        20 => What::Remove(removal(random)),
        _ => What::Commit(alike.unwrap_or_else(|| durability(random))),
    };
    Step { client: random.usize(0..CLIENTS), what, dice: random.u64(..) }
}

/// A plan on paper: a line for each step, indented below the cut that its life begins with.
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:?}", self.shape)?;
        write_life(f, &self.life, 1)
    }
}

fn write_life(f: &mut fmt::Formatter<'_>, life: &Life, depth: usize) -> fmt::Result {
    let indent = "  ".repeat(depth);
    for Failing { after, on, fault } in &life.faults {
        writeln!(f, "{indent}fault: {fault:?} at the first {on:?} after {after} calls")?;
    }
    for step in &life.steps {
        write_step(f, step, &indent)?;
    }
    for Cut { place, at, crash, dice, damage, life } in &life.cuts {
        let place = match place {
            Place::Life => "of the writes",
            Place::Open => "of the first open's writes",
            Place::Unsettled => "of the writes before the first acknowledged commit",
        };
        write!(f, "{indent}cut at {at}/65536 {place}: {crash:?} by {dice:#x}")?;
        writeln!(f, "{}", damage.map(|damage| format!(", {damage:?}")).unwrap_or_default())?;
        write_life(f, life, depth + 1)?;
    }
    Ok(())
}

fn write_step(f: &mut fmt::Formatter<'_>, step: &Step, indent: &str) -> fmt::Result {
    let Step { client, what, dice } = step;
    let (within, what) = match what {
        What::Checkpoint(within) => (within, "checkpoint"),
        What::Compact(within) => (within, "compaction"),
        What::Backup(within) => (within, "backup"),
        _ => return writeln!(f, "{indent}client {client}: {what:?} by {dice:#x}"),
    };
    writeln!(f, "{indent}{what}")?;
    within.iter().try_for_each(|step| write_step(f, step, &format!("{indent}  meanwhile ")))
}
