//! Settings on their way into real processes: by the environment, put together, and in files.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::TestRunner;
use windlass_core::settings::write;
use windlass_testkit::sandbox::{Manifest, Process, Sandbox, until};

use super::{WINDLASS, deployed};

fn variable(process: &Process, name: &str) -> Option<String> {
    let environ = std::fs::read(format!("/proc/{}/environ", process.pid)).unwrap();
    let environ = String::from_utf8(environ).unwrap();
    let start = format!("{name}=");
    environ.split('\0').find_map(|pair| pair.strip_prefix(&start)).map(str::to_owned)
}

fn with_settings(settings: &str) -> Manifest {
    Manifest { top: format!("[settings]\n{settings}"), worker: Some(String::new()), ..Manifest::small() }
}

/// A sandbox whose `.env` holds these settings.
fn sandbox(manifest: &Manifest, values: &[(&str, &str)]) -> Sandbox {
    let sandbox = Sandbox::with(WINDLASS, manifest);
    fill_in(&sandbox, values);
    sandbox
}

fn fill_in(sandbox: &Sandbox, values: &[(&str, &str)]) {
    sandbox.write(".env", &write(values.iter().copied()).unwrap());
    let path = sandbox.source().join(".env");
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
}

fn pids(sandbox: &Sandbox) -> [Vec<i32>; 2] {
    ["web", "worker"].map(|kind| sandbox.running(kind).iter().map(|process| process.pid).collect())
}

fn mode(path: &Path) -> u32 {
    std::fs::symlink_metadata(path).unwrap().mode() & 0o777
}

// proves: DC-9
#[test]
fn any_value_reaches_a_process_as_it_is() {
    let mut runner = TestRunner::deterministic();
    let mut values: Vec<String> = [
        "line\nline\n",
        "\"double\" 'single' `back`",
        "$HOME ${PATH} $$ $(id) %s %20",
        "\\n \\\\ \\",
        " # no comment ",
        "{port} {settings.V1} {{x}}",
        "ä\u{1f511}\u{202e}\u{7f}\t\r",
        "=",
        "export A=b",
    ]
    .map(str::to_owned)
    .into();
    let any = proptest::string::string_regex("(?s)[^\0]{1,80}").unwrap();
    values.extend((0..40).map(|_| any.new_tree(&mut runner).unwrap().current()));
    let long =
        proptest::string::string_regex("(?s)[^\0]{16384}").unwrap().new_tree(&mut runner).unwrap().current();
    values.push(
        long.chars()
            .scan(0, |bytes, c| {
                *bytes += c.len_utf8();
                (*bytes <= 65_536).then_some(c)
            })
            .collect(),
    );
    let names: Vec<String> = (1..=values.len()).map(|number| format!("V{number}")).collect();
    let declared: String =
        names.iter().map(|name| format!("{name} = {{ secret = true, min_length = 1 }}\n")).collect();
    let files = "IN_FILE = { secret = true, file = true, min_length = 1 }\n";
    let mut pairs: Vec<(&str, &str)> =
        names.iter().zip(&values).map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let longest = values.last().unwrap();
    pairs.push(("IN_FILE", longest));
    let sandbox = sandbox(&with_settings(&(declared + files)), &pairs);
    sandbox.succeed(&["deploy"]);
    let web = &sandbox.running("web")[0];
    for (name, value) in pairs.iter().filter(|(name, _)| *name != "IN_FILE") {
        assert_eq!(variable(web, name).as_deref(), Some(*value), "{name}");
    }
    assert_eq!(variable(web, "IN_FILE"), None);
    let file = variable(web, "IN_FILE_FILE").unwrap();
    assert_eq!(&std::fs::read_to_string(file).unwrap(), longest);
    sandbox.down();
}

// proves: CM-7, HS-18
#[test]
fn a_url_is_put_together_and_a_part_that_changes_restarts_who_sees_it() {
    let settings = "PASSWORD = { secret = true, services = [] }\nHOST = { type = \"host\", services = [] }\n\
                    URL = { services = [\"web\"], url = { scheme = \"db\", user = \"{app}\", password = \"{settings.PASSWORD}\", \
                    host = \"{settings.HOST}\", port = 5432, name = \"shop\" } }\n";
    let sandbox = sandbox(&with_settings(settings), &[("PASSWORD", "p@ss/w:rd"), ("HOST", "::1")]);
    sandbox.succeed(&["deploy"]);
    let url = |password: &str| Some(format!("db://fixture:{password}@[::1]:5432/shop"));
    assert_eq!(variable(&sandbox.running("web")[0], "URL"), url("p%40ss%2Fw%3Ard"));
    assert_eq!(variable(&sandbox.running("web")[0], "PASSWORD"), None);
    assert_eq!(variable(&sandbox.running("worker")[0], "URL"), None);

    let [web, worker] = pids(&sandbox);
    fill_in(&sandbox, &[("PASSWORD", "another one"), ("HOST", "::1")]);
    sandbox.succeed(&["deploy"]);
    let [web_now, worker_now] = pids(&sandbox);
    assert_ne!(web, web_now);
    assert_eq!(worker, worker_now, "it sees neither the part nor the whole");
    assert_eq!(variable(&sandbox.running("web")[0], "URL"), url("another%20one"));

    // What stands above the manifest wins as it is.
    fill_in(&sandbox, &[("PASSWORD", "another one"), ("HOST", "::1"), ("URL", "db://given:by-hand-7Qz@h/x")]);
    sandbox.succeed(&["deploy"]);
    assert_eq!(variable(&sandbox.running("web")[0], "URL").as_deref(), Some("db://given:by-hand-7Qz@h/x"));
    sandbox.succeed(&["rollback"]);
    assert_eq!(variable(&sandbox.running("web")[0], "URL"), url("another%20one"));
    sandbox.down();
}

