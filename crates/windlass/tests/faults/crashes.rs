//! The host side dies at every boundary of every step of every kind of run.
//!
//! Where the run goes on after each crash, one run has many of them. Each place is tried so twice, with the asker alive and
//! with the asker killed too. Where somebody changes its course after a crash, each place has a run of its own.

use std::sync::Mutex;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;
use windlass_testkit::sandbox::score::Running;
use windlass_testkit::sandbox::{CurrentWatch, Manifest, Sandbox, until};

use super::dying::is_too_late;
use super::first::{in_force, nothing_is_left};
use super::{WINDLASS, chance, exhaustive, line};

/// Who comes to a run that was interrupted by one crash.
const VERBS: [&str; 2] = ["abort", "deploy"];

/// So many crashes one run has at most: whoever asked for it gives up after 40.
const PER_RUN: usize = 30;

/// How many sandboxes there are side by side.
const TOGETHER: usize = 3;

/// A part of what is to be tried.
#[derive(Debug, Clone)]
enum Task {
    /// A crash at each of these places, in as few runs as come to all of them. The controller that asked for the run
    /// lives, and goes on by itself; or it was killed too, and somebody resumes.
    Each { places: Vec<String>, resumed: bool },
    /// One crash, for the asker too; then somebody runs this verb.
    One { place: String, verb: &'static str },
}

/// A kind of run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Run {
    Deploy,
    /// One of a release that fails its smoke test: the places are those of the way back.
    DeployThatGoesBack,
    /// One into nothing.
    FirstDeploy,
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
            Self::FirstDeploy => Manifest { replicas: 1, worker: None, ..all },
            // What going back means for a migration is tested elsewhere.
            Self::Rollback | Self::Restart | Self::Scale => Manifest { migrate: None, worker: None, ..all },
            Self::Stop => Manifest { migrate: None, scheduler: None, ..all },
        }
    }

    /// The application as it is before the first run.
    fn begin(self) -> Sandbox {
        let sandbox = Sandbox::with(WINDLASS, &self.manifest());
        if self != Self::FirstDeploy {
            sandbox.succeed(&["deploy"]);
        }
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
            Self::FirstDeploy => {
                sandbox.change();
                if sandbox.environment().exists() {
                    sandbox.succeed(&["down", "--delete-data", "--yes"]);
                    sandbox.until_nothing_runs();
                }
            }
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

    /// All that is to be tried.
    fn tasks(self) -> Vec<Task> {
        let places = self.places();
        let chunks = [false, true].into_iter().flat_map(|resumed| {
            places.chunks(PER_RUN).map(move |chunk| Task::Each { places: chunk.to_vec(), resumed })
        });
        // Each place in both ways, or every second one in one of them: of each step at least one.
        let first = if exhaustive() { 0 } else { chance(2) };
        let (every, ways) = if exhaustive() { (1, VERBS.len()) } else { (2, 1) };
        let turn = |number: usize, way: usize| VERBS[(number / every + number / 3 + way) % VERBS.len()];
        let alone = places.iter().enumerate().skip(first).step_by(every).flat_map(|(number, place)| {
            (0..ways).map(move |way| Task::One { place: place.clone(), verb: turn(number, way) })
        });
        chunks.chain(alone).collect()
    }

    /// One run with a crash at each of these places that it comes to. Answers the others: where one of several steps that
    /// are done at the same time dies, another may be done by then, and the run does not come to it again.
    fn crash_at_each(
        self,
        sandbox: &Sandbox,
        command: &[&str],
        places: &[String],
        resumed: bool,
    ) -> Vec<String> {
        sandbox.die_at(&places.join("\n"));
        let mut run = sandbox.start(command);
        let mut left = places.len();
        if resumed {
            loop {
                until("the next crash or the end", || {
                    (sandbox.places_left().len() < left || !run.runs()).then_some(())
                });
                let now = sandbox.places_left().len();
                if now == left {
                    break;
                }
                left = now;
                run.signal(Signal::KILL);
                let _killed = run.finish();
                run = sandbox.start(&["resume"]);
            }
        }
        let output = run.finish();
        let not_reached = sandbox.places_left();
        let _none = sandbox.died();
        let context =
            || format!("{self:?}, resumed: {resumed}, {not_reached:?}: {output:#?}\n{}", sandbox.logs());
        assert_eq!(output.code, self.code(), "{}", context());
        assert!(not_reached.len() < places.len(), "nobody came to any of them: {}", context());
        not_reached
    }

    /// One run with one crash.
    fn crash(self, sandbox: &Sandbox, command: &[&str], place: &str, verb: &str) {
        let context = format!("{self:?}: {place}, then {verb}");
        let before = in_force(sandbox);
        sandbox.die_at(place);
        let run = sandbox.start(command);
        until("the crash or the end", || sandbox.has_crashed_or_ended(&run).then_some(()));
        run.signal(Signal::KILL);
        let _killed = run.finish();
        assert!(sandbox.died(), "{context}: nobody came there");
        let output = sandbox.run(&[verb]);
        let said = || format!("{context}: {output:#?}\n{}", sandbox.logs());
        if verb == "deploy" {
            assert_eq!(output.code, self.code(), "{}", said());
            assert!(self != Self::Deploy || in_force(sandbox) != before, "{}", said());
        } else {
            // A run that had not taken the lock when its asker went is dropped: there is nothing to claim.
            assert!(matches!(output.code, 0..=3) || is_too_late(sandbox, verb, &output), "{}", said());
        }
    }

    /// Does what was prepared, and looks at how it ended.
    fn act(self, line: &Running, sandbox: &Sandbox, context: &str, act: impl FnOnce(&[&str])) {
        let command = self.prepare(sandbox);
        let before = in_force(sandbox);
        let current = (self == Self::FirstDeploy).then(|| CurrentWatch::begin(sandbox));
        act(&command.iter().map(String::as_str).collect::<Vec<_>>());
        let now = in_force(sandbox);
        assert!(self != Self::DeployThatGoesBack || now == before, "{context}: {before} became {now}");
        if self == Self::FirstDeploy && now.is_empty() {
            return nothing_is_left(line, sandbox, context);
        }
        line.is_sound(sandbox, context);
        current.into_iter().for_each(|current| line.was_finished(current));
    }

    fn carry_out(self, line: &Running, sandbox: &Sandbox, task: Task) {
        let context = format!("{self:?}: {task:?}");
        match task {
            Task::One { place, verb } => {
                self.act(line, sandbox, &context, |command| self.crash(sandbox, command, &place, verb));
            }
            Task::Each { places, resumed } => {
                let mut left = places;
                while !left.is_empty() {
                    self.act(line, sandbox, &context, |command| {
                        left = self.crash_at_each(sandbox, command, &left, resumed);
                    });
                }
            }
        }
    }
}

