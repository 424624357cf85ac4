//! What was taken down stays down: nothing is started for having looked, or failed.

use std::os::unix::fs::PermissionsExt;

use windlass_testkit::sandbox::{Manifest, Sandbox, until};

use super::{WINDLASS, deployed};

/// Nothing of the environment lives.
fn rests(sandbox: &Sandbox) {
    sandbox.until_nothing_runs();
}

#[test]
fn what_is_down_is_not_started_in_parts() {
    let sandbox = deployed(&Manifest { worker: Some(String::new()), ..Manifest::small() });
    sandbox.succeed(&["down"]);
    let refused = sandbox.fail(&["scale", "web=1"], 2);
    assert!(
        refused.stderr.contains("everything is stopped: start it first, with `windlass restart`"),
        "{refused:?}"
    );
    rests(&sandbox);
    // It needs nothing that is down.
    let ran = sandbox.succeed(&["run", "--", "echo", "here"]);
    assert!(ran.stdout.contains("here"), "{ran:?}");
    rests(&sandbox);
    sandbox.succeed(&["restart"]);
    assert_eq!((sandbox.running("web").len(), sandbox.running("worker").len()), (1, 1));
    sandbox.succeed(&["scale", "web=2"]);
    sandbox.down();
}

#[test]
fn what_others_run_in_a_stopped_environment_goes_on_when_whoever_woke_it_is_done() {
    let more = "[settings.KEY]\nsecret = true\nfile = true\n".into();
    let web = "env = { KEY_FILE = \"{settings.KEY.file}\" }".to_owned();
    let sandbox = Sandbox::with(WINDLASS, &Manifest { more, web, ..Manifest::small() });
    std::fs::write(sandbox.source().join(".env"), "KEY=opens-what-is-shut\n").unwrap();
    sandbox.succeed(&["deploy"]);
    sandbox.succeed(&["down"]);
    let wait = |raw: &[&str], name: &str| {
        let script = format!(
            "echo > $WINDLASS_SHARED/{name}; until test -e $WINDLASS_SHARED/{name}-go; do sleep 0.05; done; \
             cat $KEY_FILE"
        );
        let run = sandbox.start(&[&["run"], raw, &["--", "sh", "-c", script.as_str()]].concat());
        until("the command", || (!sandbox.shared(name).is_empty()).then_some(()));
        run
    };
    let ends =
        |name: &str| std::fs::write(sandbox.environment().join(format!("shared/{name}-go")), "").unwrap();
    let (woke_it, kept, raw) = (wait(&[], "one"), wait(&[], "two"), wait(&["--raw"], "three"));
    ends("one");
    assert_eq!(woke_it.finish().code, 0);
    ends("two");
    let output = kept.finish();
    assert_eq!(output.code, 0, "{output:?}");
    ends("three");
    let output = raw.finish();
    assert_eq!((output.code, output.stdout.as_str()), (0, "opens-what-is-shut"), "{output:?}");
    rests(&sandbox);
    // Also where it wakes the environment itself.
    let output = sandbox.succeed(&["run", "--raw", "--", "sh", "-c", "cat $KEY_FILE"]);
    assert_eq!(output.stdout, "opens-what-is-shut");
    rests(&sandbox);
    sandbox.succeed(&["restart"]);
    sandbox.down();
}

#[test]
fn a_command_is_not_run_while_the_databases_are_down() {
    let sandbox = Sandbox::with(WINDLASS, &Manifest::small());
    std::fs::set_permissions(sandbox.root(), PermissionsExt::from_mode(0o711)).unwrap();
    let more =
        "[resources.store]\nengine = \"redis\"\n[jobs.seed]\ncommand = [\"true\"]\nwhen = \"manual\"\n";
    sandbox.manifest(&Manifest { more: more.into(), ..Manifest::small() });
    sandbox.succeed(&["deploy"]);
    sandbox.succeed(&["down"]);
    for what in [&["run", "seed"][..], &["run", "--raw", "--", "true"], &["run", "--", "true"]] {
        let refused = sandbox.fail(what, 2);
        let why = "error: store is down, because everything was stopped: nothing was run\n  hint: start everything with \
                   `windlass restart`, and call again then\n";
        assert_eq!(refused.stderr, why);
        rests(&sandbox);
    }
    sandbox.succeed(&["restart"]);
    sandbox.succeed(&["run", "seed"]);
    sandbox.down();
}

#[test]
fn a_first_deploy_that_failed_leaves_no_process() {
    let more = "[build]\nsteps = [\"false\"]\n".into();
    let sandbox = Sandbox::with(WINDLASS, &Manifest { more, ..Manifest::small() });
    sandbox.fail(&["deploy"], 1);
    rests(&sandbox);
    let status = sandbox.fail(&["status"], 2);
    assert!(status.stderr.contains("nothing is deployed here yet"), "{status:?}");
    rests(&sandbox);
}

#[test]
fn a_host_side_that_nobody_turns_to_ends() {
    let sandbox = Sandbox::with(WINDLASS, &Manifest::small());
    // As whoever started it does, and is killed then.
    let environment = sandbox.environment();
    let host = sandbox.start(&["host", environment.to_str().unwrap()]);
    let output = host.finish();
    assert_eq!(output.code, 0, "{output:?}");
    rests(&sandbox);
}
