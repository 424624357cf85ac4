//! The journal: what a run has done so far, and what follows from it.
//!
//! The engine writes [`Record`]s: an intent before it acts, a result after. [`decide`] reads them
//! and says what is next. It has no other memory, so a run that was interrupted anywhere goes on
//! exactly as one that was not.

mod decide;
mod keep;
mod record;
mod stage;
mod standing;
mod stays;
mod verdict;

pub use decide::{Decision, decide};
pub use keep::is_kept;
pub use record::{Direction, Fault, Record, Turn};
pub use stage::Stage;
pub use standing::{Standing, StepState};
pub use stays::{half_done, half_done_for_good};
pub use verdict::Verdict;
