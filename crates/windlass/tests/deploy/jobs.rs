//! What runs once, and what runs by the clock.

use windlass_testkit::sandbox::{Manifest, Sandbox, until};

use super::deployed;

#[test]
fn commands_answer_with_their_own_exit_code() {
    let manifest = Manifest {
        more: "[jobs.broken]\ncommand = [\"sh\", \"-c\", \"echo partly; printf wholly; exit 7\"]\n".into(),
        ..Manifest::small()
    };
    let sandbox = deployed(&manifest);
    let output = sandbox.fail(&["run", "broken"], 7);
    assert_eq!(output.stdout, "partly\nwholly\n", "with its last line, which has no end");
    let output = sandbox.succeed(&["run", "--", "sh", "-c", "echo $WINDLASS_RELEASE"]);
    assert_eq!(output.stdout.trim(), "r1");
    // That of the first service; or of another one, with its directory.
    std::fs::create_dir(sandbox.source().join("below")).unwrap();
    std::fs::write(sandbox.source().join("below/file"), "").unwrap();
    let web = "env = { ROLE = \"web\" }".to_owned();
    let worker = Some("directory = \"below\"\nenv = { ROLE = \"worker\" }".to_owned());
    sandbox.manifest(&Manifest { web, worker, ..manifest.clone() });
    sandbox.succeed(&["deploy"]);
    let shown = |args: &[&str]| {
        let args = [args, &["--", "sh", "-c", "echo $ROLE; ls file 2> /dev/null; true"]].concat();
        sandbox.succeed(&args).stdout
    };
    assert_eq!(shown(&["run"]), "web\n");
    assert_eq!(shown(&["run", "--service", "web"]), "web\n");
    assert_eq!(shown(&["run", "--service", "worker"]), "worker\nfile\n");
    assert_eq!(shown(&["run", "--raw", "--service", "worker"]), "worker\nfile\n");
    let output = sandbox.fail(&["run", "--service", "werker", "--", "true"], 2);
    assert!(output.stderr.contains("there is no service werker in the active release"), "{output:?}");
    assert!(output.stderr.contains("did you mean worker?"), "{output:?}");
    sandbox.fail(&["run", "--service", "worker", "broken"], 2);
    sandbox.fail(&["run", "--", "sh", "-c", "exit 3"], 3);
    let output = sandbox.fail(&["run", "--", "/nowhere/to/be/found"], 127);
    let expected = "the command was not started: there is no program /nowhere/to/be/found (seen from ";
    assert!(output.stderr.starts_with(expected), "{output:?}");
    sandbox.fail(&["run", "--", "sh", "-c", "kill -TERM $$"], 143);
    sandbox.fail(&["run", "nothing"], 2);
    sandbox.down();
}

#[test]
fn a_job_that_failed_half_way_is_not_undone_and_every_account_of_it_says_so() {
    let more = |migrate: &str| {
        format!(
            "[jobs.prepare]\ncommand = [\"true\"]\nwhen = \"before-start\"\n\
             undo = {{ command = {{ shell = \"echo prepare >> $WINDLASS_SHARED/undone\" }} }}\n\
             [jobs.alter]\ncommand = {{ shell = \"{migrate}\" }}\nwhen = \"before-start\"\n\
             undo = {{ command = [\"touch\", \"{{shared}}/un done\"] }}\n"
        )
    };
    let sandbox = deployed(&Manifest::small());
    sandbox.manifest(&Manifest { more: more("echo half; exit 7"), ..Manifest::small() });
    let output = sandbox.fail(&["deploy"], 3);
    let said = "the job alter ended half-way and was not undone, because its undo may count on all that the job \
                does; look whether it left something behind: `windlass run alter --undo` runs its undo in r2: \
                touch '{shared}/un done'";
    assert!(output.stderr.contains("the job alter failed: exit code 7\n"), "{output:?}");
    assert!(output.stderr.trim_end().ends_with(said), "{output:?}");
    assert_eq!(sandbox.shared("undone"), "prepare\n", "what completed is undone");
    let said = &said.replace("r2", "r3");
    let output = sandbox.fail(&["deploy", "--json"], 3);
    let last: serde_json::Value = serde_json::from_str(output.stdout.lines().last().unwrap()).unwrap();
    assert_eq!(
        (&last["exit_code"], &last["error"]),
        (&3.into(), &"the job alter failed: exit code 7".into())
    );
    assert!(last["hint"].as_str().unwrap().ends_with(said), "{last}");
    let runs = sandbox.succeed(&["runs", "--limit", "1"]).stdout;
    assert!(runs.contains(said), "{runs}");
    sandbox.down();
}

