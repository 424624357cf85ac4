//! What a person is told who typed something wrong, or too early, or has to type something next.

use windlass_testkit::sandbox::{Manifest, Output, Sandbox};

use super::{WINDLASS, deployed};

/// Every verb that is about what is deployed.
const VERBS: [&[&str]; 12] = [
    &["status"],
    &["logs"],
    &["releases"],
    &["runs"],
    &["rollback"],
    &["restart"],
    &["stop"],
    &["scale", "web=1"],
    &["resume"],
    &["abort"],
    &["run", "seed"],
    &["run", "--", "true"],
];

/// A sandbox whose manifest knows another environment beside `local`.
fn with_staging(more: &str) -> Sandbox {
    let port = Sandbox::with(WINDLASS, &Manifest::small()).port;
    let staging = format!("[environments.staging]\nlisten.http = \"127.0.0.1:{port}\"\n{more}");
    Sandbox::with(WINDLASS, &Manifest { more: staging, ..Manifest::small() })
}

fn says(output: &Output, expected: &[&str]) {
    for expected in expected {
        assert!(output.all().contains(expected), "{expected}\n{output:#?}");
    }
}

/// Somebody edits the manifest, or a merge has left it in pieces, and the site has to be looked at.
#[test]
fn a_manifest_in_pieces_does_not_stand_in_the_way_of_what_is_deployed() {
    let sandbox = deployed(&Manifest::small());
    sandbox.change();
    sandbox.succeed(&["deploy"]);
    let whole = std::fs::read_to_string(sandbox.source().join("windlass.toml")).unwrap();
    for broken in [format!("nonsense = 1\n{whole}"), format!("{whole}\n<<<<<<< HEAD\n[services.web]\n")] {
        sandbox.write("windlass.toml", &broken);
        for verb in [&["status"][..], &["logs", "web"], &["releases"], &["runs"], &["restart"], &["rollback"]]
        {
            let output = sandbox.succeed(verb);
            assert!(
                output.stderr.contains("windlass.toml has faults (windlass check)"),
                "{verb:?} {output:?}"
            );
        }
        sandbox.fail(&["deploy"], 2);
    }
    sandbox.succeed(&["down"]);
    sandbox.write("windlass.toml", &whole);
    sandbox.down();
}

#[test]
fn an_environment_that_the_manifest_does_not_know_is_named_with_those_it_has() {
    let sandbox = with_staging("");
    for verb in VERBS.into_iter().chain([&["down"][..], &["config"], &["deploy"], &["plan"]]) {
        let output = sandbox.fail(&[&["--env", "nope"], verb].concat(), 2);
        says(&output, &["there is no environment nope", "the manifest has local, staging"]);
    }
    let output = sandbox.fail(&["status", "--env", "stagin"], 2);
    assert_eq!(
        output.stderr,
        "error: there is no environment stagin\n  hint: did you mean staging? the manifest has local, staging; \
         [environments.stagin] would make another\n"
    );
}

#[test]
fn a_hint_names_commands_with_the_options_of_the_call() {
    let sandbox = with_staging("");
    for verb in VERBS {
        let output = sandbox.fail(&[&["--env", "staging"], verb].concat(), 2);
        says(&output, &["nothing is deployed here yet", "hint: run windlass deploy --env staging first"]);
    }
    let json = sandbox.fail(&["status", "--env", "staging", "--json"], 2).json();
    assert_eq!(json["hint"], "run windlass deploy --env staging first");
    let output = sandbox.fail(&["status", "--file", "../source/windlass.toml"], 2);
    says(&output, &["run windlass deploy --file ../source/windlass.toml first"]);
    says(&sandbox.fail(&["status"], 2), &["run windlass deploy first"]);

    sandbox.succeed(&["deploy", "--env", "staging"]);
    sandbox.change();
    let output = sandbox.succeed(&["deploy", "--env", "staging"]);
    says(&output, &["Back to r1: windlass rollback --env staging\n"]);
    let output = sandbox.fail(&["abort", "--env", "staging"], 2);
    assert_eq!(
        output.stderr,
        "error: there is nothing to abort: no run is under way or interrupted\n  hint: the last one has ended \
         (Deploy fixture (staging): r1 -> r2: done); windlass rollback --env staging goes back to the release \
         before\n"
    );
    let output = sandbox.fail(&["resume", "--env", "staging"], 2);
    says(&output, &["there is nothing to resume", "windlass status --env staging shows how everything is"]);
    let output = sandbox.succeed(&["stop", "--env", "staging"]);
    says(&output, &["`windlass deploy --env staging` or `windlass restart --env staging` starts it again"]);
    let output = sandbox.succeed(&["down", "--env", "staging", "--quiet"]);
    assert_eq!(
        output.all(),
        "fixture (staging) is down; its data stays.\n`windlass deploy --env staging` or `windlass restart --env \
         staging` starts it again.\n"
    );
    sandbox.succeed(&["down", "--env", "staging", "--delete-data", "--yes"]);
    assert!(!sandbox.home().join("fixture").exists());
}

