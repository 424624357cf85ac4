//! The editor: real programs that change the file as a person would.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use crate::kit::{Person, Project, Said};

/// Edits with a script that has the file's path in `$1`.
fn edit(person: &Person, script: &str) -> Said {
    let editor = editor(person, script);
    person.with("EDITOR", editor.to_str().unwrap()).secrets(&["edit"])
}

fn editor(person: &Person, script: &str) -> PathBuf {
    let path = person.home.join("editor");
    fs::write(&path, format!("#!/bin/sh -eu\n{script}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
    path
}

#[test]
fn values_are_changed_added_and_removed_and_the_rest_keeps_its_lines() {
    let nasty = "a $b \"c\"\n'd' \\ # e";
    let (_project, ada) = Project::begun(&[("A", "one"), ("B", nasty), ("C", "three")]);
    let b = ada.line("B");
    let seen = ada.home.join("seen");
    let script = format!(
        "stat -c '%a' \"$1\" \"$(dirname \"$1\")\" > '{0}'; stat -f -c '%T' \"$1\" >> '{0}'; echo \"$1\" >> '{0}'\n\
         sed -i -e 's/^A=one/A=eins/' -e '/^C=/d' \"$1\"; echo \"D='new one'\" >> \"$1\"; cp \"$1\" \"$1~\"",
        seen.display()
    );
    let said = edit(&ada, &script).exits(0);
    assert!(said.out.contains("Set A, D; removed C"), "{}", said.out);
    assert_eq!((ada.get("A"), ada.get("B"), ada.get("D")), ("eins".into(), nasty.into(), "new one".into()));
    assert_eq!(ada.line("B"), b);
    ada.secrets(&["get", "C"]).exits(2);
    let seen = fs::read_to_string(seen).unwrap();
    let facts: Vec<&str> = seen.lines().collect();
    assert_eq!(facts[..2], ["600", "700"]);
    assert!(facts[2] == "tmpfs" || said.err.contains("no directory in memory"), "{seen}");
    assert!(!PathBuf::from(facts[3]).parent().unwrap().exists(), "nothing is left of it");
}

#[test]
fn nothing_changes_when_nothing_was_changed_or_the_editor_fails() {
    let (_project, ada) = Project::begun(&[("A", "one")]);
    let before = ada.text();
    assert!(edit(&ada, "true").exits(0).out.contains("Nothing was changed"));
    edit(&ada, "echo 'A=other' > \"$1\"; exit 3").exits(1);
    let said = ada.with("EDITOR", "truncate --size=0").secrets(&["edit"]).exits(2);
    assert!(said.err.contains("the editor left nothing"), "{}", said.err);
    assert_eq!(ada.text(), before);
    let said = ada.with("EDITOR", "vi | cat").secrets(&["edit"]).exits(2);
    assert!(said.err.contains("no shell runs it"), "{}", said.err);
    assert_eq!(ada.text(), before);
}

#[test]
fn faults_are_told_at_their_lines_and_change_nothing() {
    let (_project, ada) = Project::begun(&[("A", "one")]);
    let before = ada.text();
    let said = edit(&ada, "printf 'A=one\\nhunter2\\nB=\"open\\n' > \"$1\"").exits(2);
    assert!(said.err.contains("secrets.env:2: ") || said.err.contains("secrets.env:2:1"), "{}", said.err);
    assert!(
        said.err.contains("secrets.env:3:") && said.err.contains("quotes are not closed"),
        "{}",
        said.err
    );
    assert!(!said.err.contains("hunter2"));
    // A dollar sign that would vanish, and a name that stands twice.
    assert!(edit(&ada, "echo 'B=a$b' >> \"$1\"").exits(2).err.contains("refers to b"));
    assert!(edit(&ada, "echo 'A=two' >> \"$1\"").exits(2).err.contains("A stands in line"));
    assert!(edit(&ada, "echo 'B-C=x' >> \"$1\"").exits(2).err.contains("no setting can have"));
    assert_eq!(ada.text(), before);
}

#[test]
fn what_somebody_else_has_changed_meanwhile_is_not_overwritten() {
    let (_project, ada) = Project::begun(&[("A", "one"), ("B", "two")]);
    let windlass =
        format!("printf '%s' meanwhile | '{}' secrets --env production", env!("CARGO_BIN_EXE_windlass"));
    let said =
        edit(&ada, &format!("{windlass} set A > /dev/null; sed -i 's/^A=one/A=mine/' \"$1\"")).exits(2);
    assert!(said.err.contains("somebody else has changed A while you edited"), "{}", said.err);
    assert_eq!(ada.get("A"), "meanwhile");
    // Another value is no hindrance.
    edit(&ada, &format!("{windlass} set B > /dev/null; sed -i 's/^A=.*/A=mine/' \"$1\"")).exits(0);
    assert_eq!((ada.get("A"), ada.get("B")), ("mine".into(), "meanwhile".into()));
}
