//! What the tests that injure Windlass looked for, and the table of it.
//!
//! Each test takes its line of [`TESTS`] with [`begin`], and looks through it for what must hold: every
//! check notes its invariant ([`Running::holds`]), and the line is no success unless exactly what it claims
//! was looked for. How it ended is written down below `target/reliability/`. The program `reliability` renders the
//! table from that, and from the table as it is: whoever has run some of the tests brings their lines up to date, and
//! the others keep their last result with its day.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::machine;

mod checks;
mod invariant;
mod table;
mod tests;
mod watch;

pub use invariant::Invariant;
pub use table::{differences, render};
pub use tests::{Line, TESTS, UNCOVERED};
pub use watch::Watch;

/// A test that runs. Dropped without having passed, it has failed.
#[must_use]
pub struct Running {
    line: &'static Line,
    directory: PathBuf,
    checked: Mutex<BTreeSet<Invariant>>,
    told: bool,
}

/// Begins the test of this name; `program` is the one under test.
pub fn begin(program: &str, name: &str) -> Running {
    let line = TESTS.iter().find(|line| line.test == name);
    let line = line.unwrap_or_else(|| panic!("add {name} to sandbox/score/tests.rs"));
    let directory = Path::new(program).parent().unwrap().parent().unwrap().join("reliability");
    std::fs::create_dir_all(&directory).unwrap();
    Running { line, directory, checked: Mutex::default(), told: false }
}

impl Running {
    /// Fails the test unless this is so; otherwise notes that the invariant was looked for.
    #[track_caller]
    pub fn holds(&self, invariant: Invariant, is_so: bool, context: impl FnOnce() -> String) {
        assert!(is_so, "{invariant} does not hold ({}): {}", invariant.says(), context());
        self.checked.lock().unwrap().insert(invariant);
    }

    /// All that the line claims was looked for, and held; `what` says how much was tried, in words that do not change
    /// from run to run.
    #[track_caller]
    pub fn held(mut self, what: &str) {
        let (claimed, checked) = (self.line.invariants, words(&self.checked.lock().unwrap()));
        assert!(
            claimed == checked,
            "{} looked for {checked:?}, and its line in sandbox/score/tests.rs claims {claimed:?}",
            self.line.test
        );
        self.tell("held", what);
    }

    /// It could not be tried on this machine. Where all must be there, that is a failure.
    pub fn skipped(mut self, why: &str) {
        self.tell("not tried", why);
        machine::lacks(self.line.test, why);
    }

    fn tell(&mut self, how: &str, what: &str) {
        self.told = true;
        let text = serde_json::json!({
            "test": self.line.test,
            "result": how,
            "note": what,
            "checked": words(&self.checked.lock().unwrap_or_else(PoisonError::into_inner)),
            "when": today(),
        });
        std::fs::write(self.directory.join(format!("{}.json", self.line.test)), text.to_string()).unwrap();
    }
}

/// As a line of the table lists them.
fn words(invariants: &BTreeSet<Invariant>) -> String {
    invariants.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.told {
            self.tell("FAILED", "");
        }
    }
}

/// This day, in UTC.
fn today() -> String {
    jiff::Timestamp::now().strftime("%F").to_string()
}

#[cfg(test)]
mod tests_of_it {
    use std::collections::BTreeSet;

    use super::*;

    /// A line of its own, below a directory of its own.
    fn running(directory: &Path) -> Running {
        static LINE: Line = Line { row: "1", fault: "none", invariants: "I1 I10", test: "a_test" };
        Running { line: &LINE, directory: directory.to_owned(), checked: Mutex::default(), told: false }
    }

    fn written(directory: &Path) -> String {
        std::fs::read_to_string(directory.join("a_test.json")).unwrap()
    }

    #[test]
    fn a_line_holds_when_what_it_claims_was_looked_for_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        for (looked_for, is_success) in [
            (&[Invariant::I10, Invariant::I1][..], true),
            (&[Invariant::I1], false),
            (&[Invariant::I1, Invariant::I2, Invariant::I10], false),
        ] {
            let line = running(directory.path());
            looked_for.iter().for_each(|invariant| line.holds(*invariant, true, String::new));
            let held = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| line.held("")));
            assert_eq!(held.is_ok(), is_success, "{looked_for:?}");
            assert_eq!(written(directory.path()).contains("FAILED"), !is_success, "{looked_for:?}");
        }
    }

    #[test]
    fn what_does_not_hold_is_a_failure_and_was_not_looked_for() {
        let directory = tempfile::tempdir().unwrap();
        let line = running(directory.path());
        let held = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            line.holds(Invariant::I1, false, || "it is another".to_owned());
        }));
        assert!(held.is_err() && line.checked.lock().unwrap().is_empty());
        drop(line);
        assert!(written(directory.path()).contains("FAILED"));
    }

    #[test]
    fn every_row_of_the_matrix_is_in_the_table() {
        let all = TESTS.iter().map(|line| line.row).chain(UNCOVERED.iter().map(|line| line.0));
        let number = |row: &str| row.trim_start_matches('T').parse::<u8>().unwrap();
        let mut there = BTreeSet::new();
        for row in all.flat_map(|rows| rows.split(", ")) {
            let (first, last) = row.split_once(" to ").unwrap_or((row, row));
            let kind = if row.starts_with('T') { "T" } else { "" };
            there.extend((number(first)..=number(last)).map(|number| format!("{kind}{number}")));
        }
        let matrix: BTreeSet<String> =
            (1..=30).map(|row| row.to_string()).chain((1..=18).map(|row| format!("T{row}"))).collect();
        assert_eq!(there, matrix);
    }
}
