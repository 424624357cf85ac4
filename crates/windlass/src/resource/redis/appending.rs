//! Whether every change is appended to a file, so that a crash loses a second at the most.
//!
//! A Redis that is told so when it starts begins with that file, and not with the snapshot that it has: without
//! the file it is empty, with one of long ago it is as it was then. So one that was begun without is started
//! without, and told while it runs; it then writes all that it has to the file. From then on it is started with.
//!
//! The file `persistence` remembers which it is.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use indexmap::IndexMap;

use super::PATIENCE;
use crate::account::Account;
use crate::resource::fault::Fault;
use crate::resource::place::{self, Place};
use crate::resource::protocol::redis::Session;
use crate::resource::protocol::{self, NotReady};
use crate::resource::{Private, Setup, files};

/// The option that says so.
pub(super) const APPENDONLY: &str = "appendonly";

/// How long a server may take to write all that it has.
const WRITING: Duration = Duration::from_secs(300);
const PACE: Duration = Duration::from_millis(50);

const YES: &str = "appendonly \"yes\"\n";
const NO: &str = "appendonly \"no\"\n";

/// How a server keeps its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Persistence {
    /// By snapshots.
    Saved,
    /// In a file that every change is appended to.
    Appended,
    /// By snapshots, until it runs and is told to append.
    ToBeAppended,
}

impl Persistence {
    /// What it is for the options of the manifest. What was begun without goes on without unless they say
    /// otherwise.
    pub(super) fn of(private: &Private<'_>, place: &Place) -> Result<Self, Fault> {
        let (mark, data) = (place.directory.join("persistence"), place.directory.join("data"));
        let kept = std::fs::read_to_string(&mark).ok();
        let was_appended = kept.as_ref().map(|kept| kept == "appended\n");
        let wanted = match option(private, APPENDONLY) {
            Some(value) => value.trim().eq_ignore_ascii_case("yes"),
            None => was_appended.unwrap_or_else(|| !data.exists()),
        };
        let has_file = is_appended(private, &data);
        let persistence = match wanted {
            false => Self::Saved,
            true if is_empty(&data) || (has_file && was_appended != Some(false)) => Self::Appended,
            true => Self::ToBeAppended,
        };
        // One that has lost its file, as after a backup was put back, is to have one all the same.
        remember(&mark, persistence == Self::Appended || (wanted && was_appended == Some(true)))?;
        Ok(persistence)
    }

    /// The line of the configuration that it is started with.
    pub(super) fn line(self) -> &'static str {
        if self == Self::Appended { YES } else { NO }
    }

    /// The line that it ends with.
    pub(super) fn aim(self) -> &'static str {
        if self == Self::Saved { NO } else { YES }
    }

    pub(super) fn setup(self, place: &Place, facts: &IndexMap<String, String>) -> Option<Setup> {
        let appending = || Appending { place: place.clone(), facts: facts.clone() };
        (self == Self::ToBeAppended).then(|| Setup::Redis(appending()))
    }
}

fn option<'p>(private: &Private<'p>, wanted: &str) -> Option<&'p str> {
    let is_it = |(name, _): &(&String, &String)| name.eq_ignore_ascii_case(wanted);
    private.options.iter().find(is_it).map(|(_, value)| value.as_str())
}

fn remember(mark: &Path, appended: bool) -> Result<(), Fault> {
    files::private_file(mark, if appended { b"appended\n" } else { b"saved\n" }, None)
}

fn is_empty(data: &Path) -> bool {
    std::fs::read_dir(data).is_ok_and(|mut entries| entries.next().is_none()) || !data.exists()
}

/// Whether there is a file to begin with. From version 7 on it is several, which a manifest names once they
/// are whole.
fn is_appended(private: &Private<'_>, data: &Path) -> bool {
    let file = option(private, "appendfilename").unwrap_or("appendonly.aof");
    let directory = option(private, "appenddirname").unwrap_or("appendonlydir");
    data.join(file).exists() || data.join(directory).join(format!("{file}.manifest")).exists()
}

/// Has a server append that was started without.
#[derive(Clone)]
pub(in crate::resource) struct Appending {
    place: Place,
    facts: IndexMap<String, String>,
}

impl Appending {
    /// Tells it, waits until the file holds all that it has, and has it started with that from then on.
    pub(in crate::resource) fn begin(&self) -> Result<(), Fault> {
        let failed = |why: NotReady| {
            Fault::new(
                format!("{} does not begin to append its changes to a file: {why}", self.place.name),
                "see its log; it goes on with snapshots. Has the disk room for all of its data?",
            )
        };
        let mut session = protocol::redis_session(&self.facts, None, PATIENCE).map_err(failed)?;
        session.ask(&["CONFIG", "SET", APPENDONLY, "yes"]).map_err(failed)?;
        if let Err(why) = await_file(&mut session) {
            let _it_may_be_gone = session.ask(&["CONFIG", "SET", APPENDONLY, "no"]);
            return Err(failed(why));
        }
        let account = place::account("redis")?;
        let _lock = self.place.hold()?;
        self.write(account.as_ref())
    }

    /// What it is started with from now on, first: whoever dies in between has it begin again.
    fn write(&self, account: Option<&Account>) -> Result<(), Fault> {
        let path: PathBuf = self.place.directory.join("config/redis.conf");
        let text = std::fs::read_to_string(&path).map_err(Fault::at("read", &path))?;
        files::private_file(&path, text.replace(NO, YES).as_bytes(), account)?;
        remember(&self.place.directory.join("persistence"), true)
    }
}

fn await_file(session: &mut Session) -> Result<(), NotReady> {
    let deadline = Instant::now() + WRITING;
    loop {
        let reply = session.ask(&["INFO", "persistence"])?;
        let text = reply.texts().concat();
        let says = |line: &str| text.lines().any(|said| said == line);
        if says("aof_rewrite_in_progress:0") && says("aof_rewrite_scheduled:0") {
            if says("aof_enabled:1") && says("aof_last_bgrewrite_status:ok") {
                return Ok(());
            }
            return Err(NotReady::new("it could not write what it has"));
        }
        if Instant::now() >= deadline {
            return Err(NotReady::new(format!("it has not written what it has within {WRITING:?}")));
        }
        std::thread::sleep(PACE);
    }
}
