//! The engine's loop over a fake world, with every kind of crash, from a seed.
//!
//! [`run`] makes an application from the seed, asks for one change of it after another, and lets
//! one or two [`Deployer`]s carry each out in the smallest possible events. Between any two of them
//! a deployer may die, sleep past its lease, be cancelled or be fenced off by one that resumes its
//! run; effects fail, processes end by themselves. After each event the world must be *safe*; when
//! the faults cease every run must *end*, within a bound, in a world that is wholly old or wholly new.
//! The same seed is the same story, event for event.

pub mod check;
mod deployer;
mod random;
mod scenario;
mod story;

pub use deployer::{Deployer, Flaw};
pub use random::Random;
pub use scenario::Scenario;
pub use story::{Broken, Tally, run};
