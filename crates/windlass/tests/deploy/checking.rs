//! What `windlass check` finds: in one run, by what a deploy goes by.

use std::fs::Permissions;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
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

/// As with what nvm or rustup installs, which begins with a line of the shell.
#[test]
fn programs_are_looked_for_where_whoever_deploys_has_them() {
    let mut sandbox = deployed(&Manifest::small());
    let before = sandbox.running("web")[0].pid;
    let tools = sandbox.root().join("tools");
    std::fs::create_dir(&tools).unwrap();
    let tool = tools.join("late-tool");
    std::fs::write(&tool, "#!/bin/sh\necho it is here\n").unwrap();
    std::fs::set_permissions(&tool, Permissions::from_mode(0o755)).unwrap();
    let own = std::env::var("PATH").unwrap();
    let with_tools = format!("{}:{own}", tools.display());
    let more = "[jobs.seed]\ncommand = [\"late-tool\"]\nwhen = \"manual\"\n";
    sandbox.manifest(&Manifest { more: more.to_owned(), ..Manifest::small() });
    for verb in ["check", "deploy"] {
        let output = sandbox.run(&[verb]);
        assert_ne!(output.code, 0, "{verb}: {output:?}");
        says(&output, "jobs.seed: there is no program \"late-tool\" in PATH");
    }
    sandbox.set("PATH", &with_tools);
    sandbox.succeed(&["check"]);
    sandbox.succeed(&["deploy"]);
    assert_eq!(sandbox.running("web")[0].pid, before, "nothing that runs is started anew for its sake");
    // Whoever restarts it, or runs a job of it, need not have them.
    sandbox.set("PATH", &own);
    assert_eq!(sandbox.succeed(&["run", "seed"]).stdout, "it is here\n");
    sandbox.succeed(&["restart", "web"]);
    let env = sandbox.running("web")[0].env.clone();
    assert!(env.contains(&format!("PATH={with_tools}")), "{env:?}");
    says(&sandbox.succeed(&["deploy"]), "Nothing to do");
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

/// A limit, how it is written, the controller of its group, and the line of `/proc/PID/limits` with its amount.
const LIMITS: [(&str, &str, &str, &str); 3] = [
    ("cpu", "cpu = 4.0", "cpu", "none"),
    ("memory", "memory = \"512MiB\"", "memory", "Max data size 536870912 536870912 bytes"),
    ("processes", "processes = 20000", "pids", "Max processes 20000 20000 processes"),
];

fn limited(limits: &[&str]) -> Manifest {
    Manifest { web: format!("limits = {{ {} }}", limits.join(", ")), ..Manifest::small() }
}

/// The group of a process with this controller, in either version of the interface.
fn group(process: &str, controller: &str) -> String {
    let groups = std::fs::read_to_string(format!("/proc/{process}/cgroup")).unwrap();
    let of =
        |line: &&str| line.split(':').nth(1).is_some_and(|names| names.split(',').any(|n| n == controller));
    groups
        .lines()
        .find(of)
        .or_else(|| groups.lines().find(|line| line.starts_with("0::")))
        .unwrap()
        .to_owned()
}

// proves: CM-5
#[test]
fn check_says_by_what_a_limit_is_held_and_a_deployed_copy_is_held_by_that() {
    let sandbox = Sandbox::with(WINDLASS, &Manifest::small());
    let mut held = Vec::new();
    for limit @ (what, text, ..) in LIMITS {
        sandbox.manifest(&limited(&[text]));
        let checked = sandbox.run(&["check", "--json"]);
        if checked.code != 0 {
            says(&checked, &format!("the {what} limit of services.web cannot be held here"));
            continue;
        }
        let told = checked.json()["limits"][0].clone();
        assert_eq!((&told["of"], &told["limit"]), (&"services.web".into(), &what.into()), "{told}");
        let by = told["by"].as_str().unwrap().to_owned();
        let in_words = sandbox.succeed(&["check"]);
        says(&in_words, &format!("the {what} limit of services.web"));
        says(&in_words, &by);
        held.push((limit, by));
    }
    assert!(!held.is_empty(), "memory is limited everywhere");
    sandbox.manifest(&limited(&held.iter().map(|((_, text, ..), _)| *text).collect::<Vec<_>>()));
    sandbox.succeed(&["deploy"]);
    let web = sandbox.running("web")[0].pid.to_string();
    for ((what, _, controller, line), by) in held {
        let is_grouped = group(&web, controller) != group("self", controller);
        let limits = std::fs::read_to_string(format!("/proc/{web}/limits")).unwrap();
        let is_limited =
            limits.lines().any(|own| own.split_whitespace().collect::<Vec<_>>().join(" ") == line);
        let expected = by.starts_with("a control group");
        assert!(expected || by.starts_with("RLIMIT_"), "{by}");
        assert_eq!((is_grouped, is_limited), (expected, !expected), "{what} is held by {by}: {limits}");
    }
    sandbox.down();
}

/// Where no group can be made, each process has the limit for itself, which is not what was asked for.
#[test]
fn an_account_that_can_make_no_group_is_told_what_a_limit_then_means() {
    if !rustix::process::geteuid().is_root() {
        eprintln!(
            "passed over: only root can look as an account of which it is known that it makes no groups"
        );
        return;
    }
    let sandbox = Sandbox::with(WINDLASS, &Manifest::small());
    let limits = [LIMITS[1].1, LIMITS[2].1].join(", ");
    sandbox.write(
        "windlass.toml",
        &format!("[app]\nname = \"fixture\"\n[services.web]\ncommand = [\"sleep\", \"1000\"]\nlimits = {{ {limits} }}\n"),
    );
    std::fs::set_permissions(sandbox.root(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    // The program may lie where only root can look.
    let program = sandbox.root().join("windlass");
    std::fs::copy(WINDLASS, &program).unwrap();
    let check = |more: &[&str]| {
        let account = ["--reuid=65534", "--regid=65534", "--clear-groups"];
        let mut command = sandbox.command_of("setpriv".as_ref(), &account);
        command.arg(&program).arg("check").args(more);
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
        (String::from_utf8(output.stdout).unwrap(), said)
    };
    let told: serde_json::Value = serde_json::from_str(&check(&["--json"]).0).unwrap();
    let by: Vec<&str> =
        told["limits"].as_array().unwrap().iter().map(|held| held["by"].as_str().unwrap()).collect();
    assert_eq!(by, ["RLIMIT_DATA", "RLIMIT_NPROC"], "{told}");
    let (_, said) = check(&[]);
    for doubt in [
        "the memory limit of services.web holds for each of its processes, not for all together (RLIMIT_DATA)",
        "the processes limit of services.web counts all processes of this account (RLIMIT_NPROC)",
    ] {
        assert!(said.contains(&format!("warning: {doubt}")), "{said}");
    }
}
