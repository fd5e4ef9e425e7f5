//! The log's modules that are modelled, in a folder of the same shape as the engine's.

#[path = "../../store/src/wal/position.rs"]
pub(crate) mod position;
#[path = "../../store/src/wal/reset.rs"]
pub(crate) mod reset;
