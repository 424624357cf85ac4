//! No shell is run but where the manifest or a Dockerfile declares a line of one (T1 of the security checks).

use std::path::Path;

use super::{files, repository};

/// Where a declared line becomes the arguments of a shell.
const DECLARED: [&str; 3] =
    ["src/health/command.rs", "src/host/settings/fill.rs", "src/project/init/docker/shell.rs"];

/// What would run a text that was put together.
const SIGNS: [&str; 6] = [
    "\"/bin/sh\"",
    "\"sh\", \"-c\"",
    "\"bash\", \"-c\"",
    ".arg(\"-c\")",
    "Command::new(format!",
    "Command::new(&format!",
];

/// A source without its tests, which stand at its end.
fn product(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap();
    text.split("#[cfg(test)]").next().unwrap_or_default().to_owned()
}

#[test]
fn shells_run_only_what_was_declared_as_a_line_of_one() {
    let root = repository("crates/windlass");
    let with: Vec<String> = files(&root.join("src"), ".rs")
        .iter()
        .filter(|path| path.file_name().is_some_and(|name| name != "tests.rs"))
        .filter(|path| SIGNS.iter().any(|sign| product(path).contains(sign)))
        .map(|path| path.strip_prefix(&root).unwrap().display().to_string())
        .collect();
    assert_eq!(with, DECLARED);
}
