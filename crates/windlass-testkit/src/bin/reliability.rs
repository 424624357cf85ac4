//! Renders the table of faults and what held, from what the tests wrote down: to standard output,
//! or with `--write` into `docs/reference/reliability.md`.

use std::io::Write as _;
use std::path::Path;

fn main() -> std::io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), Into::into);
    let table = windlass_testkit::sandbox::score::render(&target.join("reliability"));
    if std::env::args().any(|arg| arg == "--write") {
        return std::fs::write(root.join("docs/reference/reliability.md"), table);
    }
    std::io::stdout().write_all(table.as_bytes())
}
