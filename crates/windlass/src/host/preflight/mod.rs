//! Looking before anything changes: whether this machine can carry the release.

mod disk;
mod programs;

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, TcpListener};
use std::time::{Duration, Instant};

use indexmap::IndexMap;
use tokio_rustls::rustls::pki_types::UnixTime;
use windlass_core::journal::Fault;
use windlass_core::name::Name;
use windlass_core::plan::{Action, Plan, Request};
use windlass_core::spec::{Engine, Port, Spec};

use crate::account::{self, Account};
use crate::certificate::{self, Lapse};
use crate::host::Host;
use crate::host::instance::identity::Identity;
use crate::host::preflight::disk::Free;
use crate::host::proxy::table::{early, hashed};
use crate::host::resource::lifecycle::{blocking, facts};
use crate::host::settings::lookup::Settings;
use crate::host::tree::contents;
use crate::host::world::by_hand;
use crate::keeper::limits::{self, By, Capabilities};
use crate::resource;

impl Host {
    /// Looks at everything at once and answers all that is wrong in one fault.
    pub(super) async fn preflight(&self, plan: &Plan) -> Result<String, Fault> {
        let mut wrong: Vec<(String, String)> = Vec::new();
        let mut notes = Vec::new();
        for short in Free::at(self.layout.root()).iter().flat_map(|free| free.short(self.layout.root(), plan))
        {
            match short.stops {
                true => wrong.push((short.what, short.hint)),
                false => notes.push(short.what),
            }
        }
        self.look_at_tree(plan, &mut wrong).await?;
        look_at_memory(&plan.spec, &mut wrong);
        look_at_limits(&plan.spec, &limits::capabilities(), &mut wrong);
        look_at_accounts(&plan.spec, &mut wrong);
        notes.extend(self.look_at_certificates(plan, &mut wrong));
        self.look_at_ports(&plan.spec, &mut wrong).await;
        self.look_at_fixed_ports(&plan.spec, &mut wrong);
        programs::look_at_servers(&plan.spec, &self.layout, &mut wrong).await?;
        programs::look_at_commands(plan, &mut wrong);
        self.look_at_jobs(plan, &mut wrong);
        self.look_at_users(plan, &mut wrong);
        self.look_at_resources(plan, &mut wrong).await;
        if let Err(fault) = self.rehearse_rotation(plan).await {
            wrong.push((fault.message, fault.hint));
        }
        match wrong.as_slice() {
            [] => Ok(notes.join("; ")),
            [(message, hint)] => Err(Fault::new(message.clone(), hint.clone())),
            several => {
                let lines: Vec<String> =
                    several.iter().map(|(what, hint)| format!("{what}: {hint}")).collect();
                let message = format!("{} things are missing on this machine", several.len());
                Err(Fault { tail: lines, ..Fault::new(message, "mend them, and deploy again") })
            }
        }
    }

    /// No job runs beside itself.
    fn look_at_jobs(&self, plan: &Plan, wrong: &mut Vec<(String, String)>) {
        for step in &plan.steps {
            if let Action::RunJob { job, .. } = &step.action
                && self.runs_by_hand(job)
            {
                let fault = by_hand(job);
                wrong.push((fault.message, fault.hint));
            }
        }
    }

    /// A route that nobody may pass stops the run before the switch does.
    fn look_at_users(&self, plan: &Plan, wrong: &mut Vec<(String, String)>) {
        if plan.request != Request::Deploy {
            return;
        }
        let keys: BTreeSet<&String> =
            plan.spec.routes.iter().filter_map(|route| route.access.basic_auth.as_ref()).collect();
        if keys.is_empty() {
            return;
        }
        let values = crate::host::settings::values::read(&self.layout, plan.release).unwrap_or_default();
        let settings = Settings { values: &values, known: &plan.spec.settings };
        for key in keys {
            if let Err(fault) = settings.text(key, &early).and_then(|lines| hashed(key, &lines)) {
                wrong.push((fault.message, fault.hint));
            }
        }
    }

    /// A tree that is there already must still be what was sealed.
    async fn look_at_tree(&self, plan: &Plan, wrong: &mut Vec<(String, String)>) -> Result<(), Fault> {
        let hint = match &plan.request {
            Request::Deploy => "deploy again: they are made anew from the source",
            Request::Rollback { anyway: false, .. } => {
                "check out its commit and deploy that, or go back to another release; \
                 --anyway takes the files as they are"
            }
            _ => return Ok(()),
        };
        let tree = plan.tree.id;
        if plan.steps.iter().any(|step| step.action == Action::SealTree { tree }) {
            return Ok(());
        }
        let (root, seal) = (self.layout.tree(tree), self.layout.seal(tree));
        match blocking(move || contents::damage(&root, &seal)).await? {
            Ok(None) => {}
            Ok(Some(damage)) => wrong.push((
                format!("the files of releases/{tree} are not those that were built: {damage}"),
                hint.to_owned(),
            )),
            Err(error) => {
                wrong
                    .push((format!("the files of releases/{tree} cannot be read: {error}"), hint.to_owned()));
            }
        }
        Ok(())
    }

