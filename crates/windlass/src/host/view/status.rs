//! How everything is, for people.

use std::path::Path;
use std::time::Duration;

use windlass_core::edge::Report;
use windlass_core::journal::Stage;
use windlass_core::launch::{End, ProcessState, Status};
use windlass_core::name::{InstanceId, Name, ReleaseId};
use windlass_core::plan::unrevoked as unrevoked_credentials;
use windlass_core::problem::problems;
use windlass_core::protocol::{
    Audit, CronStatus, EnvironmentStatus, InstanceStatus, ReleaseRecord, ServiceStatus, Unrevoked,
    UnrevokedCredential,
};

use crate::boot;
use crate::engine::{Active, JournalError, Listed};
use crate::host::Host;
use crate::host::instance::identity::Identity;
use crate::host::instance::restarts::Restarts;
use crate::host::settings::rotation::unrevoked;
use crate::host::settings::values;
use crate::host::view::routes::routes;
use crate::host::view::told::Told;
use crate::host::view::usage::Processes;
use crate::resource;
use crate::schedule;

/// How many releases are listed that cannot be gone back to.
const LATEST: usize = 200;

/// How long a proxy that is being started is waited for.
const STARTING: Duration = Duration::from_secs(5);

impl Host {
    /// How everything is.
    pub(in crate::host) async fn status(&self) -> EnvironmentStatus {
        let (app, environment) = self.names();
        let active = self.journal.borrow().active().ok().flatten();
        let frozen = self.proxy().frozen();
        let report = self.report_of_proxy().await;
        let mut status = EnvironmentStatus {
            app: app.to_string(),
            environment: environment.to_string(),
            run: self.open_run(),
            proxy: report.is_some(),
            proxy_kept: self.proxy().is_kept(),
            frozen_proxy: frozen,
            unrevoked: unrevoked(&self.layout)
                .into_iter()
                .map(|(setting, release)| Unrevoked { setting, release })
                .collect(),
            ..EnvironmentStatus::default()
        };
        let report = report.unwrap_or_default();
        let seen = Seen { processes: Processes::read(), told: self.told_by_keepers(active.as_ref()).await };
        status.degraded_proxy = seen.of(&self.layout.proxy().join("keeper")).degraded();
        status.transient = self.transient(active.as_ref(), &report, &seen);
        status.transient.extend(self.new_resources(active.as_ref(), &seen));
        let Some(active) = active else {
            status.problems = problems(&status, None);
            status.problems.extend(self.half_done_jobs());
            return status;
        };
        let spec = &active.release.spec;
        status.addresses = crate::host::proxy::table::addresses(spec, &report.listening);
        status.routes = routes(spec, &report);
        status.stopped = active.stopped;
        status.release = Some(self.release_record(&active.release.listed(), Some(active.release.id)));
        for (name, service) in &spec.services {
            let ids = active.release.instances.get(name).map(Vec::as_slice).unwrap_or_default();
            let of_copy = |id| {
                let mut instance = self.instance_status(id, &report, &seen);
                let is_given_up = instance.status.state == ProcessState::Ended(End::CrashLoop);
                instance.again_in = self.again_in(id, service).filter(|_| is_given_up && self.keeps(id));
                instance
            };
            let instances = ids.iter().map(of_copy).collect();
            let wanted = if active.stopped || ids.is_empty() { 0 } else { service.replicas };
            status.services.push(ServiceStatus { name: name.clone(), wanted, instances });
        }
        let answers = self.answers().await;
        for (name, resource) in spec.resources.iter().filter(|(_, resource)| resource.is_private()) {
            let mut instance = self.resource_status(name, &seen);
            if instance.ready && answers.get(name) == Some(&false) {
                instance.ready = false;
                instance.reason = Some("it does not answer".to_owned());
            }
            let known = resource::credentials(&self.layout.resource(name));
            let left = unrevoked_credentials(resource, &known);
            let left = left.map(|credential| UnrevokedCredential { resource: name.clone(), credential });
            status.unrevoked_credentials.extend(left);
            let wanted = u32::from(!active.stopped);
            status.resources.push(ServiceStatus { name: name.clone(), wanted, instances: vec![instance] });
        }
        status.storage = self.storage(spec.deploy.min_free_disk);
        status.crons = self.cron_status(&active);
        status.boot = boot::recorded(&self.layout).map(|entry| entry.to_string());
        status.problems = problems(&status, Some(spec));
        status.problems.extend(self.half_done_jobs());
        status
            .problems
            .extend(values::read(&self.layout, active.release.id).err().map(|error| error.to_string()));
        status.problems.extend(self.damaged_rows());
        status.problems.extend(report.problems);
        status.certificates = report.certificates;
        status.problems.extend(self.undelivered());
        status
    }

