//! For Windlass's own tests only.
//!
//! [`sample`] makes specifications, [`world`] is a host that exists in memory only, [`simulator`]
//! drives the engine's loop over it with every kind of crash, and [`hostile`] are processes that
//! behave badly. [`outside`] are servers that
//! are somebody else's. [`sandbox`] runs the real program. [`tunnel`] is a way out through a proxy. [`machine`] is what
//! becomes of a test that lacks something of the machine. [`ports`] are those that a test may have, [`built`] finds the
//! testkit's programs, [`watchdog`] ends what a test leaves behind that was ended itself.

pub mod built;
pub mod hostile;
pub mod machine;
pub mod outside;
pub mod ports;
pub mod sample;
pub mod sandbox;
pub mod simulator;
pub mod tunnel;
pub mod watchdog;
pub mod world;
