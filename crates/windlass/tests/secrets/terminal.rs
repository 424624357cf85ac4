//! At a terminal: Python's pty plays the person.

use std::process::Command;

use crate::kit::Project;

/// Runs the program on a terminal of its own, types what stands behind each text once that has
/// appeared, prints all that was shown, and ends as the program did.
const PERSON: &str = r#"
import os, pty, sys
program, *script = sys.argv[1].split("\x1f"), *sys.argv[2:]
pid, terminal = pty.fork()
if pid == 0:
    os.execv(program[0], program)
shown, steps = b"", [step.split("\x1f") for step in script]
while True:
    try:
        part = os.read(terminal, 4096)
    except OSError:
        break
    if not part:
        break
    shown += part
    if steps and steps[0][0].encode() in shown:
        shown = shown.replace(steps[0][0].encode(), b"(" + steps[0][0].encode()[1:], 1)
        os.write(terminal, steps.pop(0)[1].encode())
sys.stdout.buffer.write(shown)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"#;

/// The exit code, and all that stood on the terminal.
fn at_a_terminal(
    person: &crate::kit::Person,
    arguments: &[&str],
    steps: &[(&str, &str)],
) -> Option<(i32, String)> {
    let windlass = person.command(arguments);
    let program: Vec<&str> = std::iter::once(windlass.get_program())
        .chain(windlass.get_args())
        .map(|word| word.to_str().unwrap())
        .collect();
    let mut python = Command::new("python3");
    python.args(["-c", PERSON, &program.join("\x1f")]).current_dir(&person.project).env_clear();
    python.args(steps.iter().map(|(shown, typed)| format!("{shown}\x1f{typed}")));
    for (name, value) in windlass.get_envs() {
        python.env(name, value.unwrap());
    }
    let Ok(output) = python.output() else {
        windlass_testkit::machine::lacks("secrets at a terminal", "python3 is not installed");
        return None;
    };
    Some((output.status.code().unwrap(), String::from_utf8_lossy(&output.stdout).into_owned()))
}

#[test]
fn a_value_is_typed_twice_and_not_shown() {
    let (_project, ada) = Project::begun(&[]);
    let typed = [("Value of A", "hunter2\n"), ("Once more", "hunter2\n")];
    let Some((code, shown)) = at_a_terminal(&ada, &["set", "A"], &typed) else { return };
    assert!(code == 0 && shown.contains("Set A") && !shown.contains("hunter2"), "{code}: {shown}");
    assert_eq!(ada.get("A"), "hunter2");
    let other = [("Value of A", "hunter3\n"), ("Once more", "hunter4\n")];
    let (code, shown) = at_a_terminal(&ada, &["set", "A"], &other).unwrap();
    assert!(code == 2 && shown.contains("are not the same"), "{code}: {shown}");
    let (code, _) = at_a_terminal(&ada, &["set", "A"], &[("Value of A", "hunt\x03")]).unwrap();
    assert_eq!((code, ada.get("A")), (130, "hunter2".into()));
}

#[test]
fn a_passphrase_is_asked_for_until_it_is_right() {
    let (project, ada) = Project::begun(&[("A", "one")]);
    let new = [("New passphrase", "correct horse battery\n"), ("Once more", "correct horse battery\n")];
    let Some((code, shown)) = at_a_terminal(&ada, &["recipients", "add", "glass", "--passphrase"], &new)
    else {
        return;
    };
    assert!(code == 0 && !shown.contains("horse"), "{code}: {shown}");
    let eve = project.person("eve");
    let typed = [("Passphrase of", "wrong\n"), ("Passphrase of", "correct horse battery\n")];
    let (code, shown) = at_a_terminal(&eve, &["get", "A"], &typed).unwrap();
    assert!(code == 0 && shown.trim_end().ends_with("one") && !shown.contains("horse"), "{code}: {shown}");
}

#[test]
fn everything_is_not_shown_on_a_terminal_by_mistake() {
    let (_project, ada) = Project::begun(&[("A", "hunter2")]);
    let Some((code, shown)) = at_a_terminal(&ada, &["export"], &[]) else { return };
    assert!(code == 2 && shown.contains("--yes") && !shown.contains("hunter2"), "{code}: {shown}");
    let (code, shown) = at_a_terminal(&ada, &["export", "--yes"], &[]).unwrap();
    assert!(code == 0 && shown.contains("A=hunter2"), "{code}: {shown}");
}

#[test]
fn whoever_would_shut_themselves_out_is_asked() {
    let (project, ada) = Project::begun(&[("A", "one")]);
    let bob = project.person("bob");
    ada.secrets(&["recipients", "add", "bob", &bob.public()]).exits(0);
    let remove = |answer| {
        at_a_terminal(&ada, &["recipients", "remove", "ada"], &[("Remove it all the same?", answer)])
    };
    let Some((code, shown)) = remove("\n") else { return };
    assert!(
        code == 2 && shown.contains("none of the keys that were used for it opens it then (A)"),
        "{code}: {shown}"
    );
    assert_eq!(ada.get("A"), "one");
    assert_eq!(remove("y\n").unwrap().0, 0);
    ada.secrets(&["get", "A"]).exits(2);
    assert_eq!(bob.get("A"), "one");
}

#[test]
fn faults_are_mended_in_the_editor() {
    let (_project, ada) = Project::begun(&[("A", "one")]);
    // Writes nonsense the first time, and mends it the second time.
    let script = "#!/bin/sh\nif grep -q nonsense \"$1\"; then echo A=mended > \"$1\"; else echo nonsense > \"$1\"; fi\n";
    let editor = ada.home.join("editor");
    std::fs::write(&editor, script).unwrap();
    std::fs::set_permissions(&editor, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    let ada = ada.with("EDITOR", editor.to_str().unwrap());
    let Some((code, shown)) = at_a_terminal(&ada, &["edit"], &[("Edit it again?", "y\n")]) else { return };
    assert!(code == 0 && shown.contains("there is no = in this line"), "{code}: {shown}");
    assert_eq!(ada.get("A"), "mended");
}

#[test]
fn whoever_interrupts_the_question_leaves_nothing_behind() {
    let (_project, ada) = Project::begun(&[("A", "one")]);
    let (editor, seen) = (ada.home.join("editor"), ada.home.join("seen"));
    let script = format!("#!/bin/sh\necho \"$1\" > '{}'; echo nonsense > \"$1\"\n", seen.display());
    std::fs::write(&editor, script).unwrap();
    std::fs::set_permissions(&editor, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    let ada = ada.with("EDITOR", editor.to_str().unwrap());
    let Some((code, shown)) = at_a_terminal(&ada, &["edit"], &[("Edit it again?", "\x03")]) else { return };
    assert_eq!(code, 130, "{shown}");
    let file = std::fs::read_to_string(seen).unwrap();
    assert!(!std::path::Path::new(file.trim()).parent().unwrap().exists());
}
