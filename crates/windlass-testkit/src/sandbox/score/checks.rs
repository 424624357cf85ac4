//! What is looked for once something is over.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::super::{Disk, Output, Process, Sandbox, Started, WayBack, until};
use super::{Invariant, Running};

/// How long what is removed after a run may take on a busy disk.
const PATIENCE: Duration = Duration::from_secs(60);

/// So many releases' trees are kept unless a manifest says otherwise.
const KEPT: usize = 5;

impl Running {
    /// What must be so between runs, whatever happened: I4, I6 where there are migrations, and I10.
    ///
    /// One release is in force, which the ledger, the journal, the link, the proxy and the processes agree
    /// on, and `resume` once more changes nothing (I4). On the disk there is nothing of releases that the ledger does
    /// not have, of copies that do not run, of what was rotated (I10); what is removed after a run has a moment for that.
    pub fn is_sound(&self, sandbox: &Sandbox, context: &str) {
        let deadline = Instant::now() + PATIENCE;
        let (standing, left) = loop {
            let standing = Standing::of(sandbox);
            let left = left_over(sandbox, &standing);
            if left.is_empty() || Instant::now() > deadline {
                break (standing, left);
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        let said = |what: &[String]| format!("{context}: {what:#?}\n{standing:#?}\n{}", sandbox.logs());
        let disagree = disagreements(sandbox, &standing);
        self.holds(Invariant::I4, disagree.is_empty(), || said(&disagree));
        self.holds(Invariant::I10, left.is_empty(), || said(&left));
        let again = sandbox.run(&["resume"]);
        assert!(again.stderr.contains("there is nothing to resume"), "{context}: {again:#?}");
        self.is_as_before(Invariant::I4, sandbox, &standing, &format!("{context}: `resume` once more"));
        if !standing.migrations.is_empty() {
            self.ran_once(standing.migrations.lines(), context);
        }
        assert!(!sandbox.shared("ticks").contains("overlap"), "{context}: two singletons ran");
    }

    /// Nothing of what stands on the disk, runs or is written in the journal is another after this was done.
    pub fn changes_nothing<T>(
        &self,
        invariant: Invariant,
        sandbox: &Sandbox,
        context: &str,
        act: impl FnOnce() -> T,
    ) -> T {
        let before = Standing::of(sandbox);
        let done = act();
        self.is_as_before(invariant, sandbox, &before, context);
        done
    }

    fn is_as_before(&self, invariant: Invariant, sandbox: &Sandbox, before: &Standing, context: &str) {
        let after = Standing::of(sandbox);
        self.holds(invariant, before.is(&after), || {
            format!("{context}: {before:#?} became {after:#?}\n{}", sandbox.logs())
        });
    }

    /// Each of these, which are what migrations wrote down of themselves, is there once, and none ran beside another
    /// (I6).
    pub fn ran_once<'a>(&self, migrations: impl IntoIterator<Item = &'a str>, context: &str) {
        let mut all: Vec<&str> = migrations.into_iter().collect();
        assert!(!all.is_empty(), "{context}: no migration ran");
        let overlapped = all.iter().any(|line| line.contains("overlap"));
        all.sort_unstable();
        let twice = all.windows(2).find(|two| two[0] == two[1]);
        self.holds(Invariant::I6, twice.is_none() && !overlapped, || format!("{context}: {all:#?}"));
    }

    /// What it took to go back before is there still (I7).
    pub fn keeps_the_way_back(&self, sandbox: &Sandbox, before: &WayBack, context: &str) {
        let missing = before.missing_in(&WayBack::of(sandbox));
        self.holds(Invariant::I7, missing.is_empty(), || format!("{context}: {missing:#?}"));
    }

    /// One process is the host side (I5).
    pub fn one_host_side(&self, sandbox: &Sandbox, context: &str) {
        let all = sandbox.processes();
        let hosts: Vec<_> = all.iter().filter(|process| process.is("windlass", "host")).collect();
        self.holds(Invariant::I5, hosts.len() == 1, || format!("{context}: {hosts:#?}"));
    }

    /// What is waited for comes (I8).
    pub fn comes<T>(&self, what: &str, look: impl FnMut() -> Option<T>) -> T {
        let found = until(what, look);
        self.holds(Invariant::I8, true, String::new);
        found
    }

    /// It ends by itself, within this time (I8).
    #[must_use]
    pub fn ends(&self, command: Started, limit: Duration) -> Output {
        let output = command.finish_within(limit);
        self.holds(Invariant::I8, output.took <= limit, || format!("it took longer: {output:?}"));
        output
    }
}

/// How an environment stands.
#[derive(Debug)]
struct Standing {
    status: Value,
    runs: Vec<Value>,
    processes: Vec<Process>,
    disk: Disk,
    migrations: String,
}

impl Standing {
    fn of(sandbox: &Sandbox) -> Self {
        let runs = sandbox.succeed(&["runs", "--json"]).json();
        Self {
            status: sandbox.status(),
            runs: runs.as_array().unwrap().clone(),
            processes: sandbox.processes(),
            disk: Disk::of(sandbox),
            migrations: sandbox.shared("migrate"),
        }
    }

