//! What the tests that injure Windlass found, and the table of it.
//!
//! Each test takes its line of [`TESTS`] with [`begin`], and writes down how it ended below
//! `target/reliability/`. The program `reliability` renders the table from that.

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
        let text = serde_json::json!({ "test": self.line.test, "result": how, "note": what }).to_string();
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

/// The table, from the results in this directory. Tests without a result are said to have none.
#[must_use]
pub fn render(directory: &Path) -> String {
    let mut text = String::from(HEAD);
    let _ = writeln!(text, "| row | fault, and how it is made | must hold | test | result |");
    let _ = writeln!(text, "| --- | --- | --- | --- | --- |");
    for line in TESTS {
        let result = std::fs::read_to_string(directory.join(format!("{}.json", line.test)))
            .ok()
            .and_then(|text| serde_json::from_str::<serde_json::Value>(&text).ok());
        let word = |key: &str| {
            result.as_ref().and_then(|result| result[key].as_str()).unwrap_or_default().to_owned()
        };
        let (how, note) = match word("result").as_str() {
            "" => ("no result".to_owned(), String::new()),
            how => (how.to_owned(), word("note")),
        };
        let note = if note.is_empty() { note } else { format!(": {note}") };
        let _ = writeln!(
            text,
            "| {} | {} | {} | `{}` | {how}{note} |",
            line.row, line.fault, line.invariants, line.test
        );
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
    let cells = table.lines().filter_map(|line| line.split(" | ").nth(3));
    cells.filter_map(|cell| Some(cell.strip_prefix('`')?.strip_suffix('`')?.to_owned())).collect()
}

const HEAD: &str = "\
<!-- Written by the tests. Do not edit:
     cargo test -p windlass --test faults && cargo run -p windlass-testkit --bin reliability -- --write -->

# Reliability: what was injured, and what held

Each line is a test that runs the real program with a real application, injures it, and looks
whether what must hold does. The application is asked all the while, by clients that try nothing
twice; none ends before it has asked 50 times. `cargo test -p windlass --test faults` runs them all.
What has too many places for every run is sampled there, and the last column says how many of them were tried:
crashes of the host side at each boundary in one of four ways, kills of the command line and the proxy at
every fourth boundary, power cuts at a spread of the durable writes, every sixth injection at fsync
and rename, texts of the manifest in turn. `WINDLASS_TEST_EXHAUSTIVE=1` tries each place in every way.
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
