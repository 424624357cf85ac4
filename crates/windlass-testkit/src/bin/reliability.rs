//! Renders the table of faults and what held, from what the tests wrote down and what it said before: to standard
//! output, or with `--write` into `docs/reference/reliability.md`.

use std::io::Write as _;
use std::path::Path;

fn main() -> std::io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), Into::into);
    let page = root.join("docs/reference/reliability.md");
    let before = std::fs::read_to_string(&page)?;
    let table = windlass_testkit::sandbox::score::render(&target.join("reliability"), &before);
    if std::env::args().any(|arg| arg == "--write") {
        return std::fs::write(page, table);
    }
    std::io::stdout().write_all(table.as_bytes())
}
