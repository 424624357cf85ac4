//! The power goes: what was not synced is gone, and so is every process.
//!
//! A run is stopped before and after each of its durable writes, whoever makes it, and the disk is copied there. What has
//! not reached it by then stands in memory only; so a copy is what a machine finds that lost its power in that moment.
//! One run has them all. Then each is put in, and somebody comes in the morning.

use std::path::PathBuf;

use rustix::process::Signal;
use tempfile::TempDir;
use windlass_testkit::sandbox::score::Running;
use windlass_testkit::sandbox::{Manifest, Sandbox, Started, get, is_stopped, kill, lives, until};

use super::first::{in_force, nothing_is_left};
use super::mount::Mount;
use super::{WINDLASS, chance, exhaustive, line};

/// What the person types who comes in the morning.
const MORNINGS: [&str; 3] = ["resume", "deploy", "abort"];

/// Of the writes that are not the journal's a sample has one in so many.
const ONE_IN: usize = 6;

/// Which run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// A deploy into nothing.
    First,
    /// One of another release, with a job whose outcome is kept.
    Forward,
    /// One that fails its smoke test.
    Back,
}

/// The least with all that is written: a job, files that releases share. An exhaustive run has all kinds of services.
fn manifest() -> Manifest {
    let least = Manifest {
        migrate: Some(String::new()),
        deploy: "bake = \"0s\"\nsmoke = [{ service = \"web\", path = \"/version\" }]".into(),
        more: "[build]\nshared = [\"media\"]\n".into(),
        ..Manifest::small()
    };
    match exhaustive() {
        true => Manifest {
            replicas: 2,
            worker: Some("settle = \"30ms\"".into()),
            scheduler: Some("settle = \"30ms\"".into()),
            ..least
        },
        false => least,
    }
}

/// An environment on a disk that can lose its power.
struct Machine {
    // It goes before what it lies on.
    sandbox: Sandbox,
    manifest: Manifest,
    mount: Mount,
}

/// What the disk held in one moment of a run.
struct Cut {
    /// Before or after which of its durable writes: the first of them.
    place: usize,
    /// Whether one of them is the journal's.
    is_journals: bool,
    disk: PathBuf,
}

impl Machine {
    /// Where nothing was deployed yet.
    fn empty() -> Result<Self, String> {
        let (mount, manifest) = (Mount::ext4(48)?, manifest());
        Ok(Self { sandbox: Sandbox::below(WINDLASS, mount.path(), &manifest), manifest, mount })
    }

    fn new() -> Result<Self, String> {
        let machine = Self::empty()?;
        machine.sandbox.succeed(&["deploy"]);
        Ok(machine)
    }

    /// The moments of a run in which the disk is another than in the moment before.
    fn record(&self, way: Way, copies: &TempDir) -> Vec<Cut> {
        self.sandbox.behave(if way == Way::Back { "web.wrong" } else { "" });
        self.mount.settle();
        self.sandbox.die_at("stop write:each");
        let run = self.sandbox.start(&["deploy"]);
        let (mut cuts, mut before, mut passed): (Vec<Cut>, _, _) = (Vec::new(), Vec::new(), 0);
        while self.comes_to_a_write(&run, passed) {
            let all_stopped = self.stand_still();
            let (now, all) = (self.mount.content(), self.sandbox.passed());
            let is_journals = all[passed..].contains(&b'j');
            match cuts.last_mut().filter(|_| now == before) {
                Some(last) => last.is_journals |= is_journals,
                None => {
                    let cut = Cut {
                        place: all.len(),
                        is_journals,
                        disk: copies.path().join(all.len().to_string()),
                    };
                    self.mount.copy(&cut.disk);
                    cuts.push(cut);
                }
            }
            (before, passed) = (now, all.len());
            all_stopped.into_iter().for_each(|pid| kill(pid, Signal::CONT));
        }
        let output = run.finish();
        let code = if way == Way::Back { 3 } else { 0 };
        assert_eq!(output.code, code, "{way:?}: {output:#?}\n{}", self.sandbox.logs());
        cuts
    }

    /// Waits until somebody has stopped beside a durable write; not so when the run is over.
    fn comes_to_a_write(&self, run: &Started, passed: usize) -> bool {
        let mut looks = 0;
        until("a durable write or the end", || {
            looks += 1;
            // To look for processes takes long; who has stopped has noted it before, but for who was stopped meanwhile.
            let runs = run.runs();
            let may_be = !runs || self.sandbox.passed().len() > passed || looks % 20 == 0;
            let is_there = may_be && self.sandbox.processes().iter().any(|process| is_stopped(process.pid));
            (is_there || !runs).then_some(is_there)
        })
    }

    /// Stops everybody, so that nothing is written any more. Answers who that is.
    fn stand_still(&self) -> Vec<i32> {
        let mut stopped = Vec::new();
        loop {
            let all: Vec<i32> = self.sandbox.processes().iter().map(|process| process.pid).collect();
            if all.iter().all(|pid| stopped.contains(pid)) {
                return stopped;
            }
            all.iter().for_each(|pid| kill(*pid, Signal::STOP));
            until("all to stand still", || {
                all.iter().all(|pid| is_stopped(*pid) || !lives(*pid)).then_some(())
            });
            stopped = all;
        }
    }