/// Of a migration: by hand beside a deploy, beside itself, and a deploy beside it.
#[test]
fn a_job_of_deploys_never_runs_beside_itself() {
    let migrate = Manifest { migrate: Some(String::new()), ..Manifest::small() };
    let sandbox = deployed(&migrate);
    let begun = |count: usize| {
        let lines = || sandbox.shared("migrate").lines().count();
        until("the job to begin", || (lines() == count).then_some(()));
    };
    begun(1);
    sandbox.behave("migrate.wait");
    let deploy = sandbox.start(&["deploy"]);
    begun(2);
    let output = sandbox.fail(&["run", "migrate"], 6);
    assert!(output.stderr.contains("is under way, and may run migrate itself"), "{output:?}");
    sandbox.succeed(&["run", "--", "touch", &format!("{}/shared/go", sandbox.environment().display())]);
    assert_eq!(deploy.finish().code, 0);
    std::fs::remove_file(sandbox.environment().join("shared/go")).unwrap();
    let by_hand = sandbox.start(&["run", "migrate"]);
    begun(3);
    let output = sandbox.fail(&["run", "migrate"], 6);
    assert!(output.stderr.contains("migrate runs already, by windlass run"), "{output:?}");
    // At a terminal, or with --raw, it is the command's own process that runs it.
    let output = sandbox.fail(&["run", "--raw", "migrate"], 6);
    assert!(output.stderr.contains("migrate runs already, by windlass run"), "{output:?}");
    sandbox.change();
    let output = sandbox.fail(&["deploy"], 1);
    assert!(output.stderr.contains("the job migrate runs now, by windlass run"), "{output:?}");
    std::fs::write(sandbox.environment().join("shared/go"), "").unwrap();
    assert_eq!(by_hand.finish().code, 0);
    std::fs::remove_file(sandbox.environment().join("shared/go")).unwrap();
    let raw = sandbox.start(&["run", "--raw", "migrate"]);
    begun(4);
    sandbox.fail(&["run", "migrate"], 6);
    sandbox.fail(&["deploy"], 1);
    std::fs::write(sandbox.environment().join("shared/go"), "").unwrap();
    assert_eq!(raw.finish().code, 0);
    sandbox.succeed(&["deploy"]);
    assert!(!sandbox.shared("migrate").contains("overlap"), "{}", sandbox.shared("migrate"));
    sandbox.down();
}

#[test]
fn what_a_job_by_hand_leaves_running_does_not_count_and_whoever_is_killed_takes_it_along() {
    let script = "sleep 1000 > /dev/null 2>&1 & echo $! >> $WINDLASS_SHARED/left; exit 7";
    let job = |script: &str| Manifest {
        more: format!("[jobs.setup]\ncommand = {{ shell = \"{script}\" }}\nwhen = \"once\"\n"),
        ..Manifest::small()
    };
    let sandbox = deployed(&job("true"));
    sandbox.manifest(&job(script));
    sandbox.succeed(&["deploy"]);
    let left = || sandbox.shared("left").lines().filter_map(|line| line.parse().ok()).collect::<Vec<i32>>();
    for count in 1..=2 {
        sandbox.fail(&["run", "--raw", "setup"], 7);
        assert_eq!(left().len(), count);
    }
    for pid in left() {
        windlass_testkit::sandbox::kill(pid, rustix::process::Signal::KILL);
    }
    // It passes on how it is asked to end.
    sandbox.manifest(&job("echo $$ >> $WINDLASS_SHARED/pid; exec sleep 1000"));
    sandbox.succeed(&["deploy"]);
    let run = |signal| {
        let _ = std::fs::remove_file(sandbox.environment().join("shared/pid"));
        let raw = sandbox.start(&["run", "--raw", "setup"]);
        let pid: i32 = until("it to run", || sandbox.shared("pid").trim().parse().ok());
        sandbox.fail(&["run", "setup"], 6);
        windlass_testkit::sandbox::kill(raw.pid(), signal);
        let output = raw.finish();
        until("it to be gone", || (!std::path::Path::new(&format!("/proc/{pid}")).exists()).then_some(()));
        output.code
    };
    assert_eq!(run(rustix::process::Signal::TERM), 143);
    run(rustix::process::Signal::KILL);
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
    until("the third second", || (sandbox.shared("seconds").lines().count() >= 3).then_some(()));
    let crons = sandbox.status()["crons"].clone();
    assert_eq!(crons[0]["name"], "second", "{crons}");
    sandbox.down();
}