// proves: HS-18
#[test]
fn a_secret_in_a_file_is_for_its_process_alone_comes_back_and_goes() {
    let settings = "KEY = { secret = true, file = true, services = [\"web\", \"show\"] }\n";
    let mut manifest = with_settings(settings);
    manifest.more = "[jobs.show]\ncommand = { shell = \"cat \\\"$KEY_FILE\\\"; echo\" }\n".into();
    let sandbox = sandbox(&manifest, &[("KEY", "n4Vw0qkTz8Lr2XyB")]);
    sandbox.succeed(&["deploy"]);
    let web = &sandbox.running("web")[0];
    assert_eq!(variable(web, "KEY"), None);
    assert_eq!(variable(&sandbox.running("worker")[0], "KEY_FILE"), None);
    let path = PathBuf::from(variable(web, "KEY_FILE").unwrap());
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "n4Vw0qkTz8Lr2XyB");
    assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));

    // A job has it, too; what it shows of it is masked.
    let shown = sandbox.succeed(&["run", "show"]);
    assert_eq!(shown.stdout.trim(), "***");
    let measured = sandbox.succeed(&["run", "--", "sh", "-c", "wc -c < \"$KEY_FILE\""]);
    assert_eq!(measured.stdout.trim(), "16");

    // As after a reboot, or when somebody tidied up.
    std::fs::remove_dir_all(path.ancestors().nth(2).unwrap()).unwrap();
    until("the file to come back", || path.exists().then_some(()));
    assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));

    // A new value is a new release's; the old one's goes when nothing can go back to it.
    fill_in(&sandbox, &[("KEY", "another-one-7Qz")]);
    sandbox.succeed(&["deploy"]);
    let new = PathBuf::from(variable(&sandbox.running("web")[0], "KEY_FILE").unwrap());
    assert_ne!(new, path);
    assert_eq!(std::fs::read_to_string(&new).unwrap(), "another-one-7Qz");
    let place = path.ancestors().nth(3).unwrap().to_owned();
    sandbox.down();
    assert!(!place.exists(), "{} is left", place.display());
}

// proves: APE-3
#[test]
fn all_that_is_wrong_is_told_at_once_before_anything_changes() {
    let settings = "PORT_OUT = { type = \"port\" }\nSITE = { type = \"url\", schemes = [\"https\"] }\nMISSING = {}\n\
                    ADMIN_PASSWORD = { secret = true }\n";
    let mut manifest = with_settings(settings);
    manifest.more = "[environments.production]\n".into();
    let sandbox =
        sandbox(&manifest, &[("PORT_OUT", "99999"), ("SITE", "http://h"), ("ADMIN_PASSWORD", "changeme")]);
    for verb in ["deploy", "plan", "check"] {
        let said = sandbox.fail(&[verb, "--env", "production"], 2).all();
        for expected in [
            ".env:1: PORT_OUT: \"99999\" is not a port",
            ".env:2: SITE: \"http://h\" has the wrong scheme",
            ".env:3: ADMIN_PASSWORD: it is one of the passwords that are tried first",
            "the setting MISSING has no value",
        ] {
            assert!(said.contains(expected), "{verb}: {expected}\n{said}");
        }
        assert!(!said.contains("changeme"), "{said}");
    }
    let json = sandbox.fail(&["deploy", "--env", "production", "--json"], 2).json();
    assert_eq!(json["faults"].as_array().unwrap().len(), 4, "{json}");
    assert!(std::fs::read_dir(sandbox.home()).unwrap().next().is_none(), "nothing was made");
    // What is nobody's but its developer's may have a weak password.
    fill_in(
        &sandbox,
        &[("PORT_OUT", "1"), ("SITE", "https://h"), ("ADMIN_PASSWORD", "changeme"), ("MISSING", "x")],
    );
    sandbox.succeed(&["check"]);
}

#[test]
fn a_deploy_reads_the_settings_once_and_warns_once() {
    let sandbox = sandbox(&with_settings("LEVEL = {}\n"), &[("LEVEL", "info")]);
    let path = sandbox.source().join(".env");
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    for expected in ["is live", "Nothing to do"] {
        let said = sandbox.succeed(&["deploy"]).all();
        assert!(said.contains(expected), "{said}");
        assert_eq!(said.matches("other accounts may read it").count(), 1, "{said}");
    }
    sandbox.down();
}

