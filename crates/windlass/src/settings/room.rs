//! How much a process can be given on this machine.

use rustix::process::{Resource, getrlimit};
use windlass_core::settings::Room;

/// The most that one variable or argument may have, in pages of memory: of 4 KiB on most machines.
const EACH: usize = 32;

/// However large the stack may become, no more is given to a process.
const MOST: usize = 6 << 20;

/// What Linux lets a process be given: a quarter of its stack, but as much as one variable may have in any case. What the host
/// side starts has the limits of whoever started that, which are most often ours.
pub(super) fn room() -> Room {
    let stack = getrlimit(Resource::Stack).current.and_then(|bytes| usize::try_from(bytes).ok());
    let each = EACH * rustix::param::page_size();
    Room { each, all: stack.map_or(MOST, |stack| (stack / 4).clamp(each, MOST)) }
}