    /// What the proxy counts. One that is being started, because the host side has only just begun, is waited for:
    /// nobody has to be told of that.
    async fn report_of_proxy(&self) -> Option<Report> {
        let report = self.proxy().report().await;
        if report.is_some() || *self.proxy_tried.borrow() || self.proxy().frozen().is_some() {
            return report;
        }
        let mut tried = self.proxy_tried.subscribe();
        let _in_time = tokio::time::timeout(STARTING, tried.wait_for(|tried| *tried)).await;
        self.proxy().report().await
    }

    /// Adds whether the runs are those that were written down. Only whoever asks for the status is told: it means
    /// reading all of them, and says nothing of how the application is.
    pub(in crate::host) fn look_at_audit(&self, status: &mut EnvironmentStatus) {
        status.audit = self.journal.borrow().audit().ok();
        let altered = status.audit.iter().flat_map(|audit| &audit.faults);
        status.problems.extend(altered.map(|fault| format!("{}: {fault}: {}", Audit::AMISS, Audit::HINT)));
    }

    /// The copies that live and are none of the active release's.
    fn transient(&self, active: Option<&Active>, report: &Report, seen: &Seen) -> Vec<InstanceStatus> {
        let current: Vec<&InstanceId> =
            active.map(|active| active.release.instances.values().flatten().collect()).unwrap_or_default();
        let run = self.open_plan();
        let others = Identity::all(&self.layout).unwrap_or_default().into_iter().map(|identity| identity.id);
        others
            .filter(|id| !current.contains(&id))
            .filter_map(|id| {
                let stage = run.as_ref().and_then(|(run, standing)| Stage::of(&run.row.plan, standing, &id));
                let stage = stage.filter(|stage| *stage != Stage::Leaving);
                let stage = stage.or_else(|| self.lives(&id).then_some(Stage::Leaving))?;
                let mut instance = self.instance_status(&id, report, seen);
                instance.ready &= stage != Stage::Starting;
                instance.stage = Some(stage);
                Some(instance)
            })
            .collect()
    }

    /// The private resources that a run brings, and that the active release has not.
    fn new_resources(&self, active: Option<&Active>, seen: &Seen) -> Vec<InstanceStatus> {
        let Some((run, standing)) = self.open_plan() else { return Vec::new() };
        let plan = &run.row.plan;
        let is_new = |name: &&Name| {
            let known = active.and_then(|active| active.release.spec.resources.get(*name));
            known.is_none_or(|resource| !resource.is_private())
        };
        let mut new = Vec::new();
        for name in plan.spec.resources.keys().filter(is_new) {
            let Some(stage) = Stage::of_resource(plan, &standing, name) else { continue };
            let mut instance = self.resource_status(name, seen);
            let is_there = !matches!(instance.status.state, ProcessState::Ended(_));
            if !is_there && stage == Stage::Leaving {
                continue;
            }
            instance.ready &= stage != Stage::Starting;
            instance.stage = Some(stage);
            new.push(instance);
        }
        new
    }