#[test]
fn a_deploy_without_settings_is_not_asked_for_any() {
    let sandbox = deployed(&Manifest::small());
    assert_eq!(
        sandbox.succeed(&["config"]).stdout.trim(),
        "No setting is declared under [settings], and none stands in .env."
    );
    sandbox.down();
}

/// A rotation knows a process again by these: what only stands in `.env` must not stand in for them.
#[test]
fn what_a_process_is_told_of_itself_is_not_replaced() {
    let sandbox = Sandbox::with(WINDLASS, &Manifest::small());
    sandbox.write(".env", "WINDLASS_APP=mine\nWINDLASS_RELEASE=r7\nOWN=own\n");
    sandbox.succeed(&["deploy"]);
    let said = sandbox.succeed(&["run", "--", "sh", "-c", "echo $WINDLASS_APP $WINDLASS_RELEASE $OWN"]);
    assert!(said.stdout.contains("fixture r1 own"), "{said:?}");
    sandbox.down();
}

#[test]
fn values_of_forgotten_releases_are_masked_in_logs_and_what_cannot_be_is_not_shown() {
    use std::os::unix::fs::PermissionsExt as _;

    let talker = "[services.talker]\nsettle = \"100ms\"\nstop = { grace = \"1s\" }\n\
                  command = { shell = \"while :; do echo $WINDLASS_RELEASE has $TOKEN; sleep 0.05; done\" }\n";
    let mut manifest = with_settings("TOKEN = { secret = true, services = [\"talker\"] }\n");
    (manifest.more, manifest.deploy) = (talker.to_owned(), "keep = 2\n".to_owned());
    let tokens = ["first-8Zk31blau", "second-4Wx6Qgelb", "third-7Ld41mild"];
    let sandbox = sandbox(&manifest, &[("TOKEN", tokens[0])]);
    for token in tokens {
        fill_in(&sandbox, &[("TOKEN", token)]);
        sandbox.change();
        sandbox.succeed(&["deploy"]);
    }
    let settings = sandbox.environment().join("state/settings");
    until("the values of r1 to be forgotten", || (!settings.join("r1.json").exists()).then_some(()));
    let logs = || sandbox.succeed(&["logs", "talker", "-n", "1000"]).stdout;
    let shown = logs();
    for (release, token) in [("r1", tokens[0]), ("r2", tokens[1]), ("r3", tokens[2])] {
        assert!(!shown.contains(token), "{shown}");
        assert!(shown.contains(&format!("{release} has ***")), "{shown}");
    }
    assert_eq!(mode(&sandbox.environment().join("state/masked.json")), 0o600);

    // A failure is told in the place of the lines, and does not outlast its cause.
    let values = settings.join("r3.json");
    sandbox.change();
    std::fs::set_permissions(&values, std::fs::Permissions::from_mode(0o644)).unwrap();
    std::fs::copy(&values, settings.join("r99.json")).unwrap();
    let refused = logs();
    assert!(refused.starts_with("(not shown: the settings of r3 cannot be read"), "{refused}");
    assert_eq!(refused.lines().count(), 1, "said once: {refused}");
    std::fs::remove_file(settings.join("r99.json")).unwrap();
    std::fs::set_permissions(&values, std::fs::Permissions::from_mode(0o600)).unwrap();
    assert!(logs().contains("r3 has ***"));

    // What is lost cannot be masked.
    std::fs::remove_file(sandbox.environment().join("state/masked.json")).unwrap();
    sandbox.succeed(&["logs", "talker", "--release", "r3"]);
    sandbox.down();
}

#[test]
fn what_a_running_job_was_given_in_a_file_is_not_revoked() {
    let settings = "URL = { file = true, services = [\"slow\"], value = \"x://u:{settings.KEY}@h\" }\n\
                    [settings.KEY]\nsecret = true\nservices = [\"rotate\"]\n\
                    [settings.KEY.rotate]\nrevoke = [\"sh\", \"-c\", \"echo revoked > $WINDLASS_SHARED/revoked\"]\n";
    let mut manifest = with_settings(settings);
    manifest.more = "[jobs.slow]\ncommand = { shell = \"touch $WINDLASS_SHARED/began; sleep 3; cat $WINDLASS_SHARED/revoked 2>/dev/null; \
                     echo over\" }\n"
        .into();
    let sandbox = sandbox(&manifest, &[("KEY", "n4Vw0qkTz8Lr2XyB")]);
    sandbox.succeed(&["deploy"]);
    let job = sandbox.start(&["run", "slow"]);
    until("the job to begin", || sandbox.environment().join("shared/began").exists().then_some(()));
    let rotated = sandbox.succeed(&["secrets", "rotate", "KEY"]);
    assert!(rotated.all().contains("waited for what still used it"), "{rotated:#?}");
    let said = job.finish();
    assert_eq!(said.stdout.trim(), "over", "nothing was revoked while it ran: {said:#?}");
    assert!(sandbox.environment().join("shared/revoked").exists());
    sandbox.down();
}
