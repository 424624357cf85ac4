//! Whether something that was handed out is still in the hands of what runs.

use std::fs;
use std::time::{Duration, Instant};

use windlass_core::journal::Fault;
use windlass_core::name::ReleaseId;
use windlass_core::resolve::is_made_of;
use windlass_core::spec::Reference;

use crate::host::Host;
use crate::host::instance::identity::Identity;

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
        let shared = [b"WINDLASS_SHARED=", shared.as_os_str().as_encoded_bytes()].concat();
        for (number, environment) in environments() {
            let process = Process { number, environment };
            let release = process.release().filter(|release| (given.by_release)(*release));
            let release = release.filter(|_| process.variables().any(|variable| variable == shared));
            let holds = (release.is_some() || given.is_unmistakable) && process.values().any(given.holds);
            if holds || release.is_some_and(|release| self.has_file(&process, release, given)) {
                users.push(process.label());
            }
        }
        users
    }

    /// Whether a process of a release was told where a file is that holds what was handed out.
    fn has_file(&self, process: &Process, release: ReleaseId, given: &Given<'_>) -> bool {
        let settings = self.settings(release);
        let holds = |name: &str| {
            settings.get(name).is_some_and(|setting| setting.file)
                && is_made_of(name, &settings, given.wanted)
        };
        let names = process.variables().filter_map(|variable| {
            let name = variable.split(|byte| *byte == b'=').next()?;
            std::str::from_utf8(name).ok()?.strip_suffix("_FILE")
        });
        names.into_iter().any(holds)
    }
}

/// A process, and what it was started with.
struct Process {
    number: String,
    environment: Vec<u8>,
}

impl Process {
    fn variables(&self) -> impl Iterator<Item = &[u8]> {
        self.environment.split(|byte| *byte == 0)
    }

    fn values(&self) -> impl Iterator<Item = &[u8]> {
        self.variables().map(|variable| variable.splitn(2, |byte| *byte == b'=').nth(1).unwrap_or_default())
    }

    fn variable(&self, name: &[u8]) -> Option<String> {
        let value = self.variables().find_map(|variable| variable.strip_prefix(name)?.strip_prefix(b"="))?;
        Some(String::from_utf8_lossy(value).into_owned())
    }

    fn release(&self) -> Option<ReleaseId> {
        self.variable(b"WINDLASS_RELEASE")?.parse().ok()
    }

    /// What Windlass called it, and its number.
    fn label(&self) -> String {
        match self.variable(b"WINDLASS_INSTANCE") {
            Some(label) => format!("{label} (process {})", self.number),
            None => format!("process {}", self.number),
        }
    }
}

/// The environments of processes, by their numbers. Those of other accounts cannot be read; nothing that
/// Windlass starts is among them unless it runs as root itself.
fn environments() -> impl Iterator<Item = (String, Vec<u8>)> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| {
        let number = entry.file_name().into_string().ok()?;
        number.parse::<u32>().ok()?;
        Some((number, fs::read(entry.path().join("environ")).ok()?))
    })
}
