//! The controller's end: reaching the host side, starting it when it is not there.

use std::time::{Duration, Instant};

use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use windlass_core::plan::Observed;
use windlass_core::protocol::{Answer, Ask, Audit, FingerprintKey, Hello, PROTOCOL_VERSION, Refusal};
use windlass_core::units::Span;

use super::context::Context;
use super::failure::{FAILED, Failure, REFUSED, USAGE};
use super::other_source;
use super::project::Project;
use crate::boot;
use crate::host;
use crate::layout::Layout;
use crate::observe::debug;
use crate::runtime::process;
use crate::transport::{self, FrameError, Frames};

/// How long a host side that was just started may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// After a pause of this length a host side is late, and may have refused.
const LATE: Duration = Duration::from_millis(32);

/// The code of a start that may succeed when it is tried again; never an exit code.
const AGAIN: u8 = 255;

/// How long a call may go on at its end to have the host side rest, which is a courtesy.
const COURTESY: Duration = Duration::from_secs(2);

/// What a host side is reached for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Aim {
    /// To look: one of another build will do, if it speaks the same protocol.
    Look,
    /// To change something: that is for this build to carry out.
    Act,
}

/// What there is of a host side.
enum Reached {
    It(Client),
    Nobody,
    /// One of another build was there, and has ended for this one.
    GaveWay,
}

/// A conversation with a host side.
pub(super) struct Client {
    frames: Frames<OwnedReadHalf, OwnedWriteHalf>,
    /// Whether the other side is of another build, which may not know everything that this one asks.
    of_another_build: bool,
}

impl Client {
    /// Reaches the host side that runs, to look; `None` when none does.
    pub(super) async fn reach(layout: &Layout) -> Result<Option<Self>, Failure> {
        match Self::reach_for(layout, Aim::Look).await? {
            Reached::It(client) => Ok(Some(client)),
            Reached::Nobody | Reached::GaveWay => Ok(None),
        }
    }

    async fn reach_for(layout: &Layout, aim: Aim) -> Result<Reached, Failure> {
        let Ok(stream) = transport::connect(&layout.host(), "sock").await else { return Ok(Reached::Nobody) };
        Self::greet(layout, stream, aim).await
    }

    async fn greet(layout: &Layout, stream: UnixStream, aim: Aim) -> Result<Reached, Failure> {
        let (reader, writer) = stream.into_split();
        let mut frames = Frames::new(reader, writer);
        let hello = Hello { protocol: PROTOCOL_VERSION, program: host::build() };
        let greeted = async {
            frames.send(&hello).await?;
            frames.receive::<Hello>().await
        };
        match tokio::time::timeout(PATIENCE, greeted).await {
            Ok(Ok(theirs)) if theirs == hello => Ok(Reached::It(Self { frames, of_another_build: false })),
            Ok(Ok(theirs)) => {
                let mut client = Self { frames, of_another_build: true };
                if theirs.protocol == hello.protocol && (aim == Aim::Look || client.is_busy().await?) {
                    return Ok(Reached::It(client));
                }
                // The host side of another version gives way to this one. Whatever it was doing goes on
                // from its journal, which says so itself where the versions do not agree.
                stop_host(layout).await?;
                Ok(Reached::GaveWay)
            }
            Ok(Err(FrameError::Closed)) => Ok(Reached::Nobody),
            Ok(Err(error)) => Err(broken(&error)),
            Err(_) => Err(silent(layout)),
        }
    }

    /// Whether a run is under way there, which is not interrupted for a newer build's sake.
    async fn is_busy(&mut self) -> Result<bool, Failure> {
        match self.ask(&Ask::OpenRun).await? {
            Answer::OpenRun(open) => Ok(open.is_some_and(|run| run.under_way)),
            _ => Err(unexpected()),
        }
    }

    /// Reaches the host side, starting it when none runs.
    pub(super) async fn start(context: &Context, layout: &Layout) -> Result<Self, Failure> {
        Self::start_for(context, layout, Aim::Act).await
    }