    /// Kills everybody.
    fn go_dark(&self) {
        until("silence", || {
            let mut all = self.sandbox.processes();
            all.sort_by_key(|process| !process.is("windlass", "keeper"));
            all.iter().for_each(|process| kill(process.pid, Signal::KILL));
            all.is_empty().then_some(())
        });
    }

    /// The power went in that moment; then somebody comes.
    fn wake(&self, line: &Running, way: Way, cut: &Cut, before: &str, morning: &str) {
        let sandbox = &self.sandbox;
        self.go_dark();
        self.mount.put_in(&cut.disk);
        let _was = sandbox.died();
        let context = format!("{way:?}: the power went at place {}, then {morning}", cut.place);
        if way != Way::First || sandbox.environment().join("current").is_symlink() {
            line.current_is_finished(sandbox, &context);
        }
        let output = sandbox.run(&[morning]);
        let context = format!("{context}: {output:#?}\n{}", sandbox.logs());
        // 6: nothing was done yet, and with the services still away the plan's world has changed.
        assert!(matches!(output.code, 0..=3 | 6), "{context}");
        if way == Way::First && in_force(sandbox).is_empty() {
            assert!(morning != "deploy", "{context}");
            nothing_is_left(line, sandbox, &context);
            sandbox.succeed(&["deploy"]);
        }
        self.awaken(&context);
        let after = sandbox.release();
        let number = |release: &str| release[1..].parse::<u64>().unwrap();
        match way {
            Way::First => {}
            Way::Forward => {
                assert!(number(&after) >= number(before), "{before} became {after}: {context}");
                assert!(morning != "deploy" || output.code != 0 || after != before, "{context}");
            }
            Way::Back => assert_eq!(after, before, "{context}"),
        }
        line.is_sound(sandbox, &context);
    }

    /// Waits until everything serves again.
    fn awaken(&self, context: &str) {
        until(&format!("an answer after {context}"), || {
            let reply = get(self.sandbox.port, "/version").ok()?;
            (reply.status == 200).then_some(())
        });
        until(&format!("all services after {context}"), || {
            let runs = |kind, copies: usize| self.sandbox.running(kind).len() == copies;
            let all = runs("web", self.manifest.replicas as usize)
                && runs("scheduler", usize::from(self.manifest.scheduler.is_some()))
                && runs("worker", usize::from(self.manifest.worker.is_some()));
            all.then_some(())
        });
    }
}

/// What there was of a run's moments.
#[derive(Debug, Clone, Copy, Default)]
struct Cuts {
    /// How many were tried that are not the journal's.
    others: usize,
    /// How many of them there were.
    all_others: usize,
}

/// The power goes in each moment of a run in which a write of the journal changed the disk, and in a sample of the
/// others.
fn each_moment(line: &Running, way: Way) -> Result<Cuts, String> {
    let machine = if way == Way::First { Machine::empty()? } else { Machine::new()? };
    let before = if way == Way::First { String::new() } else { machine.sandbox.release() };
    let copies = tempfile::Builder::new().prefix("wlm-").tempdir().unwrap();
    let (journals, others): (Vec<Cut>, Vec<Cut>) =
        machine.record(way, &copies).into_iter().partition(|cut| cut.is_journals);
    assert!(journals.len() > 15, "{way:?}: only {} moments of the journal", journals.len());
    let (all_others, first) = (others.len(), chance(ONE_IN));
    let is_chosen = |number: usize| exhaustive() || number % ONE_IN == first;
    let others = others.into_iter().enumerate().filter(|(number, _)| is_chosen(*number));
    let (of_journal, mut cuts) = (journals.len(), journals);
    cuts.extend(others.map(|(_, cut)| cut));
    for (number, cut) in cuts.iter().enumerate() {
        machine.wake(line, way, cut, &before, MORNINGS[number % MORNINGS.len()]);
    }
    machine.sandbox.down();
    Ok(Cuts { others: cuts.len() - of_journal, all_others })
}

#[test]
fn the_power_goes() {
    let line = line("the_power_goes");
    let tried: Result<Vec<Cuts>, String> = std::thread::scope(|scope| {
        let line = &line;
        let ways =
            [Way::First, Way::Forward, Way::Back].map(|way| scope.spawn(move || each_moment(line, way)));
        ways.into_iter().map(|way| way.join().unwrap()).collect()
    });
    let tried = match tried {
        Ok(tried) => tried,
        Err(why) => return line.skipped(&why),
    };
    for cuts in &tried {
        assert!(!exhaustive() || cuts.others == cuts.all_others, "{cuts:?}");
        assert!(cuts.others > 0, "{cuts:?}");
    }
    let others = if exhaustive() { "each other one" } else { "a sample of the others, another each time" };
    line.held(&format!(
        "at each durable write of the journal, and {others}: each ended in the old or the new release, or after a first \
         deploy in nothing"
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
        machine.mount.cut_power();
        machine.go_dark();
        machine.mount.power_on();
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
