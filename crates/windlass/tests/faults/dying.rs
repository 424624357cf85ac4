//! Dying at a place of a rotation, and what happens then.

use rustix::process::Signal;
use serde_json::Value;
use windlass_testkit::sandbox::{Output, Sandbox, until};

use super::exhaustive;

/// How many crashes one sandbox sees.
pub(super) const PER_SANDBOX: usize = 12;

/// What happens after the crash.
const WAYS: [&str; 4] = ["", "resume", "abort", "deploy"];

/// A place to die, and what happens then.
pub(super) type Case = (String, &'static str);

/// The places before, in and behind those steps of the plan that `rotate` carries out here of which this is so, by
/// what they are said to do.
pub(super) fn of_steps(sandbox: &Sandbox, rotate: &[&str], is: impl Fn(&str) -> bool) -> Vec<String> {
    let events = sandbox.succeed(&[rotate, &["--json"]].concat()).stdout;
    let events = events.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let begun: Vec<Value> = events.filter_map(|event| event["event"].get("step_began").cloned()).collect();
    assert!(begun.len() > 8, "only {} steps", begun.len());
    let wanted = begun.iter().filter(|step| is(step["line"].as_str().unwrap()));
    let places = ["after-intent", "after-act", "after-result"];
    wanted.flat_map(|step| places.map(|place| format!("{place}:{}", step["step"]))).collect()
}

/// Each place in one way, or in every way.
pub(super) fn in_ways(places: Vec<String>) -> Vec<Case> {
    let mut cases = Vec::new();
    for place in places {
        let ways = if exhaustive() { WAYS.len() } else { 1 };
        let turn = |way: usize| WAYS[(cases.len() + cases.len() / 4 + way) % WAYS.len()];
        let chosen: Vec<_> = (0..ways).map(turn).collect();
        cases.extend(chosen.into_iter().map(|way| (place.clone(), way)));
    }
    cases
}

/// Whether it was to go back what had been committed; what is left of that is over then.
pub(super) fn is_too_late(sandbox: &Sandbox, verb: &str, output: &Output) -> bool {
    let says = ["nothing went back: ", "nothing goes back any more: "];
    let it_is = verb == "abort" && output.code == 6 && says.iter().any(|says| output.stderr.contains(says));
    if it_is {
        until("the rest of the run", || sandbox.status()["run"].is_null().then_some(()));
    }
    it_is
}

/// Dies at a place of a rotation, and goes on in a way until a deploy finds all settled. Each place of a step is
/// reached; one beside a write is, unless this rotation has written less often.
pub(super) fn crash(sandbox: &Sandbox, rotate: &[&str], at: &str, verb: &str, context: &str) {
    sandbox.die_at(at);
    let rotation = sandbox.start(rotate);
    if verb.is_empty() {
        // It is the one that dies, or it goes on by itself. What a keeper that dies was to write down of a command's
        // end nobody knows: the rotation goes back, or cannot say whether the old value was revoked.
        let output = rotation.finish();
        let is_well = match at.starts_with("write:") {
            true => matches!(output.code, 0 | 3 | 5 | 137),
            false => output.code == 0,
        };
        assert!(is_well, "{context}: {output:#?}\n{}", sandbox.logs());
    } else {
        until("the crash or the end", || sandbox.has_crashed_or_ended(&rotation).then_some(()));
        rotation.signal(Signal::KILL);
        let _killed = rotation.finish();
    }
    let died = sandbox.died();
    let number = at.strip_prefix("write:").map(|number| number.parse::<usize>().unwrap());
    let is_beyond = number.is_some_and(|number| sandbox.passed().len() < number);
    assert!(died || is_beyond, "{context}: nobody came there");
    if !matches!(verb, "" | "deploy") {
        let output = sandbox.run(&[verb]);
        assert!(
            matches!(output.code, 0..=3) || is_too_late(sandbox, verb, &output),
            "{context}: {output:#?}\n{}",
            sandbox.logs()
        );
    }
    // Whoever deploys next settles it, unless the run is still under way.
    until("the run to end", || {
        let output = sandbox.run(&["deploy"]);
        assert!(matches!(output.code, 0 | 6), "{context}: {output:#?}\n{}", sandbox.logs());
        (output.code == 0).then_some(())
    });
}