#[test]
fn what_is_deleted_is_named() {
    let sandbox = deployed(&Manifest::default());
    let output = sandbox.succeed(&["down", "--delete-data", "--yes", "--quiet"]);
    let root = sandbox.environment();
    assert_eq!(
        output.all(),
        format!(
            "fixture (local) is down, and deleted: the files that releases share; the releases r1; settings, \
             logs and records in {}. There is no way back.\n",
            root.display()
        )
    );
    assert!(!root.exists());
    assert_eq!(sandbox.succeed(&["down"]).stdout, "Nothing is deployed here.\n");
}

#[test]
fn a_plan_that_cannot_be_read_or_written_says_why_and_what_to_do() {
    let sandbox = Sandbox::with(WINDLASS, &Manifest::small());
    let told = |args: &[&str]| sandbox.fail(args, 2).stderr;
    let read = "hint: make one with windlass plan --out FILE\n";
    assert_eq!(told(&["apply", "no.plan"]), format!("error: there is no plan no.plan\n  {read}"));
    assert_eq!(told(&["apply", "."]), format!("error: . is a directory, and no plan\n  {read}"));
    assert_eq!(
        told(&["plan", "--out", "/nodir/x"]),
        "error: the plan was not written to /nodir/x: there is no directory /nodir\n  hint: make it, or name \
         another file: windlass plan --out FILE\n"
    );
    let directory = sandbox.root().join("source");
    assert_eq!(
        told(&["plan", "--out", directory.to_str().unwrap()]),
        format!(
            "error: the plan was not written to {}: that is a directory\n  hint: name a file in it: windlass plan \
             --out FILE\n",
            directory.display()
        )
    );
}

#[test]
fn numbers_that_are_none_are_told_as_such() {
    let sandbox = Sandbox::with(WINDLASS, &Manifest::small());
    for (args, option) in [
        (["logs", "-n", "-5"], "--lines <LINES>"),
        (["logs", "-n", "many"], "--lines <LINES>"),
        (["runs", "--limit", "-1"], "--limit <RUNS>"),
    ] {
        let output = sandbox.fail(&args, 2);
        let given = args[2];
        let expected = format!(
            "error: invalid value '{given}' for '{option}': write a whole number from 0 to 4294967295, such as 100"
        );
        assert_eq!(output.stderr.lines().next(), Some(expected.as_str()));
        assert!(!output.stderr.contains("tip:"), "{output:?}");
    }
}

#[test]
fn releases_that_cannot_be_gone_back_to_are_marked() {
    let sandbox = deployed(&Manifest { deploy: "keep = 2".into(), ..Manifest::small() });
    for _ in 0..2 {
        sandbox.change();
        sandbox.succeed(&["deploy"]);
    }
    let table = sandbox.succeed(&["releases"]).stdout;
    let marked: Vec<bool> = table
        .lines()
        .map(|line| line.ends_with("(cannot be gone back to: its files were removed)"))
        .collect();
    assert_eq!(marked, [false, false, true], "{table}");
    let newest = sandbox.succeed(&["releases", "--limit", "1"]).stdout;
    let lines: Vec<&str> = newest.lines().collect();
    assert_eq!(lines[1..], ["  ... and 2 older: `windlass releases --all` shows them"], "{newest}");
    assert_eq!(lines[0], table.lines().next().unwrap());
    assert_eq!(sandbox.succeed(&["releases", "--all"]).stdout, table);
    assert_eq!(sandbox.succeed(&["releases", "--limit", "3"]).stdout, table);
    let releases = sandbox.succeed(&["releases", "--json"]).json();
    let known = releases.as_array().unwrap();
    let available: Vec<bool> = known.iter().map(|release| release["available"].as_bool().unwrap()).collect();
    assert_eq!(available, [true, true, false], "{releases}");
    sandbox.fail(&["rollback", "r1"], 2);
    sandbox.down();
}