    async fn start_for(context: &Context, layout: &Layout, aim: Aim) -> Result<Self, Failure> {
        match Self::reach_for(layout, aim).await? {
            Reached::It(client) => return Ok(client),
            // Whatever kept that one there is a reason for this one too.
            Reached::GaveWay => {}
            Reached::Nobody => drop(context.started.replace(Some(layout.clone()))),
        }
        Self::begin(layout, aim).await
    }

    /// Starts one in the place of one that has died.
    pub(super) async fn start_again(layout: &Layout) -> Result<Self, Failure> {
        match Self::reach_for(layout, Aim::Act).await? {
            Reached::It(client) => Ok(client),
            Reached::Nobody | Reached::GaveWay => Self::begin(layout, Aim::Act).await,
        }
    }

    async fn begin(layout: &Layout, aim: Aim) -> Result<Self, Failure> {
        let log = layout.log("host");
        let does_not_start = |why: &str| {
            let hint = format!("see {}", log.display());
            Failure::failed(format!("the host side does not start: {why}"), hint)
        };
        // Its keeper would go on trying, and we would wait for that.
        if let Some(refusal) = host::refusal(layout) {
            return Err(does_not_start(&refusal.to_string()));
        }
        // Where it has died, its keeper lets some time pass, longer after each crash: not when somebody needs it.
        let _nothing_to_start = process::start_now(&layout.host().join("keeper")).await;
        let deadline = Instant::now() + PATIENCE;
        let mut pause = Duration::from_millis(2);
        loop {
            // Asked each time: the one that was there may just have been ending.
            match start_host(layout).await {
                Err(failure) if failure.code != AGAIN => return Err(failure),
                Err(failure) if Instant::now() > deadline => return Err(Failure { code: FAILED, ..failure }),
                _ => {}
            }
            if let Reached::It(client) = Self::reach_for(layout, aim).await? {
                return Ok(client);
            }
            if Instant::now() > deadline {
                let last = std::fs::read_to_string(&log).unwrap_or_default();
                return Err(does_not_start(last.lines().last().unwrap_or("it said nothing")));
            }
            tokio::time::sleep(pause).await;
            if pause >= LATE
                && let Some(refusal) = host::refusal(layout)
            {
                return Err(does_not_start(&refusal.to_string()));
            }
            pause = (pause * 2).min(Duration::from_millis(50));
        }
    }

    /// The project of this directory and a conversation with its host side, where there has been a
    /// deploy; not where that was another project's.
    pub(super) async fn of_deployed(context: &Context) -> Result<(Project, Self), Failure> {
        let project = deployed(context)?;
        other_source::refuse(context, &project).await?;
        let client = Self::start(context, &project.layout).await?;
        Ok((project, client))
    }

    /// The same for who follows what it says, and changes nothing.
    pub(super) async fn to_follow(context: &Context) -> Result<Self, Failure> {
        Self::start_for(context, &deployed(context)?.layout, Aim::Look).await
    }

    /// The same for who only looks: what rests is not woken.
    pub(super) async fn to_look(context: &Context) -> Result<Self, Failure> {
        Self::to_look_at(context, &deployed(context)?.layout).await
    }

    /// The same, of what lies there.
    pub(super) async fn to_look_at(context: &Context, layout: &Layout) -> Result<Self, Failure> {
        if host::is_at_rest(layout) {
            let unreadable =
                |error: std::io::Error| Failure::failed(format!("the state cannot be read: {error}"), "");
            let stream = host::converse_at_rest(layout.clone()).map_err(unreadable)?;
            if let Reached::It(client) = Self::greet(layout, stream, Aim::Look).await? {
                return Ok(client);
            }
        }
        Self::start_for(context, layout, Aim::Look).await
    }

    /// Whether the runs on record are those that were written down; `None` where the host side is of another
    /// build, which may not know the question.
    pub(super) async fn audit(&mut self) -> Result<Option<Audit>, Failure> {
        if self.of_another_build {
            return Ok(None);
        }
        match self.ask(&Ask::Audit).await? {
            Answer::Audit(audit) => Ok(Some(audit)),
            _ => Err(unexpected()),
        }
    }

