//! What is found of secrets in the memory of what runs on after a deploy.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt as _;

use windlass_testkit::sandbox::score::Invariant;
use windlass_testkit::sandbox::{Manifest, Sandbox};

use super::{WINDLASS, line};

/// A page of memory, in bytes, where these tests run.
const PAGE: usize = 4096;

/// A secret that stands nowhere but where this test puts it, and by how much of it a copy is known. What frees memory
/// writes over the beginning of what was there.
struct Canary {
    name: &'static str,
    value: String,
}

impl Canary {
    /// One that nobody else has. It is put together, so that the test's own program does not hold it.
    fn new(name: &'static str) -> Self {
        let half = || uuid::Uuid::now_v7().simple().to_string();
        Self { name, value: format!("{}{}", half(), half()) }
    }

    fn mark(&self) -> &[u8] {
        &self.value.as_bytes()[32..]
    }
}

/// How often each canary is found in what a process can write to. The error says why it cannot be looked at.
fn found(pid: i32, canaries: &[Canary]) -> Result<BTreeMap<&'static str, usize>, String> {
    let cannot = |error: std::io::Error| format!("the memory of process {pid}: {error}");
    let open = |what: &str| File::open(format!("/proc/{pid}/{what}")).map_err(cannot);
    let (memory, there) = (open("mem")?, open("pagemap")?);
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).map_err(cannot)?;
    let marks = aho_corasick::AhoCorasick::new(canaries.iter().map(Canary::mark)).unwrap();
    let mut found = BTreeMap::new();
    let mut looked = 0;
    for map in maps.lines().filter(|map| map.split(' ').nth(1).is_some_and(|mode| mode.starts_with("rw"))) {
        let (start, end) = map.split(' ').next().unwrap().split_once('-').unwrap();
        let [start, end] = [start, end].map(|place| u64::from_str_radix(place, 16).unwrap());
        for (start, pages) in present(&there, start, end) {
            let mut bytes = vec![0; pages * PAGE];
            if memory.read_exact_at(&mut bytes, start).is_err() {
                continue;
            }
            looked += bytes.len();
            for canary in marks.find_iter(&bytes) {
                *found.entry(canaries[canary.pattern().as_usize()].name).or_default() += 1;
            }
        }
    }
    if looked > 100_000 {
        Ok(found)
    } else {
        Err(format!("only {looked} bytes of process {pid} could be read"))
    }
}

/// Pages in a row that are there, each with their number: what is only set aside is not read.
fn present(pagemap: &File, start: u64, end: u64) -> Vec<(u64, usize)> {
    let page = PAGE as u64;
    let mut entries = vec![0; usize::try_from((end - start) / page).unwrap() * 8];
    if pagemap.read_exact_at(&mut entries, start / page * 8).is_err() {
        return vec![];
    }
    let mut runs: Vec<(u64, usize)> = Vec::new();
    for (number, entry) in entries.chunks(8).enumerate() {
        let at = start + number as u64 * page;
        match runs.last_mut() {
            // The kernel's bit for a page that is there.
            _ if entry[7] & 0x80 == 0 => {}
            Some((first, pages)) if *first + *pages as u64 * page == at => *pages += 1,
            _ => runs.push((at, 1)),
        }
    }
    runs
}

/// What is called like this among the keepers: by the end of their directory.
fn keeper_of(sandbox: &Sandbox, what: &str) -> i32 {
    let is_its = |word: &String| word.contains(what);
    sandbox.keepers().iter().find(|keeper| keeper.argv.iter().any(is_its)).unwrap().pid
}

#[test]
fn what_runs_on_remembers_no_secret_that_it_does_not_use() {
    let line = line("what_runs_on_remembers_no_secret_that_it_does_not_use");
    let canaries = ["FOR_NOBODY", "IN_A_FILE", "IN_THE_ENVIRONMENT", "FOR_A_JOB"].map(Canary::new);
    let manifest = Manifest {
        top: "[settings]\nFOR_NOBODY = { secret = true, services = [] }\n\
              IN_A_FILE = { secret = true, file = true, services = [\"web\"] }\n\
              IN_THE_ENVIRONMENT = { secret = true, services = [\"web\"] }\n\
              FOR_A_JOB = { secret = true, services = [\"migrate\"] }\n"
            .into(),
        replicas: 1,
        scheduler: None,
        ..Manifest::default()
    };
    let sandbox = Sandbox::with(WINDLASS, &manifest);
    let lines = canaries.iter().map(|canary| format!("{}={}\n", canary.name, canary.value));
    sandbox.write(".env", &lines.collect::<String>());
    // The second one has a release to compare with, and values of two releases to mask by.
    for _ in 0..2 {
        sandbox.succeed(&["deploy"]);
        sandbox.change();
    }
    sandbox.succeed(&["logs", "-n", "10"]);
    let web = sandbox.running("web").remove(0).pid;
    // Each with what it has to have, or what the system's own making of processes leaves there
    // (docs/design/0002-settings.md, Wiped).
    let looked_at: [(&str, i32, &[&str]); 6] = [
        ("the host side", sandbox.host().unwrap(), &["IN_THE_ENVIRONMENT", "FOR_A_JOB"]),
        ("its keeper", keeper_of(&sandbox, "/host/keeper"), &[]),
        ("the proxy", sandbox.proxy().unwrap(), &[]),
        ("its keeper", keeper_of(&sandbox, "/proxy/keeper"), &[]),
        ("the keeper of a copy that sees it", keeper_of(&sandbox, "/web.r2.1"), &["IN_THE_ENVIRONMENT"]),
        ("the keeper of another one", keeper_of(&sandbox, "/worker.r2.1"), &[]),
    ];
    // It is found where it is.
    match found(web, &canaries) {
        Err(why) => return line.skipped(&why),
        Ok(found) => assert!(found.contains_key("IN_THE_ENVIRONMENT"), "{found:?}"),
    }
    for (who, pid, may) in looked_at {
        let found = found(pid, &canaries).unwrap();
        let beside: Vec<_> = found.iter().filter(|(name, _)| !may.contains(*name)).collect();
        line.holds(Invariant::I9, beside.is_empty(), || format!("{who} remembers {beside:?}"));
    }
    sandbox.down();
    line.held("host side, proxy and keepers: only what starts a process remembers what that is given");
}
