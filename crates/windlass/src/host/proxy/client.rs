//! Speaking to the proxy.

use std::io;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use windlass_core::edge::{Answer, Ask, Report, Table};
use windlass_core::journal::Fault;
use windlass_core::launch::Launch;
use windlass_core::name::InstanceId;
use windlass_core::spec::{Restart, RestartWhen, Stop};
use windlass_core::units::Span;

use crate::host::logs;
use crate::host::proxy::waits::Waits;
use crate::host::state::{build_of, program};
use crate::layout::Layout;
use crate::runtime::process::{self, Observation, RuntimeError};
use crate::transport;
use crate::variables::Variables;

/// The proxy of an environment.
pub(in crate::host) struct ProxyClient<'a> {
    layout: &'a Layout,
}

/// How long it takes until people wonder what is waited for.
const LONG: Duration = Duration::from_secs(1);

const SEE_THE_LOG: &str = "see logs/proxy.log in the environment's directory";

/// The file in which earlier builds noted which of them the proxy is. One that comes back would believe it,
/// and never renew the proxy of another.
const FORMER_NOTE: &str = "build";

/// How long the proxy may take to answer. It answers in well under a millisecond; this is for a
/// machine that is busy to the brim.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long it has to finish what it has when it is to end, and the next one to be ready when it is replaced.
const GRACE: Span = Span::from_secs(35);

/// How long it may take at the least where something has to be over by then.
const LEAST: Duration = Duration::from_millis(100);

impl<'a> ProxyClient<'a> {
    pub(in crate::host) fn new(layout: &'a Layout) -> Self {
        Self { layout }
    }

    /// Its process, while it runs.
    pub(in crate::host) fn pid(&self) -> Option<i32> {
        self.seen()?.pid()
    }

    /// Its process, if that was stopped by a signal and does nothing.
    pub(in crate::host) fn frozen(&self) -> Option<i32> {
        self.seen().filter(Observation::is_frozen)?.pid()
    }

