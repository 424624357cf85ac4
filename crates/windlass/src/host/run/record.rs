//! What a run did and cost.

use windlass_core::edge::{Counters, Report};
use windlass_core::event::{Refused, RequestCost, RunRecord, WayBack};
use windlass_core::journal::{Direction, Record, Verdict};
use windlass_core::plan::{Phase, Plan, Request, same_but_for_scale_and_rotation};
use windlass_core::policy::bake;

use crate::clock;
use crate::host::Host;
use crate::host::run::handle::RunHandle;

impl Host {
    /// The account of a run that ends so.
    pub(super) async fn record(&self, handle: &RunHandle, verdict: Verdict) -> RunRecord {
        let (row, plan) = (&handle.row, &handle.row.plan);
        let records = self.journal.borrow().dated_records(&row.id).unwrap_or_default();
        let report = self.proxy().report().await.unwrap_or_default();
        let before = handle.before.get().unwrap_or_default();
        let now = self.requests().await;
        let active = self.journal.borrow().active().ok().flatten();
        let spec = active.as_ref().map_or(&plan.spec, |active| &active.release.spec);
        let refused = verdict.is_committed().then(|| refused(plan, &report)).flatten();
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
            phases: phases(plan, &records),
            verdict: Some(verdict),
            requests: RequestCost {
                served: now.served.saturating_sub(before.served),
                failed: now.failed.saturating_sub(before.failed),
                cut: now.cut.saturating_sub(before.cut),
                cut_at_drain: now.cut_at_drain.saturating_sub(before.cut_at_drain),
                server_errors: now.server_errors.saturating_sub(before.server_errors),
                drained: now.drained.saturating_sub(before.drained),
                longest_gap_micros: now.longest_gap_micros,
                uncounted: handle.taken_up
                    || handle.counted_by.get().is_some_and(|pid| self.proxy().pid() != Some(pid)),
            },
            refused,
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
        cost(&self.proxy().report().await.unwrap_or_default())
    }
}

/// What clients got, which is not all that a release did: another may have answered for it. What they did not get
/// to its end they have lost.
fn cost(report: &Report) -> RequestCost {
    let sum = |count: fn(&Counters) -> u64| report.releases.values().map(count).sum();
    RequestCost {
        served: sum(|c| (c.served + c.failed_rescued).saturating_sub(c.cut)),
        failed: sum(|c| c.failed.saturating_sub(c.failed_rescued) + c.cut),
        cut: sum(|c| c.cut),
        cut_at_drain: sum(|c| c.cut_at_drain),
        server_errors: sum(|c| c.server_errors.saturating_sub(c.server_errors_rescued)),
        drained: sum(|c| c.drained),
        longest_gap_micros: report.longest_gap_micros,
        uncounted: false,
    }
}

/// What of a release's answers the application refused, where that is many more than before it.
fn refused(plan: &Plan, report: &Report) -> Option<Refused> {
    let (new, others): (Vec<_>, Vec<_>) =
        report.releases.iter().partition(|(release, _)| **release == plan.release.to_string());
    let counted = |of: Vec<(&String, &Counters)>| bake::sum(of.into_iter().map(|(_, counters)| counters));
    bake::refused(&plan.spec.deploy, &counted(others), &counted(new))
}

/// How long each phase took, as the journal has it: from its first step's beginning to its last one's end,
/// whoever died in between.
fn phases(plan: &Plan, records: &[(i64, Record)]) -> Vec<(Phase, u64)> {
    let mut spans: Vec<(Phase, i64, i64)> = Vec::new();
    for (at, record) in records {
        let (step, ends) = match record {
            Record::Intent { step, direction: Direction::Forward } => (step, false),
            Record::Done { step, direction: Direction::Forward, .. }
            | Record::Failed { step, direction: Direction::Forward, .. }
            | Record::NotDone { step, direction: Direction::Forward } => (step, true),
            _ => continue,
        };
        let Some(phase) = plan.step(*step).map(|step| step.phase) else { continue };
        match spans.iter_mut().find(|(known, ..)| *known == phase) {
            Some(span) if ends => span.2 = *at,
            Some(_) => {}
            None => spans.push((phase, *at, *at)),
        }
    }
    spans.into_iter().map(|(phase, from, to)| (phase, u64::try_from(to - from).unwrap_or(0))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing;

    #[test]
    fn what_a_phase_took_is_known_also_where_the_host_side_died_in_it() {
        let plan = testing::first(|_| ());
        let first = |phase| plan.steps.iter().find(|step| step.phase == phase).unwrap().id;
        let begun = |step| Record::Intent { step, direction: Direction::Forward };
        let done = |step| Record::Done { step, direction: Direction::Forward, note: String::new() };
        let (preflight, build, commit) = (first(Phase::Preflight), first(Phase::Build), first(Phase::Commit));
        let records = [
            (1_000, begun(preflight)),
            (1_012, done(preflight)),
            (1_020, begun(build)),
            // Here it was killed; whoever came next looked, and found it done.
            (4_020, done(build)),
            (4_021, begun(build + 1)),
            (4_520, done(build + 1)),
            (4_600, begun(commit)),
        ];
        let told = [(Phase::Preflight, 12), (Phase::Build, 3_500), (Phase::Commit, 0)];
        assert_eq!(phases(&plan, &records), told);
    }

    #[test]
    fn what_was_cut_is_lost() {
        let counters = Counters {
            served: 380,
            failed: 2,
            failed_rescued: 1,
            cut: 2,
            cut_at_drain: 1,
            ..Counters::default()
        };
        let report = Report { releases: [("r1".to_owned(), counters)].into(), ..Report::default() };
        let cost = cost(&report);
        assert_eq!((cost.served, cost.failed, cost.cut, cost.cut_at_drain), (379, 3, 2, 1));
    }
}
