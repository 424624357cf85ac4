//! What `runs` keeps of a run is what happened.

use std::process::Command;

use serde_json::Value;
use windlass_core::plan::Plan;
use windlass_testkit::sandbox::{Load, Manifest, Sandbox};

use super::WINDLASS;

fn said(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output().unwrap();
    assert!(output.status.success(), "{program} {args:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn now() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

/// Deploys what `windlass plan` has just shown; its record, checked against that and the clock.
fn deploy(sandbox: &Sandbox, code: i32) -> (Value, Vec<String>) {
    let planned: Plan = serde_json::from_value(sandbox.succeed(&["plan", "--json"]).json()).unwrap();
    let began = now();
    sandbox.fail(&["deploy"], code);
    let ended = now();
    let record = sandbox.succeed(&["runs", "--json", "--limit", "1"]).json()[0].clone();
    assert_eq!(record["plan"], planned.hash(), "{record}");
    let (from, to) = (record["began"].as_i64().unwrap(), record["ended"].as_i64().unwrap());
    assert!(began <= from && from <= to && to <= ended, "{began} {ended} {record}");
    let phases = record["phases"].as_array().unwrap();
    let took: i64 = phases.iter().map(|phase| phase[1].as_i64().unwrap()).sum();
    assert!(took <= to - from, "{record}");
    let names: Vec<&Value> = phases.iter().map(|phase| &phase[0]).collect();
    let mut of_plan: Vec<Value> =
        planned.steps.iter().map(|step| serde_json::to_value(step.phase).unwrap()).collect();
    of_plan.dedup();
    assert!(of_plan.iter().collect::<Vec<_>>().starts_with(&names), "{record}");
    let left_out = of_plan[names.len()..].iter().map(|phase| phase.as_str().unwrap().to_owned()).collect();
    (record, left_out)
}

// proves: APE-15
#[test]
fn a_record_says_who_what_from_which_commit_how_long_and_how_it_ended() {
    let mut sandbox =
        Sandbox::with(WINDLASS, &Manifest { migrate: Some(String::new()), ..Manifest::small() });
    let source = sandbox.source().display().to_string();
    let git = |args: &[&str]| {
        said("git", &[&["-C", &source, "-c", "user.name=a", "-c", "user.email=a@example.com"], args].concat())
    };
    git(&["init", "-q"]);
    git(&["add", "."]);
    git(&["commit", "-qm", "one"]);
    let commit = git(&["rev-parse", "HEAD"]);
    let machine = said("uname", &["-n"]);

    let (first, left_out) = deploy(&sandbox, 0);
    assert_eq!(first["by"], format!("{}@{machine}", said("id", &["-un"])), "{first}");
    assert_eq!((&first["release"], &first["previous"]), (&"r1".into(), &Value::Null), "{first}");
    assert_eq!((&first["commit"], &first["dirty"]), (&commit.clone().into(), &false.into()), "{first}");
    assert_eq!((&first["verdict"], left_out.len()), (&"done".into(), 0), "{first}");

    // As `sudo` names whoever called it.
    sandbox.set("SUDO_USER", "ada");
    sandbox.change();
    let load = Load::begin(sandbox.port);
    let (second, left_out) = deploy(&sandbox, 0);
    let asked = load.end();
    asked.assert_none_failed();
    assert_eq!(second["by"], format!("ada@{machine}"), "{second}");
    assert_eq!((&second["release"], &second["previous"]), (&"r2".into(), &"r1".into()), "{second}");
    assert_eq!((&second["commit"], &second["dirty"]), (&commit.into(), &true.into()), "{second}");
    assert_eq!((&second["verdict"], left_out.len()), (&"done".into(), 0), "{second}");
    let requests = &second["requests"];
    let served = usize::try_from(requests["served"].as_u64().unwrap()).unwrap();
    assert!((1..=asked.0.len()).contains(&served) && requests["failed"] == 0, "{second}");

    git(&["add", "."]);
    git(&["commit", "-qm", "two"]);
    sandbox.behave("migrate.exit:7");
    git(&["add", "."]);
    git(&["commit", "-qm", "three"]);
    let (third, left_out) = deploy(&sandbox, 3);
    assert_eq!((&third["release"], &third["previous"]), (&"r3".into(), &"r2".into()), "{third}");
    let commit = git(&["rev-parse", "HEAD"]);
    assert_eq!((&third["commit"], &third["dirty"]), (&commit.into(), &false.into()), "{third}");
    let why = third["verdict"]["rolled_back"]["message"].as_str().unwrap();
    assert_eq!(why, "the job migrate failed: exit code 7", "{third}");
    assert_eq!(left_out, ["start", "switch", "bake", "commit", "retire"], "{third}");

    // The same in words, newest first.
    let told = sandbox.succeed(&["runs"]).stdout;
    let heads: Vec<&str> = told.lines().filter(|line| !line.starts_with(' ')).collect();
    for (head, (by, how)) in heads.iter().zip([("ada@", "rolled back"), ("ada@", "done"), ("", "done")]) {
        assert!(head.contains(&format!("by {by}")) && head.contains(&format!(": {how} after")), "{told}");
    }
    assert!(heads.len() == 3 && told.contains(why), "{told}");
    sandbox.down();
}
