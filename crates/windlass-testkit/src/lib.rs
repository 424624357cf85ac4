//! For Windlass's own tests only.
//!
//! [`sample`] makes specifications, [`world`] is a host that exists in memory only, and
//! [`simulator`] drives the engine's loop over it with every kind of crash.

pub mod sample;
pub mod simulator;
pub mod world;
