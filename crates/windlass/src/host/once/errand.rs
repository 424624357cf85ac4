//! Describing what runs once, in a release and with its environment: build steps, jobs, cron runs.

use std::path::PathBuf;

use indexmap::IndexMap;
use windlass_core::journal::Fault;
use windlass_core::launch::Launch;
use windlass_core::name::{Name, ReleaseId};
use windlass_core::spec::{Command, Env, Limits, Resource, Restart, RestartWhen, Stop};
use windlass_core::units::Span;

use crate::host::Host;
use crate::host::logs;
use crate::host::settings::fill::Subject;
use crate::variables::Variables;

/// Something that runs once.
pub(in crate::host) struct Errand<'a> {
    /// The name of its keeper.
    pub(in crate::host) label: &'a str,
    /// The name of its log.
    pub(in crate::host) log: &'a str,
    pub(in crate::host) command: &'a Command,
    /// Where it runs, absolute.
    pub(in crate::host) directory: PathBuf,
    pub(in crate::host) env: &'a Env,
    pub(in crate::host) user: Option<&'a String>,
    /// The release whose settings it gets.
    pub(in crate::host) release: ReleaseId,
    /// The resources it may refer to.
    pub(in crate::host) resources: &'a IndexMap<Name, Resource>,
    pub(in crate::host) limits: Limits,
    pub(in crate::host) timeout: Span,
}

/// How long what runs once has, when it is asked to end.
const GRACE: Span = Span::from_secs(10);

/// When memory is short, what runs once goes before what serves.
const FIRST_TO_GO: i32 = 400;

impl Host {
    /// The process to keep, and its whole environment.
    pub(in crate::host) async fn errand(&self, errand: &Errand<'_>) -> Result<(Launch, Variables), Fault> {
        let subject = Subject {
            release: errand.release,
            resources: errand.resources,
            port: None,
            replica: 1,
            user: errand.user.map(String::as_str),
            label: errand.label,
        };
        let (argv, env) = self
            .fill(subject, |fill| Ok((fill.argv(errand.command)?, fill.environment(errand.env)?)))
            .await?;
        let launch = Launch {
            label: errand.label.to_owned(),
            argv,
            directory: errand.directory.display().to_string(),
            user: errand.user.cloned(),
            restart: once(),
            stop: Stop { signal: "TERM".to_owned(), grace: GRACE, quiet: None },
            limits: errand.limits.clone(),
            log: logs::kept(&self.layout.log(errand.log)),
            timeout: errand.timeout,
            oom_score_adj: FIRST_TO_GO,
            ..Launch::default()
        };
        Ok((launch, env))
    }
}

/// What runs to its end is not started again by its keeper.
fn once() -> Restart {
    Restart {
        when: RestartWhen::Never,
        backoff: Span::ZERO,
        backoff_max: Span::ZERO,
        limit: 0,
        window: Span::ZERO,
    }
}