    /// Whether the other side is of the same build, and so of one mind with this one.
    pub(super) fn is_of_this_build(&self) -> bool {
        !self.of_another_build
    }

    /// What is there, and the key of its fingerprints where it has one.
    pub(super) async fn observe(&mut self) -> Result<(Box<Observed>, Option<FingerprintKey>), Failure> {
        match self.ask(&Ask::Observe).await? {
            Answer::Observed { observed, key } => Ok((observed, key)),
            _ => Err(unexpected()),
        }
    }

    /// Refuses to go on with a host side of another build: it carries out a run, and is not ended for this.
    pub(super) fn must_be_of_this_build(&self) -> Result<(), Failure> {
        match self.of_another_build {
            true => Err(Failure::new(
                REFUSED,
                "a run is under way in the host side of another version of Windlass",
                "call again when it is over: windlass status",
            )),
            false => Ok(()),
        }
    }

    /// Sends a question.
    pub(super) async fn send(&mut self, ask: &Ask) -> Result<(), Failure> {
        debug::ask("client", ask);
        self.frames.send(ask).await.map_err(|error| broken(&error))
    }

    /// Waits for an answer; a refusal is a failure.
    pub(super) async fn receive(&mut self) -> Result<Answer, Failure> {
        match self.frames.receive().await {
            Ok(Answer::Refused { kind, message, hint }) => {
                let code = match kind {
                    Refusal::Busy | Refusal::Stale => REFUSED,
                    Refusal::NotFound | Refusal::Invalid => USAGE,
                    Refusal::Failed => FAILED,
                };
                Err(Failure { overtaken: kind == Refusal::Stale, ..Failure::new(code, message, hint) })
            }
            Ok(answer) => Ok(answer),
            Err(error) => Err(broken(&error)),
        }
    }

    /// Asks, and waits for the answer.
    pub(super) async fn ask(&mut self, ask: &Ask) -> Result<Answer, Failure> {
        self.send(ask).await?;
        self.receive().await
    }

    /// Has it end.
    pub(super) async fn shut_down(&mut self, layout: &Layout, delete_data: bool) -> Result<(), Failure> {
        let kept = layout.host().join("keeper");
        let keeper = process::keeper(&kept);
        match self.ask(&Ask::Shutdown { delete_data }).await? {
            Answer::Done => {}
            _ => return Err(unexpected()),
        }
        // A keeper that took over from one that was killed cannot see how the host side ended, and would
        // start it again. One that somebody has started meanwhile is theirs.
        let grace = Span::from_secs(5);
        let _gone_already = match keeper {
            Some(keeper) => process::stop_by(&keeper, &kept, "TERM", grace).await,
            None => process::stop(&kept, "TERM", grace).await.map(drop),
        };
        Ok(())
    }

    /// Has it end once this conversation is over, where this call has started it and nobody else needs it.
    pub(super) async fn let_rest_after(&mut self, context: &Context) {
        if context.started.take().is_some() {
            let _stays_then = self.ask(&Ask::Rest).await;
        }
    }

    /// The two halves of the conversation, for following a run and speaking at the same time.
    pub(super) fn into_halves(self) -> (OwnedReadHalf, OwnedWriteHalf) {
        self.frames.into_halves()
    }
}

/// What is there, from the host side when it runs and from its files when it does not.
pub(super) async fn observe(layout: &Layout) -> Result<(Observed, Option<FingerprintKey>), Failure> {
    if let Some(mut client) = Client::reach(layout).await? {
        return client.observe().await.map(|(observed, key)| (*observed, key));
    }
    let observed = host::observe_from_disk(layout).map_err(|error| Failure::failed(error.to_string(), ""))?;
    let key = host::fingerprint_key(layout).map_err(|error| Failure::failed(error.to_string(), ""))?;
    Ok((observed, key))
}

