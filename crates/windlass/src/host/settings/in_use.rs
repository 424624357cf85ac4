//! Whether something that was handed out is still in the hands of what runs.

use std::time::{Duration, Instant};

use windlass_core::journal::Fault;
use windlass_core::name::ReleaseId;
use windlass_core::resolve::are_made_of;
use windlass_core::spec::Reference;

use crate::host::Host;
use crate::host::instance::identity::Identity;
use crate::processes::{self, Environment};

/// How long what runs once, and was given what is to be revoked, may take to end.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often it is looked for.
const PACE: Duration = Duration::from_millis(200);

/// Waits until nobody has `what` any more: a cron job or a command that began before may still work
/// with it. `users` are those that were given it and run.
pub(in crate::host) async fn until_unused(
    what: &str,
    users: impl Fn() -> Vec<String>,
) -> Result<String, Fault> {
    let began = Instant::now();
    loop {
        let Some(first) = users().into_iter().next() else {
            let waited = began.elapsed() >= PACE;
            return Ok(if waited { "waited for what still used it".to_owned() } else { String::new() });
        };
        if began.elapsed() > PATIENCE {
            return Err(Fault::new(
                format!("{what} is not revoked: {first} was given it, and runs"),
                "when it has ended, run `windlass deploy`: that revokes it",
            ));
        }
        tokio::time::sleep(PACE).await;
    }
}

/// Something that was handed out to what runs.
pub(in crate::host) struct Given<'a> {
    /// Whether what stands for a reference holds it.
    pub(in crate::host) wanted: &'a dyn Fn(&Reference) -> bool,
    /// Whether it is what an instance was told, if it was told what is `wanted`.
    pub(in crate::host) by_instance: &'a dyn Fn(&Identity) -> bool,
    /// The same for all else that a release started.
    pub(in crate::host) by_release: &'a dyn Fn(ReleaseId) -> bool,
    /// Whether the value of a variable holds it.
    pub(in crate::host) holds: &'a dyn Fn(&[u8]) -> bool,
    /// Whether it is so long that it turns up nowhere by chance: then every process is looked at, and not only
    /// those that Windlass started here for one of these releases.
    pub(in crate::host) is_unmistakable: bool,
}

impl Host {
    /// What runs and was given it: instances, as their descriptions say, and every other process, as its own
    /// environment says: by the value, or by the path of a file that holds it.
    pub(in crate::host) fn users(&self, given: &Given<'_>) -> Vec<String> {
        let told = |identity: &Identity| {
            let settings = self.settings(identity.id.release);
            (given.by_instance)(identity) && identity.service.is_told(&settings, given.wanted)
        };
        let instances = Identity::all(&self.layout).unwrap_or_default();
        let instances = instances.iter().filter(|identity| told(identity) && self.lives(&identity.id));
        let mut users: Vec<String> = instances.map(|identity| identity.id.to_string()).collect();
        let shared = self.layout.shared();
        let shared = shared.as_os_str().as_encoded_bytes();
        // What Windlass starts is of this account, or this is root: it can be read.
        for pid in processes::all() {
            let Ok(environment) = processes::environment(pid) else { continue };
            let release = release(&environment).filter(|release| (given.by_release)(*release));
            let release = release.filter(|_| environment.get("WINDLASS_SHARED") == Some(shared));
            let holds = (release.is_some() || given.is_unmistakable)
                && environment.variables().any(|(_, value)| (given.holds)(value));
            if holds || release.is_some_and(|release| self.has_file(&environment, release, given)) {
                users.push(label(pid, &environment));
            }
        }
        users
    }

    /// Whether a process of a release was told where a file is that holds what was handed out.
    fn has_file(&self, environment: &Environment, release: ReleaseId, given: &Given<'_>) -> bool {
        let settings = self.settings(release);
        let names = environment.variables().filter_map(|(name, _)| std::str::from_utf8(name).ok());
        let files = names
            .filter_map(|name| name.strip_suffix("_FILE"))
            .filter(|name| settings.get(*name).is_some_and(|setting| setting.file));
        are_made_of(files, &settings, given.wanted)
    }
}

/// The release that started a process.
fn release(environment: &Environment) -> Option<ReleaseId> {
    std::str::from_utf8(environment.get("WINDLASS_RELEASE")?).ok()?.parse().ok()
}

/// What Windlass called a process, and its number.
fn label(pid: i32, environment: &Environment) -> String {
    match environment.get("WINDLASS_INSTANCE") {
        Some(label) => format!("{} (process {pid})", String::from_utf8_lossy(label)),
        None => format!("process {pid}"),
    }
}
