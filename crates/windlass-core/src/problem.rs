//! What of an environment needs a person: what is wrong, why, and what to do about it.

use crate::launch::{End, Exit, NO_LOG, ProcessState};
use crate::name::Name;
use crate::protocol::{EnvironmentStatus, InstanceStatus, ServiceStatus, Unrevoked, UnrevokedCredential};
use crate::spec::{Rotation, Spec};

/// What is wrong in an environment whose active release runs `spec`.
#[must_use]
pub fn problems(status: &EnvironmentStatus, spec: Option<&Spec>) -> Vec<String> {
    let mut problems = Vec::new();
    let wanted = status.services.iter().chain(&status.resources).filter(|service| service.wanted > 0);
    for service in wanted {
        // A run stops copies before it is done: singletons, say, which hand over.
        let is_of_the_run = |instance: &&InstanceStatus| {
            let stopped = instance.status.state == ProcessState::Ended(End::Stopped);
            stopped && status.run.as_ref().is_some_and(|run| run.locked)
        };
        let others = service.instances.iter().filter(|instance| !is_of_the_run(instance));
        for instance in others {
            problems.extend(of_copy(service, instance, spec));
            problems.extend(of_degraded(&service.name, instance, spec));
        }
    }
    let resources = status.resources.iter().filter(|resource| resource.wanted > 0);
    problems.extend(resources.flat_map(|resource| resource.instances.iter().filter_map(of_resource)));
    let Some(_) = &status.release else {
        problems.extend(of_rotations(status, spec));
        problems.extend(of_run(status));
        return problems;
    };
    if !status.storage.ok {
        let (free, wanted) = (status.storage.free / 1_000_000, status.storage.wanted / 1_000_000);
        problems.push(format!(
            "the disk is full or cannot be written: {free} MB are free, {wanted} MB are wanted; nothing is \
             deployed until there is room"
        ));
    }
    if let Some(pid) = status.frozen_proxy {
        problems.push(format!(
            "the proxy does not answer: its process {pid} is frozen (it was stopped by a signal); kill -CONT {pid} lets it go on"
        ));
    } else if !status.proxy && !status.addresses.is_empty() && !status.stopped {
        let (what, who) = match status.proxy_kept {
            true => ("does not answer", "its keeper"),
            false => ("does not run, nor does its keeper", "the host side"),
        };
        problems.push(format!(
            "the proxy {what}; {who} starts it again, and windlass logs proxy shows what it said"
        ));
    }
    if let Some(what) = &status.degraded_proxy {
        let how = match what.starts_with(NO_LOG) {
            true => format!("it sees to that itself once {WRITABLE}"),
            false => BY_ITSELF.to_owned(),
        };
        problems.push(format!("the proxy goes on, but {what}; {how}"));
    }
    problems.extend(of_rotations(status, spec));
    problems.extend(of_run(status));
    problems
}

const WRITABLE: &str = "the disk has room and can be written to";

const BY_ITSELF: &str = "its keeper sees to that itself as soon as it can";

/// What goes on, and not as it was launched to. Where it runs without its log, only its next start opens one.
fn of_degraded(name: &Name, instance: &InstanceStatus, spec: Option<&Spec>) -> Option<String> {
    let ProcessState::Running { .. } = instance.status.state else { return None };
    let what = instance.degraded.as_ref()?;
    if !what.starts_with(NO_LOG) {
        return Some(format!("{} goes on, but {what}; {BY_ITSELF}", shown(name, instance)));
    }
    let how = match spec.is_none_or(|spec| spec.services.contains_key(name)) {
        true => format!("windlass restart {name} puts that right"),
        false => "windlass stop and then windlass restart put that right".to_owned(),
    };
    Some(format!("{} goes on, but {what}; once {WRITABLE}, {how}", shown(name, instance)))
}

/// Values that are good still. A run may be about to revoke them.
fn of_rotations(status: &EnvironmentStatus, spec: Option<&Spec>) -> Vec<String> {
    if status.run.is_some() {
        return vec![];
    }
    let values = status.unrevoked.iter().map(|unrevoked| of_value(unrevoked, spec));
    values.chain(status.unrevoked_credentials.iter().map(of_credential)).collect()
}

