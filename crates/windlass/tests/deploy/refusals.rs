//! What is refused.

use windlass_testkit::sandbox::{Manifest, Sandbox, until};

use super::{WINDLASS, deployed};

#[test]
fn of_first_deploys_at_once_one_goes_on_and_the_others_are_told_of_it() {
    let sandbox = Sandbox::with(WINDLASS, &Manifest::default());
    sandbox.behave("migrate.wait");
    // Each finds no host side, and starts one.
    let deployers: Vec<_> = (0..3).map(|_| sandbox.start(&["deploy"])).collect();
    until("all but one to be refused", || {
        (deployers.iter().filter(|deployer| deployer.runs()).count() <= 1).then_some(())
    });
    // Nor does whoever leaves take the host side with them.
    let host = sandbox.host().unwrap();
    std::fs::write(sandbox.environment().join("shared/go"), "").unwrap();
    let outputs: Vec<_> = deployers.into_iter().map(|deployer| deployer.finish()).collect();
    let (done, refused): (Vec<_>, Vec<_>) = outputs.iter().partition(|output| output.code == 0);
    assert_eq!((done.len(), refused.len()), (1, 2), "{outputs:#?}");
    for output in refused {
        assert_eq!(output.code, 6, "{output:#?}");
        assert!(
            output.stderr.contains("Deploy fixture (local): r1"),
            "it is told of what is under way: {output:#?}"
        );
    }
    assert_eq!((sandbox.host(), sandbox.release().as_str()), (Some(host), "r1"));
    sandbox.down();
}

#[test]
fn a_stale_plan_is_refused() {
    let sandbox = deployed(&Manifest::small());
    let instance = sandbox.environment().join("releases/r1/instance");
    std::fs::create_dir(&instance).unwrap();
    std::fs::write(instance.join("shop.db"), "SQLite format 3\0").unwrap();
    // What stays as it is loses nothing.
    let output = sandbox.succeed(&["plan"]);
    assert!(!output.stderr.contains("shop.db"), "{output:?}");
    sandbox.change();
    let planned = sandbox.succeed(&["plan", "--out", "../plan.json"]);
    let applied = sandbox.succeed(&["apply", "../plan.json"]);
    for output in [planned, applied] {
        let told = "the application has written to instance/shop.db, a database in releases/r1,";
        assert!(output.stderr.contains(told), "{output:?}");
    }
    let output = sandbox.fail(&["apply", "../plan.json"], 6);
    assert!(output.stderr.contains("stale"), "{output:?}");
    assert_eq!(sandbox.answering(), "r2");
    sandbox.down();
}

#[test]
fn a_plan_holds_no_key_to_guess_secrets_with_once_the_host_has_it() {
    let sandbox = Sandbox::with(WINDLASS, &Manifest::small());
    let has_key = |file: &str| {
        let text = std::fs::read_to_string(sandbox.root().join(file)).unwrap();
        !serde_json::from_str::<serde_json::Value>(&text).unwrap()["key"].is_null()
    };
    let first = sandbox.succeed(&["plan", "--out", "../first.json"]);
    assert!(has_key("first.json") && first.stderr.contains("keep it from others"), "{first:?}");
    sandbox.succeed(&["apply", "../first.json"]);
    sandbox.change();
    let next = sandbox.succeed(&["plan", "--out", "../next.json"]);
    assert!(!has_key("next.json") && !next.stderr.contains("keep it from others"), "{next:?}");
    sandbox.succeed(&["apply", "../next.json"]);
    assert_eq!(sandbox.answering(), "r2");
    sandbox.down();
}

#[test]
fn a_plan_whose_source_has_moved_is_stale_also_when_it_had_nothing_to_do() {
    let sandbox = deployed(&Manifest::small());
    sandbox.succeed(&["plan", "--out", "../nothing.json"]);
    sandbox.succeed(&["apply", "../nothing.json"]);
    sandbox.change();
    sandbox.succeed(&["plan", "--out", "../plan.json"]);
    sandbox.write("more.txt", "another edit");
    for plan in ["../nothing.json", "../plan.json"] {
        let output = sandbox.fail(&["apply", plan], 6);
        assert!(output.stderr.contains("the plan is stale: the source has changed"), "{output:?}");
    }
    assert_eq!(sandbox.answering(), "r1");
    sandbox.down();
}

