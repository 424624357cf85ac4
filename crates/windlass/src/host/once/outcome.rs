//! Commands that run to their end: build steps, jobs, cron runs. Each has a keeper, whose directory
//! is the record of what became of it, so that none runs twice because somebody died meanwhile.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::OwnedRwLockReadGuard;
use windlass_core::journal::Fault;
use windlass_core::launch::{End, Exit, Launch};
use windlass_core::name::ReleaseId;
use windlass_core::units::Span;

use crate::host::Host;
use crate::host::resource::lifecycle::blocking;
use crate::runtime::process::{self, RuntimeError};
use crate::variables::Variables;

pub(in crate::host) use crate::runtime::process::Ended;

/// How long a start takes at the most until its keeper can be seen.
const STARTING: Duration = Duration::from_secs(10);

impl Host {
    /// Runs a command to its end, or waits for the end of the one that runs already in this
    /// directory, or answers how the one that ran there ended. `line` gets its output meanwhile.
    pub(in crate::host) async fn run_to_end(
        &self,
        directory: &Path,
        launch: &Launch,
        env: Variables,
        line: &dyn Fn(String),
    ) -> Result<Ended, Fault> {
        if let Some(ended) = process::observe(directory).and_then(|seen| seen.ended()) {
            return Ok(ended);
        }
        self.run_told(directory, launch, env, line).await
    }

    /// Starts what runs once, whatever ended there before, and waits for its end; `line` gets what it says.
    pub(in crate::host) async fn run_told(
        &self,
        directory: &Path,
        launch: &Launch,
        env: Variables,
        line: &dyn Fn(String),
    ) -> Result<Ended, Fault> {
        let mut follow = crate::host::logs::Follow::from_end(Path::new(&launch.log.path));
        let run = self.run_once(directory, launch, env);
        tokio::pin!(run);
        let ended = loop {
            tokio::select! {
                ended = &mut run => break ended,
                () = tokio::time::sleep(Duration::from_millis(100)) => follow.lines(line),
            }
        };
        follow.finish(line);
        match ended {
            // One way to end among others: whoever asked says what it means.
            Err(RuntimeError::NotStarted { reason, .. }) => {
                Ok(Ended { end: End::NotStarted, exit: Some(Exit::NotStarted(reason)), restarts: 0 })
            }
            ended => ended.map_err(|error| {
                let message = format!("{} cannot be run: {error}", launch.label);
                let unbegun = matches!(error, RuntimeError::Refused { .. });
                Fault { unbegun, ..Fault::new(message, error.hint().unwrap_or_default()) }
            }),
        }
    }

    /// Starts what runs once and waits for its end, unless everything here is about to end.
    pub(in crate::host) async fn run_once(
        &self,
        directory: &Path,
        launch: &Launch,
        env: Variables,
    ) -> Result<Ended, RuntimeError> {
        let runs_already = |seen: &process::Observation| seen.is_under_way() && seen.launch == *launch;
        // What is being stopped just now was not asked for again: its end is the answer.
        if !process::observe(directory).is_some_and(|seen| runs_already(&seen)) {
            let starting = self.may_start().await?;
            self.start_kept(starting, directory.to_owned(), launch.clone(), env).await?;
        }
        process::outlast(directory).await
    }

    /// Leave to start something, unless everything here is about to end.
    pub(in crate::host) async fn may_start(&self) -> Result<OwnedRwLockReadGuard<()>, RuntimeError> {
        let starting = self.starting.clone().read_owned().await;
        if self.ending.get() {
            return Err(RuntimeError::Refused { reason: "the environment goes down".to_owned() });
        }
        Ok(starting)
    }

    /// Starts a process. What was begun is finished also when whoever asked waits no longer: then
    /// [`Host::starts_are_over`] tells when it can be seen.
    pub(in crate::host) async fn start_kept(
        &self,
        starting: OwnedRwLockReadGuard<()>,
        directory: PathBuf,
        launch: Launch,
        env: Variables,
    ) -> Result<(), RuntimeError> {
        let start = tokio::task::spawn_local(async move {
            let started = process::start(&directory, &launch, env).await;
            drop(starting);
            started
        });
        start.await.unwrap_or_else(|error| Err(RuntimeError::Refused { reason: error.to_string() }))
    }

