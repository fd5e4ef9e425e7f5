//! Hostile files: what `cargo xtask flip` damages and `cargo xtask fuzz` makes up, and what a database must answer all the same: the truth, or an
//! error that says what is wrong; within time and memory.

#![forbid(unsafe_code)]

pub mod damage;
mod edit;
pub mod images;
pub mod salvage;
pub mod seeds;
pub mod streams;
pub mod targets;
pub mod world;
