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

/// The path without links, also of what does not exist yet.
fn real(path: &Path) -> Option<PathBuf> {
    let path = std::path::absolute(path).ok()?;
    path.ancestors().find_map(|there| {
        let rest = path.strip_prefix(there).ok()?;
        // Joining nothing would append a slash.
        let there = there.canonicalize().ok()?;
        Some(if rest.as_os_str().is_empty() { there } else { there.join(rest) })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_yet_has_its_place_all_the_same() {
        let project = tempfile::tempdir().unwrap();
        let link = project.path().join("link");
        std::os::unix::fs::symlink(".", &link).unwrap();
        let paths = ["a/b/new.json", "link/other", "../elsewhere", "."].map(|path| project.path().join(path));
        let paths: Vec<&Path> = paths.iter().map(PathBuf::as_path).collect();
        assert_eq!(below(project.path(), &paths), ["a/b/new.json", "other"]);
    }
}
