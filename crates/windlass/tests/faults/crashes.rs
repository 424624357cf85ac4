//! The host side dies at every boundary of every step of every kind of run.

use std::sync::Mutex;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;
use windlass_testkit::sandbox::score::Running;
use windlass_testkit::sandbox::{Manifest, Sandbox, until_within};

use super::{WINDLASS, exhaustive, line};

/// What happens after the crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    /// The controller that asked for the run lives, and goes on by itself.
    GoesOn,
    /// It was killed too. Somebody runs this verb.
    Somebody(&'static str),
}

const WAYS: [Then; 4] =
    [Then::GoesOn, Then::Somebody("resume"), Then::Somebody("abort"), Then::Somebody("deploy")];

/// How many crashes one sandbox sees: a keeper waits longer before each restart.
const PER_SANDBOX: usize = 6;

/// How many sandboxes there are side by side.
const TOGETHER: usize = 3;

/// A kind of run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Run {
    Deploy,
    /// One of a release that fails its smoke test: the places are those of the way back.
    DeployThatGoesBack,
    Rollback,
    Restart,
    Scale,
    Stop,
}

impl Run {
    fn manifest(self) -> Manifest {
        let all = Manifest {
            worker: Some("settle = \"30ms\"".into()),
            scheduler: Some("settle = \"30ms\"".into()),
            deploy: "bake = \"50ms\"\nsmoke = [{ service = \"web\", path = \"/version\" }]".into(),
            ..Manifest::default()
        };
        match self {
            Self::Deploy | Self::DeployThatGoesBack => all,
            // What going back means for a migration is tested elsewhere.
            Self::Rollback | Self::Restart | Self::Scale => Manifest { migrate: None, worker: None, ..all },
            Self::Stop => Manifest { migrate: None, scheduler: None, ..all },
        }
    }

    /// The application as it is before the first run.
    fn begin(self) -> Sandbox {
        let sandbox = Sandbox::with(WINDLASS, &self.manifest());
        sandbox.succeed(&["deploy"]);
        if self == Self::Rollback {
            sandbox.change();
            sandbox.succeed(&["deploy"]);
        }
        sandbox
    }

    /// Makes it so that the run has all its steps, and answers what asks for it.
    fn prepare(self, sandbox: &Sandbox) -> Vec<String> {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        match self {
            Self::Deploy => sandbox.behave(""),
            Self::DeployThatGoesBack => sandbox.behave("web.wrong"),
            Self::Rollback => {
                let releases = sandbox.succeed(&["releases", "--json"]).json();
                let releases = releases.as_array().unwrap();
                let active = releases.iter().find(|release| release["active"] == true).unwrap();
                let other = releases
                    .iter()
                    .find(|release| release["available"] == true && release["tree"] != active["tree"]);
                return words(&["rollback", other.unwrap()["release"].as_str().unwrap()]);
            }
            Self::Restart => return words(&["restart"]),
            Self::Scale => {
                // Fewer are another plan.
                if sandbox.running("web").len() == 3 {
                    sandbox.succeed(&["scale", "web=2"]);
                }
                return words(&["scale", "web=3"]);
            }
            Self::Stop => {
                if sandbox.running("worker").is_empty() {
                    sandbox.succeed(&["restart", "worker"]);
                }
                return words(&["stop", "worker"]);
            }
        }
        words(&["deploy"])
    }

    /// The exit code of one that ends by itself.
    fn code(self) -> i32 {
        if self == Self::DeployThatGoesBack { 3 } else { 0 }
    }

