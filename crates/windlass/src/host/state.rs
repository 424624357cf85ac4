//! What the host side holds in memory. All of it can be found again on disk.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use indexmap::IndexMap;
use tokio::sync::{Notify, RwLock, watch};
use windlass_core::journal::Fault;
use windlass_core::name::{InstanceId, Name, ReleaseId};
use windlass_core::policy::again::CrashLoop;
use windlass_core::protocol::Refusal;
use windlass_core::spec::Setting;
use windlass_core::units::Span;

use crate::engine::{Journal, JournalError};
use crate::host::instance::hurry::Hurry;
use crate::host::notify::Post;
use crate::host::proxy::client::ProxyClient;
use crate::host::resource::answers::Answers;
use crate::host::run::handle::RunHandle;
use crate::host::run::no::No;
use crate::host::session::leaving::Leaving;
use crate::host::settings::masks::Masks;
use crate::host::supervise::liveness::Health;
use crate::host::supervise::resources::Comebacks;
use crate::host::supervise::verdicts::Verdicts;
use crate::layout::Layout;
use crate::resource::{self, Prepared};
use crate::runtime::process::{self, RuntimeError};

/// One environment.
pub struct Host {
    /// Where it lies.
    pub layout: Layout,
    /// Journal and ledger.
    pub journal: Rc<RefCell<Journal>>,
    /// Runs that are not over, by id.
    pub(super) runs: RefCell<IndexMap<String, Rc<RunHandle>>>,
    /// What the health checks say.
    pub(super) health: RefCell<IndexMap<InstanceId, Health>>,
    /// The copies whose liveness somebody checks.
    pub(super) watched: RefCell<BTreeSet<InstanceId>>,
    /// What the readiness checks say that the host side itself asks.
    pub(super) verdicts: Verdicts,
    /// Those that it asks.
    pub(super) asked: RefCell<BTreeSet<InstanceId>>,
    /// Resources as they were made ready, by name and digest.
    pub(super) prepared: RefCell<HashMap<(Name, String), Prepared>>,
    /// The private resources that are being brought back.
    pub(super) comebacks: RefCell<Comebacks>,
    /// What they answered last.
    pub(super) answers: Answers,
    /// Copies that were given up, until they have run well.
    pub(super) crash_loops: RefCell<IndexMap<InstanceId, CrashLoop>>,
    /// Messages on their way (`[notify]`).
    pub(super) post: Post,
    /// Whether files can be written, as of the last look.
    pub(super) writable: Cell<bool>,
    app: Name,
    environment: Name,
    /// What masks the secrets of releases.
    pub(super) masks: RefCell<Masks>,
    /// How many runs of a cron job were begun since the host side was.
    pub(super) cron_starts: RefCell<HashMap<Name, u64>>,
    /// The number of the newest of these whose end is noted.
    pub(super) cron_ends: RefCell<HashMap<Name, u64>>,
    /// Jobs of deploys that somebody runs by hand, or is about to.
    pub(super) by_hand: Rc<RefCell<BTreeSet<Name>>>,
    /// Workers that were told to take no more work, and are being started anew.
    pub(super) starting_anew: RefCell<BTreeSet<InstanceId>>,
    /// Held by whoever starts something that runs once, until it can be seen and ended by others.
    pub(super) starting: Arc<RwLock<()>>,
    /// Held by whoever does what cannot be cut short, such as telling a server of a password.
    pub(super) working: Arc<RwLock<()>>,
    /// Held by whoever makes or removes a tree, also when nobody waits for that any more.
    pub(super) trees: Arc<Mutex<()>>,
    /// The run for which what releases share was given to the services' account.
    pub(super) handed_over: tokio::sync::Mutex<Option<String>>,
    /// Who talks to it, and whether it ends when nobody does.
    pub(super) leaving: Leaving,
    /// Whether the proxy was looked after once since the host side began: until then it may only not have been
    /// started yet.
    pub(super) proxy_tried: watch::Sender<bool>,
    /// Whether the host side is about to end.
    pub(super) ending: Cell<bool>,
    pub(super) ended: Notify,
    /// A run is over, and what it wrote may be more than there is room for.
    pub(super) run_over: Notify,
    /// Held while logs are put away, and by whoever deletes them: one that is looked at is made where it is not.
    pub(super) putting_away: tokio::sync::Mutex<()>,
}

/// Why no host side can serve this environment, however often it is started; `None` where one can, or
/// that cannot be said from outside.
#[must_use]
pub fn refusal(layout: &Layout) -> Option<JournalError> {
    let looked = Journal::open_to_read(&layout.journal()).and_then(|journal| is_usable(layout, &journal));
    // Of what was never deployed somebody may be making it just now.
    let is_new =
        |error: &JournalError| matches!(error, JournalError::Missing) && !layout.current().is_symlink();
    looked.err().filter(|error| error.is_lasting() && !is_new(error))
}

fn is_usable(layout: &Layout, journal: &Journal) -> Result<(), JournalError> {
    // `current` is made by the first commit and never removed.
    if layout.current().is_symlink() && !journal.has_releases()? {
        return Err(JournalError::Missing);
    }
    // Who cannot read them could not settle them, and must not act beside them.
    journal.open_runs().map(drop)
}