    /// What is there already, somebody else's or Windlass's own, must answer before a deploy begins.
    async fn look_at_resources(&self, plan: &Plan, wrong: &mut Vec<(String, String)>) {
        if plan.request != Request::Deploy {
            return;
        }
        let started = |name: &Name| {
            plan.steps.iter().any(
                |step| matches!(&step.action, Action::StartResource { resource, .. } if resource == name),
            )
        };
        let values = crate::host::settings::values::read(&self.layout, plan.release).unwrap_or_default();
        let settings = Settings { values: &values, known: &plan.spec.settings };
        for (name, spec) in plan.spec.resources.iter().filter(|(name, _)| !started(name)) {
            let only = IndexMap::from([(name.clone(), spec.clone())]);
            let hint = if spec.is_private() {
                format!("see `windlass logs {name}`, and deploy again when it is back")
            } else {
                "bring it back, or correct its address, and deploy again".to_owned()
            };
            let facts = match facts(self, &only, settings).await {
                Ok(facts) => facts.get(name).cloned().unwrap_or_default(),
                Err(fault) => {
                    wrong.push((fault.message, fault.hint));
                    continue;
                }
            };
            if let Err(why) = answer(spec.engine, facts).await {
                wrong.push((format!("the resource {name} does not answer: {why}"), hint));
            }
        }
    }

    /// One that cannot be used stops the run. Where the proxy has read it before, and nothing new is
    /// deployed, it goes on with that: then it does not. One that is out of date, or whose key is no secret,
    /// stops nothing: what runs shows it already.
    fn look_at_certificates(&self, plan: &Plan, wrong: &mut Vec<(String, String)>) -> Vec<String> {
        let active = self.journal.borrow().active().ok().flatten();
        let shown = active.map(|active| active.release.spec.listen.tls).unwrap_or_default();
        let mut notes = Vec::new();
        for tls in &plan.spec.listen.tls {
            if certificate::is_open(&tls.key) {
                notes.push(format!("everybody on this machine may read the key {0}: chmod 600 {0}", tls.key));
            }
            match certificate::read(tls) {
                Err(why) if plan.request != Request::Deploy && shown.contains(tls) => notes.push(why),
                Err(why) => wrong.push((why, "mend the file, or correct [listen] tls".to_owned())),
                Ok(pair) => notes.extend(match certificate::lapse(&pair, UnixTime::now()) {
                    Some(Lapse::Expired(day)) => Some(format!("{} expired on {day}", tls.certificate)),
                    Some(Lapse::NotYet(day)) => {
                        Some(format!("{} is not valid before {day}", tls.certificate))
                    }
                    None => None,
                }),
            }
        }
        notes
    }

    /// A copy with a port of its own can be asked there only if nobody else answers there.
    fn look_at_fixed_ports(&self, spec: &Spec, wrong: &mut Vec<(String, String)>) {
        let all = Identity::all(&self.layout).unwrap_or_default();
        let ours: Vec<u16> =
            all.iter().filter(|copy| self.lives(&copy.id)).filter_map(|copy| copy.port).collect();
        for (name, service) in &spec.services {
            let Some(Port::Fixed(port)) = service.port else { continue };
            if ours.contains(&port) {
                continue;
            }
            if let Err(error) = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
                && error.kind() == std::io::ErrorKind::AddrInUse
            {
                wrong.push((
                    format!("something else listens on port {port}, which {name} is to have"),
                    format!(
                        "see who has it with `ss -ltnp sport = :{port}` and stop it, or use port = \"auto\""
                    ),
                ));
            }
        }
    }

    async fn look_at_ports(&self, spec: &Spec, wrong: &mut Vec<(String, String)>) {
        if let Some(pid) = self.proxy().frozen() {
            wrong.push((
                format!(
                    "the proxy does not answer: its process {pid} is frozen (it was stopped by a signal)"
                ),
                frozen_hint(pid),
            ));
            return;
        }
        let mut report = self.proxy().report().await;
        let keeper = self.layout.proxy().join("keeper");
        // One that is just being started again holds its ports all the same; it may die once more.
        for _ in 0..3 {
            if report.is_none() && crate::runtime::process::is_kept(&keeper) {
                let _no_answer = self.proxy().start().await;
                report = self.proxy().report().await;
            }
        }
        let ours = report.map(|report| report.listening).unwrap_or_default();
        for address in spec.listen.http.iter().chain(&spec.listen.https) {
            if ours.contains(address) {
                continue;
            }
            if let Err(error) = TcpListener::bind(address.as_str()) {
                // `[::]:80` after `0.0.0.0:80`: what is in the way is the proxy itself.
                if error.kind() == std::io::ErrorKind::AddrInUse
                    && !ours.is_empty()
                    && self.proxy().could_listen(address).await
                {
                    continue;
                }
                let hint = match error.kind() {
                    std::io::ErrorKind::PermissionDenied => {
                        "ports below 1024 need root: listen on a higher one".to_owned()
                    }
                    std::io::ErrorKind::AddrInUse => {
                        format!(
                            "see who has it with `ss -ltnp`, or choose another in [listen] (not {address})"
                        )
                    }
                    _ => "choose another address in [listen]".to_owned(),
                };
                wrong.push((format!("cannot listen on {address}: {error}"), hint));
            }
        }
    }
}

