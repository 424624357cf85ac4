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
    let shared = &next.build.shared;
    let is_shared = shared.iter().any(|shared| first.starts_with(shared));
    let with = |directory: &str| {
        let all: Vec<&str> = shared.iter().map(String::as_str).chain([directory]).collect();
        format!("write shared = {} in [build], and ", draft::texts(&all))
    };
    let may_be_shared = |directory: &Path| {
        let mut kept = shared.iter().chain(&next.build.cache);
        // The manifest would be refused, or what the releases ship there would be of today for ever.
        !kept.any(|kept| directory.starts_with(kept) || Path::new(kept).starts_with(directory))
            && !contents::ships(&root, directory, &found)
    };
    let above = first.parent().filter(|above| !above.as_os_str().is_empty() && may_be_shared(above));
    let (advice, place) = match above.and_then(Path::to_str) {
        _ if is_shared => (String::new(), first.clone()),
        Some(above) => (with(above), first.clone()),
        // What is shared is a directory.
        None => {
            let mut names =
                (1_u32..).map(|turn| if turn == 1 { "data".to_owned() } else { format!("data{turn}") });
            let is_its = |name: &String| shared.contains(name) || may_be_shared(Path::new(name));
            let own = names.find(is_its)?;
            let more = if shared.contains(&own) { "and ".to_owned() } else { with(&own) };
            let advice = format!("have the program keep it in a directory of its own, such as {own}, {more}");
            (advice, Path::new(&own).join(first.file_name()?))
        }
    };
    let more = match found.len() - 1 {
        0 => String::new(),
        more => format!(" (and {more} more)"),
    };
    Some(format!(
        "the application has written to {}{more}, a database in releases/{tree}, which the new release will not have: a \
         deploy takes no database over; {advice}copy it to {} while nothing writes to it, with its -wal where there is one",
        first.display(),
        layout.shared().join(place).display()
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
                 not have: a deploy takes no database over; write shared = [\"media\", \"instance\"] in [build], and copy \
                 it to {} while nothing writes to it, with its -wal where there is one",
                copied.display()
            )
        );
        let mut shares = spec.clone();
        shares.build.shared.push("instance".to_owned());
        assert!(told(&shares).unwrap().contains("no database over; copy it to "));
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

    #[test]
    fn no_directory_is_to_be_shared_that_the_release_ships_files_in_or_the_manifest_would_refuse() {
        let (_place, host) = testing::host();
        let layout = &host.layout;
        let tree = ReleaseId(1);
        let root = layout.tree(tree);
        let mut spec = shop();
        (spec.build.shared, spec.build.cache) = (vec!["var/uploads".to_owned()], vec!["db/cache".to_owned()]);
        let write = |path: &str, text: &str| {
            let path = root.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        for path in ["app/main.py", "deep/in/code.py", "own/.gitkeep", "other/cities.db"] {
            write(path, DATABASE);
        }
        let seal = || {
            let seal = contents::write_down(&root, &Tree { id: tree, source: source("one") }, &spec).unwrap();
            std::fs::write(layout.seal(tree), seal).unwrap();
        };
        seal();
        // The directory that is proposed, and where the database is to be copied to.
        let proposed = |database: &str, next: &Spec| {
            write(database, DATABASE);
            let told = left_behind(layout, tree, &spec, next).unwrap();
            std::fs::remove_file(root.join(database)).unwrap();
            let list =
                told.split_once("write shared = ").map_or("", |(_, rest)| rest.split(']').next().unwrap());
            let copied = told.split_once("copy it to ").unwrap().1.split(' ').next().unwrap();
            let copied = Path::new(copied).strip_prefix(layout.shared()).unwrap().display().to_string();
            (list.replace("[\"var/uploads\", ", ""), copied)
        };
        let of = |list: &str, copied: &str| (list.to_owned(), copied.to_owned());
        assert_eq!(proposed("own/app.db", &spec), of("\"own\"", "own/app.db"));
        for database in ["app/app.db", "deep/app.db", "other/app.db", "var/app.db", "db/app.db", "app.db"] {
            assert_eq!(proposed(database, &spec), of("\"data\"", "data/app.db"), "{database}");
        }
        let mut next = spec.clone();
        next.build.shared.push("data".to_owned());
        assert_eq!(proposed("app/app.db", &next), of("", "data/app.db"));
        next.build.shared = vec!["var/uploads".to_owned(), "data/x".to_owned()];
        assert_eq!(proposed("app/app.db", &next).1, "data2/app.db");
        write("data/cities.json", "");
        seal();
        assert_eq!(proposed("app/app.db", &spec), of("\"data2\"", "data2/app.db"));
    }
}
