//! The power goes: what was not synced is gone, and so is every process.

use std::sync::Mutex;

use rustix::process::Signal;
use windlass_testkit::sandbox::score::Running;
use windlass_testkit::sandbox::{Manifest, Sandbox, get, kill, until};

use super::mount::Mount;
use super::{WINDLASS, exhaustive, line};

/// What the person types who comes in the morning.
const MORNINGS: [&str; 3] = ["resume", "deploy", "abort"];

/// So many environments lose their power side by side.
const TOGETHER: usize = 3;

fn manifest() -> Manifest {
    Manifest {
        worker: Some("settle = \"30ms\"".into()),
        scheduler: Some("settle = \"30ms\"".into()),
        deploy: "bake = \"50ms\"\nsmoke = [{ service = \"web\", path = \"/version\" }]".into(),
        ..Manifest::default()
    }
}

/// An environment on a disk that can lose its power.
struct Machine {
    sandbox: Sandbox,
    mount: Mount,
}

impl Machine {
    fn new() -> Result<Self, String> {
        let mount = Mount::ext4(96)?;
        let sandbox = Sandbox::below(WINDLASS, mount.path(), &manifest());
        sandbox.succeed(&["deploy"]);
        Ok(Self { sandbox, mount })
    }

    /// Deploys a release that is good, or, with `back`, one that fails its smoke test.
    fn prepare(&self, back: bool) {
        self.sandbox.behave(if back { "web.wrong" } else { "" });
    }

    /// How many places there are beside the durable writes of a deploy.
    fn places(&self, back: bool) -> u64 {
        self.prepare(back);
        let code = if back { 3 } else { 0 };
        self.sandbox.writes_of(|| drop(self.sandbox.fail(&["deploy"], code)))
    }

    /// Takes the power away, as it goes: nothing more is written, and nothing more is done.
    fn go_dark(&self) {
        self.mount.cut_power();
        until("silence", || {
            let mut all = self.sandbox.processes();
            all.sort_by_key(|process| !process.is("windlass", "keeper"));
            all.iter().for_each(|process| kill(process.pid, Signal::KILL));
            all.is_empty().then_some(())
        });
        self.mount.power_on();
        let _was = self.sandbox.died();
    }

    /// One deploy with one cut. Answers whether the place was reached.
    fn cut_at(&self, line: &Running, place: &str, back: bool, morning: &str) -> bool {
        let sandbox = &self.sandbox;
        let context = format!("the power went at {place}{}, then {morning}", if back { " back" } else { "" });
        let before = sandbox.release();
        self.prepare(back);
        self.mount.settle();
        sandbox.die_at(place);
        let deploy = sandbox.start(&["deploy"]);
        until("the crash or the end", || sandbox.has_crashed_or_ended(&deploy).then_some(()));
        let reached = deploy.runs();
        self.go_dark();
        drop(deploy);
        line.current_is_finished(sandbox, &context);
        let output = sandbox.run(&[morning]);
        let context = format!("{context}: {output:#?}\n{}", sandbox.logs());
        // 6: nothing was done yet, and with the services still away the plan's world has changed.
        assert!(matches!(output.code, 0..=3 | 6), "{context}");
        self.awaken(&context);
        let after = sandbox.release();
        let number = |release: &str| release[1..].parse::<u64>().unwrap();
        assert!(number(&after) >= number(&before), "{before} became {after}: {context}");
        if back {
            assert_eq!(after, before, "{context}");
        } else if morning == "deploy" && output.code == 0 {
            assert_ne!(after, before, "{context}");
        }
        line.is_sound(sandbox, &context);
        reached
    }

    /// Waits until everything serves again.
    fn awaken(&self, context: &str) {
        until(&format!("an answer after {context}"), || {
            let reply = get(self.sandbox.port, "/version").ok()?;
            (reply.status == 200).then_some(())
        });
        until(&format!("all services after {context}"), || {
            let running = |kind| self.sandbox.running(kind).len();
            (running("web") == 2 && running("scheduler") == 1 && running("worker") == 1).then_some(())
        });
    }
}

#[test]
fn the_power_goes() {
    let line = line("the_power_goes");
    let machine = match Machine::new() {
        Ok(machine) => machine,
        Err(why) => return line.skipped(&why),
    };
    let mut cases = Vec::new();
    let mut all = 0;
    // In the sample the strides have no common factor with the places of a write or with the mornings.
    for (back, stride) in [(false, 11), (true, 17)] {
        let places = machine.places(back);
        assert!(places > 50, "only {places} places");
        all += places;
        let stride = if exhaustive() { 1 } else { stride };
        cases.extend((1..=places).step_by(stride).map(|place| (format!("write:{place}"), back)));
    }
    let cut = cases.len();
    let next = Mutex::new(cases.into_iter().enumerate());
    let reached = Mutex::new(0);
    let first = Mutex::new(Some(machine));
    std::thread::scope(|scope| {
        for _ in 0..TOGETHER {
            scope.spawn(|| {
                let machine = first.lock().unwrap().take();
                let machine = machine.unwrap_or_else(|| Machine::new().unwrap());
                loop {
                    let Some((number, (place, back))) = next.lock().unwrap().next() else { break };
                    let morning = MORNINGS[number % MORNINGS.len()];
                    *reached.lock().unwrap() += usize::from(machine.cut_at(&line, &place, back, morning));
                }
                machine.sandbox.down();
            });
        }
    });
    let reached = reached.into_inner().unwrap();
    assert!(reached * 10 >= cut * 8, "only {reached} of {cut} places were reached");
    let how =
        if exhaustive() { "every place".to_owned() } else { format!("a spread of {cut} of the places") };
    line.held(&format!(
        "{how} beside {} durable writes of a deploy and of its way back: each ended in the old or the new \
         release",
        all / 2
    ));
}

#[test]
fn the_power_goes_while_a_migration_runs() {
    let line = line("the_power_goes_while_a_migration_runs");
    let machine = match Machine::new() {
        Ok(machine) => machine,
        Err(why) => return line.skipped(&why),
    };
    let sandbox = &machine.sandbox;
    for morning in ["resume", "abort", "deploy"] {
        let before = sandbox.release();
        let lines = sandbox.shared("migrate").lines().count();
        sandbox.behave("migrate.slow:3000");
        machine.mount.settle();
        let deploy = sandbox.start(&["deploy"]);
        until("the migration to begin", || (sandbox.shared("migrate").lines().count() > lines).then_some(()));
        machine.go_dark();
        drop(deploy);
        line.current_is_finished(sandbox, morning);
        sandbox.behave("");
        let output = sandbox.run(&[morning]);
        let context = format!("{morning}: {output:#?}\n{}", sandbox.logs());
        assert!(matches!(output.code, 0 | 3), "{context}");
        machine.awaken(&context);
        assert_eq!(sandbox.release() == before, morning == "abort", "{context}");
        line.is_sound(sandbox, &context);
    }
    machine.sandbox.down();
    line.held("3 cuts: a migration without an outcome was not taken for one that was done");
}