    /// The places: before, in and after each step that one of these runs does, or undoes.
    fn places(self) -> Vec<String> {
        let sandbox = self.begin();
        let mut command = self.prepare(&sandbox);
        command.push("--json".to_owned());
        let words: Vec<&str> = command.iter().map(String::as_str).collect();
        let events = sandbox.fail(&words, self.code()).stdout;
        sandbox.down();
        let (direction, mark) =
            if self == Self::DeployThatGoesBack { ("back", "!") } else { ("forward", "") };
        let mut places = Vec::new();
        for event in events.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()) {
            let begun = &event["event"]["step_began"];
            if begun["direction"] == direction {
                let step = &begun["step"];
                places.extend(
                    ["after-intent", "after-act", "after-result"]
                        .map(|place| format!("{place}:{mark}{step}")),
                );
            }
        }
        assert!(places.len() >= 6, "{self:?}: only {places:?}");
        places
    }

    /// Every place, each in one way or in every way.
    fn cases(self) -> Vec<(String, Then)> {
        let ways = if exhaustive() { WAYS.len() } else { 1 };
        let turn = |number: usize, way: usize| WAYS[(number + number / 3 + way) % WAYS.len()];
        let each = self.places().into_iter().enumerate();
        each.flat_map(|(number, place)| (0..ways).map(move |way| (place.clone(), turn(number, way))))
            .collect()
    }

    /// One run with one crash.
    fn crash(self, sandbox: &Sandbox, place: &str, then: Then) {
        let context = format!("{self:?}: {place}, then {then:?}");
        let command = self.prepare(sandbox);
        let command: Vec<&str> = command.iter().map(String::as_str).collect();
        let before = sandbox.release();
        let back = self == Self::DeployThatGoesBack;
        sandbox.die_at(place);
        let run = sandbox.start(&command);
        let Then::Somebody(verb) = then else {
            let output = run.finish();
            assert!(sandbox.died(), "{context}: nobody came there: {output:#?}");
            assert_eq!(output.code, self.code(), "{context}: {output:#?}\n{}", sandbox.logs());
            assert!(!back || sandbox.release() == before, "{context}");
            return;
        };
        until_within(Duration::from_secs(20), "the crash or the end", || {
            sandbox.has_crashed_or_ended(&run).then_some(())
        });
        run.signal(Signal::KILL);
        let _killed = run.finish();
        assert!(sandbox.died(), "{context}: nobody came there");
        let output = sandbox.run(&[verb]);
        let said = || format!("{context}: {output:#?}\n{}", sandbox.logs());
        let now = sandbox.release();
        match verb {
            "deploy" => {
                assert_eq!(output.code, self.code(), "{}", said());
                assert!(back || self != Self::Deploy || now != before, "{}", said());
            }
            // A run that had not taken the lock when its asker went is dropped: there is nothing to claim.
            _ => assert!(matches!(output.code, 0..=3), "{}", said()),
        }
        assert!(!back || now == before, "{}", said());
    }
}

/// A crash at every place of such a run, under load where something is in force. Answers how many there were.
fn at_every_step(line: &Running, run: Run) -> usize {
    let cases = run.cases();
    let chunks = Mutex::new(cases.chunks(PER_SANDBOX));
    std::thread::scope(|scope| {
        for _ in 0..TOGETHER {
            scope.spawn(|| {
                loop {
                    let Some(chunk) = chunks.lock().unwrap().next() else { return };
                    crash_often(line, run, chunk);
                }
            });
        }
    });
    cases.len()
}

fn crash_often(line: &Running, run: Run, cases: &[(String, Then)]) {
    let sandbox = run.begin();
    let watch = line.watch_at_pace(&sandbox, Duration::from_millis(40));
    for (place, then) in cases {
        run.crash(&sandbox, place, *then);
        line.is_sound(&sandbox, &format!("{run:?}: {place}, then {then:?}"));
    }
    watch.end_without_loss();
    sandbox.down();
}

#[test]
fn the_host_side_dies_at_every_step_forward() {
    let line = line("the_host_side_dies_at_every_step_forward");
    let crashes = at_every_step(&line, Run::Deploy);
    line.held(&format!("{crashes} crashes, each place reached, 0 failed requests"));
}

#[test]
fn the_host_side_dies_at_every_step_back() {
    let line = line("the_host_side_dies_at_every_step_back");
    let crashes = at_every_step(&line, Run::DeployThatGoesBack);
    line.held(&format!("{crashes} crashes, each place reached, 0 failed requests"));
}

#[test]
fn the_host_side_dies_at_every_step_of_a_rollback() {
    let line = line("the_host_side_dies_at_every_step_of_a_rollback");
    let crashes = at_every_step(&line, Run::Rollback);
    line.held(&format!("{crashes} crashes, each place reached, 0 failed requests"));
}

#[test]
fn the_host_side_dies_at_every_step_of_a_restart_of_scaling_and_of_a_stop() {
    let line = line("the_host_side_dies_at_every_step_of_a_restart_of_scaling_and_of_a_stop");
    let crashes: usize =
        [Run::Restart, Run::Scale, Run::Stop].into_iter().map(|run| at_every_step(&line, run)).sum();
    line.held(&format!("{crashes} crashes, each place reached, 0 failed requests"));
}
