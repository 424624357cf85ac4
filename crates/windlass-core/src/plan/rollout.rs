//! How new instances take over from old ones.

use std::collections::BTreeMap;

use indexmap::IndexMap;

use super::change::Fate;
use super::compose::traffic_of;
use super::script::Script;
use super::{Action, Compensation, Phase, Plan, Reason, Request, Traffic};
use crate::name::{InstanceId, Name};
use crate::spec::{Service, Spec, Strategy};
use crate::units::Span;

/// Everything between the jobs and the commit.
pub(super) struct Rollout<'a> {
    pub(super) plan: &'a Plan,
    pub(super) fates: &'a IndexMap<Name, Fate>,
    /// Who gets the requests now, and again when the run goes back.
    pub(super) old: Traffic,
    /// Those of them that run.
    pub(super) fit: Traffic,
}

/// The way in which a service's copies give way.
enum Way {
    /// New ones start beside the old ones.
    Beside,
    /// A few at a time.
    InTurn { max_surge: u32, max_unavailable: u32 },
    /// The old ones stop before the new ones start.
    HandOver,
}

impl Rollout<'_> {
    /// Writes the steps. New copies beside old ones come first, because they can fail without
    /// anybody noticing; what takes something away from the old release comes last.
    pub(super) fn write(&self, script: &mut Script) {
        for rank in ranks(&self.plan.spec) {
            self.start_beside(script, &rank);
        }
        let mut traffic = self.fit.clone();
        for (name, service, fate) in self.services() {
            if let Way::InTurn { max_surge, max_unavailable } = self.way(name, service, fate) {
                self.in_turn(script, name, service, fate, (max_surge, max_unavailable), &mut traffic);
            }
        }
        for (name, service, fate) in self.services() {
            if matches!(self.way(name, service, fate), Way::HandOver) {
                self.hand_over(script, name, service, fate, &mut traffic);
            }
        }
        self.gate(script);
        self.switch(script, &traffic);
    }

    fn services(&self) -> impl Iterator<Item = (&Name, &Service, &Fate)> {
        let services = self.plan.spec.services.iter();
        services.filter_map(|(name, service)| Some((name, service, self.fates.get(name)?)))
    }

    fn start_beside(&self, script: &mut Script, rank: &[Name]) {
        let chosen: Vec<&Fate> = self
            .services()
            .filter(|(name, service, fate)| {
                rank.contains(name) && matches!(self.way(name, service, fate), Way::Beside)
            })
            .map(|(_, _, fate)| fate)
            .collect();
        self.start(script, chosen.iter().flat_map(|fate| &fate.start));
    }

    fn in_turn(
        &self,
        script: &mut Script,
        name: &Name,
        service: &Service,
        fate: &Fate,
        (max_surge, max_unavailable): (u32, u32),
        traffic: &mut Traffic,
    ) {
        let wanted = service.replicas as usize;
        let least = wanted.saturating_sub(max_unavailable as usize);
        let mut live: Vec<InstanceId> = fate.stay.clone();
        let mut old = fate.stop.clone();
        let mut pending = fate.start.clone();
        while !pending.is_empty() || !old.is_empty() {
            let room = (wanted + max_surge as usize).saturating_sub(live.len() + old.len());
            let surge: Vec<InstanceId> = pending.drain(..room.min(pending.len())).collect();
            self.start(script, surge.iter());
            live.extend(surge.iter().cloned());

            let spare =
                (live.len() + old.len()).saturating_sub(if pending.is_empty() { wanted } else { least });
            let leaving: Vec<InstanceId> = old.drain(..spare.min(old.len())).collect();
            if surge.is_empty() && leaving.is_empty() {
                break; // Cannot be: one of the two is never 0.
            }
            let ids: Vec<InstanceId> = live.iter().chain(&old).cloned().collect();
            if service.port.is_some() {
                self.move_traffic(script, name, ids, traffic);
            }
            self.stop(script, service, &leaving, &[]);
        }
    }

    fn move_traffic(&self, script: &mut Script, name: &Name, ids: Vec<InstanceId>, traffic: &mut Traffic) {
        let before = self.before(traffic);
        traffic.pools.insert(name.clone(), ids);
        // A first release has no routes yet: its only switch is the one at the end.
        if before.release.is_some() {
            let back = Compensation::Always(Action::SwitchTraffic { traffic: before });
            script.then_step(Phase::Start, Action::SwitchTraffic { traffic: traffic.clone() }, back);
        }
    }

    /// What to go back to from the first change after this. Where nothing has changed yet, that is what
    /// was there, with the copies that do not run: their keepers may have them back by then.
    fn before(&self, traffic: &Traffic) -> Traffic {
        if *traffic == self.fit { self.old.clone() } else { traffic.clone() }
    }

    fn hand_over(
        &self,
        script: &mut Script,
        name: &Name,
        service: &Service,
        fate: &Fate,
        traffic: &mut Traffic,
    ) {
        // The proxy holds requests for an empty pool; it would send them to copies that are stopping.
        if traffic.pools.get(name).is_some_and(|pool| !pool.is_empty()) {
            self.move_traffic(script, name, Vec::new(), traffic);
        } else if service.port.is_some() && !(fate.leftovers.is_empty() && fate.dead.is_empty()) {
            // A run that could not switch back may have left the requests with its own copies; and those
            // that did not run get them again when they are back.
            let back = Action::SwitchTraffic { traffic: self.before(traffic) };
            let same = Action::SwitchTraffic { traffic: traffic.clone() };
            script.then_step(Phase::Start, same, Compensation::Always(back));
        }
        self.stop(script, service, &fate.stop, &[&fate.leftovers[..], &fate.dead].concat());
        self.start(script, fate.start.iter());
    }

    fn stop(&self, script: &mut Script, service: &Service, instances: &[InstanceId], others: &[InstanceId]) {
        script.then();
        let drain = self.drain(service);
        // Leftovers belong to no release: nothing is gone back to by starting them again. What did not run
        // is no part of what a run that goes back has to bring back.
        for instance in others {
            let stop = Action::StopInstance { instance: instance.clone(), drain };
            script.step(Phase::Start, stop, Compensation::Unneeded);
        }
        for instance in instances {
            let back = Action::StartInstance { instance: instance.clone(), ready: true };
            let stop = Action::StopInstance { instance: instance.clone(), drain };
            script.step(Phase::Start, stop, Compensation::Always(back));
        }
        script.then();
    }

    fn gate(&self, script: &mut Script) {
        script.then();
        if matches!(self.plan.request, Request::Deploy | Request::Rollback { .. } | Request::Rotate { .. }) {
            for index in 0..self.plan.spec.deploy.smoke.len() {
                script.step(Phase::Gate, Action::SmokeTest { index }, Compensation::Unneeded);
            }
        }
        script.then();
        super::value::verify(script, self.plan);
    }

    fn switch(&self, script: &mut Script, before: &Traffic) {
        let bake = self.plan.bake();
        let target = traffic_of(&self.plan.spec, self.plan.release, &self.plan.instances);
        let bakes = !bake.is_zero()
            && self.services().any(|(_, _, f)| {
                !matches!(f.change.reason, Reason::Unchanged | Reason::Scaled | Reason::Leftovers)
            });
        let fallback = if bakes { self.warm(&target) } else { IndexMap::new() };
        let back = match before.release {
            Some(_) => Action::SwitchTraffic { traffic: self.before(before) },
            None => Action::SwitchTraffic { traffic: Traffic::default() },
        };
        let warm = !fallback.is_empty();
        let first = Action::SwitchTraffic { traffic: Traffic { fallback, ..target.clone() } };
        script.then_step(Phase::Switch, first, Compensation::Always(back));
        if bakes {
            script.then_step(Phase::Bake, Action::Bake, Compensation::Unneeded);
        }
        script.then_step(Phase::Commit, Action::Commit, Compensation::Unneeded);
        if warm {
            let cold = Action::SwitchTraffic { traffic: target };
            script.then_step(Phase::Retire, cold, Compensation::Unneeded);
        }
    }

    /// Old copies that still run beside the new ones, for the pools that change.
    fn warm(&self, target: &Traffic) -> IndexMap<Name, Vec<InstanceId>> {
        let beside = self.services().filter(|(name, service, fate)| {
            target.pools.contains_key(*name)
                && matches!(self.way(name, service, fate), Way::Beside)
                && !fate.start.is_empty()
                && !fate.stop.is_empty()
        });
        beside.map(|(name, _, fate)| (name.clone(), fate.stop.clone())).collect()
    }

    fn way(&self, name: &Name, service: &Service, fate: &Fate) -> Way {
        let gives_way = !fate.stop.is_empty() || !fate.leftovers.is_empty();
        let may_come_back = fate.alone && !fate.dead.is_empty();
        if fate.start.is_empty() || !(gives_way || may_come_back) {
            return Way::Beside; // Only fewer copies: they stop after the commit.
        }
        match service.strategy {
            _ if fate.alone => Way::HandOver,
            Strategy::Recreate => Way::HandOver,
            Strategy::BlueGreen => Way::Beside,
            // A pool that comes or goes with this release cannot be shared by copies of both.
            Strategy::Rolling { .. } if self.old.pools.contains_key(name) != service.port.is_some() => {
                Way::Beside
            }
            Strategy::Rolling { max_surge: 0, max_unavailable: 0 } => {
                Way::InTurn { max_surge: 1, max_unavailable: 0 }
            }
            Strategy::Rolling { max_surge, max_unavailable } => Way::InTurn { max_surge, max_unavailable },
        }
    }

    /// How long requests in flight get before a copy stops. On the way back too: a release that
    /// turns bad after the switch has requests in flight.
    fn drain(&self, service: &Service) -> Span {
        if service.port.is_some() { self.plan.spec.deploy.drain } else { Span::ZERO }
    }

    fn start<'a>(&self, script: &mut Script, instances: impl Iterator<Item = &'a InstanceId> + Clone) {
        script.then();
        for instance in instances.clone() {
            let service = self.plan.spec.services.get(&instance.service);
            let drain = service.map_or(Span::ZERO, |service| self.drain(service));
            let stop = Action::StopInstance { instance: instance.clone(), drain };
            let start = Action::StartInstance { instance: instance.clone(), ready: false };
            script.step(Phase::Start, start, Compensation::Always(stop));
        }
        script.then();
        for instance in instances {
            let ready = Action::AwaitReady { instance: instance.clone() };
            script.step(Phase::Start, ready, Compensation::Unneeded);
        }
        script.then();
    }
}

/// Services in the order in which they can start: those of one rank need only those of earlier ones.
fn ranks(spec: &Spec) -> Vec<Vec<Name>> {
    let mut rank_of: BTreeMap<&Name, usize> = BTreeMap::new();
    let mut ranks: Vec<Vec<Name>> = Vec::new();
    // The specification's order is topological, so whatever a service needs has its rank already.
    for (name, service) in &spec.services {
        let rank = service.needs.iter().filter_map(|n| rank_of.get(n)).map(|r| r + 1).max().unwrap_or(0);
        rank_of.insert(name, rank);
        if ranks.len() <= rank {
            ranks.resize(rank + 1, Vec::new());
        }
        ranks[rank].push(name.clone());
    }
    ranks
}