    fn resource_status(&self, name: &Name, seen: &Seen) -> InstanceStatus {
        let id = InstanceId { service: name.clone(), release: ReleaseId(0), replica: 1 };
        seen.look(id, &self.layout.resource(name).join("keeper"), None)
    }

    fn instance_status(&self, id: &InstanceId, report: &Report, seen: &Seen) -> InstanceStatus {
        let directory = self.layout.instance(id);
        let port = Identity::read(&directory).ok().and_then(|identity| identity.port);
        let mut instance = seen.look(id.clone(), &directory, port);
        let before = Restarts::read(&directory);
        if before.count > 0 {
            instance.status.restarts = instance.status.restarts.saturating_add(before.count);
            instance.last_restart = instance.last_restart.or(Some(before.reason));
        }
        instance.reason = self.why_unready(id, report);
        instance.ready &= instance.reason.is_none();
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

    /// Releases that are passed over, because what is written of them cannot be read.
    fn damaged_rows(&self) -> Vec<String> {
        let damaged = self.journal.borrow().unreadable().unwrap_or_default();
        let told = damaged.iter().map(|release| {
            format!(
                "what the state file says of {release} cannot be read, so nobody can go back to it: restore \
                 state/journal.db from a backup if it is needed"
            )
        });
        told.collect()
    }

    /// The releases, newest first: the latest, and whatever else can be gone back to. Together with all others
    /// they would not fit one answer some day.
    pub(in crate::host) fn release_records(&self) -> Result<Vec<ReleaseRecord>, JournalError> {
        let journal = self.journal.borrow();
        let active = journal.active()?.map(|active| active.release.id);
        let records = journal.releases()?.into_iter().map(|row| self.release_record(&row, active));
        let records =
            records.enumerate().filter(|(at, record)| *at < LATEST || record.active || record.available);
        Ok(records.map(|(_, record)| record).collect())
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

/// What was seen of all processes and their keepers.
struct Seen {
    processes: Processes,
    told: Told,
}

/// What a keeper's directory, or the keeper, says.
struct Kept {
    status: Option<Status>,
    is_alive: bool,
}

impl Kept {
    /// What is amiss with what runs.
    fn degraded(self) -> Option<String> {
        self.status.filter(|_| self.is_alive)?.degraded
    }
}

impl Seen {
    fn of(&self, directory: &Path) -> Kept {
        let seen = self.told.of(directory);
        Kept {
            is_alive: seen.as_ref().is_some_and(|seen| seen.process_alive),
            status: seen.and_then(|seen| seen.into_owned().status),
        }
    }

    fn look(&self, id: InstanceId, directory: &Path, port: Option<u16>) -> InstanceStatus {
        let Kept { status, is_alive } = self.of(directory);
        let unknown = Status {
            keeper: 0,
            state: ProcessState::Ended(End::NotStarted),
            restarts: 0,
            last_exit: None,
            since: 0,
            note: None,
            degraded: None,
            hangs: Vec::new(),
            boot: String::new(),
        };
        let mut status = status.unwrap_or(unknown);
        let pid = match status.state {
            ProcessState::Running { pid, .. } | ProcessState::Stopping { pid, .. } => Some(pid),
            _ => None,
        };
        let usage = pid.map(|pid| self.processes.of(pid)).unwrap_or_default();
        // Of one that has ended for good the last end led to no restart.
        let again = status.restarts > 0 && !matches!(status.state, ProcessState::Ended(_));
        InstanceStatus {
            id,
            ready: is_alive && matches!(status.state, ProcessState::Running { .. }),
            reason: None,
            last_restart: status.last_exit.as_ref().filter(|_| again).map(ToString::to_string),
            stage: None,
            again_in: None,
            degraded: status.degraded.take(),
            status,
            port,
            memory: usage.memory,
            cpu_millis: usage.cpu_millis,
        }
    }
}
