//! Transactions below the seam: private write sets, one writer at a time, and the commit pipeline.
//!
//! A writer keeps its changes private until commit (I20). Committing sequences it (timestamp, place in the log), and from then on the next
//! writer may begin: it reads through the sequenced write sets that are not yet applied. Whoever finds the log idle leads: it
//! makes the records of everybody who waits durable with one write and one sync, applies them in order, publishes, and wakes
//! the others. No timers; groups form while a flush is under way (I15, I21, I22).

mod apply;
mod log_buffer;
mod pipeline;
mod run;
mod turn;
pub(crate) mod write_set;

pub(crate) use apply::{Batch, apply_batches};
pub(crate) use log_buffer::CheckedBody;
pub(crate) use pipeline::{Pending, Pipeline, Request};
pub(crate) use run::{Run, Said, read_page};
pub(crate) use turn::{Turn, WriterTurn};