fn cron(name: &str, script: &str, overlap: &str) -> String {
    format!(
        "[cron.{name}]\ncommand = [\"sh\", \"-c\", \"{script}\"]\nschedule = \"* * * * * *\"\noverlap = \"{overlap}\"\n\n"
    )
}

/// Waits until a file in the shared directory has so many lines.
fn until_lines(sandbox: &Sandbox, name: &str, count: usize) {
    until(&format!("{count} lines of {name}"), || {
        (sandbox.shared(name).lines().count() >= count).then_some(())
    });
}

#[test]
fn cron_jobs_run_beside_each_other_where_they_may_and_down_ends_them() {
    let script = "echo began >> {shared}/began; exec sleep 1000";
    let sandbox = deployed(&Manifest { more: cron("long", script, "allow"), ..Manifest::small() });
    let run = sandbox.start(&["run", "--", "sh", "-c", "echo x > $WINDLASS_SHARED/run; exec sleep 1000"]);
    until_lines(&sandbox, "began", 3);
    until_lines(&sandbox, "run", 1);
    sandbox.succeed(&["down"]);
    assert_ne!(run.finish().code, 0);
    sandbox.until_nothing_runs();
    sandbox.down();
}

#[test]
fn a_cron_job_that_does_not_make_way_keeps_no_other_from_its_time() {
    let stubborn = "echo began >> {shared}/stubborn; trap '' TERM; while :; do sleep 0.1; done";
    let more = cron("stubborn", stubborn, "replace") + &cron("other", "echo x >> {shared}/other", "skip");
    let sandbox = deployed(&Manifest { more, ..Manifest::small() });
    until_lines(&sandbox, "stubborn", 1);
    // It is told to stop at the next second, and given ten.
    until_lines(&sandbox, "other", 5);
    assert_eq!(sandbox.shared("stubborn").lines().count(), 1, "it was not replaced yet");
    sandbox.down();
}

#[test]
fn a_run_that_waits_for_another_is_not_lost_with_the_host_side() {
    let script = "echo began >> {shared}/began; while [ ! -e {shared}/enough ]; do sleep 0.05; done";
    let sandbox = deployed(&Manifest { more: cron("long", script, "queue"), ..Manifest::small() });
    let queue = sandbox.environment().join("state/cron-queue.json");
    until("a run to wait", || {
        std::fs::read_to_string(&queue).is_ok_and(|text| text.contains("long")).then_some(())
    });
    // No further tick comes to its help: what runs then is what waited.
    sandbox.manifest(&Manifest {
        more: cron("long", script, "queue").replace("* * * * * *", "0 0 1 1 *"),
        ..Manifest::small()
    });
    sandbox.succeed(&["deploy"]);
    windlass_testkit::sandbox::kill(sandbox.host().unwrap(), rustix::process::Signal::KILL);
    std::fs::write(sandbox.environment().join("shared/enough"), "").unwrap();
    until_lines(&sandbox, "began", 2);
    until("the queue to be empty", || {
        std::fs::read_to_string(&queue).ok()?.starts_with("[]\n").then_some(())
    });
    sandbox.down();
}

