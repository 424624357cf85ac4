//! The table of what the tests looked for, rendered and read.

use std::fmt::Write as _;
use std::path::Path;

use super::{Invariant, Line, TESTS, UNCOVERED, words};

/// How a test ended last, what it had looked for, and on which day.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Last {
    checked: String,
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
        Some(Self {
            checked: word("checked").to_owned(),
            result: format!("{}{note}", word("result")),
            when: word("when").to_owned(),
        })
    }

    /// As a table has it.
    fn in_table(table: &str, test: &str) -> Option<Self> {
        let row = rows(table).into_iter().find(|row| row.test == test)?;
        Some(Self { checked: row.checked, result: row.result, when: row.when })
    }
}

/// A row of a table.
struct Row {
    number: String,
    fault: String,
    test: String,
    checked: String,
    result: String,
    when: String,
}

/// What stands in the cell of an invariant that was looked for, and held.
const HELD: &str = "held";

/// The rows of a table that are a test's.
fn rows(table: &str) -> Vec<Row> {
    let lines = table.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
    let cells = lines.map(|line| line.split(" | ").map(str::trim).collect::<Vec<_>>());
    cells.filter_map(|cells| row(&cells)).collect()
}

fn row(cells: &[&str]) -> Option<Row> {
    let [number, fault, test, invariants @ .., result, when] = cells else { return None };
    let test = test.strip_prefix('`')?.strip_suffix('`')?;
    let held = Invariant::ALL.into_iter().zip(invariants).filter(|(_, cell)| **cell == HELD);
    let of = |text: &str| text.to_owned();
    Some(Row {
        number: of(number),
        fault: of(fault),
        test: of(test),
        checked: words(&held.map(|(invariant, _)| invariant).collect()),
        result: of(result),
        when: of(when),
    })
}

/// The table, from the results in this directory and, for tests that have none there or an older one, from the table
/// as it was. Tests that never ran are said to have no result.
#[must_use]
pub fn render(directory: &Path, before: &str) -> String {
    let mut text = String::from(HEAD);
    text += "| | what | how it is looked for |\n| --- | --- | --- |\n";
    for invariant in Invariant::ALL {
        let _ = writeln!(text, "| {invariant} | {} | {} |", invariant.says(), invariant.looked_for());
    }
    let columns = Invariant::ALL.map(|invariant| format!("{invariant} | ")).concat();
    let _ = writeln!(text, "\n| row | fault, and how it is made | test | {columns}result | last run |");
    let _ = writeln!(text, "|{}", " --- |".repeat(Invariant::ALL.len() + 5));
    for line in TESTS {
        let all = [Last::in_table(before, line.test), Last::written(directory, line.test)];
        // Of two from the same day it is the one that was written down.
        let last = all.into_iter().flatten().max_by(|one, other| one.when.cmp(&other.when));
        let none = || Last { checked: String::new(), result: NO_RESULT.to_owned(), when: String::new() };
        let Last { checked, result, when } = last.unwrap_or_else(none);
        let is_checked = |invariant: Invariant| checked.split(' ').any(|word| word == invariant.to_string());
        let cells = Invariant::ALL.map(|invariant| if is_checked(invariant) { "held | " } else { " | " });
        let Line { row, fault, test, .. } = line;
        let _ = writeln!(text, "| {row} | {fault} | `{test}` | {}{result} | {when} |", cells.concat());
    }
    text += "\n## Not covered\n\n| row | fault | why |\n| --- | --- | --- |\n";
    for (row, fault, why) in UNCOVERED {
        let _ = writeln!(text, "| {row} | {fault} | {why} |");
    }
    text
}

/// Where a table says something else than the tests' lines do: other tests or faults, other invariants than a test
/// claims, a failure, or no result. How much was tried and when is not compared.
#[must_use]
pub fn differences(table: &str) -> Vec<String> {
    let rows = rows(table);
    let mut found: Vec<String> = rows
        .iter()
        .filter(|row| TESTS.iter().all(|line| line.test != row.test))
        .map(|row| format!("{} is a test no more", row.test))
        .collect();
    for line in TESTS {
        let Some(row) = rows.iter().find(|row| row.test == line.test) else {
            found.push(format!("{} is missing", line.test));
            continue;
        };
        let test = line.test;
        if (row.number.as_str(), row.fault.as_str()) != (line.row, line.fault) {
            found.push(format!("{test} is described otherwise"));
        }
        if row.result == NO_RESULT || row.result.starts_with("FAILED") {
            found.push(format!("{test}: {}", row.result));
        } else if row.result.starts_with(HELD) && row.checked != line.invariants {
            found.push(format!("{test} looked for {:?} and claims {:?}", row.checked, line.invariants));
        }
    }
    let (_, uncovered) = table.split_once("\n## Not covered\n").unwrap_or_default();
    let is_told = |(row, fault, why): &&(&str, &str, &str)| {
        uncovered.contains(&format!("| {row} | {fault} | {why} |\n"))
    };
    found.extend(
        UNCOVERED
            .iter()
            .filter(|entry| !is_told(entry))
            .map(|(_, fault, _)| format!("{fault} is not told of")),
    );
    found
}

