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
    /// Who gets the requests now.
    pub(super) old: Traffic,
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
        let mut traffic = self.old.clone();
        for (name, service, fate) in self.services() {
            if let Way::InTurn { max_surge, max_unavailable } = way(service, fate) {
                self.in_turn(script, name, service, fate, (max_surge, max_unavailable), &mut traffic);
            }
        }
        for (_, service, fate) in self.services() {
            if matches!(way(service, fate), Way::HandOver) {
                self.hand_over(script, service, fate);
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
            .filter(|(name, service, fate)| rank.contains(name) && matches!(way(service, fate), Way::Beside))
            .map(|(_, _, fate)| fate)
            .collect();
        start(script, chosen.iter().flat_map(|fate| &fate.start));
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
            start(script, surge.iter());
            live.extend(surge.iter().cloned());

            let spare =
                (live.len() + old.len()).saturating_sub(if pending.is_empty() { wanted } else { least });
            let leaving: Vec<InstanceId> = old.drain(..spare.min(old.len())).collect();
            if surge.is_empty() && leaving.is_empty() {
                break; // Neither surge nor unavailable: the manifest's check refuses that.
            }
            let ids: Vec<InstanceId> = live.iter().chain(&old).cloned().collect();
            if service.port.is_some() {
                self.move_traffic(script, name, ids, traffic);
            }
            self.stop(script, service, &leaving);
        }
    }

    fn move_traffic(&self, script: &mut Script, name: &Name, ids: Vec<InstanceId>, traffic: &mut Traffic) {
        let before = traffic.clone();
        traffic.pools.insert(name.clone(), ids);
        // A first release has no routes yet: its only switch is the one at the end.
        if before.release.is_some() {
            let back = Compensation::Always(Action::SwitchTraffic { traffic: before });
            script.then_step(Phase::Start, Action::SwitchTraffic { traffic: traffic.clone() }, back);
        }
    }

    fn hand_over(&self, script: &mut Script, service: &Service, fate: &Fate) {
        self.stop(script, service, &fate.stop);
        start(script, fate.start.iter());
    }

    fn stop(&self, script: &mut Script, service: &Service, instances: &[InstanceId]) {
        script.then();
        let drain = if service.port.is_some() { self.plan.spec.deploy.drain } else { Span::ZERO };
        for instance in instances {
            let back = Action::StartInstance { instance: instance.clone(), ready: true };
            let stop = Action::StopInstance { instance: instance.clone(), drain };
            script.step(Phase::Start, stop, Compensation::Always(back));
        }
        script.then();
    }

    fn gate(&self, script: &mut Script) {
        script.then();
        if matches!(self.plan.request, Request::Deploy | Request::Rollback { .. }) {
            for index in 0..self.plan.spec.deploy.smoke.len() {
                script.step(Phase::Gate, Action::SmokeTest { index }, Compensation::Unneeded);
            }
        }
        script.then();
    }

    fn switch(&self, script: &mut Script, before: &Traffic) {
        let bake = self.plan.spec.deploy.bake;
        let target = traffic_of(&self.plan.spec, self.plan.release, &self.plan.instances);
        let bakes = !bake.is_zero()
            && self
                .services()
                .any(|(_, _, f)| !matches!(f.change.reason, Reason::Unchanged | Reason::Scaled))
            && self.plan.previous.is_some();
        let fallback = if bakes { self.warm(&target) } else { IndexMap::new() };
        let back = match before.release {
            Some(_) => Action::SwitchTraffic { traffic: before.clone() },
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
                && matches!(way(service, fate), Way::Beside)
                && !fate.start.is_empty()
                && !fate.stop.is_empty()
        });
        beside.map(|(name, _, fate)| (name.clone(), fate.stop.clone())).collect()
    }
}

fn way(service: &Service, fate: &Fate) -> Way {
    if fate.stop.is_empty() {
        return Way::Beside;
    }
    match service.strategy {
        _ if fate.start.is_empty() => Way::Beside, // Only fewer copies: they stop after the commit.
        _ if service.singleton => Way::HandOver,
        Strategy::BlueGreen => Way::Beside,
        Strategy::Rolling { max_surge, max_unavailable } => Way::InTurn { max_surge, max_unavailable },
        Strategy::Recreate => Way::HandOver,
    }
}

fn start<'a>(script: &mut Script, instances: impl Iterator<Item = &'a InstanceId> + Clone) {
    script.then();
    for instance in instances.clone() {
        let stop = Action::StopInstance { instance: instance.clone(), drain: Span::ZERO };
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