#[test]
fn a_certificate_that_cannot_be_used_stops_a_deploy_before_anything_changes() {
    let sandbox = deployed(&Manifest::small());
    let made = |name: &str, file: &str| {
        let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
        sandbox.write(&format!("../{file}.pem"), &made.cert.pem());
        sandbox.write(&format!("../{file}.key"), &made.signing_key.serialize_pem());
    };
    made("a.example", "a");
    made("b.example", "b");
    let root = sandbox.root();
    let path = |name: &str| root.join(name).display().to_string();
    let manifest = std::fs::read_to_string(sandbox.source().join("windlass.toml")).unwrap();
    let free = std::net::TcpListener::bind("127.0.0.2:0").and_then(|free| free.local_addr()).unwrap();
    let with = |key: &str| {
        let tls = format!(
            "https = \"{free}\"\ntls = [{{ certificate = {:?}, key = {:?} }}]",
            path("a.pem"),
            path(key)
        );
        sandbox.write("windlass.toml", &manifest.replacen("[listen]", &format!("[listen]\n{tls}"), 1));
    };
    with("b.key");
    let output = sandbox.fail(&["deploy"], 1);
    let expected = format!("the key {} is not that of {}", path("b.key"), path("a.pem"));
    assert!(output.stderr.contains(&expected), "{output:?}");
    assert_eq!(sandbox.answering(), "r1");
    with("a.key");
    let output = sandbox.succeed(&["deploy"]);
    let open = format!("everybody on this machine may read the key {}", path("a.key"));
    assert!(output.all().contains(&open), "{output:?}");
    let closed = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(root.join("a.key"), closed).unwrap();
    sandbox.change();
    assert!(!sandbox.succeed(&["deploy"]).all().contains("everybody"));
    // Broken later, it is told of, and what was read before is shown.
    sandbox.write("../a.key", "rubbish");
    let problem = windlass_testkit::sandbox::until("the problem", || {
        sandbox.status()["problems"][0].as_str().map(str::to_owned)
    });
    assert!(problem.contains("a.key holds no private key in PEM form"), "{problem}");
    sandbox.change();
    sandbox.fail(&["deploy"], 1);
    sandbox.succeed(&["restart"]);
    sandbox.down();
}

/// A copy ends for good while the release is built; only a plan that somebody has looked at is refused
/// for that.
#[test]
fn a_deploy_is_planned_again_when_a_copy_ends_meanwhile() {
    let build = "set -e; pid=$WINDLASS_SHARED/pid; if [ -e $pid ]; then kill $(cat $pid); rm $pid; fi; \
                 keeper=\"${WINDLASS_SHARED%shared}instances/once\"; \
                 while [ -e $WINDLASS_SHARED/built ] && ps -e -o args | grep -v grep | grep -qF \"$keeper\"; \
                 do sleep 0.02; done; touch $WINDLASS_SHARED/built";
    let more = format!(
        "[build]\nsteps = [{{ shell = '{build}' }}]\n\
         [services.once]\ncommand = {{ shell = 'echo $$ > $WINDLASS_SHARED/pid; exec sleep 1000' }}\n\
         settle = \"150ms\"\nrestart = {{ when = \"never\" }}\n"
    );
    let sandbox = deployed(&Manifest { more, ..Manifest::small() });
    sandbox.change();
    let output = sandbox.succeed(&["deploy"]);
    let expected = "the environment has changed since the plan was made; it is planned again";
    assert!(output.stderr.contains(expected), "{output:?}");
    assert_eq!(sandbox.answering(), "r3");
    sandbox.change();
    sandbox.succeed(&["plan", "--out", "../plan.json"]);
    let output = sandbox.fail(&["apply", "../plan.json"], 6);
    assert!(output.stderr.contains("plan again, look at it, and apply that"), "{output:?}");
    assert_eq!(sandbox.answering(), "r3");
    sandbox.down();
}

#[test]
fn a_faulty_manifest_changes_nothing() {
    let sandbox = deployed(&Manifest::small());
    sandbox.write("windlass.toml", "[app]\nname = \"fixture\"\n[services.web]\ncomand = \"x\"\n");
    let output = sandbox.fail(&["deploy"], 2);
    assert!(output.stderr.contains("comand"), "{output:?}");
    assert_eq!(sandbox.answering(), "r1");
    sandbox.manifest(&Manifest::small());
    sandbox.down();
}