#[test]
fn a_manifest_without_services_does_not_replace_those_that_run() {
    let sandbox = deployed(&Manifest::small());
    sandbox.write("windlass.toml", "[app]\nname = \"fixture\"\n");
    let why = "every service that runs (web) would be stopped and none started, as the manifest has none";
    let output = sandbox.succeed(&["plan", "--out", "../nothing.plan"]);
    says(&output, &[&format!("warning: {why}: a deploy refuses it without --allow-no-services\n")]);
    for args in [&["deploy"][..], &["deploy", "--yes"], &["apply", "../nothing.plan"]] {
        let output = sandbox.fail(args, 6);
        assert_eq!(
            output.stderr,
            format!(
                "error: {why}\n  hint: see whether that is the right manifest and environment; `windlass stop` \
                 stops everything and keeps the release; --allow-no-services deploys it all the same\n"
            )
        );
    }
    let json = sandbox.fail(&["deploy", "--json"], 6).json();
    assert_eq!((&json["exit_code"], &json["error"]), (&6.into(), &why.into()));
    assert_eq!(sandbox.answering(), "r1");
    sandbox.succeed(&["deploy", "--allow-no-services"]);
    assert_eq!(sandbox.running("web").len(), 0);
    // Nothing runs that could be lost.
    sandbox.succeed(&["rollback", "r1"]);
    assert_eq!(sandbox.answering(), "r3");
    sandbox.succeed(&["stop"]);
    sandbox.succeed(&["deploy"]);
    sandbox.down();
}

#[test]
fn another_project_of_the_same_name_does_not_replace_what_runs() {
    let sandbox = deployed(&Manifest::small());
    let other = sandbox.root().join("other");
    std::fs::create_dir(&other).unwrap();
    for name in ["windlass.toml", "version"] {
        std::fs::copy(sandbox.source().join(name), other.join(name)).unwrap();
    }
    std::fs::write(other.join("version"), "of another").unwrap();
    let text = std::fs::read_to_string(other.join("windlass.toml")).unwrap();
    let text = format!("{text}\n[jobs.other]\ncommand = [\"true\"]\nwhen = \"manual\"\n");
    std::fs::write(other.join("windlass.toml"), text).unwrap();
    let file = other.join("windlass.toml").display().to_string();
    let why = format!(
        "fixture (local) was deployed from {} last, which is another project than {}: what runs here and its data \
         are that one's",
        sandbox.source().display(),
        other.display()
    );
    let output = sandbox.succeed(&["plan", "--out", "../other.plan", "--file", &file]);
    says(&output, &[&format!("warning: {why}: a deploy refuses it without --allow-other-source\n")]);
    for args in [&["deploy"][..], &["deploy", "--yes"], &["apply", "../other.plan"]] {
        let output = sandbox.fail(&[args, &["--file", &file]].concat(), 6);
        assert_eq!(
            output.stderr,
            format!(
                "error: {why}\n  hint: give one of them another name, in [app] of its manifest; --allow-other-source \
                 goes on all the same, where they are one project; where it was moved, remove the old directory or its \
                 manifest\n"
            )
        );
    }
    for args in [
        &["down", "--delete-data", "--yes"][..],
        &["down"],
        &["stop"],
        &["restart"],
        &["scale", "web=2"],
        &["rollback"],
        &["run", "other"],
        &["secrets", "rotate", "store"],
        &["abort"],
        &["host", "enable"],
    ] {
        let output = sandbox.fail(&[args, &["--file", &file]].concat(), 6);
        assert!(output.stderr.starts_with(&format!("error: {why}\n")), "{args:?}: {output:?}");
    }
    let json = sandbox.fail(&["deploy", "--json", "--file", &file], 6).json();
    assert_eq!((&json["exit_code"], &json["error"]), (&6.into(), &why.as_str().into()));
    assert_eq!(sandbox.answering(), "r1");
    // Nobody can tell where git says nothing: it is said, and nothing is deleted unasked.
    std::fs::write(other.join(".git"), "gitdir: nowhere\n").unwrap();
    let output = sandbox.fail(&["down", "--delete-data", "--yes", "--file", &file], 6);
    let unknown = format!(
        "error: fixture (local) was deployed from {} last, and whether that is this project cannot be told: nothing was \
         deleted\n",
        sandbox.source().display()
    );
    says(&output, &[&unknown]);
    let output = sandbox.succeed(&["scale", "web=1", "--file", &file]);
    let note = format!(
        "note: the last deploy of fixture came from {}; whether that is this project cannot be told\n",
        sandbox.source().display()
    );
    assert_eq!(output.stderr.matches(&note).count(), 1, "{output:?}");
    std::fs::remove_file(other.join(".git")).unwrap();
    // Who only follows changes nothing; nobody reads what this says, so that it ends.
    let mut follower = sandbox.command(&["logs", "--follow", "--file", &file]);
    let mut follower = follower.stdout(std::process::Stdio::piped()).spawn().unwrap();
    drop(follower.stdout.take());
    assert_eq!(follower.wait().unwrap().code(), Some(0));
    // What is down has its data still.
    sandbox.succeed(&["down"]);
    let output = sandbox.fail(&["deploy", "--file", &file], 6);
    says(&output, &[&format!("error: {why}")]);
    sandbox.succeed(&["deploy", "--allow-other-source", "--file", &file]);
    assert_eq!(sandbox.answering(), "r2");
    sandbox.fail(&["deploy"], 6);
    // It was moved: nothing is there any more that would be replaced.
    std::fs::remove_file(&file).unwrap();
    let output = sandbox.succeed(&["deploy"]);
    says(&output, &[&format!("note: the last deploy of fixture came from {}\n", other.display())]);
    sandbox.down();
}

