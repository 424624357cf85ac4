//! What the engine asks of the world.

use windlass_core::journal::Fault;
use windlass_core::plan::{Action, Plan};

/// Who carries out actions, and looks what became of them.
///
/// Actions are idempotent: an action that was interrupted is performed again in full.
#[allow(async_fn_in_trait, reason = "used by one single-threaded engine; no Send bound is wanted")]
pub trait World {
    /// Performs an action. Answers what people should know of it, in one line; nothing mostly.
    ///
    /// # Errors
    /// The fault, when it could not be done.
    async fn perform(&self, run: &str, plan: &Plan, step: u32, action: &Action) -> Result<String, Fault>;

    /// Looks whether an action's effect is there, changing nothing.
    ///
    /// # Errors
    /// The fault, when that cannot be told.
    async fn look(&self, run: &str, plan: &Plan, action: &Action) -> Result<bool, Fault>;

    /// Stops whatever a performance that was given up has left running; answers whether what it was about
    /// had begun, as far as can be told.
    async fn interrupt(&self, run: &str, plan: &Plan, action: &Action) -> bool;
}
