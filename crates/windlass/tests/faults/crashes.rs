//! The host side dies at every boundary of every step.

use std::sync::Mutex;
use std::time::Duration;

use rustix::process::Signal;
use windlass_testkit::sandbox::{Load, Manifest, Sandbox, until_within};

use super::{deployed, exhaustive, is_sound, line};

/// What happens after the crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    /// The controller that asked for the deploy lives, and goes on by itself.
    GoesOn,
    /// It was killed too. Somebody runs this verb.
    Somebody(&'static str),
}

const WAYS: [Then; 4] =
    [Then::GoesOn, Then::Somebody("resume"), Then::Somebody("abort"), Then::Somebody("deploy")];

/// How many crashes one sandbox sees: a keeper waits longer before each restart.
const PER_SANDBOX: usize = 6;

fn manifest() -> Manifest {
    Manifest {
        worker: Some("settle = \"30ms\"".into()),
        scheduler: Some("settle = \"30ms\"".into()),
        deploy: "bake = \"50ms\"\nsmoke = [{ service = \"web\", path = \"/version\" }]".into(),
        ..Manifest::default()
    }
}

/// The places of a deploy's plan; `back`: those on the way back.
fn places(back: bool) -> Vec<String> {
    let sandbox = deployed(&manifest());
    sandbox.change();
    let plan = sandbox.succeed(&["plan", "--json"]).json();
    let steps = plan["steps"].as_array().unwrap().clone();
    sandbox.down();
    let commit = steps.iter().position(|step| step["phase"] == "commit").unwrap();
    let mut places = Vec::new();
    for (number, step) in steps.iter().enumerate() {
        if back && (number >= commit || step["compensation"] == "unneeded") {
            continue;
        }
        for place in ["after-intent", "after-act", "after-result"] {
            places.push(format!("{place}:{}{number}", if back { "!" } else { "" }));
        }
    }
    places
}

/// Every place, each in one way or in every way.
fn cases(back: bool) -> Vec<(String, Then)> {
    let places = places(back);
    let ways = if exhaustive() { WAYS.len() } else { 1 };
    let turn = |number: usize, way: usize| WAYS[(number + number / 3 + way) % WAYS.len()];
    let each = places.into_iter().enumerate();
    each.flat_map(|(number, place)| (0..ways).map(move |way| (place.clone(), turn(number, way)))).collect()
}

/// Answers how many crashes there were. A place that one run passes by (what it would have done was done already) is
/// none; most of them are reached in every run.
fn at_every_step(back: bool) -> usize {
    let cases = cases(back);
    let missed = Mutex::new(Vec::new());
    let chunks = Mutex::new(cases.chunks(PER_SANDBOX));
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                loop {
                    let Some(chunk) = chunks.lock().unwrap().next() else { return };
                    let passed_by = crash_often(chunk, back);
                    missed.lock().unwrap().extend(passed_by);
                }
            });
        }
    });
    let missed = missed.into_inner().unwrap();
    let hit = cases.len() - missed.len();
    assert!(hit * 10 >= cases.len() * 8, "of {} places these were not reached: {missed:?}", cases.len());
    hit
}

/// Answers the places that were not reached.
fn crash_often(cases: &[(String, Then)], back: bool) -> Vec<String> {
    let sandbox = deployed(&manifest());
    let load = Load::at_pace(sandbox.port, Duration::from_millis(40));
    let mut missed = Vec::new();
    for (place, then) in cases {
        let context = format!("{place}, then {then:?}");
        if !crash(&sandbox, place, *then, back, &context) {
            missed.push(context.clone());
        }
        is_sound(&sandbox, &context);
    }
    let seen = load.end();
    seen.assert_none_failed();
    sandbox.down();
    missed
}

/// One deploy with one crash. Answers whether there was one.
fn crash(sandbox: &Sandbox, place: &str, then: Then, back: bool, context: &str) -> bool {
    let before = sandbox.release();
    sandbox.behave(if back { "web.wrong" } else { "" });
    sandbox.die_at(place);
    let deploy = sandbox.start(&["deploy"]);
    let Then::Somebody(verb) = then else {
        let output = deploy.finish();
        let died = sandbox.died();
        assert_eq!(output.code, if back { 3 } else { 0 }, "{context}: {output:#?}\n{}", sandbox.logs());
        assert_eq!(sandbox.release() == before, back, "{context}");
        return died;
    };
    let failpoint = sandbox.root().join("failpoint");
    until_within(Duration::from_secs(20), "the crash or the end", || {
        (!failpoint.exists() || !deploy.runs()).then_some(())
    });
    deploy.signal(Signal::KILL);
    let _killed = deploy.finish();
    let died = sandbox.died();
    let output = sandbox.run(&[verb]);
    let now = sandbox.release();
    match (verb, back) {
        // A run that had not taken the lock when its asker went is dropped: there is nothing to claim.
        ("resume", false) => assert!(matches!(output.code, 0..=3), "{context}: {output:#?}"),
        ("abort", _) | ("resume", true) => {
            assert!(matches!(output.code, 0..=3), "{context}: {output:#?}\n{}", sandbox.logs());
        }
        ("deploy", true) => assert_eq!(output.code, 3, "{context}: {output:#?}\n{}", sandbox.logs()),
        _ => {
            assert_eq!(output.code, 0, "{context}: {output:#?}\n{}", sandbox.logs());
            assert_ne!(now, before, "{context}: {output:#?}");
        }
    }
    if back {
        assert_eq!(now, before, "{context}: {output:#?}");
    }
    died
}

#[test]
fn the_host_side_dies_at_every_step_forward() {
    let line = line("the_host_side_dies_at_every_step_forward");
    let cases = at_every_step(false);
    line.held(&format!("{cases} crashes, 0 failed requests"));
}

#[test]
fn the_host_side_dies_at_every_step_back() {
    let line = line("the_host_side_dies_at_every_step_back");
    let cases = at_every_step(true);
    line.held(&format!("{cases} crashes, 0 failed requests"));
}