/// Has the host side that this call has started end, where it has nothing to look after and nobody else
/// needs it: who has taken everything down wants none of it back for having looked, or failed. What it
/// cannot hear by then, or does not know, leaves it there.
pub(super) async fn let_rest(context: &Context) {
    let Some(layout) = context.started.take() else { return };
    let asked = async {
        if let Ok(Some(mut client)) = Client::reach(&layout).await {
            let _stays_then = client.ask(&Ask::Rest).await;
        }
    };
    // Who has stopped waiting waits for this no longer either.
    let asked = context.interrupts.until_another(asked);
    let _in_time = tokio::time::timeout(COURTESY, asked).await;
}

/// The project of this directory, where there has been a deploy.
pub(super) fn deployed(context: &Context) -> Result<Project, Failure> {
    let project = context.place()?;
    if project.layout.journal().exists() {
        return Ok(project);
    }
    // Who would deploy first has to mend it.
    let project = context.project()?;
    // What was deployed once can be looked at and stopped although the manifest forgot it.
    project.must_know(project.environment.as_str())?;
    Err(not_deployed())
}

/// Nothing was ever deployed here.
pub(super) fn not_deployed() -> Failure {
    Failure::usage("nothing is deployed here yet", "run windlass deploy first")
}

/// A host side that answers what was not asked.
pub(super) fn unexpected() -> Failure {
    Failure::failed("the host side answered what was not asked", "please report this")
}

fn broken(error: &FrameError) -> Failure {
    Failure::new(
        super::failure::INTERRUPTED,
        format!("the host side went away: {error}"),
        "`windlass status` says how things stand; `windlass resume` goes on",
    )
}

/// The host side's process, if it was stopped by a signal and does nothing.
pub(super) fn frozen(layout: &Layout) -> Option<Failure> {
    let seen = process::observe(&layout.host().join("keeper")).filter(process::Observation::is_frozen)?;
    let pid = seen.pid()?;
    Some(Failure::failed(
        format!("the host side does not answer: its process {pid} is frozen (it was stopped by a signal)"),
        format!(
            "let it go on: kill -CONT {pid}; or end it: kill -KILL {pid}, and its keeper starts it again. \
             What it was doing goes on either way"
        ),
    ))
}

/// A host side that is there and does not answer.
fn silent(layout: &Layout) -> Failure {
    frozen(layout).unwrap_or_else(|| {
        let seen = process::observe(&layout.host().join("keeper"));
        let end = match seen.and_then(|seen| seen.pid()) {
            Some(pid) => format!("end it: kill -KILL {pid}, and its keeper starts it again; see "),
            None => "see ".to_owned(),
        };
        let hint = format!("{end}{}", layout.log("host").display());
        Failure::failed("the host side does not answer", hint)
    })
}

async fn stop_host(layout: &Layout) -> Result<(), Failure> {
    let stopped = process::stop(&layout.host().join("keeper"), "TERM", Span::from_secs(5)).await;
    stopped.map(drop).map_err(|error| {
        Failure::failed(
            format!("the host side of another version cannot be stopped: {error}"),
            "use the same version on both sides",
        )
    })
}

async fn start_host(layout: &Layout) -> Result<(), Failure> {
    if let Some(lack) = host::before_the_start(layout).into_iter().next() {
        return Err(Failure::failed(lack.what, lack.hint));
    }
    boot::start(layout, boot::Environment::own()).await.map_err(|error| match error {
        boot::NotStarted::Home(error) => {
            let what = format!("{} cannot be used: {error}", layout.root().display());
            Failure::failed(what, host::home_hint(&error))
        }
        boot::NotStarted::Program(error) => {
            Failure::failed(format!("this program cannot be found: {error}"), "")
        }
        boot::NotStarted::Keeper(error) => {
            let code = if error.is_retryable() { AGAIN } else { FAILED };
            let message = format!("the host side cannot be started: {error}");
            Failure::new(code, message, error.hint().unwrap_or_default())
        }
    })
}
