//! A run that is committed and only retires what it replaced: nothing of it goes back any more, and nobody is
//! refused because of it.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use rustix::process::Signal;
use windlass_testkit::sandbox::{Manifest, kill, until};

use super::deployed;

/// Longer than any command of a test may take: that it ends shows that this was not waited for.
const FOR_EVER: &str = "10m";

/// Somebody has a bad release on their hands, and the workers of the good one take their time to end.
#[test]
fn a_run_that_only_retires_is_not_called_off_and_is_waited_for() {
    let stop = format!(
        "stop = {{ quiet = {{ signal = \"CONT\", wait = \"{FOR_EVER}\", idle = {{ shell = \"test -e \
         $WINDLASS_SHARED/idle\" }} }} }}"
    );
    let sandbox = deployed(&Manifest { worker: Some(stop), ..Manifest::small() });
    sandbox.change();
    let deploy = sandbox.start(&["deploy"]);
    let remaining = || Some(sandbox.status()["run"]["remaining"].clone()).filter(|left| left.is_object());
    let remaining = until("the commit", remaining);
    assert!(remaining["steps"].to_string().contains("stop worker.r1.1"), "{remaining}");
    assert!(remaining["at_most"].as_str().unwrap().starts_with("10m"), "{remaining}");

    let late = sandbox.fail(&["abort"], 6).stderr;
    let what = "error: nothing goes back any more: Deploy fixture (local): r1 -> r2 is committed";
    assert!(late.starts_with(what) && late.contains("stop worker.r1.1"), "{late}");
    assert!(
        late.contains("`windlass rollback` goes back to r1; `windlass resume` follows the rest"),
        "{late}"
    );
    let late = sandbox.fail(&["abort", "--json"], 6).json();
    assert_eq!(late["exit_code"], 6, "{late}");
    assert!(late["hint"].as_str().unwrap().contains("windlass rollback"), "{late}");

    let mut patient = sandbox.command(&["rollback"]);
    let mut patient = patient.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(patient.stderr.take().unwrap()).lines().map(Result::unwrap);
    let waits = lines.find(|line| line.contains("That is waited for, for 1")).unwrap();
    assert!(waits.contains("`windlass rollback --now` does not wait"), "{waits}");
    kill(i32::try_from(patient.id()).unwrap(), Signal::TERM);
    assert!(!patient.wait().unwrap().success());
    assert!(deploy.runs(), "who only waits for it has ended it");

    let mut program = sandbox.command(&["rollback", "--json"]);
    let mut program =
        program.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let told = BufReader::new(program.stdout.take().unwrap()).lines().next().unwrap().unwrap();
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    let waiting = &told["event"]["waiting"];
    assert!(waiting["remaining"]["steps"].to_string().contains("stop worker.r1.1"), "{told}");
    assert_eq!(waiting["hurried"], false, "{told}");
    kill(i32::try_from(program.id()).unwrap(), Signal::TERM);
    assert!(!program.wait().unwrap().success());

    let back = sandbox.start(&["rollback", "--now"]);
    let deployed = deploy.finish();
    assert_eq!(deployed.code, 0, "{deployed:#?}");
    std::fs::write(sandbox.environment().join("shared/idle"), "").unwrap();
    let back = back.finish();
    assert_eq!(back.code, 0, "{back:#?}");
    assert_eq!(sandbox.release(), "r3");
    assert_eq!(sandbox.running("worker").len(), 1);
    sandbox.down();
}