    /// Does on a thread of its own what cannot be cut short. It goes on where nobody waits for it any more:
    /// then [`Host::work_is_over`] tells when it has ended.
    pub(in crate::host) async fn uninterrupted<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Fault> {
        let working = self.working.clone().read_owned().await;
        blocking(move || {
            let _until_it_is_done = working;
            work()
        })
        .await
    }

    /// Returns when all that cannot be cut short has ended. Each piece of it ends by a time limit of its own, which
    /// may be any: who went on before would act beside it.
    pub(in crate::host) async fn work_is_over(&self) {
        drop(self.working.write().await);
    }

    /// Returns when all that is just being started can be seen, and ended, by others. Who waits for a
    /// keeper that is in its back-off has been seen for long.
    pub(in crate::host) async fn starts_are_over(&self) {
        let _over = tokio::time::timeout(STARTING, self.starting.write()).await;
    }
}

/// Where all is that a step of a release said: its log stays when the release goes back.
pub(in crate::host) fn whole_log(name: &str, release: ReleaseId) -> String {
    format!("`windlass logs {name} --release {release}` shows all of it")
}

/// What a command's end means to whoever needed it to succeed. `tail` is the end of what it said, and `whole` says
/// where the rest is, where that is kept.
pub(in crate::host) fn must_succeed(
    what: &str,
    ended: &Ended,
    timeout: Span,
    (tail, whole): (Vec<String>, &str),
) -> Result<(), Fault> {
    let message = match (ended.end, &ended.exit) {
        (End::Finished, Some(Exit::Code(0))) => return Ok(()),
        (End::TimedOut, _) => format!("{what} did not end within {timeout} and was stopped"),
        (End::Stopped, _) => format!("{what} was stopped"),
        (_, Some(Exit::Unknown) | None) => format!("{what} ended while nobody could see how"),
        (_, Some(Exit::NotStarted(reason))) => format!("{what} was not started: {reason}"),
        (_, Some(exit)) => format!("{what} failed: {exit}"),
    };
    let hint = match (ended.end, &ended.exit) {
        (End::TimedOut, _) => "see where it hangs, or give it longer with timeout",
        // The reason says it.
        (_, Some(Exit::NotStarted(_))) => "",
        (_, Some(Exit::OutOfMemory)) => "give it more memory, or let it need less",
        (_, Some(Exit::Unknown) | None) => "look at what it left, and run it again",
        _ => "",
    };
    let hints =
        [whole, hint].into_iter().filter(|hint| !hint.is_empty() && (*hint != whole || !tail.is_empty()));
    let hint = hints.collect::<Vec<_>>().join("; ");
    let mut fault = Fault::new(message, hint).with_tail(tail, "its output");
    fault.unbegun = matches!(ended.exit, Some(Exit::NotStarted(_)));
    Err(fault)
}

/// How a command ended, in words.
pub(in crate::host) fn in_words(ended: &Ended) -> String {
    match (ended.end, &ended.exit) {
        (End::Finished, Some(Exit::Code(0))) => "ended well".to_owned(),
        (End::TimedOut, _) => "ran longer than it may, and was stopped".to_owned(),
        (End::Stopped, _) => "was stopped".to_owned(),
        (_, Some(Exit::NotStarted(reason))) => format!("was not started: {reason}"),
        (_, Some(exit)) => format!("failed: {exit}"),
        (_, None) => "ended unseen".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use futures_util::FutureExt;

    use crate::host::testing;

    #[tokio::test]
    async fn what_cannot_be_cut_short_is_waited_for_also_where_nobody_waits_for_its_result() {
        let (_place, host) = testing::host();
        let (go, gate) = mpsc::channel::<()>();
        let (done, is_done) = mpsc::channel();
        let work = move || {
            let _until_somebody_says_so = gate.recv();
            done.send(()).unwrap();
        };
        assert!(host.uninterrupted(work).now_or_never().is_none(), "it waits, and is given up");
        assert!(host.work_is_over().now_or_never().is_none(), "it goes on");
        go.send(()).unwrap();
        host.work_is_over().await;
        assert!(is_done.try_recv().is_ok());
    }
}
