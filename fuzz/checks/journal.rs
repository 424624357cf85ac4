//! Any bytes are a record or refused; any records of a run, in any order, lead to a decision.

use std::sync::LazyLock;

use windlass_core::journal::{Decision, Direction, Fault, Record, Turn, decide};
use windlass_core::manifest;
use windlass_core::plan::{Observed, Plan, Request, Source, Wanted, plan};
use windlass_core::resolve::resolve;

static PLAN: LazyLock<Plan> = LazyLock::new(|| {
    let text = "[app]\nname = \"shop\"\n[services.web]\ncommand = \"serve\"\nport = \"auto\"\n\
                [services.beat]\ncommand = \"beat\"\nsingleton = true\n\
                [jobs.migrate]\ncommand = \"migrate\"\nundo = { command = \"unmigrate\" }\n";
    let manifest = manifest::load(text).0.expect("a manifest");
    let spec = resolve(&manifest, "local", &Default::default()).expect("a specification");
    let source = Source {
        path: "/src".into(),
        digest: "d".into(),
        parts: Default::default(),
        without: Default::default(),
        commit: None,
        dirty: false,
    };
    plan(&Wanted { request: Request::Deploy, spec, source }, &Observed::default()).expect("a plan")
});

pub(crate) fn check(bytes: &[u8]) {
    let _ = serde_json::from_slice::<Record>(bytes);
    let records: Vec<Record> = bytes.as_chunks().0.iter().map(|&[kind, step]| record(kind, step)).collect();
    match decide(&PLAN, &records) {
        Decision::Perform(steps) | Decision::Compensate(steps) => assert!(!steps.is_empty()),
        Decision::Look(looks) => assert!(!looks.is_empty()),
        Decision::Turn(_) | Decision::End(_) | Decision::Over => {}
    }
}

fn record(kind: u8, step: u8) -> Record {
    let step = u32::from(step) % (PLAN.steps.len() as u32 + 1);
    let direction = if kind & 0x80 == 0 { Direction::Forward } else { Direction::Back };
    match kind & 0x7f {
        0..40 => Record::Intent { step, direction },
        40..80 => Record::Done { step, direction, note: String::new() },
        80..100 => Record::Failed { step, direction, fault: Fault::new("failed", "") },
        100..115 => Record::NotDone { step, direction },
        115..125 => Record::Turned(Turn::Cancelled { by: "somebody".into() }),
        _ => Record::Turned(Turn::StepFailed { step }),
    }
}
