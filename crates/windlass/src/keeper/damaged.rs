//! What is made of the record of a job when it is damaged.

use windlass_core::launch::{End, Exit, Launch, ProcessState, Status};

use super::files::{self, BOOT, Durability, LAUNCH, STATUS};
use crate::damaged::{Damaged, Read, Sample};
use crate::processes;
use crate::runtime::process;

const JOB: &str = "r12.migrate";

/// Its files.
pub(crate) fn samples() -> Vec<Sample> {
    let launch = Sample {
        page: "jobs/",
        path: format!("jobs/{JOB}/{LAUNCH}").into(),
        make: |layout| {
            std::fs::create_dir(layout.job(JOB)).unwrap();
            let launch =
                Launch { label: JOB.to_owned(), argv: vec!["migrate".to_owned()], ..Launch::default() };
            files::replace(&layout.job(JOB).join(LAUNCH), &launch, Durability::Forever).unwrap();
        },
        read: |layout| Read::Found(format!("{:?}", files::read::<Launch>(&layout.job(JOB).join(LAUNCH)))),
        then: Damaged::Otherwise("None"),
        ..Sample::of("")
    };
    let outcome = Sample {
        page: "jobs/",
        path: format!("jobs/{JOB}/{STATUS}").into(),
        make: |layout| {
            std::fs::create_dir(layout.job(JOB)).unwrap();
            let status = Status {
                keeper: 4711,
                state: ProcessState::Ended(End::Finished),
                restarts: 0,
                last_exit: Some(Exit::Code(1)),
                since: 0,
                note: None,
                degraded: None,
                hangs: Vec::new(),
                boot: String::new(),
            };
            files::replace(&layout.job(JOB).join(STATUS), &status, Durability::Forever).unwrap();
        },
        read: |layout| Read::Found(format!("{:?}", files::read::<Status>(&layout.job(JOB).join(STATUS)))),
        then: Damaged::Otherwise("None"),
        ..Sample::of("")
    };
    let boot = Sample {
        page: "jobs/",
        path: format!("jobs/{JOB}/{BOOT}").into(),
        make: |layout| {
            std::fs::create_dir(layout.job(JOB)).unwrap();
            std::fs::write(layout.job(JOB).join(BOOT), processes::boot()).unwrap();
        },
        read: |layout| Read::Found(process::is_of_another_boot(&layout.job(JOB)).to_string()),
        then: Damaged::Otherwise("true"),
        ..Sample::of("")
    };
    vec![launch, outcome, boot]
}
