//! What an engine is opened with.

use crate::error::{Error, ErrorKind, Result};
use crate::txn::Isolation;
use std::time::Duration;

/// Where checkpoints and late flushes run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Background {
    /// On a thread of the database.
    #[default]
    Thread,
    /// Inside the commits that make them due: nothing happens that no caller asked for, which simulations need.
    Inline,
}

/// Options of an engine. Sizes count only when the file is created; an existing file keeps its own.
#[derive(Debug, Clone)]
pub(crate) struct EngineOptions {
    /// Bytes of a block, the unit of space in the file.
    pub(crate) block_size: u32,
    /// Bytes that a leaf aims at.
    pub(crate) page_size: u32,
    /// Bytes of the log ring.
    pub(crate) log_size: u64,
    /// Bytes of a transaction's writes that stay in memory; more of them go to the file before the commit.
    pub(crate) write_buffer: usize,
    /// Bytes of memory for nodes; `None`: a quarter of the machine's.
    pub(crate) memory: Option<u64>,
    /// Whether addresses are reserved for nodes. Tools that cannot follow that turn it off.
    pub(crate) reserve: bool,
    /// What commits are validated against.
    pub(crate) isolation: Isolation,
    /// How long a writer waits for an exclusive one.
    pub(crate) write_timeout: Duration,
    /// Where checkpoints run.
    pub(crate) background: Background,
    /// Threads that may apply one batch together; `None`: as many as the machine has cores, four at most.
    pub(crate) appliers: Option<usize>,
    /// Recover in memory and refuse writes.
    pub(crate) read_only: bool,
    /// Refuse a file in which there is no database, where a program would make one.
    pub(crate) existing: bool,
    /// Seed of file id and salts; `None` asks the system. Simulations set it.
    pub(crate) seed: Option<u64>,
}

impl EngineOptions {
    /// Threads that apply one batch. Simulations have one, unless they ask for more.
    pub(super) fn appliers(&self) -> usize {
        /// Beyond this a batch is waiting for memory, not for cores.
        const MOST: usize = 4;
        self.appliers.unwrap_or_else(|| match self.background {
            Background::Thread => crate::sync::helpers::cores().min(MOST),
            Background::Inline => 1,
        })
    }
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self {
            block_size: 4096,
            page_size: 8 << 10,
            log_size: 16 << 20,
            write_buffer: 256 << 20,
            memory: None,
            reserve: true,
            isolation: Isolation::default(),
            write_timeout: Duration::from_secs(60),
            background: Background::Thread,
            appliers: None,
            read_only: false,
            existing: false,
            seed: None,
        }
    }
}

/// A quarter of the machine's memory; 1 GiB where nobody tells.
pub(super) fn default_memory() -> u64 {
    #[cfg(target_os = "linux")]
    {
        let system = rustix::system::sysinfo();
        (system.totalram as u64).saturating_mul(u64::from(system.mem_unit)) / 4
    }
    #[cfg(not(target_os = "linux"))]
    {
        1 << 30
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place where the database asks for random numbers; simulations give a seed"
)]
pub(super) fn fill_random(options: &EngineOptions, out: &mut [u8; 24]) -> Result<()> {
    match options.seed {
        None => getrandom::fill(out)
            .map_err(|error| Error::new(ErrorKind::Io, format!("the system gives no random numbers: {error}"))),
        Some(seed) => {
            for (i, word) in out.as_chunks_mut::<8>().0.iter_mut().enumerate() {
                *word = xxhash_rust::xxh3::xxh3_64_with_seed(&[i as u8], seed).to_le_bytes();
            }
            Ok(())
        }
    }
}

pub(super) fn split(random: [u8; 24]) -> ([u8; 16], u64) {
    let (id, salt) = random.split_at(16);
    (id.try_into().unwrap_or_default(), salt.try_into().map_or(1, u64::from_le_bytes))
}