/// Crashes at every place of such a run, under load where something is in force. Answers how many there were.
fn at_every_step(line: &Running, run: Run) -> usize {
    let tasks = run.tasks();
    let crashes = tasks.iter().map(|task| match task {
        Task::Each { places, .. } => places.len(),
        Task::One { .. } => 1,
    });
    let crashes = crashes.sum();
    let next = Mutex::new(tasks.into_iter());
    std::thread::scope(|scope| {
        for _ in 0..TOGETHER {
            scope.spawn(|| {
                let sandbox = run.begin();
                let watch = (run != Run::FirstDeploy)
                    .then(|| line.watch_at_pace(&sandbox, Duration::from_millis(40)));
                loop {
                    let Some(task) = next.lock().unwrap().next() else { break };
                    run.carry_out(line, &sandbox, task);
                }
                if let Some(watch) = watch {
                    watch.end_without_loss();
                }
                sandbox.down();
            });
        }
    });
    crashes
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
fn the_host_side_dies_at_every_step_of_a_first_deploy() {
    let line = line("the_host_side_dies_at_every_step_of_a_first_deploy");
    let crashes = at_every_step(&line, Run::FirstDeploy);
    line.held(&format!("{crashes} crashes, each place reached: it is whole in the end, or nothing is"));
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
