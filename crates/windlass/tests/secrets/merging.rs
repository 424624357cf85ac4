//! Git merges encrypted files through the driver that `init` has set up.

use std::process::{Command, Output};

use crate::kit::{FILE, Person, Project};

/// Git, with the person's keys: the driver runs as they do.
fn git(person: &Person, arguments: &[&str]) -> Output {
    let environment = person.command(&[]);
    let mut command = Command::new("git");
    command.args(arguments).current_dir(&person.project).env_clear();
    for (name, value) in environment.get_envs() {
        if let Some(value) = value {
            command.env(name, value);
        }
    }
    command.env("GIT_CONFIG_NOSYSTEM", "1");
    for part in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{part}_NAME"), "Ada").env(format!("GIT_{part}_EMAIL"), "ada@example.org");
    }
    command.output().unwrap()
}

#[track_caller]
fn git_does(person: &Person, arguments: &[&str]) {
    let output = git(person, arguments);
    assert!(output.status.success(), "{arguments:?}: {output:?}");
}

/// A repository with a branch `other` beside `main`, on which `theirs` was done.
fn branched(ours: impl Fn(&Person), theirs: impl Fn(&Person)) -> (Project, Person) {
    let project = Project::new();
    let ada = project.person("ada");
    git_does(&ada, &["init", "--quiet", "--initial-branch=main"]);
    assert!(ada.secrets(&["init"]).exits(0).out.contains("Told this clone"));
    for (name, value) in [("A", "a"), ("B", "b"), ("C", "c")] {
        ada.set(name, value);
    }
    git_does(&ada, &["add", "."]);
    git_does(&ada, &["commit", "--quiet", "-m", "base"]);
    git_does(&ada, &["checkout", "--quiet", "-b", "other"]);
    theirs(&ada);
    git_does(&ada, &["commit", "--quiet", "-am", "theirs"]);
    git_does(&ada, &["checkout", "--quiet", "main"]);
    ours(&ada);
    git_does(&ada, &["commit", "--quiet", "-am", "ours"]);
    (project, ada)
}

#[test]
fn changes_on_two_branches_come_together() {
    let (_project, ada) = branched(
        |ada| ada.set("A", "ours"),
        |ada| {
            ada.set("B", "theirs");
            ada.set("D", "new");
            ada.secrets(&["unset", "C"]).exits(0);
        },
    );
    let merged = git(&ada, &["merge", "--no-edit", "other"]);
    assert!(merged.status.success(), "{merged:?}");
    ada.secrets(&["list"]).exits(0);
    assert_eq!(["A", "B", "D"].map(|name| ada.get(name)), ["ours", "theirs", "new"]);
    ada.secrets(&["get", "C"]).exits(2);
}

#[test]
fn a_conflict_is_told_and_leaves_a_whole_file() {
    let (_project, ada) = branched(|ada| ada.set("A", "ours"), |ada| ada.set("A", "theirs"));
    let merged = git(&ada, &["merge", "--no-edit", "other"]);
    assert!(!merged.status.success(), "{merged:?}");
    let said =
        format!("{}{}", String::from_utf8_lossy(&merged.stdout), String::from_utf8_lossy(&merged.stderr));
    assert!(said.contains("Both sides have changed A") && !said.contains("theirs\n"), "{said}");
    ada.secrets(&["list"]).exits(0);
    assert_eq!(ada.get("A"), "ours");
    ada.set("A", "both");
    git_does(&ada, &["add", FILE]);
    git_does(&ada, &["commit", "--quiet", "--no-edit"]);
}

#[test]
fn without_a_key_git_is_told_that_it_cannot_be_merged() {
    let (project, ada) = branched(|ada| ada.set("A", "ours"), |ada| ada.set("B", "theirs"));
    let eve = project.person("eve");
    let before = ada.text();
    let merged = git(&eve, &["merge", "--no-edit", "other"]);
    assert!(!merged.status.success(), "{merged:?}");
    assert!(String::from_utf8_lossy(&merged.stderr).contains("no key opens it"), "{merged:?}");
    assert_eq!(ada.text(), before);
}

/// Somebody's public key: that of the reference's example.
const EVE: &str = "wlpub1_iEAEH_AZJ4_4kwwYLlUqZJAlVjGSwLlXZBrrBfLpDQYchBne";

#[test]
fn who_comes_in_by_a_merge_is_told() {
    let add = |ada: &Person| drop(ada.secrets(&["recipients", "add", "eve", EVE]).exits(0));
    let (_project, ada) = branched(|ada| ada.set("A", "ours"), add);
    let merged = git(&ada, &["merge", "--no-edit", "other"]);
    let said = String::from_utf8_lossy(&merged.stdout).into_owned();
    assert!(merged.status.success(), "{merged:?}");
    assert!(said.contains(&format!("New among the recipients: eve ({EVE})")), "{said}");
}

#[test]
fn nobody_comes_in_by_a_merge_beside_a_new_key() {
    let add = |ada: &Person| drop(ada.secrets(&["recipients", "add", "eve", EVE]).exits(0));
    let (_project, ada) = branched(|ada| drop(ada.secrets(&["rekey"]).exits(0)), add);
    let merged = git(&ada, &["merge", "--no-edit", "other"]);
    let said = String::from_utf8_lossy(&merged.stdout).into_owned();
    assert!(!merged.status.success() && said.contains("One side alone has eve as a recipient"), "{merged:?}");
    ada.secrets(&["list"]).exits(0);
    assert!(!ada.text().contains(EVE));
}
