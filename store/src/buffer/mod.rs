//! Resident nodes: frames in size classes, the swips that own them, epochs that delay their reuse, and optimistic latches.
//!
//! This folder is the only place with `unsafe` code, and only `pool.rs`, `region.rs`, `frame.rs` and `poison.rs` use it. Its safe face rests on one rule:
//! a [`FrameId`] is followed only under an epoch [`Guard`], after it was read from a swip, a `prev` link or a
//! list of superseded versions, and a frame is unlinked from all of these before it is retired (I6). The id carries the frame's birth number,
//! so that a stale one is noticed instead of read.
//!
//! Keeps I1 (one owner), I4 (bodies never change after publication), I5 (shared mutable state is in atomics of one size),
//! I6 (reuse after every pinned thread has left and the pin count is zero), I12 (latch versions never decrease).

mod bodies;
#[cfg_attr(shuttle, path = "epoch_shuttled.rs")]
mod epoch;
mod frame;
mod latch;
mod poison;
mod pool;
mod region;
mod slots;
mod swip;
mod word;

#[cfg(all(test, shuttle))]
pub(crate) use epoch::reset;
pub(crate) use epoch::{Guard, about_to_wait, all_have_left, pin};
pub(crate) use frame::{Building, Child, Frame, HEADER as FRAME_HEADER, PinnedFrame, RootSlot, prefetch_bytes};
pub(crate) use latch::{Locked, OptimisticLatch};
pub(crate) use pool::{Pool, PoolOptions};
pub(crate) use swip::{FrameId, Swip};

#[cfg(test)]
mod tests;
