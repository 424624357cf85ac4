//! Reading logs: what is meant by a name, what is there already, and what is added.
//!
//! ```text
//! logs/web.r3.1.log       what a copy of a service wrote: whoever reads it must not get the lines of another
//!                         release that runs beside it, and learns which copy it was. (Copies of before that
//!                         shared web.r3.log, and go on writing there.)
//! logs/r3.migrate.log     a job, a build step (r3.build.1): one log for each release, also where it went back
//! logs/NAME.log           a cron job, a resource, the proxy, its requests (access), the host side
//! ```
//!
//! A service's logs are shown as one. Those of earlier releases, and of jobs and builds of releases that nobody can go
//! back to, are put away by [`retire`].

mod find;
mod follow;
mod open;
mod past;
mod retire;
mod tail;
mod zone;

pub(super) use find::release_of;
pub(super) use follow::Follow;
pub(super) use open::{Line, Wanted};
pub(super) use tail::tail;

use std::borrow::Cow;
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

/// How the log of one of several copies is kept: together they may take what one may.
pub(super) fn kept_of(path: &Path, copies: u32) -> Log {
    Log { rotate_at: Bytes(ROTATE_AT.0 / u64::from(copies.max(1))), ..kept(path) }
}

/// A line as it may be shown: with secrets masked, without control characters, and not endless. Rotation may
/// leave zero bytes where a line was taken out of the file.
pub(super) fn shown(line: &str, mask: &Redactor) -> String {
    // Before it is cut, which may happen in the middle of a secret; and once more where one may have become whole.
    let masked = mask.redact(line);
    let printed = |text: &str| -> String { text.chars().filter(|c| *c == '\t' || !c.is_control()).collect() };
    let plain = printed(&visible(&masked));
    let plain =
        if plain.len() == masked.len() { plain } else { masked_again(&plain, &printed(&masked), mask) };
    match plain.char_indices().nth(LONGEST) {
        Some((end, _)) => plain[..end].to_owned(),
        None => plain,
    }
}

/// `plain`, which is without commands of the terminal, with secrets masked; `bare`, which has what stands behind their
/// marks, where a part of one was taken for a command.
fn masked_again(plain: &str, bare: &str, mask: &Redactor) -> String {
    match (mask.redact(plain), mask.redact(bare)) {
        (Cow::Borrowed(_), Cow::Owned(bare)) => bare,
        (plain, _) => plain.into_owned(),
    }
}

/// A line without the sequences that a terminal takes for commands, such as colours, and shows nothing of: a secret may
/// go on behind one.
fn visible(line: &str) -> Cow<'_, str> {
    if !line.contains(['\u{1b}', '\u{9b}', '\u{9d}']) {
        return Cow::Borrowed(line);
    }
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    // Whether a text that begins may have an end; looked for once where it has not.
    let mut ends = true;
    while let Some(at) = rest.find(['\u{1b}', '\u{9b}', '\u{9d}']) {
        out.push_str(&rest[..at]);
        let mut characters = rest[at..].chars();
        let first = characters.next();
        let kind = if first == Some('\u{1b}') { characters.next() } else { first };
        let tail = characters.as_str();
        rest = match kind {
            Some('[' | '\u{9b}') => behind_command(tail),
            Some(']' | 'P' | 'X' | '^' | '_' | '\u{9d}') if ends => {
                let behind = behind_text(tail);
                ends = behind.is_some();
                behind.unwrap_or(tail)
            }
            Some(']' | 'P' | 'X' | '^' | '_' | '\u{9d}') => tail,
            // `ESC ( B` chooses letters.
            Some(c @ '\u{20}'..='\u{2f}') => {
                let letters = tail.trim_start_matches(|c| ('\u{20}'..='\u{2f}').contains(&c));
                let mut end = letters.chars();
                if c == ' ' || end.next().is_none() { tail } else { end.as_str() }
            }
            // `ESC c`; of what is none only the mark goes.
            Some('=' | '>' | '7' | '8' | 'D' | 'E' | 'H' | 'M' | 'N' | 'O' | 'Z' | 'c') => tail,
            _ => rest[at..].strip_prefix(['\u{1b}', '\u{9b}', '\u{9d}']).unwrap_or_default(),
        };
    }
    Cow::Owned(out + rest)
}

/// What follows a command: parameters, then the letter that says what it is.
fn behind_command(text: &str) -> &str {
    let rest = text.trim_start_matches(|c| ('\u{20}'..='\u{3f}').contains(&c));
    let mut end = rest.chars();
    if matches!(end.next(), Some('\u{40}'..='\u{7e}')) { end.as_str() } else { rest }
}

/// What follows a text for the terminal, such as a title or a link; `None` where it does not end.
fn behind_text(text: &str) -> Option<&str> {
    let rest = &text[text.find(['\u{7}', '\u{9c}', '\u{1b}'])?..];
    Some(rest.strip_prefix("\u{1b}\\").or_else(|| rest.strip_prefix(['\u{7}', '\u{9c}'])).unwrap_or(rest))
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
        assert_eq!(shown("a hun\0ter22 b\u{1b}[0m", &mask), "a *** b");
    }

    #[test]
    fn texts_for_the_terminal_that_do_not_end_are_shown() {
        let mask = Redactor::new(["hunter22"]);
        let line = format!("{}end", "\u{9d}x".repeat(LONGEST / 2));
        assert_eq!(shown(&line, &mask), format!("{}end", "x".repeat(LONGEST / 2)));
    }

    #[test]
    fn colours_within_a_secret_do_not_hide_it() {
        let mask = Redactor::new(["Qw7-planted-secret"]);
        for line in [
            "key=\u{1b}[31mQw7-plan\u{1b}[0mted-secret.",
            "key=Qw7-plan\u{1b}[38;5;196mted\u{1b}[K-secret.",
            "key=Qw7-plan\u{9b}1mted-secret.",
            "key=Qw7-plan\u{1b}]8;;http://h\u{1b}\\ted-secret\u{1b}]8;;\u{7}.",
            "key=Qw7-plan\u{1b}(Bted-secret.",
            "key=Qw7-plan\u{1b}\u{1b}[0mted-secret.",
            "key=Qw7-planted\u{1b}-secret.",
            "key=Qw7\u{1b}-planted-secret.",
        ] {
            assert_eq!(shown(line, &mask), "key=***.", "{line:?}");
        }
        for (line, is) in [
            ("a [31m b", "a [31m b"),
            ("\u{1b}[1;32mINFO\u{1b}[0m ready", "INFO ready"),
            ("a\u{1b}[", "a"),
            ("a\u{1b}", "a"),
            ("a\u{1b}]0;title b", "a0;title b"),
            ("\u{1b}é", "é"),
        ] {
            assert_eq!(shown(line, &mask), is, "{line:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_sequence_is_too_odd(line in "(\u{1b}|[\\[\\]()0-9;mBP\\\\ ]|\u{9b}|\u{7}|\\PC){0,30}") {
            let shown = shown(&line, &Redactor::default());
            proptest::prop_assert!(!shown.contains(char::is_control), "{:?}", shown);
        }
    }
}
