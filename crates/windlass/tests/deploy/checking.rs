//! What `windlass check` finds: in one run, by what a deploy goes by.

use std::net::TcpListener;
use std::process::{Command, Stdio};

use windlass_testkit::sandbox::{Manifest, Output, Sandbox, until};

use super::{WINDLASS, deployed};

/// What no machine has.
const LACKING: &str = "[jobs.seed]\ncommand = [\"no-such-tool\"]\nwhen = \"manual\"\n\
                       [resources.db]\nengine = \"postgres\"\nversion = 7\n\
                       [cron.clean]\ncommand = [\"true\"]\nschedule = \"@daily\"\nuser = \"nobody-of-this-name\"\n";

/// How that is told, with the line of the manifest at which it is drawn.
const LACKS: [(&str, &str); 3] = [
    ("jobs.seed: there is no program \"no-such-tool\" in PATH", "| command = [\"no-such-tool\"]"),
    ("resources.db: PostgreSQL 7 is not installed", "| [resources.db]"),
    ("\"nobody-of-this-name\"", "| user = \"nobody-of-this-name\""),
];

fn says(output: &Output, expected: &str) {
    assert!(output.all().contains(expected), "{expected}\n{output:#?}");
}

/// That nothing was made, not even a directory.
fn is_untouched(sandbox: &Sandbox) -> bool {
    std::fs::read_dir(sandbox.home()).unwrap().next().is_none()
}

#[test]
fn faults_of_every_kind_are_told_in_one_run() {
    let settings =
        "[settings]\nSIZE = { type = \"integer\" }\nTOKEN = { secret = true }\nUSERS = { secret = true }\n";
    let sandbox = Sandbox::with(
        WINDLASS,
        &Manifest {
            web: "prot = 1".to_owned(),
            route: "basic_auth = \"USERS\"".to_owned(),
            more: format!("{settings}{LACKING}"),
            ..Manifest::small()
        },
    );
    sandbox.write(".env", "SIZE=large\nUSERS=everybody-who-knows-the-way-4711\n");
    std::os::unix::fs::symlink("/etc", sandbox.source().join("out")).unwrap();
    let of_project = [
        "unknown key `prot`",
        ".env:1: SIZE: \"large\" is not a whole number",
        "the setting TOKEN has no value",
        ".env:2: the setting USERS, which says who may pass, names nobody",
        "out: this is a link that leaves the project",
    ];
    for verb in ["check", "deploy", "plan"] {
        let output = sandbox.fail(&[verb], 2);
        of_project.iter().for_each(|fault| says(&output, fault));
        assert!(!output.all().contains("everybody-who"), "{output:?}");
    }
    let output = sandbox.fail(&["check"], 2);
    for (what, line) in LACKS {
        says(&output, what);
        says(&output, line);
    }
    let json = sandbox.fail(&["check", "--json"], 2).json();
    let faults = json["faults"].as_array().unwrap();
    assert_eq!(faults.len(), of_project.len() + LACKS.len(), "{json}");
    assert!(faults.iter().all(|fault| fault["file"] == "out" || fault["line"].as_u64() > Some(0)), "{json}");
    assert!(is_untouched(&sandbox));
}

#[test]
fn what_a_deploy_misses_on_this_machine_is_told_by_check_in_the_same_words() {
    let sandbox = Sandbox::with(WINDLASS, &Manifest { more: LACKING.to_owned(), ..Manifest::small() });
    let checked = sandbox.fail(&["check"], 1);
    let elsewhere = sandbox.succeed(&["check", "--elsewhere"]);
    assert!(is_untouched(&sandbox));
    let deployed = sandbox.fail(&["deploy"], 1);
    for (what, _) in LACKS {
        says(&checked, what);
        says(&deployed, what);
        let warned = |line: &str| line.starts_with("warning: on this machine: ") && line.contains(what);
        assert!(elsewhere.stderr.lines().any(warned), "{elsewhere:?}");
    }
    sandbox.down();
}

/// The host side has the rights and the environment of whoever started it, and it is what a deploy asks.
#[test]
fn what_only_the_caller_lacks_is_a_doubt_while_the_host_side_runs() {
    let mut sandbox = Sandbox::with(
        WINDLASS,
        &Manifest {
            more: "[jobs.seed]\ncommand = [\"own-tool\"]\nwhen = \"manual\"\n".to_owned(),
            ..Manifest::small()
        },
    );
    let lack = "jobs.seed: there is no program \"own-tool\" in PATH";
    says(&sandbox.fail(&["check"], 1), lack);
    let tools = sandbox.root().join("tools");
    std::fs::create_dir(&tools).unwrap();
    std::os::unix::fs::symlink("/bin/true", tools.join("own-tool")).unwrap();
    let path = std::env::var("PATH").unwrap();
    sandbox.set("PATH", &format!("{}:{path}", tools.display()));
    sandbox.succeed(&["deploy"]);
    sandbox.set("PATH", &path);
    sandbox.change();
    let checked = sandbox.succeed(&["check"]);
    says(&checked, &format!("warning: seen from here, and not by the host side, which runs: {lack}"));
    sandbox.succeed(&["deploy"]);
    sandbox.down();
}

/// Of a build that is wrong it is not known what it installs and what it leaves out.
#[test]
fn nothing_is_concluded_from_a_build_that_is_wrong() {
    let sandbox = Sandbox::with(
        WINDLASS,
        &Manifest {
            more: format!("{LACKING}[build]\nstep = [{{ shell = \"make\" }}]\nexclud = [\"out\"]\n"),
            ..Manifest::small()
        },
    );
    std::os::unix::fs::symlink("/etc", sandbox.source().join("out")).unwrap();
    let output = sandbox.fail(&["check"], 2);
    says(&output, "unknown key `step`");
    says(&output, "PostgreSQL 7 is not installed");
    for follows in ["there is no program", "leaves the project"] {
        assert!(!output.all().contains(follows), "{follows}\n{output:#?}");
    }
}

