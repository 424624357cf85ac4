//! Who takes part in a deploy dies at every kind of step there is, in plans of several shapes.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;
use windlass_testkit::sandbox::score::Running;
use windlass_testkit::sandbox::{Manifest, Sandbox, kill, until};

use super::{WINDLASS, act_when, exhaustive, line};

/// Who dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Who {
    CommandLine,
    HostSide,
    Proxy,
}

const ALL: [Who; 3] = [Who::CommandLine, Who::HostSide, Who::Proxy];

/// A step of a plan: on the way back it is what undoes it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Kind {
    action: String,
    back: bool,
}

/// At the nth step of this kind.
#[derive(Debug)]
struct Case {
    who: Who,
    kind: Kind,
    nth: usize,
    /// Where in the step: its beginning, its middle, its end.
    place: usize,
}

/// An application, each deploy of which has a plan of this shape.
struct Shape {
    name: &'static str,
    sandbox: Sandbox,
    manifest: fn(u32) -> Manifest,
    deploys: u32,
}

/// What all have in common: a release that fails is found out by a question that clients do not ask, and a tree goes
/// with each deploy.
fn common() -> Manifest {
    Manifest {
        worker: None,
        scheduler: None,
        migrate: None,
        deploy: "bake = \"50ms\"\nkeep = 2\nsmoke = [{ service = \"web\", path = \"/alive\" }]".into(),
        ..Manifest::default()
    }
}

/// A private server that is started anew, a migration that can be undone, a build, a job after the switch.
fn with_a_resource(deploys: u32) -> Manifest {
    let migrate = "undo = { command = [\"touch\", \"{shared}/undone\"] }";
    let more = format!(
        "[resources.cache]\nengine = \"redis\"\nmemory = \"{}MiB\"\n[build]\nsteps = [[\"true\"]]\n\
         [jobs.after]\ncommand = [\"true\"]\nwhen = \"after-switch\"\n",
        64 + deploys
    );
    Manifest {
        web: "env = { CACHE = \"{resources.cache.port}\" }".into(),
        replicas: 1,
        migrate: Some(migrate.into()),
        more,
        ..common()
    }
}

fn rolling(_: u32) -> Manifest {
    Manifest { web: "strategy = { rolling = { max_surge = 1 } }".into(), replicas: 3, ..common() }
}

/// One that must not run twice, and one that is told to take no more work.
fn singleton_and_worker(_: u32) -> Manifest {
    let quiet = "stop = { quiet = { signal = \"WINCH\", wait = \"50ms\" } }\nsettle = \"50ms\"";
    Manifest {
        replicas: 1,
        worker: Some(quiet.into()),
        scheduler: Some("settle = \"50ms\"".into()),
        ..common()
    }
}

impl Shape {
    /// The application, deployed so often that each further deploy has the same steps.
    fn deployed(name: &'static str, manifest: fn(u32) -> Manifest) -> Self {
        let sandbox = Sandbox::with(WINDLASS, &manifest(0));
        // Servers that run as accounts of their own have to pass it.
        std::fs::set_permissions(sandbox.root(), std::fs::Permissions::from_mode(0o711)).unwrap();
        let mut shape = Self { name, sandbox, manifest, deploys: 0 };
        for _ in 0..2 {
            shape.sandbox.succeed(&["deploy"]);
            shape.change(false);
        }
        shape
    }

    /// Has the next deploy be another release; `back`: one that fails.
    fn change(&mut self, back: bool) {
        self.deploys += 1;
        self.sandbox.manifest(&(self.manifest)(self.deploys));
        self.sandbox.behave(if back { "web.dead-after:0" } else { "" });
    }

    /// The kinds of the next deploy's steps, in their order; `back`: of those that undo what was done before the
    /// release is asked.
    fn steps(&self, back: bool) -> Vec<(usize, Kind)> {
        let plan = self.sandbox.succeed(&["plan", "--json"]).json();
        let action = |of: &Value| {
            let named = of.as_object().and_then(|object| object.keys().next().cloned());
            named.unwrap_or_else(|| of.as_str().unwrap().to_owned())
        };
        let mut steps = Vec::new();
        for (number, step) in plan["steps"].as_array().unwrap().iter().enumerate() {
            let doing = action(&step["action"]);
            if !back {
                steps.push((number, Kind { action: doing, back }));
            } else if doing == "smoke_test" {
                break;
            } else if let Some(how) =
                ["always", "when_done"].iter().find_map(|how| step["compensation"].get(how))
            {
                steps.push((number, Kind { action: action(how), back }));
            }
        }
        steps
    }

    /// One deploy in which somebody dies. Answers whether somebody did.
    fn crash(&mut self, line: &Running, case: &Case) -> bool {
        let Case { who, kind, nth, place } = case;
        let back = kind.back;
        self.change(back);
        let of_kind: Vec<usize> = self
            .steps(back)
            .into_iter()
            .filter(|(_, other)| other == kind)
            .map(|(number, _)| number)
            .collect();
        let step = of_kind[nth % of_kind.len()];
        let context = format!("{}: {who:?} dies at {kind:?}, step {step}, {place}", self.name);
        let sandbox = &self.sandbox;
        let before = sandbox.release();
        let (code, died) = match who {
            Who::HostSide => {
                let place = ["after-intent", "after-act", "after-result"][place % 3];
                sandbox.die_at(&format!("{place}:{}{step}", if back { "!" } else { "" }));
                let code = sandbox.run(&["deploy"]).code;
                (Some(code), sandbox.died())
            }
            Who::CommandLine => {
                let (_killed, died) = act_when(sandbox, &["deploy"], is_told(step, back, *place), |deploy| {
                    kill(i32::try_from(deploy.id()).unwrap(), Signal::KILL);
                });
                until("the run to be over", || sandbox.status()["run"].is_null().then_some(()));
                (None, died)
            }
            Who::Proxy => act_when(sandbox, &["deploy"], is_told(step, back, *place), |_| {
                let before = sandbox.proxy().unwrap();
                kill(before, Signal::KILL);
                until("another proxy", || sandbox.proxy().filter(|pid| *pid != before));
            }),
        };
        let is_well = match who {
            Who::CommandLine => true,
            Who::HostSide => code == Some(if back { 3 } else { 0 }),
            // What a killed proxy had in flight can be what its release is judged by.
            Who::Proxy => matches!(code, Some(0 | 3)),
        };
        assert!(is_well, "{context}: {code:?}\n{}", sandbox.logs());
        assert!(!back || sandbox.release() == before, "{context}: a release that fails is in force");
        line.is_sound(sandbox, &context);
        died
    }
}

