//! Transactions below the seam: private write sets, optimistic and exclusive writers, and the commit pipeline.
//!
//! A writer keeps its changes private until commit (I20), and reads through the write sets that were sequenced before it and are not yet
//! applied. Committing validates what it read against what was sequenced meanwhile (I18), and sequences it: a timestamp, a place in
//! the log. An exclusive writer holds back all sequencing from its beginning to its end, and so never conflicts. Whoever finds the log idle leads: it
//! makes the records of everybody who waits durable with one write and one sync, applies them in order, publishes, and wakes
//! the others. No timers; groups form while a flush is under way (I15, I21, I22).

mod apply;
mod filter;
mod interval;
mod log_buffer;
mod pending;
mod pipeline;
mod read_set;
mod relay;
mod run;
mod tally;
mod turn;
mod watchers;
mod window;
pub(crate) mod write_set;

pub(crate) use apply::{Batch, apply_batches};
pub(crate) use log_buffer::CheckedBody;
pub(crate) use pending::{Pending, Request, WriterView};
pub(crate) use pipeline::Pipeline;
pub(crate) use read_set::ReadSet;
pub(crate) use run::{Run, Said, read_page};
pub(crate) use tally::{Tally, TallyChange};
pub(crate) use turn::{Turn, WriterTurn};
#[cfg(feature = "tokio")]
pub(crate) use watchers::Watcher;
pub(crate) use window::Claim;
pub use window::Isolation;
