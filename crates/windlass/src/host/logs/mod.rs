//! Reading logs: what is meant by a name, what is there already, and what is added.
//!
//! ```text
//! logs/web.log            what the copies of a service write, release after release; starts says
//!                         where in it each copy began
//! logs/r3.migrate.log     a job, a build step (r3.build.1): one log for each release
//! logs/NAME.log           a cron job, a resource, the proxy, its requests (access), the host side
//! ```

mod find;
mod follow;
mod open;
mod past;
mod starts;
mod tail;

pub(super) use follow::Follow;
pub(super) use open::Wanted;
pub(super) use starts::{begin, of_instance};
pub(super) use tail::{tail, tail_since};

/// The longest line that is shown; the rest is left out.
const LONGEST: usize = 16 << 10;

/// A line as it may go to a terminal: without control characters, and not endless. Rotation may
/// leave zero bytes where a line was taken out of the file.
fn shown(line: &str) -> String {
    line.chars().filter(|c| *c == '\t' || !c.is_control()).take(LONGEST).collect()
}
