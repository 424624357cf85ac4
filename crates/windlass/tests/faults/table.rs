//! The table in the documentation lists exactly the tests that there are.

use std::collections::BTreeSet;
use std::path::Path;

use windlass_testkit::sandbox::score;

#[test]
fn the_table_lists_every_test_and_no_other() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut there_are = BTreeSet::new();
    for entry in std::fs::read_dir(here.join("tests/faults")).unwrap().flatten() {
        let text = std::fs::read_to_string(entry.path()).unwrap();
        let mut lines = text.lines().peekable();
        while let Some(line) = lines.next() {
            if line.trim() != "#[test]" {
                continue;
            }
            let name = lines.peek().and_then(|line| line.trim().strip_prefix("fn ")?.split('(').next());
            there_are.extend(name.map(str::to_owned));
        }
    }
    there_are.remove("the_table_lists_every_test_and_no_other");
    let listed: BTreeSet<String> = score::TESTS.iter().map(|line| line.test.to_owned()).collect();
    assert_eq!(listed, there_are, "sandbox/score/tests.rs lists other tests than there are");
    let page = std::fs::read_to_string(here.join("../../docs/reference/reliability.md")).unwrap();
    let printed: BTreeSet<String> = score::names_in(&page).into_iter().collect();
    assert_eq!(printed, there_are, "write the table again, as its first lines say");
    assert!(!page.contains("FAILED"), "the table says that something failed");
}