/// The first deploy failed, and what it made for its database is there.
#[test]
fn another_project_of_the_same_name_does_not_get_what_a_failed_deploy_left() {
    let sandbox = Sandbox::with(WINDLASS, &Manifest::small());
    let at_all = std::os::unix::fs::PermissionsExt::from_mode(0o711);
    std::fs::set_permissions(sandbox.root(), at_all).unwrap();
    let more = "[resources.store]\nengine = \"redis\"\n".to_owned();
    sandbox.manifest(&Manifest { more, ..Manifest::small() });
    let other = sandbox.root().join("other");
    std::fs::create_dir(&other).unwrap();
    let text = std::fs::read_to_string(sandbox.source().join("windlass.toml")).unwrap();
    let text = format!("{text}\n[jobs.other]\ncommand = [\"true\"]\nwhen = \"manual\"\n");
    std::fs::write(other.join("windlass.toml"), text).unwrap();
    let file = other.join("windlass.toml").display().to_string();
    sandbox.behave("web.unready");
    sandbox.fail(&["deploy"], 3);
    let why = format!(
        "error: fixture (local) was deployed from {} last, which is another project than {}: the databases that it left are \
         that one's\n",
        sandbox.source().display(),
        other.display()
    );
    says(&sandbox.fail(&["deploy", "--file", &file], 6), &[&why]);
    sandbox.behave("");
    sandbox.succeed(&["deploy"]);
    sandbox.down();
}

#[test]
fn only_what_goes_into_a_release_makes_it_differ_from_its_commit() {
    let sandbox = Sandbox::with(WINDLASS, &Manifest::small());
    let source = sandbox.source();
    let git = |args: &[&str]| {
        let identity = ["-c", "user.name=a", "-c", "user.email=a@example.com"];
        let output =
            std::process::Command::new("git").arg("-C").arg(&source).args(identity).args(args).output();
        assert!(output.unwrap().status.success(), "{args:?}");
    };
    git(&["init", "-q"]);
    git(&["add", "."]);
    git(&["commit", "-qm", "one"]);
    sandbox.write(".env", "GREETING=hello\n");
    let differs = "note: the release has changes that are not in its commit ";
    let first = sandbox.succeed(&["deploy"]);
    assert!(!first.stderr.contains(differs), "{first:?}");
    sandbox.change();
    for verb in ["plan", "deploy"] {
        let output = sandbox.succeed(&[verb]);
        assert!(output.stderr.contains(differs), "{output:?}");
    }
    // A hook of git is told of the repository that was pushed to.
    sandbox.change();
    let hook = sandbox.command(&["plan"]).env("GIT_DIR", "/nowhere/shop.git").output().unwrap();
    assert!(String::from_utf8_lossy(&hook.stderr).contains(differs), "{hook:?}");
    let releases = sandbox.succeed(&["releases"]).stdout;
    assert_eq!(
        releases.lines().map(|line| line.contains("+  ")).collect::<Vec<_>>(),
        [true, false],
        "{releases}"
    );
    sandbox.down();
}