/// How a proxy that is frozen goes on.
pub(in crate::host) fn frozen_hint(pid: i32) -> String {
    format!("let it go on: kill -CONT {pid}; or end it: kill -KILL {pid}, and its keeper starts it again")
}

/// Asks a resource for a while: one whose server has just died is started again by its keeper.
async fn answer(engine: Engine, facts: resource::Facts) -> Result<(), String> {
    const PATIENCE: Duration = Duration::from_secs(5);
    const TIMEOUT: Duration = Duration::from_secs(2);
    let deadline = Instant::now() + PATIENCE;
    loop {
        let facts = facts.clone();
        let why = match blocking(move || resource::ready(engine, &facts, TIMEOUT)).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(reason)) => reason.to_string(),
            Err(fault) => fault.message,
        };
        if Instant::now() > deadline {
            return Err(why);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn look_at_memory(spec: &Spec, wrong: &mut Vec<(String, String)>) {
    let asked: u64 = spec
        .services
        .values()
        .map(|service| service.limits.memory.map_or(0, |bytes| bytes.0) * u64::from(service.replicas))
        .sum();
    let total = rustix::system::sysinfo().totalram * u64::from(rustix::system::sysinfo().mem_unit);
    if asked > total {
        wrong.push((
            format!(
                "the services may use {} MB of memory, and this machine has {} MB",
                asked >> 20,
                total >> 20
            ),
            "lower their limits, or run fewer copies".to_owned(),
        ));
    }
}

/// The keeper refuses to start what it cannot limit: that must be known before the first change.
fn look_at_limits(spec: &Spec, here: &Capabilities, wrong: &mut Vec<(String, String)>) {
    for limits::Held { whose, what, by } in limits::held(spec, here) {
        if let By::Nothing { why, remedy } = by {
            let message = format!("the {what} limit of {whose} cannot be held here: {why}");
            wrong.push((message, remedy.to_owned()));
        }
    }
}

fn look_at_accounts(spec: &Spec, wrong: &mut Vec<(String, String)>) {
    let services = spec.services.values().map(|service| &service.user);
    let jobs = spec.jobs.values().map(|job| &job.user);
    let crons = spec.crons.values().map(|cron| &cron.user);
    let mut users: Vec<&String> = services.chain(jobs).chain(crons).flatten().collect();
    users.sort();
    users.dedup();
    for user in users {
        if !account::is_root() {
            let hint = "remove it, or run Windlass as root".to_owned();
            wrong.push((format!("user = {user:?} needs root to change to it"), hint));
        } else if !matches!(Account::named(user), Ok(Some(_))) {
            wrong.push((
                format!("there is no account {user:?}"),
                format!("create it: useradd --system {user}"),
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = r#"
        [app]
        name = "shop"

        [services.web]
        command = "sleep 1000"
        limits = { cpu = 0.5, memory = "64MiB", files = 1024 }

        [jobs.migrate]
        command = "true"
        limits = { cpu = 1, files = 1025 }
    "#;

    fn wrong_where_cpu_is_held_by(cpu: By) -> Vec<String> {
        let (manifest, diags) = windlass_core::manifest::load(MANIFEST);
        assert_eq!(diags, []);
        let settings = IndexMap::new();
        let spec = windlass_core::resolve::resolve(&manifest.unwrap(), "local", &settings).unwrap();
        let here = Capabilities {
            cpu,
            memory: By::Each { limit: "RLIMIT_DATA" },
            files: By::Each { limit: "RLIMIT_NOFILE" },
            files_max: Some(1024),
            processes: By::Account { limit: "RLIMIT_NPROC" },
        };
        let mut wrong = Vec::new();
        look_at_limits(&spec, &here, &mut wrong);
        wrong.into_iter().map(|(message, _)| message).collect()
    }

    #[test]
    fn a_limit_that_nothing_holds_is_refused() {
        let too_many =
            "the files limit of jobs.migrate cannot be held here: it is more than this account may allow";
        assert_eq!(
            wrong_where_cpu_is_held_by(By::Nothing { why: "no control group can be made here", remedy: "" }),
            [
                "the cpu limit of services.web cannot be held here: no control group can be made here",
                "the cpu limit of jobs.migrate cannot be held here: no control group can be made here",
                too_many,
            ]
        );
        assert_eq!(wrong_where_cpu_is_held_by(By::ControlGroup { version: 2 }), [too_many]);
    }
}
