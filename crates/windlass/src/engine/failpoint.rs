//! Places where a test may have the process die, as if by a power cut.
//!
//! `WINDLASS_FAILPOINT=after-intent:7` kills the process right after the intent of step 7 was
//! written; `after-act` and `after-result` are the other two boundaries of a step, and a `!` before
//! the number means the way back. `WINDLASS_FAILPOINT=@FILE` names a file that names the place; it is
//! removed before the process dies, so that the one that is started in its stead lives. Every crash
//! in the test suite is one that could really happen there; nothing else is simulated.

use windlass_core::journal::Direction;

/// Kills this process, without any cleaning up, if the environment names this place.
pub(crate) fn pass(place: &str, step: u32, direction: Direction) {
    let Some(wanted) = std::env::var_os("WINDLASS_FAILPOINT") else { return };
    let back = if direction == Direction::Back { "!" } else { "" };
    let here = format!("{place}:{back}{step}");
    let named = match wanted.to_str().and_then(|wanted| wanted.strip_prefix('@')) {
        Some(file) => {
            std::fs::read_to_string(file).is_ok_and(|wanted| wanted == here)
                && std::fs::remove_file(file).is_ok()
        }
        None => wanted.to_str() == Some(&here),
    };
    if named {
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    }
}