/// The result of a test that never ran.
const NO_RESULT: &str = "no result";

const HEAD: &str = "\
<!-- Written by the tests. Do not edit:
     cargo test -p windlass --test faults && cargo run -p windlass-testkit --bin reliability -- --write -->

# Reliability: what was injured, and what held

Each line is a test that runs the real program with a real application, injures it, and looks
whether what must hold does. The application is asked all the while, by clients that try nothing
twice; none ends before it has asked 50 times. `cargo test -p windlass --test faults` runs them all.
The host side is killed at each place of each kind of run, in one of four ways to go on; the command line and the proxy
at each boundary of a deploy. What has too many places for every run is sampled, and the result says how many of
them were tried: power cuts at a spread of the durable writes, calls of fsync and rename, places where a file of state is
cut off (its readers are given it cut at every byte), rotations of credentials, texts of the manifest by the program
itself. `WINDLASS_TEST_EXHAUSTIVE=1` tries each place in every way.
The last column is the day of that result (none: before days were kept); whoever runs some of the tests and writes the
table again changes theirs.
The rows' numbers are those of the fault matrix in the design; T1 to T18 are rows of its list of
security checks.

What must hold, and how the tests look for it. A cell of the table says `held` where the test itself looked for that
invariant each time that it ran, and found it; a test that did not look for all of what its line claims fails.

";

#[cfg(test)]
mod unit {
    use super::*;

    fn row<'a>(table: &'a str, test: &str) -> &'a str {
        table.lines().find(|line| line.contains(&format!("`{test}`"))).unwrap()
    }

    /// A result as a test writes it down.
    fn write(directory: &Path, line: &Line, checked: &str, result: &str, when: &str) {
        let text = serde_json::json!({
            "test": line.test, "result": result, "note": "", "checked": checked, "when": when,
        });
        std::fs::write(directory.join(format!("{}.json", line.test)), text.to_string()).unwrap();
    }

    #[test]
    fn a_result_stands_until_there_is_a_newer_one() {
        let directory = tempfile::tempdir().unwrap();
        let (line, test) = (&TESTS[0], TESTS[0].test);
        let write = |result: &str, when: &str| write(directory.path(), line, "I1 I10", result, when);
        let nothing = render(directory.path(), "");
        assert!(row(&nothing, test).ends_with("| no result |  |"), "{nothing}");
        write("held", "2026-01-02");
        let first = render(directory.path(), &nothing);
        assert!(row(&first, test).ends_with("| held | held | 2026-01-02 |"), "{first}");
        assert_eq!(rows(&first)[0].checked, "I1 I10");
        assert_eq!(render(Path::new("/nowhere"), &first), first);
        write("FAILED", "2026-01-01");
        assert_eq!(render(directory.path(), &first), first, "it is older");
        write("FAILED", "2026-01-02");
        assert!(row(&render(directory.path(), &first), test).ends_with("| FAILED | 2026-01-02 |"));
        assert_eq!(rows(&first).len(), TESTS.len());
    }

    #[test]
    fn a_table_that_says_what_no_test_looked_for_is_found_out() {
        let directory = tempfile::tempdir().unwrap();
        TESTS.iter().for_each(|line| write(directory.path(), line, line.invariants, "held", "2026-01-02"));
        let table = render(directory.path(), "");
        assert_eq!(differences(&table), [""; 0]);
        let test = TESTS[0].test;
        let found = |checked: &str, result: &str| {
            write(directory.path(), &TESTS[0], checked, result, "2026-01-02");
            differences(&render(directory.path(), "")).join("; ")
        };
        assert!(found("I1", "held").contains(&format!("{test} looked for \"I1\" and claims")));
        assert_eq!(found("I1", "FAILED"), format!("{test}: FAILED"));
        assert_eq!(found("", "not tried"), "", "whoever counts what was left out tells of it");
        let line = row(&table, test);
        assert_eq!(differences(&table.replace(line, "")), [format!("{test} is missing")]);
        let other = table.replace(TESTS[0].fault, "something else");
        assert_eq!(differences(&other), [format!("{test} is described otherwise")]);
        let more = table.replace(line, &format!("{line}\n{}", line.replace(test, "another")));
        assert_eq!(differences(&more), ["another is a test no more"]);
        let less = table.replace(UNCOVERED[0].2, "");
        assert_eq!(differences(&less), [format!("{} is not told of", UNCOVERED[0].1)]);
    }
}