    /// The processes of the application of this kind.
    fn running(&self, kind: &str) -> Vec<&Process> {
        let found = self.processes.iter().filter(|process| process.is("fixture", kind));
        // What is about to become another program still looks like the one that started it.
        let is_started = |process: &&Process| {
            self.processes.iter().any(|other| other.pid == process.parent && other.is("fixture", kind))
        };
        found.filter(|process| !is_started(process)).collect()
    }

    /// Whether another is this one: what is in force, all that the journal says of runs, the application's processes and
    /// what lies on the disk.
    fn is(&self, other: &Self) -> bool {
        let of_it = |standing: &Self| -> BTreeSet<i32> {
            let kinds = ["web", "worker", "scheduler", "job"];
            kinds.iter().flat_map(|kind| standing.running(kind)).map(|process| process.pid).collect()
        };
        let is_same = |key: &str| self.status[key] == other.status[key];
        ["release", "stopped", "run"].into_iter().all(is_same)
            && self.runs == other.runs
            && of_it(self) == of_it(other)
            && self.disk == other.disk
            && self.migrations == other.migrations
    }
}

/// Where those who say which release is in force do not say the same.
fn disagreements(sandbox: &Sandbox, standing: &Standing) -> Vec<String> {
    let mut found = Vec::new();
    let mut say = |is_so: bool, what: String| {
        if !is_so {
            found.push(what);
        }
    };
    let (status, current) = (&standing.status, &standing.disk.current);
    let release = status["release"]["release"].as_str().unwrap_or_default();
    let tree = status["release"]["tree"].as_str().unwrap_or_default();
    say(status["run"].is_null(), "a run is left".to_owned());
    say(*current == Some(PathBuf::from(format!("releases/{tree}"))), format!("current names {current:?}"));
    let is_finished = sandbox.environment().join("current/.windlass-sealed").is_file();
    say(is_finished, "current is no release".to_owned());
    services(sandbox, standing, &mut say);
    say(standing.running("job").is_empty(), "a job runs still".to_owned());
    // The last run that was not refused says whether it came to its release or went back. One that failed before it had
    // the lock, beside one that committed, says nothing.
    let is_done =
        |run: &Value| run["verdict"] == "done" || run["verdict"].get("done_with_problems").is_some();
    let committed =
        standing.runs.iter().filter(|run| is_done(run)).filter_map(|run| run["ended"].as_u64()).max();
    let is_alone = |run: &Value| is_done(run) || run["began"].as_u64() >= committed;
    let mut runs = standing.runs.iter().filter(|run| run["verdict"].get("refused").is_none());
    let last = runs.find(|run| is_alone(run)).unwrap_or(&Value::Null);
    let named = if is_done(last) { &last["release"] } else { &last["previous"] };
    say(
        named.as_str().unwrap_or_default() == release,
        format!("the journal's last run says {named}: {last}"),
    );
    found
}

/// Says where the processes and the answers are not those of the copies that the ledger has.
fn services(sandbox: &Sandbox, standing: &Standing, say: &mut impl FnMut(bool, String)) {
    let mut of_web = BTreeSet::new();
    for service in standing.status["services"].as_array().unwrap() {
        let name = service["name"].as_str().unwrap();
        // A copy that a later release took over as it is runs as what it was started as.
        let mut listed: Vec<&str> = copies(service).map(|copy| copy.split('.').nth(1).unwrap()).collect();
        let mut runs: Vec<&str> = standing.running(name).into_iter().map(release_of).collect();
        listed.sort_unstable();
        runs.sort_unstable();
        let is_whole = service["wanted"] == listed.len() && listed == runs;
        say(is_whole, format!("of {name} copies of {listed:?} are to run, and those of {runs:?} do"));
        if name == "web" {
            of_web.extend(listed);
        }
    }
    let answering = sandbox.answering();
    say(of_web.contains(answering.as_str()), format!("{answering} answers"));
}

/// The release that a process is of.
fn release_of(process: &Process) -> &str {
    let told = process.env.iter().find_map(|variable| variable.strip_prefix("WINDLASS_RELEASE="));
    told.unwrap_or_default()
}

/// What lies on the disk and belongs to nothing.
fn left_over(sandbox: &Sandbox, standing: &Standing) -> Vec<String> {
    let (status, disk) = (&standing.status, &standing.disk);
    let ledger = sandbox.succeed(&["releases", "--json"]).json();
    let text = |of: &Value, key: &str| of[key].as_str().unwrap().to_owned();
    let listed: BTreeMap<String, String> =
        ledger.as_array().unwrap().iter().map(|of| (text(of, "release"), text(of, "tree"))).collect();
    let to_undo = to_undo(sandbox);
    let trees: BTreeSet<&String> = listed.values().chain(&to_undo).collect();
    let has = |release: &str| {
        let tree = listed.get(release);
        tree.is_some_and(|tree| disk.names("releases").contains(tree)) || to_undo.contains(release)
    };
    let copies: BTreeSet<&str> = status["services"].as_array().unwrap().iter().flat_map(copies).collect();
    let of_nobody = |directory: &str, name: &String| match directory {
        "releases" => !trees.contains(name),
        "state/settings" => name.strip_suffix(".json").is_some_and(|release| !has(release)),
        "instances" => !copies.contains(name.as_str()),
        // Those of releases go with them; `cron.` stands for the last run of each.
        "jobs" => {
            let first = name.split('.').next().unwrap_or_default();
            first == "run" || (is_release(first) && !has(first))
        }
        _ => true,
    };
    let mut left = Vec::new();
    for directory in ["releases", "state/settings", "instances", "jobs", "state/rotating"] {
        let strays = disk.names(directory).iter().filter(|name| of_nobody(directory, name));
        left.extend(strays.map(|name| format!("{directory}/{name}")));
    }
    if disk.names("releases").len() > KEPT + to_undo.len() {
        left.push(format!("{:?} are more than {KEPT} trees", disk.names("releases")));
    }
    left
}

/// The copies of a service that the ledger has, as `status` lists them.
fn copies(service: &Value) -> impl Iterator<Item = &str> {
    service["instances"].as_array().unwrap().iter().map(|copy| copy["id"].as_str().unwrap())
}

fn is_release(word: &str) -> bool {
    word.strip_prefix('r').is_some_and(|number| number.parse::<u64>().is_ok())
}

/// The releases that are kept because a job of theirs is half-done and can be undone.
fn to_undo(sandbox: &Sandbox) -> BTreeSet<String> {
    let text = std::fs::read_to_string(sandbox.environment().join("state/half-done.json"));
    let jobs: BTreeMap<String, String> =
        text.ok().and_then(|text| serde_json::from_str(text.lines().next()?).ok()).unwrap_or_default();
    jobs.into_values().collect()
}