fn of_credential(UnrevokedCredential { resource, credential }: &UnrevokedCredential) -> String {
    format!(
        "{credential} of {resource} could not be revoked and is good still: windlass deploy tries again, and says why \
         when it fails"
    )
}

fn of_value(Unrevoked { setting, release }: &Unrevoked, spec: Option<&Spec>) -> String {
    let rotation = spec.and_then(|spec| spec.rotations.get(setting));
    let how = match rotation.is_some_and(Rotation::revokes) {
        true => "windlass deploy tries again, and says why when it fails",
        false => "the manifest does not say any more how: take it away at its source",
    };
    format!("the value of {setting} that {release} left could not be revoked and is good still: {how}")
}

fn of_run(status: &EnvironmentStatus) -> Option<String> {
    let run = status.run.as_ref().filter(|run| !run.under_way)?;
    Some(format!("{} was interrupted: windlass resume goes on, windlass abort goes back", run.headline))
}

/// A private resource that waits to be started again: it is never left alone.
fn of_resource(instance: &InstanceStatus) -> Option<String> {
    let ProcessState::Backoff { .. } = instance.status.state else { return None };
    let name = &instance.id.service;
    let last = instance.status.last_exit.as_ref().map(|exit| format!(" (last: {exit})")).unwrap_or_default();
    let often = match instance.status.restarts {
        0 | 1 => String::new(),
        restarts => format!(" {restarts} times"),
    };
    Some(format!(
        "{name} ended{often}{last} and is started again after a pause; windlass logs {name} shows why"
    ))
}

fn of_copy(service: &ServiceStatus, instance: &InstanceStatus, spec: Option<&Spec>) -> Option<String> {
    let id = shown(&service.name, instance);
    let name = &service.name;
    // Only services can be restarted by themselves; what else does not run is started by a deploy.
    let again = match spec.is_none_or(|spec| spec.services.contains_key(name)) {
        true => format!("windlass restart {name} tries again"),
        false => "windlass deploy starts it again".to_owned(),
    };
    let look = format!("windlass logs {name} shows why, {again}");
    let ProcessState::Ended(end) = &instance.status.state else {
        let reason = instance.reason.as_ref().filter(|_| !instance.ready)?;
        return Some(format!("{id} is not ready: {reason}; windlass logs {name} shows what it says"));
    };
    if instance.status.ended_well() {
        return None;
    }
    let exit = instance.status.last_exit.as_ref();
    let last = exit.map(|exit| format!(" (last: {exit})")).unwrap_or_default();
    Some(match end {
        End::CrashLoop => {
            let policy = spec.and_then(|spec| spec.services.get(name)).map(|service| &service.restart);
            let often = policy.map_or_else(
                || "too often".to_owned(),
                // Each of the restarts followed an end, and the last end was one too many.
                |policy| format!("{} times within {}", policy.limit.saturating_add(1), policy.window),
            );
            let what = if matches!(exit, Some(Exit::NotAlive(_))) { "was not alive" } else { "crashed" };
            match instance.again_in {
                Some(left) => {
                    let look =
                        format!("windlass logs {name} shows why, windlass restart {name} does so at once");
                    format!("{id} {what} {often}{last} and is tried again in {left}; {look}")
                }
                None => format!("{id} {what} {often}{last} and is left alone; {look}"),
            }
        }
        End::Finished => {
            let how = exit.map(|exit| format!(": {exit}")).unwrap_or_default();
            format!("{id} has ended{how}, and its restart policy is to leave it; {look}")
        }
        End::TimedOut => format!("{id} ran longer than it may and was stopped; {look}"),
        End::NotStarted => match exit {
            Some(Exit::NotStarted(why)) => format!("{id} cannot be started: {why}; then {again}"),
            _ => format!("{id} does not run, and how it ended is not known; {look}"),
        },
        End::Stopped => format!("{id} was stopped by something else than Windlass and is started again"),
    })
}

