//! Nobody dies, but each kind of step of a rotation fails, or is called off, and each file is not written that is to
//! be: one value holds, and what could not be done is done by the next deploy.

use std::collections::BTreeSet;

use serde_json::Value;
use windlass_testkit::sandbox::score::{Invariant, Running};

use super::rotated_setting::{Kept, Place, ROTATE};
use super::{act_when, line};

/// A step of a rotation: the first of its kind.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Step {
    number: u64,
    phase: String,
    /// What it does, without the names of releases and copies.
    kind: String,
    /// Whether it is what undoes it.
    back: bool,
}

impl Step {
    /// The place, as failpoints are named.
    fn at(&self, when: &str) -> String {
        format!("fail {when}:{}{}", if self.back { "!" } else { "" }, self.number)
    }

    /// How a rotation ends in which it fails: the exit code, and whether the new value holds.
    fn end(&self, when: &str) -> (i32, bool) {
        match (self.phase.as_str(), when) {
            (_, _) if self.back => (5, false),
            ("preflight" | "lock", _) => (1, false),
            // It is looked at: what is in the ledger is in force, whatever was said of it.
            ("commit", "after") => (0, true),
            ("retire", _) => (5, true),
            (_, _) => (3, false),
        }
    }

    /// Why it is not tried that it fails before anything of it is done.
    fn is_passed_over(&self, when: &str) -> Option<&'static str> {
        let is_before = when == "before";
        match self.kind.split(' ').next() {
            Some("drain") if is_before => {
                Some("a copy that cannot be stopped keeps what it was given from being revoked, for a minute")
            }
            Some("revoke") if is_before => Some(
                "what is owed is the first that it writes down; that its command fails is tried by that command",
            ),
            _ => None,
        }
    }
}

/// The first step of each kind that these events tell of.
fn steps(events: &str) -> Vec<Step> {
    let mut seen = BTreeSet::new();
    let events = events.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let told = events.filter_map(|event| event["event"].get("step_began").cloned());
    let steps = told.map(|told| {
        let is_name = |word: &&str| word.contains('.') || word.bytes().any(|byte| byte.is_ascii_digit());
        let words = told["line"].as_str().unwrap().split(' ').take_while(|word| !is_name(word));
        Step {
            number: told["step"].as_u64().unwrap(),
            phase: told["phase"].as_str().unwrap().to_owned(),
            kind: words.collect::<Vec<_>>().join(" "),
            back: told["direction"] == "back",
        }
    });
    steps.filter(|step| seen.insert((step.back, step.kind.clone()))).collect()
}

/// The kinds of steps forward, and of those that go back from as late as can be.
fn kinds(place: &Place) -> (Vec<Step>, Vec<Step>, String) {
    let rotate = [ROTATE.as_slice(), &["--json"]].concat();
    let forward = steps(&place.sandbox.succeed(&rotate).stdout);
    let last = forward.iter().rfind(|step| step.phase == "bake").unwrap().at("before");
    place.sandbox.die_at(&last);
    let mut back = steps(&place.sandbox.fail(&rotate, 3).stdout);
    assert!(place.sandbox.died());
    back.retain(|step| step.back);
    assert!(forward.len() > 10 && back.len() > 2, "{forward:#?} {back:#?}");
    (forward, back, last)
}

/// After a rotation that ended so, and a deploy where that was not well, one value holds: another one, or the one
/// from before, with the processes from before.
fn one_is_in_force(line: &Running, place: &Place, before: (&str, &[i32]), is_new: bool, context: &str) {
    place.sandbox.succeed(&["deploy"]);
    let value = place.one_holds(context);
    let is_so = (value != before.0) == is_new && (place.pids("web") != before.1) == is_new;
    line.holds(Invariant::I4, is_so, || format!("{context}: the other value: {}", place.sandbox.logs()));
}

/// Each fails before anything of it is done, or when all of it is: in turn, so that with both places of a value each
/// does both.
fn fail_each(line: &Running, place: &Place, turn: usize) -> (usize, Vec<String>) {
    let sandbox = &place.sandbox;
    let (forward, back, last) = kinds(place);
    let (mut failed, mut passed_over) = (0, Vec::new());
    for (number, step) in forward.iter().chain(&back).enumerate() {
        let when = ["before", "after"][(number + turn) % 2];
        let context = format!("{} {when} {step:?}", place.kept());
        if let Some(why) = step.is_passed_over(when) {
            passed_over.push(format!("{}, {when} it: {why}", step.kind));
            continue;
        }
        let (value, web) = (place.value(), place.pids("web"));
        let at = step.at(when);
        sandbox.die_at(&if step.back { format!("{last}\n{at}") } else { at });
        let output = sandbox.run(&ROTATE);
        assert!(sandbox.died(), "{context}: it was not reached: {output:#?}");
        let (code, is_new) = step.end(when);
        assert_eq!(output.code, code, "{context}: {output:#?}\n{}", sandbox.logs());
        assert!(code == 0 || output.all().contains("it was made to fail"), "{context}: {output:#?}");
        if step.back && step.kind.starts_with("send") {
            // What requests still go to keeps what it stands on; the rest is for a person, and they are told.
            assert!(output.all().contains("what is left to do is: revoke the new value"), "{output:#?}");
            place.forget_others(&value);
        }
        one_is_in_force(line, place, (&value, &web), is_new, &context);
        failed += 1;
    }
    (failed, passed_over)
}