    /// The same of one that stays so for a second: what looks at a process may stop it for a moment.
    pub(in crate::host) async fn stays_frozen(&self) -> Option<i32> {
        for _ in 0..20 {
            self.frozen()?;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        self.frozen()
    }

    /// Whether it has a keeper, which starts it again.
    pub(in crate::host) fn is_kept(&self) -> bool {
        process::is_kept(&self.layout.proxy().join("keeper"))
    }

    fn seen(&self) -> Option<Observation> {
        process::observe(&self.layout.proxy().join("keeper"))
    }

    /// What is to run.
    fn launch(&self) -> Result<Launch, Fault> {
        let directory = self.layout.proxy();
        let program = program()
            .map_err(|error| Fault::new(format!("this program cannot be found: {error}"), SEE_THE_LOG))?;
        Ok(Launch {
            label: "proxy".to_owned(),
            argv: vec![
                program.display().to_string(),
                "proxy".to_owned(),
                directory.display().to_string(),
                "--access-log".to_owned(),
                self.layout.log("access").display().to_string(),
            ],
            directory: directory.display().to_string(),
            restart: Restart {
                when: RestartWhen::Always,
                backoff: Span::from_millis(10),
                // Meanwhile requests wait for it.
                backoff_max: Span::from_secs(1),
                limit: u32::MAX,
                window: Span::from_secs(60),
            },
            stop: Stop { signal: "TERM".to_owned(), grace: GRACE, quiet: None },
            log: logs::kept(&self.layout.log("proxy")),
            sockets: true,
            oom_score_adj: -500,
            ..Launch::default()
        })
    }

    /// Starts the proxy unless it runs, and waits until it answers.
    pub(in crate::host) async fn start(&self) -> Result<(), Fault> {
        let directory = self.layout.proxy();
        let failed = |what: String| Fault::new(what, SEE_THE_LOG);
        let launch = self.launch()?;
        let kept = ["PATH", "WINDLASS_FAILPOINT"];
        let env = kept.iter().filter_map(|key| Some(((*key).to_owned(), std::env::var(key).ok()?)));
        if self.pid().is_none() {
            self.wake().await;
        }
        process::start_part(&directory.join("keeper"), &launch, env.collect::<Variables>())
            .await
            .map_err(|error| failed(format!("the proxy cannot be started: {error}")))?;
        self.forget_former_note();
        self.answers().await
    }

    /// Where it has died, its keeper lets some time pass, longer after each crash: not when it is needed.
    async fn wake(&self) {
        let _runs_or_is_not_kept = process::start_now(&self.layout.proxy().join("keeper")).await;
    }

    /// Waits until it answers. It has minded its keeper then: where that is another one than before, its
    /// sockets lie there.
    async fn answers(&self) -> Result<(), Fault> {
        let deadline = Instant::now() + PATIENCE;
        let mut pause = Duration::from_millis(2);
        loop {
            match self.ask(&Ask::Report).await {
                Ok(_) => return Ok(()),
                Err(error) if Instant::now() > deadline => {
                    return Err(Fault::new(format!("the proxy does not answer: {error}"), SEE_THE_LOG));
                }
                Err(_) => tokio::time::sleep(pause).await,
            }
            pause = (pause * 2).min(Duration::from_millis(50));
        }
    }

    fn forget_former_note(&self) {
        let _none_there = std::fs::remove_file(self.layout.proxy().join(FORMER_NOTE));
    }

    /// Lets a proxy of another build of Windlass, or from another path, give way to one of this: the new
    /// one takes the listening sockets over before the old one lets go of them, and the old one finishes
    /// what it has. When the new one does not come up, the old one stays.
    ///
    /// Answers whether that is settled. It is not while another replacement is under way, which a former host side
    /// asked for and did not live to see: that ends in its time, and it is to be asked for again.
    pub(in crate::host) async fn renew(&self) -> Result<bool, Fault> {
        match self.renew_now().await? {
            None => Ok(false),
            Some(Err(error)) if error.is_being_replaced() => Ok(false),
            Some(renewed) => renewed.map(|()| true).map_err(not_renewed),
        }
    }

    /// `None` where that cannot be said yet.
    async fn renew_now(&self) -> Result<Option<Result<(), RuntimeError>>, Fault> {
        let directory = self.layout.proxy().join("keeper");
        let argv = self.launch()?.argv;
        let Some(seen) = process::observe(&directory).filter(|seen| seen.keeper_alive) else {
            return Ok(Some(Ok(())));
        };
        // What runs is looked at, and not what was asked for once.
        let is_ours = seen.pid().map(|pid| build_of(pid) == build_of("self"));
        let is_started_as_wanted = seen.launch.argv == argv;
        match is_ours {
            Some(true) if is_started_as_wanted => {
                self.forget_former_note();
                return Ok(Some(Ok(())));
            }
            // One that was just started has not said where it listens: whoever took its place could not.
            None if is_started_as_wanted => return Ok(None),
            _ => {}
        }
        let mut replaced = if is_started_as_wanted {
            // Every keeper knows how.
            process::replace(&directory).await
        } else {
            process::replace_by(&directory, &argv).await
        };
        if replaced.as_ref().is_err_and(RuntimeError::is_not_understood) {
            // An older Windlass's keeper would start its own program again. It gives way too: the proxy
            // goes on, and leaves its sockets with the next one.
            if let Some(keeper) = seen.status.and_then(|status| Pid::from_raw(status.keeper)) {
                let _gone_already = rustix::process::kill_process(keeper, Signal::KILL);
            }
            let deadline = Instant::now() + PATIENCE;
            while process::is_locked(&directory.join("lock")) && Instant::now() < deadline {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            process::readopt(&directory).await.map_err(not_renewed)?;
            // Without its sockets the next one could not listen.
            self.answers().await?;
            replaced = process::replace_by(&directory, &argv).await;
        }
        if replaced.is_ok() {
            self.forget_former_note();
        }
        Ok(Some(replaced.map(drop)))
    }

    /// Stops the proxy.
    pub(in crate::host) async fn stop(&self) -> Result<(), Fault> {
        let directory = self.layout.proxy().join("keeper");
        let stopped = process::stop(&directory, "TERM", GRACE).await;
        stopped.map(drop).map_err(|error| {
            Fault::new(format!("the proxy cannot be stopped: {error}"), error.hint().unwrap_or_default())
        })
    }

    /// Puts a table in force; answers how many nanoseconds requests were kept from choosing. It is
    /// written to the disk first, so that the switch itself takes no longer than asking for it.
    pub(in crate::host) async fn apply(&self, table: Table) -> Result<u64, Fault> {
        let mut table = Box::new(table);
        let mut prepared = self.order(&Ask::Prepare(table.clone())).await;
        if prepared.is_err() && table.pools.values().any(|pool| pool.stopped) {
            // A proxy of an earlier build, which could not be renewed or is not yet, knows no service
            // that is stopped: it holds its requests for a while, as it always did.
            table.pools.values_mut().for_each(|pool| pool.stopped = false);
            prepared = self.order(&Ask::Prepare(table.clone())).await;
        }
        match prepared? {
            Answer::Prepared { .. } => {}
            _ => return Err(unasked()),
        }
        match self.order(&Ask::Apply(table)).await? {
            Answer::Applied { switch_nanos, .. } => Ok(switch_nanos),
            _ => Err(unasked()),
        }
    }

    /// Asks for what may be refused. A proxy that dies over it is started again by its keeper, and asked
    /// again: the same table twice is the same table.
    async fn order(&self, ask: &Ask) -> Result<Answer, Fault> {
        let deadline = Instant::now() + PATIENCE;
        let mut answer = self.ask(ask).await;
        if answer.is_err() {
            self.wake().await;
        }
        while answer.is_err() && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(20)).await;
            answer = self.ask(ask).await;
        }
        match answer {
            Ok(Answer::Refused { reason }) => Err(refused(&reason)),
            Ok(answer) => Ok(answer),
            Err(error) => Err(Fault::new(
                format!("the proxy does not answer: {error}"),
                "its keeper starts it again by itself; see logs/proxy.log",
            )),
        }
    }

