//! `kill -9` at every call that puts something on the disk, of whoever takes part.
//!
//! A profile of a run lists the calls: what, on which file, and the how many-th of its task on that file. Then each is met
//! by its file, so that nothing depends on the order in which tasks come to theirs. A run that does not come to one has
//! not made it, as its own log shows: the file, or so many writes of it, are not part of every run.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use rustix::process::Signal;
use windlass_testkit::sandbox::score::Running;
use windlass_testkit::sandbox::{Manifest, Output, Sandbox, until_within};

use super::first::{in_force, nothing_is_left};
use super::strace::{Log, Strace, traced};
use super::{WINDLASS, chance, deployed, exhaustive, line};

/// The calls.
const DURABLE: &str = "fsync,fdatasync,syncfs,rename,renameat,renameat2";

/// So many runs one sandbox sees.
const PER_SANDBOX: usize = 8;

/// So many sandboxes there are side by side.
const TOGETHER: usize = 3;

/// So many calls a sample has, of each run and of whoever makes them.
const SAMPLE: usize = 2;

/// So many more are drawn where nobody made one of these again.
const MORE: usize = 8;

/// Which runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Way {
    /// A deploy into nothing.
    First,
    /// A deploy of another release.
    Forward,
    /// One that is not alive after the switch, and goes back.
    Back,
}

/// Who makes a call, with all that is started by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Who {
    /// In a first deploy with all that there is, which it starts.
    CommandLine,
    /// With the keepers of what a run starts.
    Host,
    Proxy,
}

/// Of whom there are calls to be met.
const ALL: [(Way, Who); 5] = [
    (Way::First, Who::CommandLine),
    (Way::Forward, Who::Host),
    (Way::Forward, Who::Proxy),
    (Way::Back, Who::Host),
    (Way::Back, Who::Proxy),
];

/// One call: who, what, on which file, and the how many-th of its task.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Call {
    way: Way,
    who: Who,
    name: String,
    file: String,
    when: usize,
}

/// The least with everything that is put on the disk: a copy, a job whose outcome counts, files that releases share.
fn manifest(way: Way) -> Manifest {
    let web = "liveness = { http = \"/alive\", interval = \"50ms\", timeout = \"10s\", start_period = \"0s\", \
               unhealthy_after = 1 }";
    // Whoever goes back does so in the bake, long before its end.
    let bake = if way == Way::Back { "20s" } else { "0s" };
    Manifest {
        web: web.into(),
        migrate: Some(String::new()),
        deploy: format!("bake = \"{bake}\""),
        more: "[build]\nshared = [\"media\"]\n".into(),
        ..Manifest::small()
    }
}

/// What is another in the paths of each run: the place, the release that it makes, and the process that is watched.
struct Names {
    root: String,
    new: String,
    pid: String,
}

impl Names {
    fn of_next(sandbox: &Sandbox, pid: i32) -> Self {
        let plan = sandbox.succeed(&["plan", "--json"]).json();
        let new = plan["release"].as_str().unwrap().to_owned();
        Self { root: sandbox.root().to_str().unwrap().to_owned(), new, pid: pid.to_string() }
    }

    /// What a path is called whatever these are; `None` for one that has a name of chance, or lies elsewhere.
    fn general(&self, path: &str) -> Option<String> {
        let words = path.strip_prefix(&self.root)?.split_inclusive(['/', '.']).map(|word| {
            let text = word.trim_end_matches(['/', '.']);
            let end = &word[text.len()..];
            let of_chance =
                text.len() > 2 && text.bytes().all(|byte| byte.is_ascii_digit()) || text.len() >= 32;
            match text {
                _ if text == self.new => Some(format!("@NEW{end}")),
                _ if text == self.pid => Some(format!("@PID{end}")),
                _ => (!of_chance).then(|| word.to_owned()),
            }
        });
        words.collect()
    }

    /// What it is called in this run.
    fn special(&self, file: &str) -> String {
        format!("{}{}", self.root, file.replace("@NEW", &self.new).replace("@PID", &self.pid))
    }
}

/// The file that is synced, or that gets another name: strace knows a call of `rename` by the name that it had.
fn file<'a>(name: &str, arguments: &'a str) -> Option<&'a str> {
    match name.starts_with("rename") {
        true => arguments.split('"').nth(1),
        false => Some(arguments.split_once('<')?.1.split_once('>')?.0),
    }
}