fn shown(name: &Name, instance: &InstanceStatus) -> String {
    if instance.id.release.0 == 0 { name.to_string() } else { instance.id.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::launch::Status;
    use crate::manifest;
    use crate::name::{InstanceId, ReleaseId};
    use crate::protocol::{OpenRun, ReleaseRecord, Storage};
    use crate::resolve::resolve;
    use crate::spec::{Credential, Setting};
    use crate::units::Span;

    fn copy(state: ProcessState, last_exit: Option<Exit>) -> InstanceStatus {
        InstanceStatus {
            id: InstanceId { service: Name::new("web").unwrap(), release: ReleaseId(3), replica: 1 },
            status: Status {
                keeper: 1,
                state,
                restarts: 5,
                last_exit,
                since: 0,
                note: None,
                degraded: None,
                hangs: Vec::new(),
                boot: String::new(),
            },
            degraded: None,
            last_restart: None,
            stage: None,
            again_in: None,
            ready: false,
            reason: None,
            port: None,
            memory: 0,
            cpu_millis: 0,
        }
    }

    fn of(instance: InstanceStatus) -> Vec<String> {
        let name = instance.id.service.clone();
        let services = vec![ServiceStatus { name, wanted: 1, instances: vec![instance] }];
        problems(&EnvironmentStatus { services, ..EnvironmentStatus::default() }, None)
    }

    #[test]
    fn a_resource_that_waits_to_be_started_again_is_a_problem() {
        let mut instance = copy(ProcessState::Backoff { until: 0 }, Some(Exit::Code(1)));
        instance.id = InstanceId { service: Name::new("db").unwrap(), release: ReleaseId(0), replica: 1 };
        let resource = ServiceStatus { name: Name::new("db").unwrap(), wanted: 1, instances: vec![instance] };
        let status = EnvironmentStatus { resources: vec![resource], ..EnvironmentStatus::default() };
        assert_eq!(
            problems(&status, None),
            [
                "db ended 5 times (last: exit code 1) and is started again after a pause; windlass logs db shows why"
            ]
        );
    }

    #[test]
    fn what_runs_without_its_log_is_told_with_what_brings_it_back() {
        let mut instance = copy(ProcessState::Running { pid: 1, start_ticks: 1 }, None);
        let why = "it runs without its log (logs/web.r3.1.log cannot be opened: Read-only file system)";
        instance.degraded = Some(why.to_owned());
        instance.ready = true;
        assert_eq!(
            of(instance.clone()),
            [format!(
                "web.r3.1 goes on, but {why}; once the disk has room and can be written to, windlass restart web puts that \
                 right"
            )]
        );
        instance.status.state = ProcessState::Backoff { until: 0 };
        assert_eq!(of(instance.clone()), [""; 0], "it is started anew");
        // No start is needed for what its keeper does by itself.
        let why = "its keeper cannot write status.json: No space left on device (os error 28)";
        instance.status.state = ProcessState::Running { pid: 1, start_ticks: 1 };
        instance.degraded = Some(why.to_owned());
        assert_eq!(
            of(instance),
            [format!("web.r3.1 goes on, but {why}; its keeper sees to that itself as soon as it can")]
        );
    }

    #[test]
    fn what_does_not_run_is_told_with_what_to_do() {
        let ended = |end, exit| of(copy(ProcessState::Ended(end), exit)).join("\n");
        assert_eq!(
            ended(End::CrashLoop, Some(Exit::Code(7))),
            "web.r3.1 crashed too often (last: exit code 7) and is left alone; windlass logs web shows why, \
             windlass restart web tries again"
        );
        let mut tried = copy(ProcessState::Ended(End::CrashLoop), Some(Exit::Code(7)));
        tried.again_in = Some(Span::from_secs(40));
        assert_eq!(
            of(tried),
            [
                "web.r3.1 crashed too often (last: exit code 7) and is tried again in 40s; windlass logs web shows why, \
              windlass restart web does so at once"
            ]
        );
        assert_eq!(
            ended(End::Finished, Some(Exit::Signal("SIGSEGV".to_owned()))),
            "web.r3.1 has ended: killed by SIGSEGV, and its restart policy is to leave it; windlass logs web \
             shows why, windlass restart web tries again"
        );
        assert_eq!(ended(End::Finished, Some(Exit::Code(0))), "");
        assert_eq!(
            ended(End::NotStarted, Some(Exit::NotStarted("there is no program \"x\" in PATH".to_owned()))),
            "web.r3.1 cannot be started: there is no program \"x\" in PATH; then windlass restart web tries again"
        );
        assert_eq!(
            ended(End::NotStarted, None),
            "web.r3.1 does not run, and how it ended is not known; windlass logs web shows why, windlass restart web \
             tries again"
        );
    }

    #[test]
    fn what_is_not_ready_is_told_with_why() {
        let mut instance = copy(ProcessState::Running { pid: 7, start_ticks: 7 }, None);
        instance.reason = Some("connection refused".to_owned());
        assert_eq!(
            of(instance.clone()),
            ["web.r3.1 is not ready: connection refused; windlass logs web shows what it says"]
        );
        instance.ready = true;
        assert_eq!(of(instance), [""; 0]);
    }

    #[test]
    fn who_starts_the_proxy_again_is_told_as_it_is() {
        let release = ReleaseRecord {
            release: ReleaseId(3),
            active: true,
            available: true,
            headline: String::new(),
            tree: ReleaseId(3),
            commit: None,
            dirty: false,
            by: String::new(),
            activated: 0,
            schema: [].into(),
        };
        let addresses = vec!["http://localhost".to_owned()];
        let storage = Storage { ok: true, ..Storage::default() };
        let mut status =
            EnvironmentStatus { release: Some(release), addresses, storage, ..EnvironmentStatus::default() };
        let told = |status: &EnvironmentStatus| problems(status, None).join("\n");
        assert_eq!(
            told(&status),
            "the proxy does not run, nor does its keeper; the host side starts it again, and windlass logs proxy shows \
             what it said"
        );
        status.proxy_kept = true;
        assert!(told(&status).starts_with("the proxy does not answer; its keeper starts it again, and "));
        status.proxy = true;
        assert_eq!(told(&status), "");
        status.degraded_proxy = Some("it runs without its log".to_owned());
        assert_eq!(
            told(&status),
            "the proxy goes on, but it runs without its log; it sees to that itself once the disk has room and can be \
             written to"
        );
        status.degraded_proxy = Some("its keeper cannot write status.json".to_owned());
        assert_eq!(
            told(&status),
            "the proxy goes on, but its keeper cannot write status.json; its keeper sees to that itself as soon as it can"
        );
    }

    fn interrupted() -> OpenRun {
        OpenRun {
            remaining: None,
            run: "1".to_owned(),
            headline: "Deploy shop (local): r1, the first release".to_owned(),
            by: "ada@vm".to_owned(),
            began: 0,
            under_way: false,
            locked: true,
            settles_at: None,
        }
    }

    #[test]
    fn an_interrupted_run_is_told_also_before_anything_is_deployed() {
        let status = EnvironmentStatus { run: Some(interrupted()), ..EnvironmentStatus::default() };
        assert_eq!(
            problems(&status, None),
            [
                "Deploy shop (local): r1, the first release was interrupted: windlass resume goes on, windlass \
              abort goes back"
            ]
        );
    }

    #[test]
    fn a_value_that_could_not_be_revoked_is_told_when_no_run_is_at_it() {
        let unrevoked = vec![Unrevoked { setting: "TOKEN".to_owned(), release: ReleaseId(2) }];
        let mut status = EnvironmentStatus { unrevoked, ..EnvironmentStatus::default() };
        let text =
            "[app]\nname = \"shop\"\n[settings.TOKEN]\nsecret = true\nrotate = { revoke = [\"./revoke\"] }\n";
        let settings = [("TOKEN".to_owned(), Setting::default())].into();
        let spec = resolve(&manifest::load(text).0.unwrap(), "local", &settings).unwrap();
        assert_eq!(
            problems(&status, Some(&spec)),
            [
                "the value of TOKEN that r2 left could not be revoked and is good still: windlass deploy tries \
              again, and says why when it fails"
            ]
        );
        let told = problems(&status, None);
        assert!(told[0].ends_with("take it away at its source"), "{told:?}");
        let resource = Name::new("db").unwrap();
        status.unrevoked_credentials = vec![UnrevokedCredential { resource, credential: Credential::FIRST }];
        let told = problems(&status, None);
        assert_eq!(
            told[1],
            "the first credential of db could not be revoked and is good still: windlass deploy tries again, and says \
             why when it fails"
        );
        status.run = Some(OpenRun { under_way: true, ..interrupted() });
        assert!(problems(&status, Some(&spec)).is_empty());
    }
}
