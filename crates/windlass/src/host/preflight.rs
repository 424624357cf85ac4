//! Looking before anything changes: whether this machine can carry the release.

use std::net::TcpListener;
use std::path::Path;

use windlass_core::journal::Fault;
use windlass_core::plan::Plan;
use windlass_core::spec::{Source, Spec};

use super::Host;
use super::resources::blocking;
use crate::account::{self, Account};
use crate::resource;

impl Host {
    /// Looks at everything at once and answers all that is wrong in one fault.
    pub(super) async fn preflight(&self, plan: &Plan) -> Result<String, Fault> {
        let mut wrong: Vec<(String, String)> = Vec::new();
        self.look_at_disk(plan, &mut wrong);
        look_at_memory(&plan.spec, &mut wrong);
        look_at_accounts(&plan.spec, &mut wrong);
        look_at_certificates(&plan.spec, &mut wrong);
        self.look_at_ports(&plan.spec, &mut wrong).await;
        look_at_programs(&plan.spec, &mut wrong).await?;
        match wrong.as_slice() {
            [] => Ok(String::new()),
            [(message, hint)] => Err(Fault::new(message.clone(), hint.clone())),
            several => {
                let lines: Vec<String> =
                    several.iter().map(|(what, hint)| format!("{what}: {hint}")).collect();
                let message = format!("{} things are missing on this machine", several.len());
                Err(Fault { tail: lines, ..Fault::new(message, "mend them, and deploy again") })
            }
        }
    }

    fn look_at_disk(&self, plan: &Plan, wrong: &mut Vec<(String, String)>) {
        let Ok(disk) = rustix::fs::statvfs(self.layout.root()) else { return };
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        let least = plan.spec.deploy.min_free_disk;
        if free < least {
            wrong.push((
                format!(
                    "{} has {} MB free, and {} MB are wanted",
                    self.layout.root().display(),
                    free / 1_000_000,
                    least.div_ceil(1_000_000)
                ),
                "free some space, or lower [deploy] min_free_disk".to_owned(),
            ));
        }
        // Some file systems have no fixed number of inodes and say 0.
        if disk.f_files > 0 && disk.f_favail < 10_000 {
            wrong.push((
                format!("{} has only {} inodes left", self.layout.root().display(), disk.f_favail),
                "remove small files".to_owned(),
            ));
        }
    }

    async fn look_at_ports(&self, spec: &Spec, wrong: &mut Vec<(String, String)>) {
        if crate::runtime::process::is_kept(&self.layout.proxy().join("keeper")) {
            // One that is just being started again holds its ports all the same.
            let _no_answer = self.proxy().start().await;
        }
        let ours = self.proxy().report().await.map(|report| report.listening).unwrap_or_default();
        for address in spec.listen.http.iter().chain(&spec.listen.https) {
            if ours.contains(address) {
                continue;
            }
            if let Err(error) = TcpListener::bind(address.as_str()) {
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

fn look_at_certificates(spec: &Spec, wrong: &mut Vec<(String, String)>) {
    for tls in &spec.listen.tls {
        for path in [&tls.certificate, &tls.key] {
            if let Err(error) = std::fs::File::open(Path::new(path)) {
                wrong.push((format!("{path} cannot be read: {error}"), "see [listen] tls".to_owned()));
            }
        }
    }
}

async fn look_at_programs(spec: &Spec, wrong: &mut Vec<(String, String)>) -> Result<(), Fault> {
    for private in spec.resources.values() {
        let Source::Private { version, .. } = &private.source else { continue };
        let (engine, version) = (private.engine, *version);
        if let Err(fault) = blocking(move || resource::locate(engine, version)).await? {
            wrong.push((fault.message, fault.help));
        }
    }
    Ok(())
}
