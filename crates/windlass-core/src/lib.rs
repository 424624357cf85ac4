//! Windlass's decisions, and nothing else.
//!
//! ```text
//! windlass.toml -parse-> Manifest -resolve-> Spec -plan(+Observed)-> Plan -decide(+records)-> next step
//! ```
//!
//! Everything here is a pure function of its arguments: no files, clocks, processes, sockets or
//! random numbers (`clippy.toml` holds the line). The `windlass` crate looks at the world, calls
//! these functions, and carries out what they answer.

pub mod diag;
pub mod edge;
pub mod event;
pub mod journal;
pub mod launch;
pub mod logline;
pub mod manifest;
pub mod name;
pub mod notice;
pub mod plan;
pub mod policy;
pub mod problem;
pub mod protocol;
pub mod resolve;
pub mod settings;
pub mod spec;
pub mod store;
pub mod units;
