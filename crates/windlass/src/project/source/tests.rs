//! Which files are selected, in directories made for it.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities};

use super::*;

/// A project with these files, each holding its own name.
fn project(files: &[&str]) -> tempfile::TempDir {
    let project = tempfile::tempdir().unwrap();
    for file in files {
        write(project.path(), file, file);
    }
    project
}

fn write(root: &Path, file: &str, text: &str) {
    let path = root.join(file);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

fn selection(root: &Path, include: &[&str], exclude: &[&str]) -> Selection {
    let owned = |patterns: &[&str]| patterns.iter().map(|pattern| (*pattern).to_owned()).collect();
    Selection { root: root.to_owned(), exclude: owned(exclude), include: owned(include), without: vec![] }
}

fn names(selection: &Selection) -> Vec<String> {
    list(selection).unwrap().entries.into_keys().collect()
}

fn link(name: &str, target: &str) -> Unfit {
    Unfit::Leaving { link: name.to_owned(), target: target.to_owned() }
}

#[test]
fn links_that_leave_are_found_without_reading_and_refused_by_whoever_reads() {
    let project = project(&["a/b/deep", "ignored/file", "a/file"]);
    let root = project.path();
    write(root, ".gitignore", "ignored\n");
    for (link, target) in [
        ("a/b/inside", "../file"),
        ("a/b/and-back", "../../../project/a"),
        ("a/b/root", "../.."),
        ("a/absolute", "/usr/bin/env"),
        ("ignored/link", "/"),
        ("dangling", "nowhere"),
    ] {
        symlink(target, root.join(link)).unwrap();
    }
    let found = survey(&selection(root, &[], &[])).unwrap().unfit;
    let leaving = [link("a/absolute", "/usr/bin/env"), link("a/b/and-back", "../../../project/a")];
    assert_eq!(found, leaving);
    let refused = list(&selection(root, &[], &[]));
    assert!(matches!(refused, Err(Trouble::Unfit(unfit)) if unfit == leaving));
    let with_ignored = survey(&selection(root, &["ignored/link"], &[])).unwrap().unfit;
    assert_eq!(with_ignored[2], link("ignored/link", "/"));
    let without = selection(root, &[], &["absolute", "and-back"]);
    assert_eq!(survey(&without).unwrap().unfit, []);
    assert_eq!(list(&without).unwrap().files, 6);
}

#[test]
fn links_that_leave_through_others_are_found() {
    let project = project(&["app/deep/file"]);
    let root = project.path();
    for (link, target) in [
        ("here", "."),
        ("app/up", ".."),
        ("round", "about"),
        ("about", "round"),
        ("outside", "/etc"),
        // Each of these has as many steps down as up.
        ("through", "here/here/../../x"),
        ("app/twice", "up/../here/y"),
        ("stays", "here/app/deep/../deep/file"),
        ("app/also", "deep/../up/app/deep"),
        // What it leads through is found by itself.
        ("after", "outside/passwd"),
        ("endless", "round/.."),
    ] {
        symlink(target, root.join(link)).unwrap();
    }
    let leaving =
        [link("app/twice", "up/../here/y"), link("outside", "/etc"), link("through", "here/here/../../x")];
    assert_eq!(survey(&selection(root, &[], &[])).unwrap().unfit, leaving);
    let refused = list(&selection(root, &[], &[]));
    assert!(matches!(refused, Err(Trouble::Unfit(unfit)) if unfit == leaving));
}

/// They would be read for ever.
#[test]
fn ignore_files_that_are_no_files_are_told_and_not_read() {
    let pipe = |path: &Path| {
        use rustix::fs::{CWD, FileType, Mode, mknodat};
        mknodat(CWD, path, FileType::Fifo, Mode::RWXU, 0).unwrap();
    };
    let refused = |path: &str| vec![Unfit::Endless { path: path.to_owned() }];
    let project = project(&["app/file", "lib/file", "kept/.ignore/file"]);
    let root = project.path();
    symlink("/dev/zero", root.join("app/.ignore")).unwrap();
    assert_eq!(survey(&selection(root, &[], &[])).unwrap().unfit, refused("app/.ignore"));
    assert!(
        matches!(list(&selection(root, &[], &[])), Err(Trouble::Unfit(found)) if found == refused("app/.ignore"))
    );
    // What is left out is nobody's concern.
    assert_eq!(survey(&selection(root, &[], &["/app"])).unwrap().unfit, []);
    pipe(&root.join(".windlassignore"));
    assert_eq!(survey(&selection(root, &[], &["/app"])).unwrap().unfit, refused(".windlassignore"));
}

#[test]
fn a_service_sees_all_that_lies_in_a_directory_it_names() {
    let project = project(&["app/sub/main.py", "docs/index.md"]);
    let mut spec = windlass_testkit::sample::shop();
    let service = windlass_testkit::sample::name("web");
    spec.services.insert(service.clone(), windlass_testkit::sample::web("serve"));
    let mut digest = |files: &str| {
        spec.services[&service].files = vec![files.to_owned()];
        list(&selection(project.path(), &[], &[])).unwrap().parts(&spec)[&service].clone()
    };
    let patterns = ["app", "app/", "/app", "app/*"];
    let before = patterns.map(&mut digest);
    write(project.path(), "docs/index.md", "changed");
    assert_eq!(patterns.map(&mut digest), before);
    write(project.path(), "app/sub/main.py", "changed");
    assert!(patterns.map(digest).iter().zip(&before).all(|(now, before)| now != before));
}

#[test]
fn what_is_included_is_taken_with_all_that_lies_in_it() {
    let project = project(&["dist/app.js", "dist/css/app.css", "src/main.ts", "src/dist.txt", "old/x"]);
    write(project.path(), ".gitignore", "dist\nold\n");
    for pattern in ["dist/", "dist", "/dist/", "dist/**"] {
        let taken = names(&selection(project.path(), &[pattern], &[]));
        assert_eq!(taken, [".gitignore", "dist/app.js", "dist/css/app.css", "src/dist.txt", "src/main.ts"]);
    }
    let include = ["dist/app.js".to_owned(), "build/".to_owned(), "!x".to_owned()];
    let survey = survey(&selection(project.path(), &["dist/app.js"], &[])).unwrap();
    assert_eq!(survey.idle(&include), ["build/"]);
}

#[test]
fn settings_and_version_control_are_no_part_of_a_release_however_they_are_named() {
    let project = project(&[
        "conf/.env",
        "conf/.env.production",
        "conf/.env.example",
        "conf/app.ini",
        ".git/config",
        ".env",
        "secrets.production.enc",
        "windlass.toml",
    ]);
    write(project.path(), ".gitignore", "conf\n");
    let taken = names(&selection(project.path(), &["conf/**", "**", ".env"], &["!.env"]));
    assert_eq!(taken, [".gitignore", "conf/.env.example", "conf/app.ini", "windlass.toml"]);
    assert_eq!(names(&selection(project.path(), &[], &["!.env", "!windlass.toml"])), [".gitignore"]);
}

#[test]
fn what_a_checkout_ignores_above_the_project_is_left_out_and_no_more() {
    let above = project(&[
        "shop/.git/HEAD",
        "shop/backend/main.py",
        "shop/backend/credentials.json",
        "shop/backend/notes.txt",
        "shop/backend/node_modules/x/index.js",
        "shop/backend/kept/node_modules/index.js",
        "shop/backend/elsewhere",
    ]);
    let root = above.path().join("shop/backend");
    write(above.path(), ".gitignore", "elsewhere\n");
    write(above.path(), "shop/.gitignore", "node_modules\n/backend/credentials.json\n");
    write(above.path(), "shop/.git/info/exclude", "notes.txt\n");
    write(&root, "kept/.gitignore", "!node_modules\n");
    let taken = ["elsewhere", "kept/.gitignore", "kept/node_modules/index.js", "main.py"];
    assert_eq!(names(&selection(&root, &[], &[])), taken);
    // A line that leaves out the project as a whole does not leave a release empty.
    for line in ["backend/", "/backend/*", "*"] {
        write(above.path(), "shop/.gitignore", &format!("{line}\nnode_modules\ncredentials.json\n"));
        assert_eq!(names(&selection(&root, &[], &[])), taken, "{line}");
    }
    // Nor does one beside which something is taken in again, elsewhere or here: git has nothing of the project.
    for (line, again) in [("/backend/*", "!/other"), ("*", "!*/\n!*.md")] {
        let lines = format!("{line}\n{again}\nnode_modules\ncredentials.json\n");
        write(above.path(), "shop/.gitignore", &lines);
        assert_eq!(names(&selection(&root, &[], &[])), taken, "{line}");
    }
    // A work tree says where the rest of its checkout is.
    std::fs::rename(above.path().join("shop/.git"), above.path().join("main.git")).unwrap();
    write(above.path(), "main.git/worktrees/shop/commondir", "../..\n");
    write(above.path(), "shop/.git", "gitdir: ../main.git/worktrees/shop\n");
    write(above.path(), "shop/.gitignore", "node_modules\ncredentials.json\n");
    assert_eq!(names(&selection(&root, &[], &[])), taken);
    std::fs::remove_file(above.path().join("shop/.git")).unwrap();
    assert_eq!(names(&selection(&root, &[], &[])).len(), 7, "nothing is read above what is no checkout");
}

fn git(directory: &Path, arguments: &[&str]) {
    let git = std::process::Command::new("git").arg("-C").arg(directory).args(arguments).status();
    assert!(git.unwrap().success(), "{arguments:?}");
}

#[test]
fn what_git_tracks_is_taken_whatever_is_ignored_above() {
    let above = project(&[
        "frontend/app.js",
        "frontend/data.json",
        "frontend/other.json",
        "frontend/lib/deep/tracked.js",
        "frontend/lib/deep/untracked.js",
        "frontend/lib/untracked.js",
        "frontend/vendor/lib/x.js",
        "frontend/vendor/a.json",
    ]);
    let root = above.path().join("frontend");
    write(above.path(), ".gitignore", "lib/\n*.json\n");
    git(above.path(), &["init", "--quiet"]);
    git(&root, &["add", "--force", "app.js", "data.json", "lib/deep/tracked.js"]);
    // A checkout of its own within the project is measured by what is in it.
    git(&root, &["init", "--quiet", "vendor"]);
    let taken = ["app.js", "data.json", "lib/deep/tracked.js", "vendor/a.json", "vendor/lib/x.js"];
    assert_eq!(names(&selection(&root, &[], &[])), taken);
    // All but what is named one by one.
    write(above.path(), ".gitignore", "/frontend/*\n!/other\n");
    std::fs::remove_dir_all(root.join("vendor")).unwrap();
    assert_eq!(names(&selection(&root, &[], &[])), taken[..3]);
}

#[test]
fn what_is_left_out_above_is_told_with_the_file_that_says_so() {
    let above = project(&[".git/HEAD", "app/main.py", "app/lib/x", "app/lib/y", "app/data.json"]);
    let root = above.path().join("app");
    write(above.path(), ".gitignore", "lib/\n*.json\n");
    let told = |include: &[&str]| {
        let left_out = survey(&selection(&root, include, &[])).unwrap().left_out;
        assert!(left_out.iter().all(|left_out| left_out.by.ends_with(".gitignore")), "{left_out:?}");
        left_out.into_iter().map(|left_out| left_out.path.display().to_string()).collect::<Vec<_>>()
    };
    assert_eq!(told(&[]), ["data.json", "lib"]);
    assert_eq!(told(&["/lib/"]), ["data.json"]);
}

#[test]
fn a_project_that_is_a_work_tree_has_the_exclusions_of_its_checkout() {
    let above = project(&["main.git/info/exclude", "shop/main.py", "shop/notes.txt"]);
    write(above.path(), "main.git/info/exclude", "notes.txt\n");
    write(above.path(), "shop/.git", "gitdir: ../main.git\n");
    assert_eq!(names(&selection(&above.path().join("shop"), &[], &[])), ["main.py"]);
}

#[test]
fn what_is_tracked_and_included_is_copied_once() {
    let project = project(&["lib/file"]);
    symlink("file", project.path().join("lib/link")).unwrap();
    let to = tempfile::tempdir().unwrap();
    let copied = copy(&selection(project.path(), &["lib/**"], &[]), &to.path().join("tree")).unwrap();
    assert_eq!((copied.files, copied.bytes), (2, 8));
}

#[test]
fn include_does_not_enter_what_it_cannot_need() {
    // Nobody is kept from reading as root: a directory whose end is never reached stands for one that
    // cannot be read, because what is visited below it is counted.
    let project = project(&["data/deep/dist/file", "dist/app.js", "web/dist/app.js"]);
    let root = project.path();
    write(root, ".gitignore", "data\ndist\n");
    let entered = |include: &str, exclude: &[&str]| {
        let selection = selection(root, &[include], exclude);
        let released = [root.to_owned(), root.join("web")].into();
        let walker = walk::included(&selection, Patterns::new([include]).unwrap(), released).unwrap();
        walker.build().flatten().any(|entry| entry.path().ends_with("data"))
    };
    // Without a name for it, it is not looked into.
    assert!(!entered("dist/", &[]));
    assert!(!entered("*/deep/dist/", &[]));
    assert!(!entered("/dist/", &[]));
    assert!(entered("d*/deep/dist/", &[]));
    assert!(!entered("d*/deep/dist/", &["data"]));
    // What the pattern names itself is taken although it is excluded.
    assert!(entered("data/deep/", &["data"]));
    assert_eq!(names(&selection(root, &["dist/"], &[])), [".gitignore", "dist/app.js", "web/dist/app.js"]);
}

#[test]
fn a_name_that_is_no_text_is_found_without_reading() {
    let project = project(&["file"]);
    let directory = project.path().join(OsStr::from_bytes(b"caf\xe9"));
    std::fs::create_dir(&directory).unwrap();
    std::fs::write(directory.join("inside"), "").unwrap();
    let unfit = [Unfit::Unreadable { path: "caf\u{fffd}".to_owned() }];
    assert_eq!(survey(&selection(project.path(), &[], &[])).unwrap().unfit, unfit);
    let refused = list(&selection(project.path(), &[], &[]));
    assert!(matches!(refused, Err(Trouble::Unfit(found)) if found == unfit));
    assert_eq!(survey(&selection(project.path(), &[], &["/caf*"])).unwrap().unfit, []);
    // `include` takes them no more than the rest does.
    write(project.path(), ".gitignore", "caf*\n");
    let included = selection(project.path(), &["/caf*/"], &[]);
    assert_eq!(survey(&included).unwrap().unfit, unfit);
    assert!(matches!(list(&included), Err(Trouble::Unfit(found)) if found == unfit));
}

/// Root is kept from nothing by modes, unless it gives that up: this thread does until this is dropped.
struct RespectsModes(CapabilitySets);

impl RespectsModes {
    fn new() -> Self {
        let before = capabilities(None).unwrap();
        let closed = CapabilitySet::DAC_OVERRIDE | CapabilitySet::DAC_READ_SEARCH;
        let effective = before.effective.difference(closed);
        set_capabilities(None, CapabilitySets { effective, ..before }).unwrap();
        Self(before)
    }
}

impl Drop for RespectsModes {
    fn drop(&mut self) {
        set_capabilities(None, self.0).unwrap();
    }
}

#[test]
fn all_that_cannot_be_read_is_found_together_with_what_else_is_unfit() {
    let project = project(&["closed/file", "included/closed/file", "open", "secret"]);
    let root = project.path();
    write(root, ".gitignore", "included\n");
    symlink("/etc", root.join("out")).unwrap();
    let close = |path: &str, mode| {
        std::fs::set_permissions(root.join(path), std::fs::Permissions::from_mode(mode)).unwrap();
    };
    for path in ["closed", "included/closed", "secret"] {
        close(path, 0o000);
    }
    let _respected = RespectsModes::new();
    let selection = selection(root, &["/included/"], &[]);
    let found = survey(&selection).unwrap().unfit;
    let refused = list(&selection);
    for path in ["closed", "included/closed"] {
        close(path, 0o700);
    }
    let closed = |path: &str| Unfit::Closed {
        path: path.to_owned(),
        why: "Permission denied (os error 13)".to_owned(),
    };
    assert_eq!(found, [link("out", "/etc"), closed("closed"), closed("included/closed"), closed("secret")]);
    assert!(matches!(refused, Err(Trouble::Unfit(unfit)) if unfit == found));
}

#[test]
fn of_many_that_are_unfit_the_first_are_named_and_the_others_counted() {
    let unfit = (0..12).map(|n| Unfit::Unreadable { path: format!("{n:02}") }).collect();
    let told = Trouble::Unfit(unfit).to_string();
    assert!(told.ends_with("the name of 09 is not UTF-8, and 2 more"), "{told}");
}

/// A server that was run in the project has left its socket.
#[test]
fn what_is_no_file_is_passed_over_and_known() {
    let project = project(&["app.py"]);
    let _listener = std::os::unix::net::UnixListener::bind(project.path().join("app.sock")).unwrap();
    let survey = survey(&selection(project.path(), &[], &[])).unwrap();
    assert_eq!((survey.passed_over, survey.unfit), (vec!["app.sock".to_owned()], vec![]));
    assert_eq!(names(&selection(project.path(), &[], &[])), ["app.py"]);
}

/// The next deploy after `windlass plan --out next.plan` and `windlass apply next.plan` has nothing to do.
#[test]
fn files_that_only_their_owner_may_read_are_known_unless_a_umask_closes_all() {
    use std::os::unix::fs::PermissionsExt;
    let project = project(&["key.json", "a.py", "b.py"]);
    let close = |file: &str| {
        std::fs::set_permissions(project.path().join(file), PermissionsExt::from_mode(0o600)).unwrap();
    };
    let closed = || survey(&selection(project.path(), &[], &[])).unwrap().closed().to_vec();
    assert_eq!(closed(), [""; 0]);
    close("key.json");
    assert_eq!(closed(), ["key.json"]);
    close("a.py");
    close("b.py");
    assert_eq!(closed(), [""; 0]);
}

#[test]
fn plans_that_lie_in_the_project_are_no_part_of_it() {
    let project = project(&["app.py", "data/kept.json"]);
    let root = project.path();
    write(root, "next.plan", "{\n  \"windlass_plan\": 1,\n  \"plan\": {}\n}\n");
    write(root, "old.json", "{\"windlass_plan\":1,\"plan\":{}}");
    write(root, "data/fixture.json", "{\"windlass_plan\":1,\"plan\":{}}");
    write(root, "about.json", "{\"about\": \"windlass_plan\"}");
    assert_eq!(
        names(&selection(root, &[], &[])),
        ["about.json", "app.py", "data/fixture.json", "data/kept.json"]
    );
}

/// As an editor's swap file, between the listing and the reading.
#[test]
fn a_file_that_is_gone_when_it_is_read_is_no_part_of_the_release() {
    let project = project(&["file"]);
    let mut listing = Listing::default();
    take(&mut listing, project.path(), &project.path().join(".file.swp"), None).unwrap();
    assert_eq!((listing.files, listing.unfit.len()), (0, 0));
    // Nor when it is looked over, or copied after it was read.
    let kind = project.path().join("file").symlink_metadata().unwrap().file_type();
    let mut survey = Survey::default();
    look_over(&mut survey, project.path(), &project.path().join(".file.swp"), kind);
    assert_eq!((survey.files.len(), survey.unfit.len()), (0, 0));
    let target = project.path().join("copy");
    assert!(!is_copied(&project.path().join(".file.swp"), &target, 0o644).unwrap());
    assert!(!target.exists());
}
