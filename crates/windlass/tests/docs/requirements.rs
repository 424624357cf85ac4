//! `docs/reference/requirements.md` against the tests: who proves what is written above the tests, in the form
//! `// proves: HS-7, CM-8`, and the list's third column is made from that.

use std::collections::BTreeMap;
use std::fs;

use crate::{files, is_current, repository};

const LIST: &str = "docs/reference/requirements.md";

/// How many requirements each system has.
const SYSTEMS: [(&str, u32); 5] = [("DC", 18), ("HS", 25), ("CM", 11), ("MDC", 15), ("APE", 15)];

/// The tests that say of themselves that they prove something: id -> `path: function`.
fn proofs() -> BTreeMap<String, Vec<String>> {
    let root = repository("crates").canonicalize().unwrap();
    let mut proofs: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for file in files(&root, ".rs") {
        let path = file.strip_prefix(&root).unwrap().display().to_string();
        let text = fs::read_to_string(&file).unwrap();
        let mut ids: Vec<String> = Vec::new();
        for line in text.lines().map(str::trim) {
            if let Some(named) = line.strip_prefix("// proves: ") {
                ids.extend(named.split(',').map(|id| id.trim().to_owned()));
            } else if let Some((_, rest)) = line.split_once("fn ").filter(|_| !ids.is_empty()) {
                let function = rest.split(['(', '<']).next().unwrap();
                for id in ids.drain(..) {
                    proofs.entry(id).or_default().push(format!("`{path}: {function}`"));
                }
            } else if !ids.is_empty() {
                let between = line.starts_with("#[") || line.starts_with("//");
                assert!(between, "{path}: `proves:` stands above something that is no test: {line}");
            }
        }
    }
    proofs
}

/// A row of the list: id, requirement, tests, state.
fn cells(line: &str) -> Option<[String; 4]> {
    let cells: Vec<String> = line
        .strip_prefix("| ")?
        .strip_suffix(" |")?
        .split(" | ")
        .map(|cell| cell.trim().to_owned())
        .collect();
    let row: [String; 4] = cells.try_into().ok()?;
    SYSTEMS.iter().any(|(system, _)| row[0].starts_with(&format!("{system}-"))).then_some(row)
}

/// The README says how many are done.
#[test]
fn the_readme_counts_right() {
    let list = fs::read_to_string(repository(LIST)).unwrap();
    let states: Vec<String> = list.lines().filter_map(cells).map(|[_, _, _, state]| state).collect();
    let count = |word: &str| states.iter().filter(|state| state.starts_with(word)).count();
    let said = format!(
        "Of {}, {} are done, {} partly, {} not yet",
        states.len(),
        count("done"),
        count("partly"),
        count("not yet")
    );
    let readme = fs::read_to_string(repository("README.md")).unwrap();
    let (before, rest) = readme.split_once("Of 84, ").expect("README.md counts the requirements");
    let (_, after) = rest.split_once("not yet").expect("README.md counts the requirements");
    is_current("README.md", &format!("{before}{said}{after}"));
}

#[test]
fn the_list_of_requirements_is_true() {
    let proofs = proofs();
    let committed = fs::read_to_string(repository(LIST)).unwrap();
    let mut seen = Vec::new();
    let mut text = String::new();
    for line in committed.lines() {
        let Some([id, requirement, _, state]) = cells(line) else {
            text.push_str(&format!("{line}\n"));
            continue;
        };
        let tests = proofs.get(&id).map_or_else(|| "-".to_owned(), |tests| tests.join("<br>"));
        match state.split([':', ' ']).next().unwrap_or_default() {
            "done" => assert!(tests != "-", "{id} is said to be done, and no test proves it"),
            "partly" => assert!(state.len() > 12, "{id}: say what is there and what is missing"),
            "not" => assert!(tests == "-", "{id} is said to be not there yet, and these prove it: {tests}"),
            other => panic!("{id}: {other} is no state; there are done, partly: WHAT, not yet"),
        }
        text.push_str(&format!("| {id} | {requirement} | {tests} | {state} |\n"));
        seen.push(id);
    }
    let all: Vec<String> =
        SYSTEMS.iter().flat_map(|(system, many)| (1..=*many).map(move |n| format!("{system}-{n}"))).collect();
    assert_eq!(seen, all, "each requirement has one row, in order");
    let unknown: Vec<_> = proofs.keys().filter(|id| !all.contains(id)).collect();
    assert!(unknown.is_empty(), "there are no such requirements: {unknown:?}");
    is_current(LIST, &text);
}