/// Whether an event says that this step has begun, or is done.
fn is_told(step: usize, back: bool, place: usize) -> impl FnMut(&Value) -> bool {
    let what = ["step_began", "step_done"][place % 2];
    let direction = if back { "back" } else { "forward" };
    move |event| {
        let told = &event["event"][what];
        told["step"].as_u64() == u64::try_from(step).ok() && told["direction"] == direction
    }
}

/// The cases of each shape: all there are, or so many that each of `ALL` dies at each kind of step in one of them.
fn cases(kinds: &[Vec<Kind>]) -> Vec<Vec<Case>> {
    let mut cases: Vec<Vec<Case>> = kinds.iter().map(|_| Vec::new()).collect();
    let everywhere: BTreeSet<&Kind> = kinds.iter().flatten().collect();
    for kind in everywhere {
        for (turn, who) in ALL.into_iter().enumerate() {
            let count = |shape: usize| kinds[shape].iter().filter(|other| *other == kind).count();
            let having = || (0..kinds.len()).filter(|shape| count(*shape) > 0);
            if exhaustive() {
                for shape in having() {
                    let all = (0..count(shape)).flat_map(|nth| (0..3).map(move |place| (nth, place)));
                    cases[shape].extend(all.map(|(nth, place)| Case { who, kind: kind.clone(), nth, place }));
                }
            } else if let Some(shape) = having().min_by_key(|shape| cases[*shape].len()) {
                let nth = cases[shape].len() + turn;
                cases[shape].push(Case { who, kind: kind.clone(), nth, place: nth });
            }
        }
    }
    cases
}

/// How many crashes one load sees.
const PER_LOAD: usize = 8;

/// Answers the cases in which somebody died.
fn crash_often(line: &Running, mut shape: Shape, cases: &[Case]) -> Vec<(Who, Kind)> {
    let mut hit = Vec::new();
    // Those of the proxy apart: what was in flight in one that is killed is lost.
    let (of_proxy, others): (Vec<&Case>, Vec<&Case>) = cases.iter().partition(|case| case.who == Who::Proxy);
    for some in others.chunks(PER_LOAD).chain(of_proxy.chunks(PER_LOAD)) {
        let watch = line.watch_at_pace(&shape.sandbox, Duration::from_millis(40));
        // Copies that take over one by one answer before the smoke test, which is of all of them.
        let watch = if shape.name == "rolling" { watch.with_a_gate_of_its_own() } else { watch };
        for case in some {
            if shape.crash(line, case) {
                hit.push((case.who, case.kind.clone()));
            }
        }
        if some[0].who == Who::Proxy {
            let seen = watch.end();
            assert!(seen.failed().len() <= 3 * some.len(), "{}: {:#?}", shape.name, seen.failed());
        } else {
            watch.end_without_loss();
        }
    }
    shape.sandbox.down();
    hit
}

#[test]
fn each_who_takes_part_is_killed_at_each_kind_of_step() {
    let line = line("each_who_takes_part_is_killed_at_each_kind_of_step");
    let shapes = [
        ("a private server and a migration", with_a_resource as fn(u32) -> Manifest),
        ("rolling", rolling),
        ("a singleton and a worker", singleton_and_worker),
    ];
    let shapes = std::thread::scope(|scope| {
        let all = shapes.map(|(name, manifest)| scope.spawn(move || Shape::deployed(name, manifest)));
        all.map(|shape| shape.join().unwrap())
    });
    let kinds = shapes.each_ref().map(|shape| {
        let all = [false, true].into_iter().flat_map(|back| shape.steps(back));
        all.map(|(_, kind)| kind).collect::<Vec<_>>()
    });
    let cases = cases(&kinds);
    let hit = std::thread::scope(|scope| {
        let all: Vec<_> = shapes
            .into_iter()
            .zip(&cases)
            .map(|(shape, cases)| {
                let line = &line;
                scope.spawn(move || crash_often(line, shape, cases))
            })
            .collect();
        all.into_iter().flat_map(|hit| hit.join().unwrap()).collect::<Vec<_>>()
    });
    let everywhere: BTreeSet<Kind> = kinds.into_iter().flatten().collect();
    let was_hit: BTreeSet<(Who, Kind)> = hit.iter().cloned().collect();
    let wanted = everywhere.iter().flat_map(|kind| ALL.map(|who| (who, kind.clone())));
    let missed: Vec<_> = wanted.filter(|one| !was_hit.contains(one)).collect();
    assert!(missed.is_empty(), "nobody died there: {missed:#?}");
    line.held(&format!(
        "3 shapes, {} kinds of step forward and back, each hit by each of the 3: {} crashes, no request failed but \
         those in flight in a killed proxy",
        everywhere.len(),
        hit.len()
    ));
}
