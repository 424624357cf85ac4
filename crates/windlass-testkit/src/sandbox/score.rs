//! What the tests that injure Windlass found, and the table of it.
//!
//! Each test takes its line of [`TESTS`] with [`begin`], and writes down how it ended below
//! `target/reliability/`. The program `reliability` renders the table from that, and from the table
//! as it is: whoever has run some of the tests brings their lines up to date, and the others keep
//! their last result with its day.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

mod tests;

pub use tests::{Line, TESTS, UNCOVERED};

/// A test that runs. Dropped without having passed, it has failed.
#[must_use]
pub struct Running {
    line: &'static Line,
    directory: PathBuf,
    told: bool,
}

/// Begins the test of this name; `program` is the one under test.
pub fn begin(program: &str, name: &str) -> Running {
    let line = TESTS.iter().find(|line| line.test == name);
    let line = line.unwrap_or_else(|| panic!("add {name} to sandbox/score/tests.rs"));
    let directory = Path::new(program).parent().unwrap().parent().unwrap().join("reliability");
    std::fs::create_dir_all(&directory).unwrap();
    Running { line, directory, told: false }
}

impl Running {
    /// It held; `what` says how much was tried, in words that do not change from run to run.
    pub fn held(mut self, what: &str) {
        self.tell("held", what);
    }

    /// It could not be tried on this machine.
    #[expect(clippy::print_stderr, reason = "whoever runs the tests must see what was not tested")]
    pub fn skipped(mut self, why: &str) {
        eprintln!("skipped {}: {why}", self.line.test);
        self.tell("not tried", why);
    }

    fn tell(&mut self, how: &str, what: &str) {
        self.told = true;
        let text =
            serde_json::json!({ "test": self.line.test, "result": how, "note": what, "when": today() })
                .to_string();
        std::fs::write(self.directory.join(format!("{}.json", self.line.test)), text).unwrap();
    }
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

/// How a test ended last, and on which day.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Last {
    result: String,
    when: String,
}

impl Last {
    /// As it was written down below `target/reliability/`.
    fn written(directory: &Path, test: &str) -> Option<Self> {
        let text = std::fs::read_to_string(directory.join(format!("{test}.json"))).ok()?;
        let written: serde_json::Value = serde_json::from_str(&text).ok()?;
        let word = |key: &str| written[key].as_str().unwrap_or_default();
        let note = if word("note").is_empty() { String::new() } else { format!(": {}", word("note")) };
        Some(Self { result: format!("{}{note}", word("result")), when: word("when").to_owned() })
    }

    /// As a table has it.
    fn in_table(table: &str, test: &str) -> Option<Self> {
        let row = rows(table).find(|cells| cells.get(3) == Some(&format!("`{test}`").as_str()))?;
        let cell = |number: usize| row.get(number).copied().unwrap_or_default().to_owned();
        Some(Self { result: cell(4), when: cell(5) })
    }
}

/// The cells of each row.
fn rows(table: &str) -> impl Iterator<Item = Vec<&str>> {
    let lines = table.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
    lines.map(|line| line.split(" | ").map(str::trim).collect())
}

/// The table, from the results in this directory and, for tests that have none there or an older one, from the table
/// as it was. Tests that never ran are said to have no result.
#[must_use]
pub fn render(directory: &Path, before: &str) -> String {
    let mut text = String::from(HEAD);
    let _ = writeln!(text, "| row | fault, and how it is made | must hold | test | result | last run |");
    let _ = writeln!(text, "| --- | --- | --- | --- | --- | --- |");
    for line in TESTS {
        let all = [Last::in_table(before, line.test), Last::written(directory, line.test)];
        // Of two from the same day it is the one that was written down.
        let last = all.into_iter().flatten().max_by(|one, other| one.when.cmp(&other.when));
        let Last { result, when } =
            last.unwrap_or_else(|| Last { result: NO_RESULT.to_owned(), when: String::new() });
        let Line { row, fault, invariants, test } = line;
        let _ = writeln!(text, "| {row} | {fault} | {invariants} | `{test}` | {result} | {when} |");
    }
    text += "\n## Not covered\n\n| row | fault | why |\n| --- | --- | --- |\n";
    for (row, fault, why) in UNCOVERED {
        let _ = writeln!(text, "| {row} | {fault} | {why} |");
    }
    text
}

/// The names of the tests in a table.
#[must_use]
pub fn names_in(table: &str) -> Vec<String> {
    let cells = rows(table).filter_map(|row| row.get(3).copied());
    cells.filter_map(|cell| Some(cell.strip_prefix('`')?.strip_suffix('`')?.to_owned())).collect()
}

/// The result of a test that never ran.
pub const NO_RESULT: &str = "no result";

const HEAD: &str = "\
<!-- Written by the tests. Do not edit:
     cargo test -p windlass --test faults && cargo run -p windlass-testkit --bin reliability -- --write -->

# Reliability: what was injured, and what held

Each line is a test that runs the real program with a real application, injures it, and looks
whether what must hold does. The application is asked all the while, by clients that try nothing
twice; none ends before it has asked 50 times. `cargo test -p windlass --test faults` runs them all.
What has too many places for every run is sampled there, and the result says how many of them were tried:
crashes of the host side at each boundary in one of four ways, kills of the command line and the proxy at
every fourth boundary, power cuts at a spread of the durable writes, every sixth injection at fsync
and rename, texts of the manifest in turn. `WINDLASS_TEST_EXHAUSTIVE=1` tries each place in every way.
The last column is the day of that result (none: before days were kept); whoever runs some of the tests and writes the
table again changes theirs.
The rows' numbers are those of the fault matrix in the design; T1 to T18 are rows of its list of
security checks.

What must hold:

| | |
| --- | --- |
| I1 | `current` names a finished release at every moment |
| I2 | no request is answered by a release that did not pass its gate |
| I3 | no request fails while the old release is well |
| I4 | after a crash, going on or back ends in the old or the new release, and the journal says which |
| I5 | one holder at a time; who lost the lock changes nothing |
| I6 | no migration runs twice, or beside itself |
| I7 | what is needed to go back is never deleted by a failed run |
| I8 | every wait ends |
| I9 | no secret where it does not belong |
| I10 | a failed run leaves nothing behind |

";

#[cfg(test)]
mod tests_of_it {
    use std::collections::BTreeSet;

    use super::*;

    fn row<'a>(table: &'a str, test: &str) -> &'a str {
        table.lines().find(|line| line.contains(&format!("`{test}`"))).unwrap()
    }

    #[test]
    fn a_result_stands_until_there_is_a_newer_one() {
        let directory = tempfile::tempdir().unwrap();
        let test = TESTS[0].test;
        let write = |result: &str, when: &str| {
            let text =
                serde_json::json!({ "test": test, "result": result, "note": "", "when": when }).to_string();
            std::fs::write(directory.path().join(format!("{test}.json")), text).unwrap();
        };
        let nothing = render(directory.path(), "");
        assert!(row(&nothing, test).ends_with("| no result |  |"), "{nothing}");
        write("held", "2026-01-02");
        let first = render(directory.path(), &nothing);
        assert!(row(&first, test).ends_with("| held | 2026-01-02 |"), "{first}");
        assert_eq!(render(Path::new("/nowhere"), &first), first);
        write("FAILED", "2026-01-01");
        assert_eq!(render(directory.path(), &first), first, "it is older");
        write("FAILED", "2026-01-02");
        assert!(row(&render(directory.path(), &first), test).ends_with("| FAILED | 2026-01-02 |"));
        assert_eq!(names_in(&first).len(), TESTS.len());
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
