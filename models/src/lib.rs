//! Models of the engine's concurrent parts, checked by [loom](https://docs.rs/loom) in every interleaving within its bounds.
//!
//! The modules under test are the engine's own files, included by path; only their primitives are loom's (`store/src/sync.rs`). Run them
//! with `cargo xtask loom`. Without `--cfg loom` this crate is empty.
//!
//! A model that cannot fail proves nothing, so each has mutants: the same steps with one mistake, which loom must find.

#![forbid(unsafe_code)]

#[cfg(loom)]
#[path = "../../store/src/sync.rs"]
#[allow(dead_code, unused_imports, clippy::expect_used, reason = "the models use a part of it")]
mod sync;

#[cfg(loom)]
#[allow(dead_code, reason = "the models use a part of it")]
mod wal;

#[cfg(loom)]
#[path = "../../store/src/buffer/latch.rs"]
#[allow(dead_code, unfulfilled_lint_expectations, reason = "the models use a part of it")]
mod latch;

#[cfg(loom)]
#[path = "../../store/src/buffer/swip.rs"]
#[allow(dead_code, reason = "the models use a part of it")]
mod swip;

#[cfg(loom)]
#[path = "../../store/src/buffer/word.rs"]
#[allow(dead_code, reason = "the models use a part of it")]
mod word;

#[cfg(loom)]
#[path = "../../store/src/txn/relay.rs"]
#[allow(dead_code, reason = "the models use a part of it")]
mod relay;

#[cfg(loom)]
#[path = "../../store/src/error.rs"]
#[allow(dead_code, unreachable_pub, reason = "the models use a part of it")]
mod error;

#[cfg(loom)]
#[path = "../../store/src/tree/registry.rs"]
#[allow(dead_code, unused_imports, unfulfilled_lint_expectations, reason = "the models use a part of it")]
mod registry;

#[cfg(all(test, loom))]
mod latch_model;
#[cfg(all(test, loom))]
mod registry_model;
#[cfg(all(test, loom))]
mod relay_model;
#[cfg(all(test, loom))]
mod reset_model;
#[cfg(all(test, loom))]
mod swip_model;