/// All calls of a profile, in their order.
fn calls(way: Way, who: Who, log: &Log, names: &Names) -> Vec<Call> {
    let mut counts: BTreeMap<(&str, &str, String), usize> = BTreeMap::new();
    let mut found: Vec<Call> = Vec::new();
    for (task, name, arguments) in log.calls() {
        let Some(file) = file(name, arguments).and_then(|file| names.general(file)) else { continue };
        let when = counts.entry((task, name, file.clone())).or_insert(0);
        *when += 1;
        let call = Call { way, who, name: name.to_owned(), file, when: *when };
        if !found.contains(&call) {
            found.push(call);
        }
    }
    found
}

/// A deploy, one of whose processes is under strace, as `how` says: what it said, and what strace saw until `is_enough`.
/// `None` where strace is not allowed.
fn watched(
    sandbox: &Sandbox,
    who: Who,
    how: impl FnOnce(&Names) -> Vec<String>,
    is_enough: impl Fn(&Log) -> bool,
) -> Option<(Output, Log, Names)> {
    let deploy = sandbox.start_stopped(&["deploy"]);
    let pid = match who {
        Who::CommandLine => deploy.pid(),
        Who::Host => sandbox.host().unwrap(),
        Who::Proxy => sandbox.proxy().unwrap(),
    };
    let names = Names::of_next(sandbox, pid);
    let strace = Strace::attach(&[pid], &sandbox.root(), &how(&names))?;
    deploy.signal(Signal::CONT);
    // Whoever is started instead would be killed at the same place: it is let go.
    until_within(Duration::from_secs(60), "a crash or the end", || {
        (!deploy.runs() || is_enough(&strace.seen())).then_some(())
    });
    let log = strace.end();
    Some((deploy.finish(), log, names))
}

/// A sandbox for such runs.
fn begin(way: Way) -> Sandbox {
    match way {
        Way::First => Sandbox::with(WINDLASS, &manifest(way)),
        Way::Forward | Way::Back => deployed(&manifest(way)),
    }
}

fn prepare(sandbox: &Sandbox, way: Way) {
    sandbox.behave(if way == Way::Back { "web.dead-after:0" } else { "" });
    if way == Way::First && sandbox.environment().exists() {
        sandbox.succeed(&["down", "--delete-data", "--yes"]);
        sandbox.until_nothing_runs();
    }
}

fn code_of(way: Way) -> i32 {
    if way == Way::Back { 3 } else { 0 }
}

/// The calls of somebody in a run; `None` where strace is not allowed.
fn profile(way: Way, who: Who) -> Option<Vec<Call>> {
    let sandbox = begin(way);
    prepare(&sandbox, way);
    let (output, log, names) = watched(&sandbox, who, |_| traced(DURABLE), |_| false)?;
    assert_eq!(output.code, code_of(way), "{way:?}: {output:#?}\n{}", sandbox.logs());
    let mut calls = calls(way, who, &log, &names);
    sandbox.down();
    if way == Way::Back {
        // Until the switch the way is the same.
        let switch = |call: &Call| {
            call.name == "rename"
                && (call.file.contains("/.traffic.json.") || call.file.contains("/proxy/table."))
        };
        let at = calls.iter().position(switch).map_or(0, |at| at + 1);
        calls.drain(..at);
    }
    assert!(!calls.is_empty(), "{way:?}: {who:?} puts nothing on the disk");
    Some(calls)
}

/// A run in which whoever makes this call is killed at it. Answers whether somebody made it.
fn kill_at(line: &Running, sandbox: &Sandbox, call: &Call) -> bool {
    prepare(sandbox, call.way);
    let before = in_force(sandbox);
    let how = |names: &Names| {
        let file = vec!["-P".to_owned(), names.special(&call.file)];
        let inject = format!("inject={}:signal=KILL:when={}", call.name, call.when);
        [traced(&call.name), file, vec!["-e".to_owned(), inject]].concat()
    };
    let is_hit = |log: &Log| log.is_killed_at(call.when);
    let (output, log, _) = watched(sandbox, call.who, how, is_hit).unwrap();
    let context = format!("{call:?}: {output:#?}\n{log:#?}\n{}", sandbox.logs());
    let made = is_hit(&log);
    assert!(made || log.most_of_one() < call.when, "it was made, and nobody killed: {context}");
    // Keepers are followed too, and what one that dies was to run may have begun; the same of a proxy at the switch.
    let goes_back = output.code == 3;
    // It is the command line that was killed, or the host side cannot go on.
    if matches!(output.code, 4 | 137) {
        let resumed = sandbox.run(&["resume"]);
        assert!(matches!(resumed.code, 0..=3), "{resumed:#?} after {context}");
    } else {
        assert!(output.code == code_of(call.way) || goes_back, "{context}");
    }
    if call.way == Way::First && in_force(sandbox).is_empty() {
        nothing_is_left(line, sandbox, &context);
        sandbox.succeed(&["deploy"]);
    }
    if call.way == Way::Back {
        assert_eq!(sandbox.release(), before, "{context}");
    }
    line.is_sound(sandbox, &context);
    made
}

