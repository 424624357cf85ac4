use windlass_core::name::ReleaseId;
use windlass_testkit::sample;

use super::*;

/// A sealed tree of three files, and its seal.
fn sealed() -> (tempfile::TempDir, PathBuf) {
    let place = tempfile::tempdir().unwrap();
    let root = place.path();
    for name in ["a", "b", "c"] {
        std::fs::write(root.join(name), "one").unwrap();
    }
    pass_a_tick(root);
    let tree = Tree { id: ReleaseId(1), source: sample::source("one") };
    let text = write_down(root, &tree, &sample::shop()).unwrap();
    let seal = root.join(".windlass-sealed");
    std::fs::write(&seal, text).unwrap();
    (place, seal)
}

/// The clock of a file system goes by ticks.
fn pass_a_tick(root: &Path) {
    let now = known::now(root).unwrap();
    while known::now(root).unwrap() <= now {}
}

/// What is wrong, and how many files were read to find it.
fn look_at_changed(root: &Path, seal: &Path) -> (Option<String>, usize) {
    let reading = Reading::of_changed(root);
    let found = look(&reading, seal).unwrap().map(|damage| damage.what);
    (found, reading.read.load(Ordering::Relaxed))
}

#[test]
fn only_what_somebody_may_have_written_to_is_read_again() {
    let (place, seal) = sealed();
    let root = place.path();
    assert_eq!(look_at_changed(root, &seal), (None, 0));
    // Written to as it was: it is read once.
    std::fs::write(root.join("b"), "one").unwrap();
    pass_a_tick(root);
    assert_eq!(look_at_changed(root, &seal), (None, 1));
    assert_eq!(look_at_changed(root, &seal), (None, 0));
    assert!(damage(root, &seal, Look::AtAll).unwrap().is_none());
    // Nothing is known of them any more.
    std::fs::remove_file(root.join(".windlass-known")).unwrap();
    assert_eq!(look_at_changed(root, &seal), (None, 3));
    assert_eq!(look_at_changed(root, &seal), (None, 0));
}

#[test]
fn what_is_as_large_and_as_old_as_before_is_found_all_the_same() {
    let (place, seal) = sealed();
    let path = place.path().join("b");
    let modified = path.metadata().unwrap().modified().unwrap();
    std::fs::write(&path, "two").unwrap();
    File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
    assert_eq!(look_at_changed(place.path(), &seal), (Some("b is not what it was".to_owned()), 1));
    // One that takes its place, with its times.
    let (place, seal) = sealed();
    let (path, other) = (place.path().join("b"), place.path().join("other"));
    std::fs::write(&other, "two").unwrap();
    File::options().write(true).open(&other).unwrap().set_modified(modified).unwrap();
    std::fs::rename(&other, &path).unwrap();
    assert_eq!(look_at_changed(place.path(), &seal), (Some("b is not what it was".to_owned()), 1));
}

#[test]
fn what_is_below_the_file_system_is_found_by_who_reads_all_of_it() {
    let (place, seal) = sealed();
    let root = place.path();
    std::fs::write(root.join("b"), "two").unwrap();
    // As if the disk had changed it: the file is the one that was read, by all that its system says.
    let mut known = Known::default();
    for name in ["a", "b", "c"] {
        known.learn(name.to_owned(), Facts::of(&root.join(name).metadata().unwrap()));
    }
    known.keep(root, i64::MAX);
    assert_eq!(look_at_changed(root, &seal), (None, 0));
    let found = damage(root, &seal, Look::AtAll).unwrap().map(|damage| damage.what);
    assert_eq!(found.as_deref(), Some("b is not what it was"));
    // It is known from then on.
    assert_eq!(look_at_changed(root, &seal).0.as_deref(), Some("b is not what it was"));
}

#[test]
fn what_the_application_removes_meanwhile_holds_nothing() {
    let place = tempfile::tempdir().unwrap();
    std::fs::write(place.path().join("file"), "").unwrap();
    assert_eq!(added::entries(place.path()).unwrap().len(), 1);
    for gone in ["gone", "file"] {
        assert!(added::entries(&place.path().join(gone)).unwrap().is_empty(), "{gone}");
    }
}
