//! The table in the documentation lists exactly the tests that there are.

use std::collections::BTreeSet;
use std::path::Path;

use windlass_testkit::sandbox::score;

#[test]
fn the_table_lists_every_test_and_no_other() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut there_are = BTreeSet::new();
    for directory in ["tests/faults", "tests/deploy"] {
        for entry in std::fs::read_dir(here.join(directory)).unwrap().flatten() {
            let text = std::fs::read_to_string(entry.path()).unwrap();
            let begun = text.lines().filter_map(|line| line.trim().strip_prefix("let line = line(\""));
            there_are.extend(begun.filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())));
            let tests = text.lines().filter(|line| line.trim() == "#[test]").count();
            let lines = text.matches("let line = line(\"").count();
            if directory == "tests/faults" && !entry.path().ends_with("table.rs") {
                assert_eq!(lines, tests, "{} has tests that are not in the table", entry.path().display());
            }
        }
    }
    let listed: BTreeSet<String> = score::TESTS.iter().map(|line| line.test.to_owned()).collect();
    assert_eq!(listed, there_are, "sandbox/score/tests.rs lists other tests than there are");
    let page = std::fs::read_to_string(here.join("../../docs/reference/reliability.md")).unwrap();
    let differences = score::differences(&page);
    assert!(differences.is_empty(), "write the table again, as its first lines say: {differences:#?}");
}
