//! Starting the host side.

use std::io;

use serde::{Deserialize, Serialize};
use windlass_core::launch::{Launch, Log};
use windlass_core::spec::{Restart, RestartWhen, Stop};
use windlass_core::units::{Bytes, Span};

use crate::checksummed;
use crate::engine::Journal;
use crate::host;
use crate::http_client::Proxies;
use crate::layout::Layout;
use crate::observe::debug;
use crate::runtime::process::{self, RuntimeError};

/// What the host side is told of the environment it is started in: what processes need of the system,
/// and what it needs itself to reach others. Nothing in it may be a secret but the password of a proxy,
/// which no process of an application is given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Environment(Vec<(String, String)>);

/// Why the host side is not started.
#[derive(Debug)]
pub enum NotStarted {
    /// Its directory cannot be used.
    Home(io::Error),
    /// This program cannot be found.
    Program(io::Error),
    /// Its keeper does not start it.
    Keeper(RuntimeError),
}

impl Environment {
    /// Ours.
    #[must_use]
    pub fn own() -> Self {
        const KEPT: [&str; 13] = [
            "PATH",
            "HOME",
            "LANG",
            "TZ",
            "TMPDIR",
            "USER",
            // Whom to trust, where that is not what the system says.
            "SSL_CERT_FILE",
            "SSL_CERT_DIR",
            "CARGO_HOME",
            "RUSTUP_HOME",
            "WINDLASS_HOME",
            "WINDLASS_FAILPOINT",
            debug::VARIABLE,
        ];
        let kept = KEPT.into_iter().chain(Proxies::variables());
        Self(kept.filter_map(|key| Some((key.to_owned(), std::env::var(key).ok()?))).collect())
    }

    /// That in which the host side was started last: with the machine there is no person whose path
    /// could be had.
    pub(super) fn last(layout: &Layout) -> Option<Self> {
        checksummed::read(&layout.host().join(FILE)).ok().flatten()
    }
}

const FILE: &str = "environment.json";

/// Starts the host side, unless it runs.
///
/// # Errors
/// [`NotStarted`].
pub async fn start(layout: &Layout, environment: Environment) -> Result<(), NotStarted> {
    layout.make().map_err(NotStarted::Home)?;
    let path = layout.host().join(FILE);
    // For the machine's next start. On a disk without room what was kept before has to do: the host side
    // can help to make some.
    checksummed::write(&path, &environment)
        .or_else(|error| if path.is_file() { Ok(()) } else { Err(error) })
        .map_err(NotStarted::Home)?;
    let program = host::program().map_err(NotStarted::Program)?;
    let launch = Launch {
        label: "host".to_owned(),
        argv: vec![program.display().to_string(), "host".to_owned(), layout.root().display().to_string()],
        directory: layout.root().display().to_string(),
        restart: Restart {
            when: RestartWhen::OnFailure,
            backoff: Span::from_millis(10),
            backoff_max: Span::from_secs(5),
            limit: 100,
            window: Span::from_secs(60),
        },
        stop: Stop { signal: "TERM".to_owned(), grace: Span::from_secs(5), quiet: None },
        log: Log { path: layout.log("host").display().to_string(), rotate_at: Bytes(4 << 20), keep: 5 },
        oom_score_adj: -300,
        keeps_others: true,
        ..Launch::default()
    };
    process::start_part(&layout.host().join("keeper"), &launch, environment.0)
        .await
        .map_err(NotStarted::Keeper)
}

/// Starts the host side with the machine, in the environment it had last. Where nothing is deployed,
/// or everything was stopped, there is nothing to start: answers whether it was.
///
/// # Errors
/// Why it cannot be started, for people.
pub async fn start_again(layout: &Layout) -> Result<bool, String> {
    if !layout.journal().exists() {
        return Ok(false);
    }
    let journal = Journal::open_to_read(&layout.journal()).map_err(|error| error.to_string())?;
    let active = journal.active().map_err(|error| error.to_string())?;
    if active.is_none_or(|active| active.stopped) {
        return Ok(false);
    }
    let environment = Environment::last(layout).unwrap_or_else(Environment::own);
    start(layout, environment).await.map(|()| true).map_err(|error| match error {
        NotStarted::Home(error) => format!("{} cannot be used: {error}", layout.root().display()),
        NotStarted::Program(error) => format!("this program cannot be found: {error}"),
        NotStarted::Keeper(error) => format!("the host side cannot be started: {error}"),
    })
}