#[test]
fn there_is_nothing_to_go_back_to_after_the_first_deploy() {
    let sandbox = deployed(&Manifest::small());
    sandbox.fail(&["rollback"], 2);
    sandbox.fail(&["rollback", "r9"], 2);
    sandbox.down();
}

// proves: DC-11
#[test]
fn faults_of_the_manifest_and_of_its_settings_are_told_at_once() {
    let more = "[settings.SIZE]\ntype = \"integer\"\n[settings.TOKEN]\nsecret = true\n";
    let sandbox =
        Sandbox::with(WINDLASS, &Manifest { web: "prot = 1".into(), more: more.into(), ..Manifest::small() });
    sandbox.write(".env", "SIZE=large\n");
    for verb in ["check", "plan", "deploy"] {
        let said = sandbox.fail(&[verb], 2).all();
        for expected in [
            "unknown key `prot`",
            ".env:1: SIZE: \"large\" is not a whole number",
            "the setting TOKEN has no value",
        ] {
            assert!(said.contains(expected), "{verb}: {expected}\n{said}");
        }
    }
    let json = sandbox.fail(&["check", "--json"], 2).json();
    assert_eq!(json["faults"].as_array().unwrap().len(), 3, "{json}");
    assert!(std::fs::read_dir(sandbox.home()).unwrap().next().is_none(), "nothing was made");
}

#[test]
fn programs_that_are_not_there_are_missed_before_anything_changes() {
    let sandbox = deployed(&Manifest::small());
    let more = "[services.other]\ncommand = \"no-such-server --serve\"\n\
                [jobs.seed]\ncommand = [\"no-such-tool\"]\nwhen = \"manual\"\n\
                [cron.clean]\ncommand = { shell = \"no-such-line\" }\nschedule = \"@daily\"\n";
    sandbox.manifest(&Manifest { more: more.into(), ..Manifest::small() });
    let output = sandbox.fail(&["deploy"], 1);
    assert!(output.stderr.contains("2 things are missing on this machine"), "{output:?}");
    assert!(
        output.stderr.contains("services.other: there is no program \"no-such-server\" in PATH"),
        "{output:?}"
    );
    assert!(output.stderr.contains("jobs.seed: there is no program \"no-such-tool\" in PATH"), "{output:?}");
    assert_eq!(sandbox.answering(), "r1");
    // What a build may bring along is not asked for before it.
    let built = format!("[build]\nsteps = [\"true\"]\n{more}");
    sandbox.manifest(&Manifest { more: built, ..Manifest::small() });
    let output = sandbox.fail(&["deploy"], 3);
    let expected = "FAILED: other.r3.1 was not started: there is no program \"no-such-server\" in PATH";
    assert!(output.stderr.contains(expected), "{output:?}");
    assert_eq!(sandbox.answering(), "r1");
    sandbox.down();
}

#[test]
fn what_the_command_itself_writes_is_no_part_of_a_release() {
    let sandbox = Sandbox::with(WINDLASS, &Manifest::small());
    for (args, output) in [
        (&["deploy", "--json"][..], "deploy.json"),
        (&["plan", "--out", "the.plan"], "plan.txt"),
        (&["apply", "the.plan"], "apply.txt"),
    ] {
        // A plan's source is what it was.
        if args[0] != "apply" {
            sandbox.change();
        }
        let file = std::fs::File::create(sandbox.source().join(output)).unwrap();
        let mut command = sandbox.command(args);
        command.stdout(file.try_clone().unwrap()).stderr(file);
        let status = command.status().unwrap();
        assert!(
            status.success(),
            "{args:?}: {}",
            std::fs::read_to_string(sandbox.source().join(output)).unwrap()
        );
    }
    sandbox.down();
}

#[test]
fn a_state_within_the_project_is_no_part_of_a_release() {
    let mut sandbox = Sandbox::with(WINDLASS, &Manifest::small());
    let state = sandbox.source().join(".state");
    std::fs::create_dir(&state).unwrap();
    sandbox.set("WINDLASS_HOME", state.to_str().unwrap());
    sandbox.succeed(&["deploy"]);
    assert!(sandbox.succeed(&["deploy"]).stdout.starts_with("Nothing to do"));
    let release = state.join("fixture/local/releases/r1");
    assert!(release.join("version").exists() && !release.join(".state").exists());
    sandbox.succeed(&["down", "--delete-data", "--yes"]);
    assert!(!state.join("fixture").exists(), "what is empty goes, too");
}