#[test]
fn a_job_that_no_longer_runs_beside_itself_replaces_all_its_runs() {
    let script = "echo $$ >> {shared}/began; exec sleep 1000";
    let sandbox = deployed(&Manifest { more: cron("long", script, "allow"), ..Manifest::small() });
    until_lines(&sandbox, "began", 3);
    sandbox.manifest(&Manifest { more: cron("long", script, "replace"), ..Manifest::small() });
    sandbox.succeed(&["deploy"]);
    let sleeps = || {
        let all = sandbox.processes();
        all.iter().filter(|process| process.argv.first().is_some_and(|program| program == "sleep")).count()
    };
    until("one to be left", || (sleeps() == 1).then_some(()));
    sandbox.down();
}

#[test]
fn input_and_output_of_a_command_pass_as_they_are_when_asked() {
    let sandbox = deployed(&Manifest::small());
    let bytes: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    std::fs::write(sandbox.source().join("../input"), &bytes).unwrap();
    let input = || std::fs::File::open(sandbox.source().join("../input")).unwrap();
    let output = sandbox.command(&["run", "--raw", "--", "cat"]).stdin(input()).output().unwrap();
    assert!(output.status.success() && output.stdout == bytes, "{:?}", output.status);
    // Without it the command would find nothing there, and nobody would know.
    let output = sandbox.command(&["run", "--", "cat"]).stdin(input()).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("windlass run --raw passes it on"),
        "{output:?}"
    );
    sandbox.down();
}

#[test]
fn what_a_job_makes_in_a_release_is_made_in_the_next_one_too() {
    let manifest = Manifest {
        more: "[jobs.assets]\ncommand = [\"sh\", \"-c\", \"mkdir made && cp version made/asset\"]\n\
               when = \"before-start\"\nundo = \"compatible\"\n\n\
               [jobs.refuses]\ncommand = [\"test\", \"-e\", \"{shared}/ready\"]\n\
               when = \"before-start\"\nundo = \"compatible\"\n"
            .into(),
        ..Manifest::small()
    };
    let sandbox = Sandbox::with(env!("CARGO_BIN_EXE_windlass"), &manifest);
    sandbox.write("version", "1\n");
    sandbox.fail(&["deploy"], 3);
    std::fs::write(sandbox.environment().join("shared/ready"), "").unwrap();
    sandbox.succeed(&["deploy"]);
    // The source is the one whose assets were made, in a tree that went with its release.
    assert_eq!(std::fs::read_to_string(sandbox.environment().join("current/made/asset")).unwrap(), "1\n");
    sandbox.down();
}

// proves: HS-8
#[test]
fn a_schema_that_cannot_go_back_keeps_the_code_from_going_back_unasked() {
    let manifest = Manifest {
        more: "[jobs.irreversible]\ncommand = { shell = \"cp version $WINDLASS_SHARED/version\" }\nwhen = \"before-start\"\nundo = \"irreversible\"\n\
               schema = { shell = \"cat $WINDLASS_SHARED/version\" }\n"
            .into(),
        ..Manifest::small()
    };
    let sandbox = Sandbox::with(env!("CARGO_BIN_EXE_windlass"), &manifest);
    sandbox.write("version", "1\n");
    sandbox.succeed(&["deploy"]);
    sandbox.write("version", "2\n");
    sandbox.succeed(&["deploy"]);
    let output = sandbox.fail(&["rollback"], 6);
    assert!(
        output.stderr.contains("the job irreversible, which is irreversible, has brought it from 1 to 2"),
        "{output:?}"
    );
    assert_eq!(sandbox.release(), "r2");
    sandbox.succeed(&["rollback", "--anyway"]);
    // The code went back and the schema did not: that is what the record says.
    let releases = sandbox.succeed(&["releases", "--json"]).json();
    assert_eq!(releases[0]["schema"]["irreversible"], "2", "{releases}");
    sandbox.down();
}