/// The new value cannot be taken away again at its source.
fn fail_to_undo(line: &Running, place: &Place) {
    let sandbox = &place.sandbox;
    let (value, web) = (place.value(), place.pids("web"));
    let tree = sandbox.environment().join("releases/r1");
    let files = ["fail-verify", "fail-revoke"].map(|file| tree.join(file));
    files.iter().for_each(|file| std::fs::write(file, "").unwrap());
    let output = sandbox.fail(&ROTATE, 5);
    assert!(output.all().contains("revoking the value of REDIS_PASSWORD failed"), "{output:?}");
    let left = sandbox.status()["unrevoked"].clone();
    assert_eq!(left[0]["setting"], "REDIS_PASSWORD", "{left}");
    files.iter().for_each(|file| std::fs::remove_file(file).unwrap());
    one_is_in_force(line, place, (&value, &web), false, "the undoing fails");
}

/// Somebody calls it off as soon as it is told that a step of this kind has begun.
fn abort_at_each(line: &Running, place: &Place, turn: usize) -> (usize, usize) {
    let (forward, ..) = kinds(place);
    let (mut called_off, mut went_back) = (0, 0);
    for step in forward.iter().skip(turn).step_by(2) {
        let (value, web) = (place.value(), place.pids("web"));
        let is_it = |event: &Value| event["event"]["step_began"]["step"].as_u64() == Some(step.number);
        let mut abort = None;
        let began = |_: &std::process::Child| abort = Some(place.sandbox.start(&["abort"]));
        let (code, _) = act_when(&place.sandbox, &ROTATE, is_it, began);
        let abort = abort.unwrap().finish();
        let context = format!("{} abort at {step:?}: {abort:#?}", place.kept());
        assert!(matches!(code, Some(0 | 1 | 3)), "{context}: {code:?}\n{}", place.sandbox.logs());
        one_is_in_force(line, place, (&value, &web), code == Some(0), &context);
        called_off += 1;
        went_back += usize::from(code != Some(0));
    }
    (called_off, went_back)
}

/// Both places of a value, each in a sandbox of its own.
fn in_both<T: Send>(what: impl Fn(&Place, usize) -> T + Sync) -> Vec<T> {
    let what = &what;
    std::thread::scope(|scope| {
        let both = [Kept::DotEnv, Kept::Sealed].into_iter().enumerate().map(|(turn, kept)| {
            scope.spawn(move || {
                let place = Place::with(kept, None);
                let answer = what(&place, turn);
                place.sandbox.down();
                answer
            })
        });
        both.collect::<Vec<_>>().into_iter().map(|one| one.join().unwrap()).collect()
    })
}

// proves: HS-19
#[test]
fn each_kind_of_step_of_a_rotation_fails_and_one_value_holds() {
    let line = line("each_kind_of_step_of_a_rotation_fails_and_one_value_holds");
    let ended = in_both(|place, turn| {
        let ended = fail_each(&line, place, turn);
        fail_to_undo(&line, place);
        ended
    });
    let failed: usize = ended.iter().map(|(failed, _)| failed).sum();
    let passed_over: BTreeSet<&String> = ended.iter().flat_map(|(_, passed_over)| passed_over).collect();
    let passed_over: Vec<&str> = passed_over.into_iter().map(String::as_str).collect();
    line.held(&format!("{failed} failures; not tried: {}", passed_over.join("; ")));
}

// proves: HS-19
#[test]
fn a_rotation_that_is_called_off_at_each_kind_of_step_leaves_one_value() {
    let line = line("a_rotation_that_is_called_off_at_each_kind_of_step_leaves_one_value");
    let ended = in_both(|place, turn| abort_at_each(&line, place, turn));
    let called_off: usize = ended.iter().map(|(all, _)| all).sum();
    let went_back: usize = ended.iter().map(|(_, back)| back).sum();
    // How many are in time is the machine's matter.
    assert!(went_back > 0, "not one of {called_off} went back");
    line.held(&format!("`abort` at each of {called_off} kinds of step, in time in {went_back}"));
}

// proves: HS-19
#[test]
fn each_file_that_a_rotation_writes_is_not_written_and_one_value_holds() {
    let line = line("each_file_that_a_rotation_writes_is_not_written_and_one_value_holds");
    let tried = in_both(|place, _| {
        let sandbox = &place.sandbox;
        let files = sandbox.files_of(|| drop(sandbox.succeed(&ROTATE)));
        assert!(files > 5, "only {files} files");
        let mut own = 0;
        for file in 1..=files {
            let (value, web, release) = (place.value(), place.pids("web"), sandbox.release());
            sandbox.die_at(&format!("fail write:{file}"));
            let output = sandbox.run(&ROTATE);
            let context = format!("{} file {file}: {output:#?}", place.kept());
            // The last ones are not written every time.
            assert!(sandbox.died() || file + 3 > files, "{context}: it was not reached");
            assert!(matches!(output.code, 0 | 1 | 3 | 5), "{context}\n{}", sandbox.logs());
            let is_new = sandbox.release() != release;
            own += usize::from(is_new && output.code == 5 && output.all().contains("is rotated, and "));
            one_is_in_force(&line, place, (&value, &web), is_new, &context);
        }
        assert!(own > 0, "the file that holds the value was always written");
        files
    });
    line.held(&format!("{} files, .env and the encrypted one among them", tried.iter().sum::<u64>()));
}