/// What is drawn of the calls of somebody in a run, and what may be drawn after that.
fn draw(calls: Vec<Call>) -> (Vec<Call>, Vec<Call>) {
    let every = if exhaustive() { 1 } else { calls.len().div_ceil(SAMPLE) };
    let first = chance(every);
    let (drawn, others): (Vec<_>, Vec<_>) =
        calls.into_iter().enumerate().partition(|(number, _)| number % every == first);
    let calls = |numbered: Vec<(usize, Call)>| numbered.into_iter().map(|(_, call)| call);
    let every = others.len().div_ceil(MORE).max(1);
    (calls(drawn).collect(), calls(others).step_by(every).collect())
}

/// Kills at each of these calls, several in a sandbox. Answers those that nobody made.
fn kill_at_each(line: &Running, calls: &[Call]) -> Vec<Call> {
    let sandbox = begin(calls[0].way);
    // A proxy that dies in a call takes the requests with it that it has begun with.
    let serves = calls.iter().all(|call| call.who == Who::Host);
    let watch = serves.then(|| line.watch_at_pace(&sandbox, Duration::from_millis(40)));
    // One that is not alive answers until that is noticed, which is after the switch.
    let watch = watch.map(|watch| match calls[0].way {
        Way::Back => watch.with_a_gate_of_its_own(),
        Way::First | Way::Forward => watch,
    });
    let others = calls.iter().filter(|call| !kill_at(line, &sandbox, call)).cloned().collect();
    if let Some(watch) = watch {
        watch.end_without_loss();
    }
    sandbox.down();
    others
}

#[test]
fn whoever_takes_part_is_killed_at_fsync_and_rename() {
    let line = line("whoever_takes_part_is_killed_at_fsync_and_rename");
    let mut chunks: Vec<Vec<Call>> = Vec::new();
    let mut more: Vec<(Vec<Call>, Vec<Call>)> = Vec::new();
    for (way, who) in ALL {
        let Some(calls) = profile(way, who) else {
            return line.skipped("strace cannot attach here");
        };
        let (drawn, others) = draw(calls);
        chunks.extend(drawn.chunks(PER_SANDBOX).map(<[Call]>::to_vec));
        more.push((drawn, others));
    }
    let count: usize = chunks.iter().map(Vec::len).sum();
    let (others, next) = (Mutex::new(Vec::new()), Mutex::new(chunks.into_iter()));
    std::thread::scope(|scope| {
        for _ in 0..TOGETHER {
            scope.spawn(|| {
                loop {
                    let Some(chunk) = next.lock().unwrap().next() else { return };
                    let not_made = kill_at_each(&line, &chunk);
                    others.lock().unwrap().extend(not_made);
                }
            });
        }
    });
    let others = others.into_inner().unwrap();
    eprintln!("{count} calls, of which these were not made again: {others:#?}");
    // Not every call is part of every run; that nobody is killed at all would be another matter.
    for (drawn, next) in more {
        let is_hit = drawn.iter().any(|call| !others.contains(call))
            || next.iter().any(|call| kill_at_each(&line, std::slice::from_ref(call)).is_empty());
        assert!(is_hit, "nobody was killed at any of {drawn:#?} or {next:#?}");
    }
    let made = count - others.len();
    // In a sample chance decides; of all calls more are made again than not.
    assert!(!exhaustive() || made * 2 > count, "only {made} of {count} calls were made again");
    let how = if exhaustive() { "all" } else { "a sample, another each time" };
    line.held(&format!(
        "{made} of {count} calls ({how}), the others were not made again: 0 failed requests but those that a dead proxy had \
         begun"
    ));
}