impl Host {
    /// Opens the environment.
    ///
    /// # Errors
    /// When its state cannot be read.
    pub fn open(layout: Layout) -> Result<Rc<Self>, JournalError> {
        let journal = Journal::open(&layout.journal())?;
        Self::of(layout, journal)
    }

    /// The same to look at it, changing nothing.
    ///
    /// # Errors
    /// See [`Self::open`].
    pub(super) fn open_to_read(layout: Layout) -> Result<Rc<Self>, JournalError> {
        let journal = Journal::open_to_read(&layout.journal())?;
        Self::of(layout, journal)
    }

    fn of(layout: Layout, journal: Journal) -> Result<Rc<Self>, JournalError> {
        is_usable(&layout, &journal)?;
        let (app, environment) = match names(&layout) {
            Some(names) => names,
            // Only a directory that was made by hand is called otherwise.
            None => {
                let active = journal.active()?.ok_or(JournalError::Nameless)?;
                (active.release.spec.app, active.release.spec.environment)
            }
        };
        Ok(Rc::new(Self {
            verdicts: Verdicts::read(&layout),
            layout,
            app,
            environment,
            post: Post::default(),
            writable: Cell::new(true),
            journal: Rc::new(RefCell::new(journal)),
            runs: RefCell::default(),
            health: RefCell::default(),
            watched: RefCell::default(),
            asked: RefCell::default(),
            prepared: RefCell::default(),
            comebacks: RefCell::default(),
            answers: Answers::default(),
            crash_loops: RefCell::default(),
            masks: RefCell::default(),
            cron_starts: RefCell::default(),
            cron_ends: RefCell::default(),
            by_hand: Rc::default(),
            starting_anew: RefCell::default(),
            starting: Arc::default(),
            working: Arc::default(),
            trees: Arc::default(),
            handed_over: tokio::sync::Mutex::default(),
            leaving: Leaving::default(),
            // Unless somebody supervises, nobody is going to.
            proxy_tried: watch::Sender::new(true),
            ending: Cell::new(false),
            ended: Notify::new(),
            run_over: Notify::new(),
            putting_away: tokio::sync::Mutex::default(),
        }))
    }

    /// The application and the environment.
    pub(super) fn names(&self) -> (Name, Name) {
        (self.app.clone(), self.environment.clone())
    }

    /// What is known of a release's settings, be it active, kept, or in the making.
    pub(super) fn settings(&self, release: ReleaseId) -> IndexMap<String, Setting> {
        let made = self.journal.borrow().release(release).ok().flatten().map(|row| row.spec.settings);
        let in_the_making = || {
            let runs = self.runs.borrow();
            let run = runs.values().find(|run| run.row.plan.release == release);
            run.map(|run| run.row.plan.spec.settings.clone())
        };
        // One that never was committed, and in which something is undone.
        let left = || {
            let plan = self.journal.borrow().plan_of_release(release).ok().flatten();
            plan.map(|plan| plan.spec.settings)
        };
        made.or_else(in_the_making).or_else(left).unwrap_or_default()
    }

    /// Ends the host side, the proxy and the resources. The services must have been stopped.
    pub(super) async fn shutdown(&self, delete_data: bool) -> Result<(), No> {
        if let Some(run) = self.open_run() {
            let message = format!("{} is under way", run.headline);
            return Err(No::new(Refusal::Busy, message, "wait for it, or abort it"));
        }
        let active = self.journal.borrow().active().ok().flatten();
        if active.is_some_and(|active| !active.stopped) {
            return Err(No::new(
                Refusal::Invalid,
                "the services still run",
                "stop them first: windlass stop",
            ));
        }
        self.ending.set(true);
        // From here on nothing starts, and what did can be seen.
        self.starts_are_over().await;
        let ended = self.end(delete_data).await;
        if ended.is_err() {
            self.ending.set(false);
        }
        ended
    }

    async fn end(&self, delete_data: bool) -> Result<(), No> {
        self.stop_jobs().await?;
        self.stop_copies().await?;
        self.proxy().stop().await.map_err(|fault| No::new(Refusal::Failed, fault.message, fault.hint))?;
        crate::host::settings::files::forget_all(&self.layout);
        if delete_data {
            let _no_log_is_made_again = self.putting_away.lock().await;
            let resources = std::fs::read_dir(self.layout.root().join("resources")).into_iter().flatten();
            resources.flatten().for_each(|entry| resource::forget_memory(&entry.path()));
            for part in ["resources", "releases", "shared", "instances", "jobs", "proxy", "logs", "current"] {
                let path = self.layout.root().join(part);
                let removed = if path.is_symlink() {
                    std::fs::remove_file(&path)
                } else {
                    std::fs::remove_dir_all(&path)
                };
                match removed {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => {
                        let message = format!("{} cannot be deleted: {error}", path.display());
                        return Err(No::new(Refusal::Failed, message, "delete it by hand"));
                    }
                    _ => {}
                }
            }
        }
        self.ended.notify_one();
        Ok(())
    }

