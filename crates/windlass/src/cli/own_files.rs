//! What Windlass itself writes while it looks at a project, and that may lie in it. No file of a release
//! may be one that changes because the release is being made.

use std::path::{Path, PathBuf};

use crate::layout;

/// Those that lie below `project`, relative to it: where the output of this command goes, the place of
/// the state, and `more`.
pub(super) fn below(project: &Path, more: &[&Path]) -> Vec<String> {
    let Ok(project) = project.canonicalize() else { return vec![] };
    let outputs = ["/proc/self/fd/1", "/proc/self/fd/2"].map(PathBuf::from);
    let outputs = outputs.iter().filter(|path| path.is_file()).filter_map(|path| path.read_link().ok());
    let more = more.iter().filter_map(|path| real(path));
    let home = layout::home().ok().and_then(|home| real(&home));
    let mut found: Vec<String> = outputs
        .chain(more)
        .chain(home)
        .filter_map(|path| path.strip_prefix(&project).ok()?.to_str().map(str::to_owned))
        // The project itself is none of its files.
        .filter(|path| !path.is_empty())
        .collect();
    found.sort();
    found.dedup();
    found
}

/// The path without links, also of a file that does not exist yet.
fn real(path: &Path) -> Option<PathBuf> {
    let path = std::path::absolute(path).ok()?;
    let directory = path.parent()?.canonicalize().ok()?;
    path.canonicalize().ok().or_else(|| Some(directory.join(path.file_name()?)))
}
