//! The editor: real programs that change the file as a person would.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

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
fn what_is_not_as_it_is_declared_changes_nothing() {
    let (_project, ada) = Project::begun(&[("OLD", "was never right"), ("PORT", "80")]);
    ada.declare("PORT = { type = \"port\" }\nOLD = { type = \"integer\" }");
    let before = ada.text();
    let said = edit(&ada, "sed -i 's/^PORT=.*/PORT=hunter2/' \"$1\"").exits(2);
    assert!(said.err.contains("secrets.env:5: PORT: its value is not a port"), "{}", said.err);
    assert!(said.err.contains("nothing was changed") && !said.err.contains("hunter2"), "{}", said.err);
    assert_eq!(ada.text(), before);
    // What was left alone is not judged.
    let said = edit(&ada, "sed -i 's/^PORT=.*/PORT=443/' \"$1\"; echo POTR=1 >> \"$1\"").exits(0);
    assert!(
        said.err.contains("POTR is declared nowhere in the manifest; did you mean PORT?"),
        "{}",
        said.err
    );
    assert_eq!(ada.get("PORT"), "443");
}

#[test]
fn an_editor_that_is_not_there_or_removes_the_file_is_told_of() {
    let (_project, ada) = Project::begun(&[("A", "one")]);
    let before = ada.text();
    let said = ada.secrets(&["edit"]).exits(2);
    assert!(said.err.contains("there is no terminal for vi") && said.err.contains("hint: "), "{}", said.err);
    let said = edit(&ada, "rm \"$1\"").exits(2);
    assert!(said.err.contains("the editor has removed the file, and nothing was changed"), "{}", said.err);
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

/// Somebody who sits before an editor.
struct Sitting {
    windlass: Child,
    /// The editor's file.
    file: PathBuf,
    home: PathBuf,
}

impl Sitting {
    /// Until [`leave`](Self::leave) the editor waits, then it does what the script says.
    fn down(person: &Person, script: &str) -> Self {
        let (begun, left) = (person.home.join("begun"), person.home.join("left"));
        let script = format!(
            "echo \"$1\" > '{0}.new'; mv '{0}.new' '{0}'\nwhile test -e '{0}' && ! test -e '{1}'; do sleep 0.02; done\n{script}",
            begun.display(),
            left.display()
        );
        let editor = editor(person, &script);
        let mut command = person.with("EDITOR", editor.to_str().unwrap()).command(&["edit"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let windlass = command.spawn().unwrap();
        wait_for("the editor", || begun.exists());
        let file = fs::read_to_string(&begun).unwrap().trim().into();
        Self { windlass, file, home: person.home.clone() }
    }

    fn signal(&self, name: &str) {
        let pid = self.windlass.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    }

    fn leave(&self) {
        fs::write(self.home.join("left"), "").unwrap();
    }

    fn ends(&mut self) -> Option<i32> {
        self.windlass.wait().unwrap().code()
    }
}

impl Drop for Sitting {
    fn drop(&mut self) {
        self.leave();
    }
}

fn wait_for(what: &str, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(30), "{what} did not come");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A place in memory of one's own: others clear up in the common one.
fn runtime(person: &Person) -> (Person, tempfile::TempDir) {
    let place = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    (person.with("XDG_RUNTIME_DIR", place.path().to_str().unwrap()), place)
}

fn is_empty(place: &Path) -> bool {
    fs::read_dir(place).unwrap().next().is_none()
}

#[test]
fn a_session_that_drops_leaves_nothing_behind() {
    for (name, code) in [("HUP", 129), ("TERM", 143)] {
        let (_project, ada) = Project::begun(&[("A", "one")]);
        let before = ada.text();
        let mut sitting = Sitting::down(&ada, "echo A=other > \"$1\"");
        assert!(sitting.file.exists());
        sitting.signal(name);
        assert_eq!(sitting.ends(), Some(code));
        assert!(!sitting.file.parent().unwrap().exists(), "{name}");
        assert_eq!(ada.text(), before);
    }
}

#[test]
fn an_interrupt_is_the_affair_of_the_editor() {
    let (_project, ada) = Project::begun(&[("A", "one")]);
    let mut sitting = Sitting::down(&ada, "echo A=other > \"$1\"");
    sitting.signal("INT");
    std::thread::sleep(Duration::from_millis(100));
    sitting.leave();
    assert_eq!(sitting.ends(), Some(0));
    assert_eq!(ada.get("A"), "other");
}

#[test]
fn what_was_left_behind_goes_with_the_next_edit() {
    let (_project, ada) = Project::begun(&[("A", "one")]);
    let (ada, place) = runtime(&ada);
    let mut sitting = Sitting::down(&ada, "true");
    // Another edit at the same time leaves it alone.
    edit(&ada.with("HOME", ada.home.to_str().unwrap()), "true");
    let is_here = sitting.file.starts_with(place.path());
    assert!(sitting.file.exists());
    sitting.signal("KILL");
    sitting.ends();
    assert!(sitting.file.exists());
    sitting.leave();
    edit(&ada, "true").exits(0);
    assert!(!sitting.file.exists());
    assert!(!is_here || is_empty(place.path()));
}

#[test]
fn vim_is_told_to_write_the_text_nowhere_else() {
    let (_project, ada) = Project::begun(&[("A", "one")]);
    let seen = ada.home.join("seen");
    let vim = ada.home.join("vim");
    fs::write(&vim, format!("#!/bin/sh\nprintf '%s\\n' \"$@\" > '{}'\n", seen.display())).unwrap();
    fs::set_permissions(&vim, fs::Permissions::from_mode(0o700)).unwrap();
    ada.with("EDITOR", &format!("'{}' -f", vim.display())).secrets(&["edit"]).exits(0);
    let seen = fs::read_to_string(seen).unwrap();
    assert!(seen.starts_with("-n\n-i\nNONE\n-c\nset noundofile nobackup nowritebackup\n-f\n/"), "{seen}");
}
