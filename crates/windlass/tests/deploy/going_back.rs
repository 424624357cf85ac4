//! `windlass rollback` without a release goes back to other code, whatever was done to it meanwhile.

use windlass_testkit::sandbox::{Manifest, Sandbox};

use super::deployed;

fn tree(sandbox: &Sandbox) -> String {
    let link = std::fs::read_link(sandbox.environment().join("current")).unwrap();
    link.file_name().unwrap().to_string_lossy().into_owned()
}

#[test]
fn a_rollback_goes_past_restarts_and_changes_of_scale() {
    let sandbox = deployed(&Manifest::small());
    sandbox.change();
    let output = sandbox.succeed(&["deploy"]);
    assert!(output.stdout.contains("Back to r1: windlass rollback\n"), "{output:?}");
    let output = sandbox.succeed(&["restart"]);
    assert!(!output.all().contains("Back to"), "there is nothing to go back to: {output:?}");
    let output = sandbox.fail(&["abort"], 2);
    assert!(!output.all().contains("rollback"), "{output:?}");
    let output = sandbox.succeed(&["scale", "web=2"]);
    assert!(output.stdout.contains("Back to r3: windlass rollback r3\n"), "{output:?}");
    let output = sandbox.succeed(&["rollback", "r3"]);
    assert!(output.stdout.contains("Back to r4: windlass rollback r4\n"), "{output:?}");
    assert_eq!((sandbox.release().as_str(), tree(&sandbox).as_str()), ("r5", "r2"));
    let output = sandbox.succeed(&["rollback"]);
    assert!(output.stdout.contains("Back to r5: windlass rollback\n"), "{output:?}");
    assert_eq!((sandbox.release().as_str(), tree(&sandbox).as_str()), ("r6", "r1"));
    sandbox.down();
}

#[test]
fn a_rollback_to_nothing_else_says_what_there_is() {
    let sandbox = deployed(&Manifest::small());
    let output = sandbox.fail(&["rollback"], 2);
    assert!(output.stderr.contains("there is no release before this one"), "{output:?}");
    sandbox.succeed(&["restart"]);
    let output = sandbox.fail(&["rollback"], 2);
    assert!(output.stderr.contains("there is no release before r2 that runs other code"), "{output:?}");
    assert!(output.stderr.contains("there are r2, r1; "), "{output:?}");
    // Another manifest is another release, also with the same files.
    sandbox.manifest(&Manifest { web: "env = { ROLE = \"other\" }".to_owned(), ..Manifest::small() });
    sandbox.succeed(&["deploy"]);
    assert_eq!(tree(&sandbox), "r1");
    sandbox.succeed(&["rollback"]);
    let output = sandbox.succeed(&["run", "--", "sh", "-c", "echo role $ROLE"]);
    assert_eq!(output.stdout, "role\n");
    sandbox.down();
}
