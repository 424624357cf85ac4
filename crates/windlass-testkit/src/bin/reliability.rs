//! Renders the table of faults and what held, from what the tests wrote down and what it said before: to standard
//! output, or with `--write` into `docs/reference/reliability.md`. With `--check` it says where the table there is not
//! that of the tests, whatever their days, and fails if it is not.

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use windlass_testkit::sandbox::score::{differences, render};

fn main() -> std::io::Result<ExitCode> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), Into::into);
    let page = root.join("docs/reference/reliability.md");
    let before = std::fs::read_to_string(&page)?;
    let asks = |option: &str| std::env::args().any(|arg| arg == option);
    if asks("--check") {
        let found = differences(&before);
        let mut told = std::io::stderr().lock();
        found
            .iter()
            .try_for_each(|difference| writeln!(told, "docs/reference/reliability.md: {difference}"))?;
        return Ok(if found.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    let table = render(&target.join("reliability"), &before);
    if asks("--write") {
        std::fs::write(page, table)?;
    } else {
        std::io::stdout().write_all(table.as_bytes())?;
    }
    Ok(ExitCode::SUCCESS)
}
