//! Files that the application keeps in its release, so that the next one has none of them.

use windlass_core::name::ReleaseId;
use windlass_core::spec::Spec;

use crate::host::tree::contents::{self, Added};
use crate::layout::Layout;

/// So many directories are named.
const NAMED: usize = 3;

/// What was added to the directories of the active release, in `tree` and as `active` says, that a release of another tree
/// does not have, with what to do that the next ones have it. `None` where that is nothing, or cannot be told.
pub(super) fn left_behind(layout: &Layout, tree: ReleaseId, active: &Spec, next: &Spec) -> Option<String> {
    let kept = next.build.shared.iter().chain(&next.build.cache).chain(&active.build.cache);
    let Added { directories, more } = contents::added(&layout.tree(tree), kept);
    let mut told = Vec::new();
    for (directory, few) in directories.iter().take(NAMED) {
        let files = if few.files == 1 { "1 file".to_owned() } else { format!("{} files", few.files) };
        told.push(format!("{files} to {}", directory.display()));
    }
    let beyond = directories.len().saturating_sub(NAMED);
    if beyond > 0 {
        told.push(format!("some to {beyond} more"));
    }
    if told.is_empty() {
        return None;
    }
    let least = if more { "at least " } else { "" };
    let own = directories.iter().filter(|(_, few)| !few.beside);
    let own = own.map(|(directory, _)| directory.display().to_string());
    let all: Vec<String> = next.build.shared.iter().cloned().chain(own).collect();
    let mut advice = Vec::new();
    if all.len() > next.build.shared.len() {
        advice
            .push(format!("write shared = {all:?} in [build], and the next deploy takes over what is there"));
    }
    if directories.values().any(|few| few.beside) {
        advice.push(
            "what lies among files of the release itself, or above what is shared, needs a directory of its own to be \
             shared"
                .to_owned(),
        );
    }
    Some(format!(
        "the application has added {least}{} in releases/{tree}, and the new release has none of it: {}",
        told.join(", "),
        advice.join("; ")
    ))
}

#[cfg(test)]
mod tests {
    use windlass_core::plan::Tree;
    use windlass_testkit::sample::{shop, source};

    use super::*;
    use crate::host::testing;

    #[test]
    fn files_that_were_added_to_the_active_release_are_told_of() {
        let (_place, host) = testing::host();
        let layout = &host.layout;
        let tree = ReleaseId(1);
        let root = layout.tree(tree);
        let mut spec = shop();
        spec.build.shared = vec!["media".to_owned()];
        spec.build.cache = vec![".venv".to_owned()];
        let write = |path: &str| {
            let path = root.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        };
        for path in ["app/main.py", "uploads/.gitkeep", "public/index.html"] {
            write(path);
        }
        contents::write_down(&root, &Tree { id: tree, source: source("one") }, &spec).unwrap();
        let told = |next: &Spec| left_behind(layout, tree, &spec, next);
        // What can be made again, what others keep, and what lies in no directory.
        for path in [
            "app/__pycache__/main.pyc",
            ".venv/x",
            ".next/cache/x",
            "node_modules/.cache/x",
            "tmp/x",
            "web.log",
        ] {
            write(path);
        }
        std::fs::create_dir_all(layout.shared().join("media")).unwrap();
        std::fs::write(layout.shared().join("media/photo"), "").unwrap();
        std::os::unix::fs::symlink(layout.shared().join("media"), root.join("media")).unwrap();
        // Databases are told of by themselves.
        write("data/notes.db");
        for (end, text) in [("", "SQLite format 3\0"), ("-wal", "")] {
            std::fs::write(root.join(format!("data/notes.db{end}")), text).unwrap();
        }
        assert_eq!(told(&spec), None);
        for path in ["uploads/2026/a.png", "uploads/b.png", "app/exports/x/y.csv"] {
            write(path);
        }
        assert_eq!(
            told(&spec).unwrap(),
            "the application has added 1 file to app/exports, 2 files to uploads in releases/r1, and the new release has none of \
             it: write shared = [\"media\", \"app/exports\", \"uploads\"] in [build], and the next deploy takes over what is there"
        );
        let mut next = spec.clone();
        next.build.shared.push("uploads".to_owned());
        next.build.cache.push("app/exports".to_owned());
        assert_eq!(told(&next), None);
        write("public/late.html");
        let beside = told(&next).unwrap();
        assert!(
            beside.contains(" added 1 file to public in ") && beside.ends_with("own to be shared"),
            "{beside}"
        );
    }

    #[test]
    fn nothing_above_a_directory_that_is_kept_is_to_be_shared() {
        let (_place, host) = testing::host();
        let layout = &host.layout;
        let tree = ReleaseId(1);
        let root = layout.tree(tree);
        let write = |path: &str| {
            let path = root.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        };
        for path in ["app/main.py", "storage/.gitkeep"] {
            write(path);
        }
        let spec = shop();
        contents::write_down(&root, &Tree { id: tree, source: source("one") }, &spec).unwrap();
        let mut next = spec.clone();
        next.build.shared = vec!["var/uploads".to_owned()];
        next.build.cache = vec!["storage/framework/made".to_owned()];
        let told = || left_behind(layout, tree, &spec, &next);
        for path in ["var/uploads/a.png", "storage/framework/made/x"] {
            write(path);
        }
        assert_eq!(told(), None);
        for path in ["var/exports/deep/a.csv", "storage/framework/own/x", "storage/app/x"] {
            write(path);
        }
        let all = "[\"var/uploads\", \"storage/app\", \"storage/framework/own\", \"var/exports\"]";
        let first = told().unwrap();
        assert!(first.contains(&format!("none of it: write shared = {all} in [build], and ")), "{first}");
        write("var/notes");
        let beside = told().unwrap();
        assert!(beside.contains(&format!("write shared = {all} in [build], and ")), "{beside}");
        assert!(beside.ends_with("needs a directory of its own to be shared"), "{beside}");
    }
}