// Somebody who moves an application over has its old server running still: it would pass the checks, and get the
// requests.
#[test]
fn a_port_that_something_else_has_stops_a_deploy_before_anything_changes() {
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = other.local_addr().unwrap().port();
    let web = format!("port = {port}\nstrategy = \"recreate\"");
    let sandbox = Sandbox::with(WINDLASS, &Manifest { web, ..Manifest::small() });
    let taken = taken(port);
    // That passes when the other ends.
    says(&sandbox.succeed(&["check"]), &format!("warning: a deploy now would be refused: {taken}"));
    says(&sandbox.fail(&["deploy"], 1), &taken);
    drop(other);
    assert!(!sandbox.succeed(&["check"]).all().contains("something else"));
    sandbox.succeed(&["deploy"]);
    // Its own copy is no stranger. (The release that was refused had a number, too.)
    assert!(!sandbox.succeed(&["check"]).all().contains("refused"));
    sandbox.change();
    sandbox.succeed(&["deploy"]);
    assert_eq!(sandbox.answering(), "r3");
    sandbox.down();
}

/// That this process has a port.
fn taken(port: u16) -> String {
    let name = std::fs::read_to_string("/proc/self/comm").unwrap();
    let (name, pid) = (name.trim(), std::process::id());
    format!("something else listens on port {port}, which web is to have: {name} (process {pid})")
}

#[test]
fn a_port_that_is_taken_after_the_preflight_is_named_with_who_has_it_and_the_deploy_goes_back() {
    let sandbox = deployed(&Manifest::small());
    let port = Sandbox::with(WINDLASS, &Manifest::small()).port;
    // The build is between the two; it ends also where nobody takes the port.
    let build = "touch $WINDLASS_SHARED/built; n=0; while [ ! -e $WINDLASS_SHARED/taken ] && [ $n -lt 1500 ]; do \
                 n=$((n+1)); sleep 0.02; done";
    sandbox.manifest(&Manifest {
        web: format!("port = {port}\nstrategy = \"recreate\""),
        more: format!("[build]\nsteps = [{{ shell = '{build}' }}]\n"),
        ..Manifest::small()
    });
    let shared = sandbox.environment().join("shared");
    let mut command = sandbox.command(&["deploy"]);
    let deploy = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    until("the build", || shared.join("built").exists().then_some(()));
    let _other = TcpListener::bind(("127.0.0.1", port)).unwrap();
    std::fs::write(shared.join("taken"), "").unwrap();
    let output = deploy.wait_with_output().unwrap();
    let said =
        [output.stdout, output.stderr].map(|said| String::from_utf8_lossy(&said).into_owned()).concat();
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains(&taken(port)), "{said}");
    assert_eq!(sandbox.answering(), "r1");
    assert_eq!(sandbox.running("web").len(), 1);
    sandbox.down();
}

/// A line of users that would let nobody pass, or whom nobody meant.
#[test]
fn a_route_that_nobody_may_pass_is_refused_by_every_verb_before_anything_is_started() {
    let mut sandbox = Sandbox::with(
        WINDLASS,
        &Manifest {
            route: "basic_auth = \"USERS\"".to_owned(),
            more: "[settings]\nUSERS = { secret = true }\n".to_owned(),
            ..Manifest::small()
        },
    );
    for (lines, why) in [
        ("everybody-who-knows-the-way-4711", "names nobody"),
        ("ann:knows-the-way-4711\nbob-way-4712", "has something else than user:password in line 2"),
        ("ann:$2y$05$knows-the-way-4711", "has a hash in line 1, which would be taken for the password"),
    ] {
        sandbox.set("USERS", lines);
        for verb in [&["check"][..], &["deploy"], &["config", "check"]] {
            says(&sandbox.fail(verb, 2), &format!("the setting USERS, which says who may pass, {why}"));
        }
    }
    assert!(is_untouched(&sandbox));
    sandbox.set("USERS", "# team a\nann:knows-the-way-4711");
    sandbox.succeed(&["check"]);
    sandbox.succeed(&["deploy"]);
    sandbox.down();
}

/// A verb where a process may open so few files.
fn with_few_files(sandbox: &Sandbox, verb: &str) -> Command {
    let mut command = sandbox.command_of("/bin/sh".as_ref(), &["-c", "ulimit -n 64; exec \"$0\" \"$1\""]);
    command.args([WINDLASS, verb]);
    command
}

#[test]
fn a_place_and_a_limit_under_which_nothing_can_run_are_told_before_anything_is_started() {
    let mut sandbox = Sandbox::with(WINDLASS, &Manifest::small());
    for verb in ["check", "deploy"] {
        let output = with_few_files(&sandbox, verb).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}");
        let expected = "a process may open 64 files here, and Windlass needs 128 at the very least";
        assert!(said.contains(expected), "{said}");
    }
    let long = sandbox.home().join("a".repeat(250)).join("b".repeat(250));
    sandbox.set("WINDLASS_HOME", long.to_str().unwrap());
    for verb in ["check", "deploy"] {
        let output = sandbox.fail(&[verb], 1);
        says(&output, " bytes longer than that of a state may be");
        says(&output, "set WINDLASS_HOME to a directory with a shorter path");
    }
    assert!(is_untouched(&sandbox));
}
