//! How everything is, for people.

use windlass_core::launch::{ProcessState, Status};
use windlass_core::name::{InstanceId, Name, ReleaseId};
use windlass_core::protocol::{CronStatus, EnvironmentStatus, InstanceStatus, ReleaseRecord, ServiceStatus};

use super::Host;
use super::identity::Identity;
use super::usage::Processes;
use crate::boot;
use crate::engine::{Active, JournalError, Listed};
use crate::runtime::process;
use crate::schedule;

impl Host {
    /// How everything is.
    pub(super) async fn status(&self) -> EnvironmentStatus {
        let (app, environment) = self.names();
        let active = self.journal.borrow().active().ok().flatten();
        let report = self.proxy().report().await;
        let mut status = EnvironmentStatus {
            app: app.to_string(),
            environment: environment.to_string(),
            run: self.open_run(),
            proxy: report.is_some(),
            ..EnvironmentStatus::default()
        };
        let Some(active) = active else { return status };
        let report = report.unwrap_or_default();
        let processes = Processes::read();
        let spec = &active.release.spec;
        status.addresses = super::routing::addresses(spec, &report.listening);
        status.stopped = active.stopped;
        status.release = Some(self.release_record(&active.release.listed(), Some(active.release.id)));
        for (name, service) in &spec.services {
            let ids = active.release.instances.get(name).map(Vec::as_slice).unwrap_or_default();
            let mut instances: Vec<InstanceStatus> =
                ids.iter().map(|id| self.instance_status(id, &processes)).collect();
            for instance in &mut instances {
                if let Some(endpoint) = report.endpoints.get(&instance.id.to_string()) {
                    instance.ready &= endpoint.healthy;
                    instance.reason = instance.reason.take().or_else(|| endpoint.reason.clone());
                }
            }
            let wanted = if active.stopped || ids.is_empty() { 0 } else { service.replicas };
            status.services.push(ServiceStatus { name: name.clone(), wanted, instances });
        }
        for (name, _) in spec.resources.iter().filter(|(_, resource)| resource.is_private()) {
            let id = InstanceId { service: name.clone(), release: ReleaseId(0), replica: 1 };
            let directory = self.layout.resource(name).join("keeper");
            let instance = look(id, &directory, &processes, None);
            let wanted = u32::from(!active.stopped);
            status.resources.push(ServiceStatus { name: name.clone(), wanted, instances: vec![instance] });
        }
        status.storage = self.storage(spec.deploy.min_free_disk);
        status.crons = self.cron_status(&active);
        status.boot = boot::recorded(&self.layout).map(|entry| entry.to_string());
        status.problems = problems(&status);
        status.problems.extend(report.problems);
        status.problems.extend(self.undelivered());
        status
    }

    fn instance_status(&self, id: &InstanceId, processes: &Processes) -> InstanceStatus {
        let directory = self.layout.instance(id);
        let port = Identity::read(&directory).ok().and_then(|identity| identity.port);
        let mut instance = look(id.clone(), &directory, processes, port);
        if let Some(reason) = self.health.borrow().get(id).and_then(|health| health.reason.clone()) {
            instance.ready = false;
            instance.reason = Some(reason);
        }
        instance
    }

    fn cron_status(&self, active: &Active) -> Vec<CronStatus> {
        let crons = active.release.spec.crons.iter();
        crons
            .map(|(name, cron)| {
                let recorded = self.journal.borrow().cron(name).ok().flatten();
                let next = schedule::schedule(cron).ok().and_then(|s| s.next(jiff::Timestamp::now()));
                CronStatus {
                    name: name.clone(),
                    next: next.map(jiff::Timestamp::as_millisecond).filter(|_| !active.stopped),
                    last: recorded.as_ref().map(|(last, _)| *last),
                    outcome: recorded.and_then(|(_, outcome)| outcome),
                    running: self.cron_runs(name),
                }
            })
            .collect()
    }

    /// The releases, newest first.
    pub(super) fn release_records(&self) -> Result<Vec<ReleaseRecord>, JournalError> {
        let journal = self.journal.borrow();
        let active = journal.active()?.map(|active| active.release.id);
        Ok(journal.releases()?.iter().map(|row| self.release_record(row, active)).collect())
    }

    fn release_record(&self, row: &Listed, active: Option<ReleaseId>) -> ReleaseRecord {
        ReleaseRecord {
            release: row.id,
            active: active == Some(row.id),
            available: self.layout.is_sealed(row.tree),
            headline: row.headline.clone(),
            tree: row.tree,
            commit: row.source.commit.clone(),
            dirty: row.source.dirty,
            by: row.by.clone(),
            activated: row.activated,
            schema: row.schema.clone(),
        }
    }
}

fn look(
    id: InstanceId,
    directory: &std::path::Path,
    processes: &Processes,
    port: Option<u16>,
) -> InstanceStatus {
    let seen = process::observe(directory);
    let unknown = Status {
        keeper: 0,
        state: ProcessState::Ended(windlass_core::launch::End::NotStarted),
        restarts: 0,
        last_exit: None,
        since: 0,
        note: None,
    };
    let status = seen.and_then(|seen| seen.status).unwrap_or(unknown);
    let pid = match status.state {
        ProcessState::Running { pid, .. } | ProcessState::Stopping { pid } => Some(pid),
        _ => None,
    };
    let usage = pid.map(|pid| processes.of(pid)).unwrap_or_default();
    InstanceStatus {
        id,
        ready: matches!(status.state, ProcessState::Running { .. }),
        reason: None,
        status,
        port,
        memory: usage.memory,
        cpu_millis: usage.cpu_millis,
    }
}

fn problems(status: &EnvironmentStatus) -> Vec<String> {
    let mut problems = Vec::new();
    for service in status.services.iter().chain(&status.resources) {
        for instance in &service.instances {
            if let ProcessState::Ended(end) = &instance.status.state
                && service.wanted > 0
                && !instance.status.ended_well()
            {
                let how = instance.status.last_exit.as_ref().map(ToString::to_string).unwrap_or_default();
                problems.push(format!("{} does not run ({end:?}: {how})", shown(&service.name, instance)));
            } else if let Some(reason) = instance.reason.as_ref().filter(|_| !instance.ready) {
                problems.push(format!("{} is not ready: {reason}", shown(&service.name, instance)));
            }
        }
    }
    if !status.storage.ok {
        let (free, wanted) = (status.storage.free / 1_000_000, status.storage.wanted / 1_000_000);
        problems.push(format!(
            "the disk is full or cannot be written: {free} MB are free, {wanted} MB are wanted"
        ));
    }
    if !status.proxy && !status.addresses.is_empty() && !status.stopped {
        problems.push("the proxy does not answer; its keeper starts it again".to_owned());
    }
    if let Some(run) = status.run.as_ref().filter(|run| !run.under_way) {
        problems.push(format!(
            "{} was interrupted: `windlass resume` goes on, `windlass abort` goes back",
            run.headline
        ));
    }
    problems
}

fn shown(name: &Name, instance: &InstanceStatus) -> String {
    if instance.id.release.0 == 0 { name.to_string() } else { instance.id.to_string() }
}
