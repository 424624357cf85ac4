//! Reading logs: what is meant by a name, what is there already, and what is added.
//!
//! ```text
//! logs/web.r3.log         what the copies of a service wrote that a release started: whoever reads it
//!                         must not get the lines of another release that runs beside it
//! logs/r3.migrate.log     a job, a build step (r3.build.1): one log for each release
//! logs/NAME.log           a cron job, a resource, the proxy, its requests (access), the host side
//! ```
//!
//! A service's logs are shown as one. Those of earlier releases are put away by [`retire`].

mod find;
mod follow;
mod open;
mod past;
mod retire;
mod tail;

pub(super) use find::release_of;
pub(super) use follow::Follow;
pub(super) use open::Wanted;
pub(super) use retire::put_away;
pub(super) use tail::tail;

use std::path::Path;

use windlass_core::launch::Log;
use windlass_core::units::Bytes;

use crate::settings::Redactor;

/// The longest line that is shown; the rest is left out.
const LONGEST: usize = 16 << 10;

/// The size at which a log is rotated.
const ROTATE_AT: Bytes = Bytes(64 << 20);

/// How many rotated files of a log stay; one comes every day at the least (HS-20: thirty days).
const KEEP: u32 = 30;

/// How a log is kept.
pub(super) fn kept(path: &Path) -> Log {
    Log { path: path.display().to_string(), rotate_at: ROTATE_AT, keep: KEEP }
}

/// A line as it may be shown: with secrets masked, without control characters, and not endless. Rotation may
/// leave zero bytes where a line was taken out of the file.
pub(super) fn shown(line: &str, mask: &Redactor) -> String {
    // Before it is cut, which may happen in the middle of a secret; and once more where one may have become whole.
    let masked = mask.redact(line);
    let plain: String = masked.chars().filter(|c| *c == '\t' || !c.is_control()).collect();
    let plain = if plain.len() == masked.len() { plain } else { mask.redact(&plain).into_owned() };
    match plain.char_indices().nth(LONGEST) {
        Some((end, _)) => plain[..end].to_owned(),
        None => plain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_at_the_end_of_what_is_shown_is_masked() {
        let mask = Redactor::new(["hunter22-hunter22"]);
        let line = format!("{}hunter22-hunter22 and more", "x".repeat(LONGEST - 8));
        let shown = shown(&line, &mask);
        assert_eq!(shown.len(), LONGEST);
        assert!(shown.ends_with("x*** and "), "{}", &shown[LONGEST - 20..]);
    }

    #[test]
    fn a_secret_with_what_is_not_shown_in_it_is_masked() {
        let mask = Redactor::new(["hunter22"]);
        assert_eq!(shown("a hun\0ter22 b\u{1b}[0m", &mask), "a *** b[0m");
    }
}