#[test]
fn a_tree_in_which_something_runs_outlives_its_release_until_that_has_ended() {
    let script = "echo x >> {shared}/began; while ! test -e {shared}/go; do sleep 0.05; done; cat version >> {shared}/said";
    let manifest = Manifest {
        deploy: "keep = 2".to_owned(),
        more: format!("[cron.long]\ncommand = [\"sh\", \"-c\", \"{script}\"]\nschedule = \"* * * * * *\"\n"),
        ..Manifest::small()
    };
    let sandbox = Sandbox::with(env!("CARGO_BIN_EXE_windlass"), &manifest);
    sandbox.write("version", "first\n");
    sandbox.succeed(&["deploy"]);
    until("the cron job", || (sandbox.shared("began") == "x\n").then_some(()));
    let tree = |release: &str| sandbox.environment().join("releases").join(release);
    sandbox.change();
    sandbox.succeed(&["deploy"]);
    // One that is kept by nobody, in the release that is live now.
    let raw = sandbox.start(&[
        "run",
        "--raw",
        "--",
        "sh",
        "-c",
        "echo > $WINDLASS_SHARED/raw; while ! test -e $WINDLASS_SHARED/go; do sleep 0.05; done; cat version",
    ]);
    until("the command", || (!sandbox.shared("raw").is_empty()).then_some(()));
    sandbox.change();
    let output = sandbox.succeed(&["deploy"]);
    assert!(output.stderr.contains("releases/r1 stays: cron.long still runs in it"), "{output:?}");
    sandbox.change();
    let output = sandbox.succeed(&["deploy"]);
    assert!(output.stderr.contains("releases/r2 stays: process "), "{output:?}");
    assert!(tree("r1").join("version").exists() && tree("r2").join("version").exists());
    std::fs::write(sandbox.environment().join("shared/go"), "").unwrap();
    assert_eq!(raw.finish().stdout, "1");
    until("the cron job to end", || sandbox.shared("said").starts_with("first\n").then_some(()));
    sandbox.change();
    sandbox.succeed(&["deploy"]);
    assert!(!tree("r1").exists() && !tree("r2").exists());
    sandbox.down();
}

#[test]
fn a_cron_job_is_run_now_under_its_own_rules_and_is_recorded() {
    let busy = "while test -e $WINDLASS_SHARED/busy; do sleep 0.05; done";
    let cron = |name: &str, more: &str| {
        format!(
            "[cron.{name}]\ncommand = {{ shell = \"echo swept; {busy}; exit 4\" }}\nschedule = \"0 0 1 1 *\"\n{more}\n"
        )
    };
    let more =
        cron("nightly", "") + &cron("short", "timeout = \"1s\"") + &cron("newest", "overlap = \"replace\"");
    let sandbox = deployed(&Manifest { more, ..Manifest::small() });
    let raw = sandbox.fail(&["run", "--raw", "nightly"], 2);
    assert!(raw.stdout.is_empty() && raw.stderr.contains("a cron job is run by Windlass itself"), "{raw:?}");
    let ran = sandbox.fail(&["run", "nightly"], 4);
    assert_eq!(ran.stdout, "swept\n");
    assert!(sandbox.succeed(&["logs", "nightly"]).stdout.contains("swept"));
    let cron = |name: &str| {
        let status = sandbox.status();
        let crons = status["crons"].as_array().unwrap();
        crons.iter().find(|cron| cron["name"] == name).unwrap().clone()
    };
    let recorded = cron("nightly");
    assert!(recorded["last"].is_i64() && recorded["outcome"] == "failed: exit code 4", "{recorded}");

    std::fs::write(sandbox.environment().join("shared/busy"), "").unwrap();
    sandbox.fail(&["run", "short"], 124);
    let start = |name: &str| {
        let run = sandbox.start(&["run", name]);
        until("it to run", || (cron(name)["running"] == true).then_some(()));
        run
    };
    let (nightly, replaced) = (start("nightly"), start("newest"));
    let newest = sandbox.start(&["run", "newest"]);
    assert_eq!(replaced.finish().code, 143);
    let refused = sandbox.fail(&["run", "nightly"], 6);
    assert!(refused.stderr.contains("nightly runs already"), "{refused:?}");
    std::fs::remove_file(sandbox.environment().join("shared/busy")).unwrap();
    assert_eq!(nightly.finish().code, 4);
    assert_eq!(newest.finish().code, 4);
    sandbox.down();
}
