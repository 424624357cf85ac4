//! Databases that the application keeps in its release, so that each begins without what the one before has written.

use std::path::Path;

use windlass_core::manifest::draft;
use windlass_core::name::ReleaseId;
use windlass_core::spec::Spec;

use crate::host::tree::contents;
use crate::layout::Layout;

/// What of the files of the active release, in `tree` and as `active` says, a release of another tree will not have,
/// with what to do that the next ones have it. `None` where nothing is lost, or cannot be told.
pub(super) fn left_behind(layout: &Layout, tree: ReleaseId, active: &Spec, next: &Spec) -> Option<String> {
    let root = layout.tree(tree);
    let found = contents::databases(&root, &layout.seal(tree), &active.build.cache);
    let first = found.first()?;
    let is_shared =
        |path: &Path| next.build.shared.iter().find(|shared| path.starts_with(shared)).map(String::as_str);
    let advice = match (
        is_shared(first),
        first.parent().and_then(Path::to_str).filter(|above| !above.is_empty()),
    ) {
        (Some(_), _) => String::new(),
        (None, Some(above)) => {
            let all: Vec<String> = next.build.shared.iter().cloned().chain([above.to_owned()]).collect();
            format!("write shared = {} in [build], and ", draft::texts(&all))
        }
        // What is shared is a directory.
        (None, None) => {
            let all: Vec<String> = next.build.shared.iter().cloned().chain(["data".to_owned()]).collect();
            format!(
                "have the program keep it in a directory of its own, such as data, write shared = {} in [build], and ",
                draft::texts(&all)
            )
        }
    };
    let shared = match first.parent() {
        Some(above) if !above.as_os_str().is_empty() => layout.shared().join(first),
        _ => layout.shared().join("data").join(first),
    };
    let more = match found.len() - 1 {
        0 => String::new(),
        more => format!(" (and {more} more)"),
    };
    Some(format!(
        "the application has written to {}{more}, a database in releases/{tree}, which the new release will not have: \
         {advice}copy it to {} while nothing writes to it",
        first.display(),
        shared.display()
    ))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::host::testing;
    use windlass_core::plan::Tree;
    use windlass_testkit::sample::{shop, source};

    const DATABASE: &str = "SQLite format 3\0 and so on";

    #[test]
    fn databases_that_were_written_to_since_the_seal_are_told_of() {
        let (_place, host) = testing::host();
        let layout = &host.layout;
        let tree = ReleaseId(1);
        let root = layout.tree(tree);
        let mut spec = shop();
        spec.build.shared = vec!["media".to_owned()];
        spec.build.cache = vec![".venv".to_owned()];
        let write = |path: &str, text: &str| {
            let path = root.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("shipped.db", DATABASE);
        let seal = contents::write_down(&root, &Tree { id: tree, source: source("one") }, &spec).unwrap();
        std::fs::write(layout.seal(tree), seal).unwrap();
        let told = |next: &Spec| left_behind(layout, tree, &spec, next);
        // What is there so, of whatever kind, and what others keep.
        write("notes.txt", "SQLite format 3");
        write("empty.db", "");
        write(".venv/cache.db", DATABASE);
        write("node_modules/x/cache.db", DATABASE);
        std::fs::create_dir_all(layout.shared().join("media")).unwrap();
        std::fs::write(layout.shared().join("media/db.sqlite3"), DATABASE).unwrap();
        std::os::unix::fs::symlink(layout.shared().join("media"), root.join("media")).unwrap();
        assert_eq!(told(&spec), None);
        write("instance/project.db", DATABASE);
        let copied = layout.shared().join("instance/project.db");
        assert_eq!(
            told(&spec).unwrap(),
            format!(
                "the application has written to instance/project.db, a database in releases/r1, which the new release will \
                 not have: write shared = [\"media\", \"instance\"] in [build], and copy it to {} while nothing writes to it",
                copied.display()
            )
        );
        let mut shares = spec.clone();
        shares.build.shared.push("instance".to_owned());
        assert!(told(&shares).unwrap().contains("will not have: copy it to "));
        let later = SystemTime::now() + Duration::from_secs(60);
        std::fs::File::options()
            .write(true)
            .open(root.join("shipped.db"))
            .unwrap()
            .set_modified(later)
            .unwrap();
        std::fs::remove_file(root.join("instance/project.db")).unwrap();
        let told_of = told(&spec).unwrap();
        assert!(told_of.contains("written to shipped.db,") && told_of.contains("\"data\"]"), "{told_of}");
        write("other.db", DATABASE);
        assert!(told(&spec).unwrap().contains("(and 1 more)"));
    }
}
