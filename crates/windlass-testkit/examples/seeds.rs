//! Writes what the fuzzers of formats of our own begin with, as the types themselves write it: records of a journal,
//! frames and messages. Each goes into a file of its own, below `DIR/journal` and `DIR/protocol`.
//!
//! usage: seeds DIR

#![expect(
    clippy::expect_used,
    reason = "a seed that cannot be made is to be seen, and only the fuzzers use this"
)]

use std::path::{Path, PathBuf};

use serde::Serialize;
use windlass_core::edge;
use windlass_core::journal::{Direction, Fault, Record, Turn, Verdict};
use windlass_core::launch::{End, Exit, KeeperAsk, ProcessState, Status};
use windlass_core::plan::{Observed, Plan, Request, Wanted, plan};
use windlass_core::protocol::{Answer, Ask, Claim, FingerprintKey, Refusal, RunWhat, Values};
use windlass_core::units::Span;

use windlass_testkit::sample;

fn main() {
    let below = PathBuf::from(std::env::args_os().nth(1).expect("usage: seeds DIR"));
    write(&below.join("journal"), records().iter().map(json));
    let frames = asks().iter().map(framed).chain(answers().iter().map(framed)).collect::<Vec<_>>();
    let bare = [json(&edge::Ask::Report), json(&KeeperAsk::Watch), json(&stop()), json(&status())];
    write(&below.join("protocol"), frames.into_iter().chain(bare));
}

fn write(directory: &Path, seeds: impl Iterator<Item = Vec<u8>>) {
    std::fs::create_dir_all(directory).expect("a directory");
    for (number, seed) in seeds.enumerate() {
        std::fs::write(directory.join(format!("written-{number}")), seed).expect("a file");
    }
}

fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("a value without floats or odd keys")
}

fn framed(value: &impl Serialize) -> Vec<u8> {
    let body = json(value);
    let length = u32::try_from(body.len()).expect("a short message");
    [&length.to_be_bytes(), body.as_slice()].concat()
}

fn records() -> Vec<Record> {
    let (step, direction) = (2, Direction::Back);
    vec![
        Record::Intent { step, direction: Direction::Forward },
        Record::Done { step, direction, note: "12 files".into() },
        Record::Failed { step, direction, fault: Fault::new("web is not ready", "see its log") },
        Record::NotDone { step, direction },
        Record::Turned(Turn::StepFailed { step }),
        Record::Turned(Turn::Cancelled { by: "somebody".into() }),
        Record::Turned(Turn::Unclaimed),
        Record::Ended(Verdict::Done),
    ]
}

fn deploy() -> Plan {
    let mut spec = sample::shop();
    spec.services.insert(sample::name("worker"), sample::worker("work"));
    let wanted = Wanted { request: Request::Deploy, spec, source: sample::source("d") };
    plan(&wanted, &Observed::default()).expect("a plan")
}

fn asks() -> Vec<Ask> {
    let by = || "somebody".to_owned();
    vec![
        Ask::Observe,
        Ask::Begin {
            plan: Box::new(deploy()),
            values: Values([("TOKEN".to_owned(), "x".to_owned())].into_iter().collect()),
            passed: Values([("HTTPS_PROXY".to_owned(), "http://p:1".to_owned())].into_iter().collect()),
            key: FingerprintKey::default(),
            by: by(),
        },
        Ask::Claim { how: Claim::Resume, by: by(), run: None, interrupted: true },
        Ask::Cancel { run: "run".into(), by: by() },
        Ask::Logs {
            of: vec!["web".into()],
            release: None,
            lines: Some(10),
            since: Some(0),
            follow: true,
            notes: true,
        },
        Ask::Run { what: RunWhat::Job(sample::name("migrate")), attached: false, by: by() },
    ]
}

fn answers() -> Vec<Answer> {
    vec![
        Answer::Observed { observed: Box::default(), key: None },
        Answer::Line { source: "web".into(), copy: None, text: "a line".into() },
        Answer::Exited { code: 1, how: "exit code 1".into() },
        Answer::Done,
        Answer::Refused { kind: Refusal::Busy, message: "busy".into(), hint: "wait".into() },
    ]
}

fn stop() -> KeeperAsk {
    KeeperAsk::Stop { signal: "TERM".into(), grace: Span::from_secs(10) }
}

fn status() -> Status {
    Status {
        keeper: 2,
        state: ProcessState::Ended(End::Finished),
        restarts: 1,
        last_exit: Some(Exit::Code(0)),
        since: 0,
        note: None,
        degraded: None,
        hangs: Vec::new(),
        boot: String::new(),
    }
}