    /// Whether the proxy could listen on an address that overlaps what it listens on now. One of an
    /// earlier build cannot say, and could not.
    pub(in crate::host) async fn could_listen(&self, address: &str) -> bool {
        matches!(self.ask(&Ask::Probe { address: address.to_owned() }).await, Ok(Answer::Free))
    }

    /// What the proxy counts; nothing when it does not answer.
    pub(in crate::host) async fn report(&self) -> Option<Report> {
        // What is frozen would be waited for.
        if self.frozen().is_some() {
            return None;
        }
        match self.ask(&Ask::Report).await {
            Ok(Answer::Report(report)) => Some(*report),
            _ => None,
        }
    }

    /// Waits until no request or connection is left on an instance, at the most so long; answers how
    /// many are left then, or `None` where the proxy does not say. `tell` hears once what is waited for, where
    /// that takes so long that people wonder.
    pub(in crate::host) async fn drained(
        &self,
        id: &InstanceId,
        within: Duration,
        tell: &dyn Fn(&Waits),
    ) -> Option<u64> {
        let began = Instant::now();
        let deadline = began + within;
        let mut is_told = false;
        let ask = Ask::Drained { instances: vec![id.to_string()] };
        let mut pause = Duration::from_millis(1);
        loop {
            let patience = deadline.saturating_duration_since(Instant::now()).clamp(LEAST, PATIENCE);
            let waits = match self.ask_within(&ask, patience).await {
                Ok(Answer::Drained { left, streams }) => {
                    Some(Waits { left: left.values().sum(), streams: streams.values().sum() })
                }
                // Its connections have gone with it. One that is there and does not answer has them.
                _ if self.pid().is_none() => Some(Waits { left: 0, streams: 0 }),
                _ => None,
            };
            let left = waits.map(|waits| waits.left);
            if left == Some(0) || Instant::now() >= deadline {
                return left;
            }
            if let Some(waits) = waits.filter(|_| !is_told && began.elapsed() >= LONG) {
                is_told = true;
                tell(&waits);
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(50));
        }
    }

    pub(in crate::host) async fn ask(&self, ask: &Ask) -> io::Result<Answer> {
        self.ask_within(ask, PATIENCE).await
    }

    async fn ask_within(&self, ask: &Ask, within: Duration) -> io::Result<Answer> {
        let asked = async {
            let mut stream = transport::connect(&self.layout.proxy(), "sock").await?;
            let mut line = serde_json::to_vec(ask)?;
            line.push(b'\n');
            stream.write_all(&line).await?;
            let mut answer = String::new();
            BufReader::new(stream).read_line(&mut answer).await?;
            serde_json::from_str(&answer).map_err(io::Error::other)
        };
        tokio::time::timeout(within, asked).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }
}

#[allow(clippy::needless_pass_by_value, reason = "handed to `map_err`")]
fn not_renewed(error: RuntimeError) -> Fault {
    Fault::new(format!("the proxy cannot be renewed: {error}"), error.hint().unwrap_or_default())
}

/// One of an earlier build that could not be renewed does not know what came later.
fn refused(reason: &str) -> Fault {
    let hint = match reason.contains("unknown field") {
        true => {
            "the proxy is an earlier Windlass's, and could not be renewed: run windlass down, and deploy again"
        }
        false => SEE_THE_LOG,
    };
    Fault::new(format!("the proxy refused its table: {reason}"), hint)
}

fn unasked() -> Fault {
    Fault::new("the proxy answered what was not asked", "")
}

#[cfg(test)]
mod tests {
    use rustix::fs::{FlockOperation, flock};

    use super::*;
    use crate::host::testing;
    use crate::keeper::files::{self, LAUNCH, LOCK};

    /// Nobody could listen in its place: its sockets are nobody's yet.
    #[tokio::test]
    async fn one_that_was_just_started_is_not_replaced() {
        let (_place, host) = testing::host();
        let directory = host.layout.proxy().join("keeper");
        std::fs::create_dir_all(&directory).unwrap();
        files::overwrite(&directory.join(LAUNCH), &host.proxy().launch().unwrap()).unwrap();
        let lock = std::fs::File::create(directory.join(LOCK)).unwrap();
        flock(&lock, FlockOperation::LockExclusive).unwrap();
        assert!(!host.proxy().renew().await.unwrap(), "that is not settled yet");
        drop(lock);
        assert!(host.proxy().renew().await.unwrap(), "there is none");
    }

    #[test]
    fn a_refusal_says_what_to_do() {
        let earlier = refused("unknown field `trusted_proxies`, expected one of `http`");
        assert!(earlier.hint.contains("windlass down"), "{earlier:?}");
        assert_eq!(refused("0.0.0.0:80 is taken").hint, SEE_THE_LOG);
    }
}