/// What a build step makes is not known when the manifest is checked; that it was not made is known
/// before anybody is sent there.
#[test]
fn a_route_to_files_that_nobody_made_is_not_switched_to() {
    let sandbox = deployed(&Manifest::small());
    let route = "[[routes]]\npath = \"/static\"\nfiles = \"public\"\n".to_owned();
    sandbox.manifest(&Manifest { more: route.clone(), ..Manifest::small() });
    let checked = sandbox.succeed(&["check"]);
    let warning =
        "warning: the route /static serves the files of \"public\", and there is no such directory here";
    assert!(checked.stderr.contains(warning), "{checked:?}");

    let built = |step: &str| format!("{route}[build]\nsteps = [{step:?}]\n");
    sandbox.manifest(&Manifest { more: built("mkdir -p other"), ..Manifest::small() });
    let checked = sandbox.succeed(&["check"]);
    assert!(!checked.stderr.contains("no such directory"), "{checked:?}");
    let refused = sandbox.fail(&["deploy"], 3);
    let said =
        "the route /static serves the files of \"public\", and there is no such directory in the release";
    assert!(refused.stderr.contains(said), "{refused:?}");
    assert_eq!(sandbox.answering(), "r1");

    sandbox.manifest(&Manifest { more: built("mkdir -p public"), ..Manifest::small() });
    sandbox.succeed(&["deploy"]);
    assert_eq!(sandbox.answering(), "r3");

    // The file that is answered for all else must be there as well.
    let falls_back = |steps: &str| format!("{route}fallback = \"index.html\"\n[build]\nsteps = [{steps}]\n");
    sandbox.manifest(&Manifest { more: falls_back("\"mkdir -p public\""), ..Manifest::small() });
    sandbox.succeed(&["check"]);
    let refused = sandbox.fail(&["deploy"], 3);
    let said = "the route /static answers with \"index.html\" of \"public\" where there is no such path, and there \
                is no such file in the release";
    assert!(refused.stderr.contains(said), "{refused:?}");
    assert!(refused.stderr.contains("correct `fallback` of the route"), "{refused:?}");
    assert_eq!(sandbox.answering(), "r3");
    let steps = "\"mkdir -p public\", \"touch public/index.html\"";
    sandbox.manifest(&Manifest { more: falls_back(steps), ..Manifest::small() });
    sandbox.succeed(&["deploy"]);
    assert_eq!(sandbox.answering(), "r5");
    sandbox.down();
}

#[test]
fn links_that_leave_the_project_are_told_together_by_every_verb() {
    let sandbox = Sandbox::with(WINDLASS, &Manifest::small());
    sandbox.write(".gitignore", "ignored/\n");
    for directory in ["deep", "ignored"] {
        std::fs::create_dir(sandbox.source().join(directory)).unwrap();
    }
    for (name, to) in [
        ("out", "/etc/hostname"),
        ("deep/up", "../../elsewhere"),
        ("deep/fine", "../file"),
        ("ignored/out", "/etc"),
    ] {
        std::os::unix::fs::symlink(to, sandbox.source().join(name)).unwrap();
    }
    for verb in ["check", "plan", "deploy"] {
        let said = sandbox.fail(&[verb], 2).stderr;
        let told: Vec<&str> = said.lines().filter(|line| line.contains(" is a link ")).collect();
        assert_eq!(
            told,
            [("deep/up", "../../elsewhere"), ("out", "/etc/hostname")].map(|(link, to)| format!(
                "error: {link}: this is a link that leaves the project (to {to}), and a release must be whole; \
                 put what it leads to in its place, or leave it out, with \"/{link}\" in [build] exclude or .windlassignore"
            )),
            "{verb}: {said}"
        );
    }
    let json = sandbox.fail(&["check", "--json"], 2).json();
    assert_eq!(json["faults"][1]["file"], "out");
    let exclude = "[build]\nexclude = [\"/out\", \"/deep/up\"]".to_owned();
    sandbox.manifest(&Manifest { more: exclude, ..Manifest::small() });
    sandbox.succeed(&["check"]);
}

