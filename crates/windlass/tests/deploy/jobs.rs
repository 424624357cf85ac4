//! What runs once, and what runs by the clock.

use std::time::Duration;

use windlass_testkit::sandbox::{Manifest, until_within};

use super::deployed;

#[test]
fn commands_answer_with_their_own_exit_code() {
    let manifest = Manifest {
        more: "[jobs.broken]\ncommand = [\"sh\", \"-c\", \"echo partly; exit 7\"]\n".into(),
        ..Manifest::small()
    };
    let sandbox = deployed(&manifest);
    let output = sandbox.fail(&["run", "broken"], 7);
    assert!(output.stdout.contains("partly"), "{output:?}");
    let output = sandbox.succeed(&["run", "--", "sh", "-c", "echo $WINDLASS_RELEASE"]);
    assert_eq!(output.stdout.trim(), "r1");
    sandbox.fail(&["run", "--", "sh", "-c", "exit 3"], 3);
    let output = sandbox.fail(&["run", "--", "/nowhere/to/be/found"], 1);
    assert!(output.stderr.contains("there is no program /nowhere/to/be/found"), "{output:?}");
    sandbox.fail(&["run", "--", "sh", "-c", "kill -TERM $$"], 143);
    sandbox.fail(&["run", "nothing"], 2);
    sandbox.down();
}

#[test]
fn a_cron_job_runs_when_it_is_due() {
    let manifest = Manifest {
        more: "[cron.second]\ncommand = [\"sh\", \"-c\", \"echo tick >> {shared}/seconds\"]\nschedule = \"* * * * * *\"\n"
            .into(),
        ..Manifest::small()
    };
    let sandbox = deployed(&manifest);
    until_within(Duration::from_secs(10), "the third second", || {
        (sandbox.shared("seconds").lines().count() >= 3).then_some(())
    });
    let crons = sandbox.status()["crons"].clone();
    assert_eq!(crons[0]["name"], "second", "{crons}");
    sandbox.down();
}