    /// Stops the copies that live still, whoever they belong to: a run that got stuck left them, or what is
    /// written of them is damaged. Without their directories nobody could do that any more.
    async fn stop_copies(&self) -> Result<(), No> {
        let stopped = self
            .living()
            .into_iter()
            .map(async |id| self.stop_instance(&id, Span::ZERO, &mut Hurry::never(), &|_| ()).await);
        for stopped in futures_util::future::join_all(stopped).await {
            stopped.map_err(|fault| No::new(Refusal::Failed, fault.message, fault.hint))?;
        }
        match self.living().into_iter().next() {
            Some(id) => Err(No::new(Refusal::Failed, format!("{id} still runs"), "stop its process by hand")),
            None => Ok(()),
        }
    }

    /// The copies of which anything lives.
    fn living(&self) -> Vec<InstanceId> {
        let copies = std::fs::read_dir(self.layout.instances()).into_iter().flatten().flatten();
        let copies = copies.filter_map(|entry| entry.file_name().to_str()?.parse::<InstanceId>().ok());
        copies.filter(|id| self.lives(id)).collect()
    }

    /// The directories of what runs once, and runs now.
    pub(super) fn jobs_under_way(&self) -> impl Iterator<Item = PathBuf> {
        let jobs = std::fs::read_dir(self.layout.jobs()).into_iter().flatten().flatten();
        jobs.map(|job| job.path()).filter(|job| process::is_under_way(job))
    }

    /// Stops what runs once and is no part of a run: cron jobs, and commands of `windlass run`.
    async fn stop_jobs(&self) -> Result<(), No> {
        let stopped = self.jobs_under_way().map(|job| async move {
            match process::stop(&job, "TERM", Span::from_secs(5)).await {
                Ok(_) | Err(RuntimeError::NoKeeper { .. }) => Ok(()),
                Err(error) => {
                    let hint = error.hint().unwrap_or_default();
                    Err(No::new(Refusal::Failed, format!("{error}"), hint))
                }
            }
        });
        futures_util::future::join_all(stopped).await.into_iter().collect()
    }

    /// Returns when the host side is to end.
    pub(super) async fn ended(&self) {
        self.ended.notified().await;
        // Whoever asked for it still has to read the answer.
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }

    /// A run that is not over.
    pub(super) fn run(&self, id: &str) -> Option<Rc<RunHandle>> {
        self.runs.borrow().get(id).cloned()
    }

    /// Who holds the lock.
    pub(super) fn lock_holder(&self) -> Result<Option<String>, Fault> {
        self.journal.borrow().lock_holder().map_err(|error| Fault::new(error.to_string(), ""))
    }

    /// A connection to the proxy's admin socket.
    pub(super) fn proxy(&self) -> ProxyClient<'_> {
        ProxyClient::new(&self.layout)
    }
}

/// Which build of Windlass this process is: the version, and what tells one file of it from another.
/// A host side of another build gives way to the controller's.
#[must_use]
pub fn build() -> String {
    let version = env!("CARGO_PKG_VERSION");
    match build_of("self") {
        Some(file) => format!("{version} {file}"),
        None => version.to_owned(),
    }
}

/// What tells the file that a process runs from another one, also when that was replaced or removed.
pub(crate) fn build_of(process: impl std::fmt::Display) -> Option<String> {
    use std::os::unix::fs::MetadataExt;

    let file = std::fs::metadata(format!("/proc/{process}/exe")).ok()?;
    Some(format!("{:x}-{:x}.{:x}", file.size(), file.mtime(), file.mtime_nsec()))
}

/// This program, also when its file was replaced while it ran.
///
/// # Errors
/// When the system does not tell.
pub fn program() -> io::Result<PathBuf> {
    let path = std::env::current_exe()?;
    // An upgrade replaces the file; the kernel then marks the old name.
    match path.to_str().and_then(|path| path.strip_suffix(" (deleted)")) {
        Some(replaced) => Ok(PathBuf::from(replaced)),
        None => Ok(path),
    }
}

/// The application and the environment, from where they lie: `.../APP/ENVIRONMENT`.
fn names(layout: &Layout) -> Option<(Name, Name)> {
    let part = |path: Option<&Path>| Name::new(path?.file_name()?.to_str()?).ok();
    Some((part(layout.root().parent())?, part(Some(layout.root()))?))
}

#[cfg(test)]
mod tests {
    use rustix::fs::{FlockOperation, flock};

    use crate::host::testing;
    use crate::keeper::files::LOCK;

    #[tokio::test]
    async fn nothing_is_deleted_while_a_copy_lives_whoever_it_belongs_to() {
        let (_place, host) = testing::host();
        let directory = host.layout.instances().join("mail.r2.1");
        std::fs::create_dir_all(&directory).unwrap();
        assert!(host.stop_copies().await.is_ok());
        let lock = std::fs::File::create(directory.join(LOCK)).unwrap();
        flock(&lock, FlockOperation::LockExclusive).unwrap();
        let no = host.stop_copies().await.err().unwrap();
        assert!(no.message.starts_with("mail.r2.1 "), "{}", no.message);
    }
}