#[test]
fn a_name_that_is_no_text_is_told_by_check_too() {
    use std::os::unix::ffi::OsStrExt as _;

    let sandbox = Sandbox::with(WINDLASS, &Manifest::small());
    std::fs::write(sandbox.source().join(std::ffi::OsStr::from_bytes(b"caf\xe9")), "").unwrap();
    for verb in ["check", "plan"] {
        let said = sandbox.fail(&[verb], 2).stderr;
        let expected = "this name is not UTF-8 text, and no record can tell it from others; rename it, or leave it \
                        out, with \"/caf*\" in [build] exclude or .windlassignore";
        assert!(said.contains(expected), "{said}");
    }
}

#[test]
fn patterns_that_name_no_file_are_told_by_check() {
    let web = "files = [\"source/\", \"version\", \"!version/x\"]".to_owned();
    let more = "[build]\ninclude = [\"dist/\", \".env\"]".to_owned();
    let sandbox = Sandbox::with(WINDLASS, &Manifest { web, more, ..Manifest::small() });
    sandbox.write("version", "1");
    let said = sandbox.succeed(&["check", "--json"]).json();
    let told: Vec<&str> = said["warnings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|warning| warning["code"] == "names-no-file")
        .map(|warning| warning["message"].as_str().unwrap().split(" names no file").next().unwrap())
        .collect();
    let expected =
        ["\"dist/\" in [build] include", "\".env\" in [build] include", "\"source/\" in `files` of web"];
    assert_eq!(told, expected);
}

#[test]
fn what_can_neither_run_nor_be_reached_is_told_by_check() {
    let more = "[services.other]\ncommand = \"./nothing\"\nenv = { API_URL = \"http://web/\" }\n".to_owned();
    let sandbox = Sandbox::with(WINDLASS, &Manifest { more, ..Manifest::small() });
    let expected = "services.other: there is no file nothing in what a release is made of";
    for verb in ["check", "plan", "deploy"] {
        let output = sandbox.fail(&[verb], 2);
        assert!(output.stderr.contains(expected), "{output:?}");
    }
    sandbox.write("nothing", "#!/bin/sh\n");
    let said = sandbox.succeed(&["check"]).stderr;
    assert!(said.contains("warning: API_URL of other leads to the host \"web\""), "{said}");
}

/// Over a link, or by a name that leads through another directory.
#[test]
fn a_project_is_the_same_on_whatever_way_it_was_reached() {
    let sandbox = Sandbox::with(WINDLASS, &Manifest::small());
    std::fs::create_dir(sandbox.source().join("sub")).unwrap();
    std::os::unix::fs::symlink(sandbox.source(), sandbox.root().join("link")).unwrap();
    let link = sandbox.root().join("link/windlass.toml").display().to_string();
    for file in ["sub/../windlass.toml", &link, "windlass.toml"] {
        let output = sandbox.succeed(&["deploy", "--file", file]);
        assert!(!output.stderr.contains("the last deploy"), "{file}: {output:?}");
        sandbox.change();
    }
    sandbox.down();
}

/// Both would build for minutes, and only one could take the lock.
#[test]
fn a_second_deploy_does_not_build_while_one_does() {
    let sandbox = deployed(&Manifest::small());
    let (building, go) = (sandbox.root().join("building"), sandbox.root().join("go"));
    let step = format!("touch {}; until test -e {}; do sleep 0.05; done", building.display(), go.display());
    sandbox.manifest(&Manifest {
        more: format!("[build]\nsteps = [{{ shell = {step:?} }}]\n"),
        ..Manifest::small()
    });
    let first = sandbox.start(&["deploy"]);
    until("the first to build", || building.exists().then_some(()));
    let second = sandbox.fail(&["deploy", "--json"], 6).json();
    let why = second["error"].as_str().unwrap();
    assert!(
        why.starts_with("another release is being built: Deploy fixture (local): r1 -> r2 by "),
        "{second}"
    );
    // What builds nothing is not kept waiting.
    sandbox.succeed(&["restart"]);
    std::fs::write(&go, "").unwrap();
    let first = first.finish();
    assert_eq!(first.code, 0, "{first:?}");
    sandbox.down();
}
