//! Carrying out plans: what `windlass_core::plan` decides is done here, step by step, journalled.
//!
//! ```text
//! loop { decide(plan, records) -> write intent -> perform -> write result -> emit event }
//! ```
//!
//! [`Journal`] is the file; [`Engine`] is the loop; [`World`] is whoever can perform and look. The
//! engine knows no runtime, and nothing but the journal decides what it does next.

mod audit;
mod journal;
mod ledger;
mod prune;
mod run;
mod schema;
mod world;

pub use journal::{Journal, JournalError, RunRow};
pub use ledger::{Active, Listed, ReleaseRow};
pub use prune::Needed;
pub use run::{Cancel, Engine, Interrupt};
pub use world::World;
