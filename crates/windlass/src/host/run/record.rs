//! What a run did and cost.

use windlass_core::event::{Event, RequestCost, RunRecord, WayBack, What};
use windlass_core::journal::{Direction, Verdict};
use windlass_core::plan::{Phase, Plan, Request, same_but_for_scale_and_rotation};

use crate::clock;
use crate::host::Host;
use crate::host::run::handle::RunHandle;

impl Host {
    /// The account of a run that ends so.
    pub(super) async fn record(&self, handle: &RunHandle, verdict: Verdict) -> RunRecord {
        let (row, plan) = (&handle.row, &handle.row.plan);
        let report = self.proxy().report().await.unwrap_or_default();
        let before = handle.before.get().unwrap_or_default();
        let now = self.requests().await;
        let active = self.journal.borrow().active().ok().flatten();
        let spec = active.as_ref().map_or(&plan.spec, |active| &active.release.spec);
        RunRecord {
            run: row.id.clone(),
            headline: plan.headline(),
            by: row.by.clone(),
            plan: plan.hash(),
            release: Some(plan.release),
            previous: plan.previous,
            back: self.way_back(plan),
            commit: plan.tree.source.commit.clone(),
            dirty: plan.tree.source.dirty,
            began: row.began,
            ended: clock::wall_millis(),
            phases: phases(handle.events.borrow().told()),
            verdict: Some(verdict),
            requests: RequestCost {
                served: now.served.saturating_sub(before.served),
                failed: now.failed.saturating_sub(before.failed),
                server_errors: now.server_errors.saturating_sub(before.server_errors),
                drained: now.drained.saturating_sub(before.drained),
                longest_gap_micros: now.longest_gap_micros,
                uncounted: handle.taken_up
                    || handle.counted_by.get().is_some_and(|pid| self.proxy().pid() != Some(pid)),
            },
            addresses: crate::host::proxy::table::addresses(spec, &report.listening),
        }
    }

    /// How the release is gone back to that was active before.
    fn way_back(&self, plan: &Plan) -> WayBack {
        let before = plan.previous.and_then(|before| self.journal.borrow().release(before).ok().flatten());
        let Some(before) = before else { return WayBack::Plain };
        if !self.layout.is_sealed(before.tree) {
            return WayBack::Nowhere;
        }
        if before.tree != plan.tree.id || !same_but_for_scale_and_rotation(&before.spec, &plan.spec) {
            return WayBack::Plain;
        }
        match &plan.request {
            // What is rotated does not come back.
            Request::Rotate { .. } => WayBack::Nowhere,
            _ if before.spec == plan.spec => WayBack::Nowhere,
            _ => WayBack::Named,
        }
    }

    /// What the proxy has counted so far.
    pub(super) async fn requests(&self) -> RequestCost {
        let report = self.proxy().report().await.unwrap_or_default();
        let sum =
            |count: fn(&windlass_core::edge::Counters) -> u64| report.releases.values().map(count).sum();
        RequestCost {
            // What clients got, which is not all that a release did: another may have answered for it.
            served: sum(|c| c.served + c.failed_rescued),
            failed: sum(|c| c.failed.saturating_sub(c.failed_rescued)),
            server_errors: sum(|c| c.server_errors.saturating_sub(c.server_errors_rescued)),
            drained: sum(|c| c.drained),
            longest_gap_micros: report.longest_gap_micros,
            uncounted: false,
        }
    }
}

/// How long each phase took: from its first step's beginning to its last one's end.
fn phases<'a>(events: impl Iterator<Item = &'a Event>) -> Vec<(Phase, u64)> {
    let mut spans: Vec<(Phase, i64, i64)> = Vec::new();
    let mut phase_of: Vec<(u32, Phase)> = Vec::new();
    for event in events {
        match &event.what {
            What::StepBegan { step, phase, direction: Direction::Forward, .. } => {
                phase_of.push((*step, *phase));
                if !spans.iter().any(|(known, ..)| known == phase) {
                    spans.push((*phase, event.at, event.at));
                }
            }
            What::StepDone { step, direction: Direction::Forward, .. }
            | What::StepFailed { step, direction: Direction::Forward, .. } => {
                let phase = phase_of.iter().find(|(known, _)| known == step).map(|(_, phase)| *phase);
                if let Some(span) = spans.iter_mut().find(|(known, ..)| Some(*known) == phase) {
                    span.2 = event.at;
                }
            }
            _ => {}
        }
    }
    spans.into_iter().map(|(phase, from, to)| (phase, u64::try_from(to - from).unwrap_or(0))).collect()
}
