//! A host side of an environment of its own, for tests of what needs no process.

use std::rc::Rc;

use windlass_core::name::ReleaseId;
use windlass_core::plan::{Observed, Plan, Request, Wanted, plan};
use windlass_core::spec::{Command, Cron, Env, Limits, Missed, Overlap, Spec};
use windlass_core::units::Span;
use windlass_testkit::sample::{shop, source};

use crate::engine::{ReleaseRow, RunRow};
use crate::host::Host;
use crate::layout::Layout;

/// The host side, and the directory that it is gone with.
pub(in crate::host) fn host() -> (tempfile::TempDir, Rc<Host>) {
    let place = tempfile::tempdir().unwrap();
    let layout = Layout::at(place.path().join("shop/production"));
    layout.make().unwrap();
    (place, Host::open(layout).unwrap())
}

/// The plan of a first deploy.
pub(in crate::host) fn first(change: impl FnOnce(&mut Spec)) -> Plan {
    let mut spec = shop();
    change(&mut spec);
    let wanted = Wanted { request: Request::Deploy, spec, source: source("one") };
    plan(&wanted, &Observed { next_release: 1, ..Observed::default() }).unwrap()
}

/// A run of it.
pub(in crate::host) fn run(id: &str, plan: Plan) -> RunRow {
    RunRow { id: id.to_owned(), plan, by: "ada@home".to_owned(), began: 0 }
}

/// A release without services, for the ledger.
pub(in crate::host) fn row(release: u64) -> ReleaseRow {
    ReleaseRow {
        id: ReleaseId(release),
        tree: ReleaseId(release),
        headline: String::new(),
        by: String::new(),
        activated: 0,
        spec: shop(),
        source: source("one"),
        instances: indexmap::IndexMap::new(),
        schema: indexmap::IndexMap::new(),
    }
}

/// A cron job that does nothing.
pub(in crate::host) fn cron(schedule: &str) -> Cron {
    Cron {
        command: Command::Argv(Vec::new()),
        directory: String::new(),
        env: Env::default(),
        user: None,
        schedule: schedule.to_owned(),
        time_zone: "UTC".to_owned(),
        overlap: Overlap::Skip,
        missed: Missed::Skip,
        timeout: Span::ZERO,
        limits: Limits::default(),
    }
}
