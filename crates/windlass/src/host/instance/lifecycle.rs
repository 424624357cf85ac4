//! Starting, awaiting and stopping instances.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use windlass_core::journal::Fault;
use windlass_core::launch::{Launch, Log, ProcessState};
use windlass_core::name::InstanceId;
use windlass_core::plan::Plan;
use windlass_core::policy::health::{Gate, GateVerdict};
use windlass_core::spec::{Check, Command, Port, Probe, Reference, Service, Stop, Template};
use windlass_core::units::Span;
use zeroize::Zeroizing;

use crate::health::{self, Target};
use crate::host::Host;
use crate::host::instance::astray::LONGER;
use crate::host::instance::hurry::{Hurry, SOON};
use crate::host::instance::identity::Identity;
use crate::host::instance::port::{Listener, taken_by};
use crate::host::instance::quiet::running;
use crate::host::instance::quieted;
use crate::host::logs;
use crate::host::preflight::machine::port_taken;
use crate::host::proxy::waits::Waits;
use crate::host::settings::fill::{Fill, Subject};
use crate::ports::{self, Holder};
use crate::runtime::process;
use crate::variables::Variables;

/// How long after the end of the drain the proxy has to cut what is left.
pub(in crate::host) const CUT: Duration = Duration::from_secs(2);

/// How many lines of a log are shown when something fails.
const TAIL: usize = 20;

/// How often a copy is started again at another port because somebody has taken the one before.
const MOVES: u32 = 3;

/// When a copy that is not ready yet is looked at: whether it listens elsewhere.
const NOTICED: Duration = Duration::from_secs(5);

/// Why a copy is not ready.
enum Unready {
    Failed(Fault),
    /// Somebody else has the port that was chosen for it: `taken` says who, and `fault` what it comes to where it
    /// is not moved to another.
    Displaced {
        taken: String,
        fault: Fault,
    },
}

impl From<Fault> for Unready {
    fn from(fault: Fault) -> Self {
        Self::Failed(fault)
    }
}

/// How long it takes until it is looked again whether a process has a keeper.
const WITHOUT_KEEPER: Duration = Duration::from_millis(50);

impl Host {
    /// Describes an instance of the plan's specification for the first time; later starts use what
    /// was written then.
    pub(in crate::host) fn identify(&self, plan: &Plan, id: &InstanceId) -> Result<Identity, Fault> {
        if let Ok(identity) = Identity::read(&self.layout.instance(id)) {
            return Ok(identity);
        }
        let gone = || Fault::new(format!("{id} cannot be started again: its description is gone"), "");
        let service = plan.spec.services.get(&id.service).ok_or_else(gone)?;
        let identity = Identity {
            id: id.clone(),
            digest: plan.digests.get(&id.service).cloned().unwrap_or_default(),
            tree: plan.tree.id,
            port: service.port.map(|port| self.choose_port(port)).transpose()?,
            service: service.clone(),
            resources: plan.spec.resources.clone(),
        };
        identity.write(&self.layout).map_err(|error| {
            Fault::new(format!("{id}: its description cannot be written: {error}"), "free some disk space")
        })?;
        Ok(identity)
    }

    /// Starts an instance, unless it runs. One that was told to take no more work starts anew.
    pub(in crate::host) async fn start_instance(&self, identity: &Identity) -> Result<(), Fault> {
        self.start_instance_if(identity, || true).await.map(drop)
    }

    /// The same if it is `wanted` still when nothing else stands in the way; answers whether it was.
    pub(in crate::host) async fn start_instance_if(
        &self,
        identity: &Identity,
        wanted: impl Fn() -> bool,
    ) -> Result<bool, Fault> {
        let identity = &*self.at_a_free_port(identity)?;
        let (launch, env) = self.launch(identity).await?;
        // Looked at again: who took it since the preflight would pass the checks, and get the requests.
        if let Some(Port::Fixed(port)) = identity.service.port
            && !self.lives(&identity.id)
            && let Some((what, hint)) = port_taken(identity.id.service.as_str(), port)
        {
            return Err(Fault::new(what, hint));
        }
        let started = async {
            if !wanted() {
                return Ok(false);
            }
            self.end_quieted(identity).await?;
            let starting = self.may_start().await?;
            if !wanted() {
                return Ok(false);
            }
            self.start_kept(starting, self.layout.instance(&identity.id), launch, env).await.map(|()| true)
        };
        started.await.map_err(|error: process::RuntimeError| {
            let mut fault = Fault::new(error.to_string(), error.hint().unwrap_or_default());
            fault.tail = self.tail(identity);
            fault
        })
    }

    /// Ends a worker whose stop was given up half-way: it would run, and do nothing, for ever.
    async fn end_quieted(&self, identity: &Identity) -> Result<(), process::RuntimeError> {
        let directory = self.layout.instance(&identity.id);
        if !quieted::is_noted(&directory) {
            return Ok(());
        }
        if self.lives(&identity.id) {
            let stop = &identity.service.stop;
            process::stop(&directory, &stop.signal, stop.grace).await?;
        }
        quieted::forget(&directory);
        Ok(())
    }

    async fn launch(&self, identity: &Identity) -> Result<(Launch, Variables), Fault> {
        let service = &identity.service;
        let (argv, env) = self
            .filled(identity, |fill| Ok((fill.argv(&service.command)?, fill.environment(&service.env)?)))
            .await?;
        let launch = Launch {
            label: identity.id.to_string(),
            argv,
            directory: self.directory(identity).display().to_string(),
            user: service.user.clone(),
            restart: service.restart.clone(),
            stop: service.stop.clone(),
            limits: service.limits.clone(),
            log: self.log(identity),
            oom_score_adj: 200,
            ..Launch::default()
        };
        Ok((launch, env))
    }

    /// Where an instance writes. One that runs goes on writing where it began to, also after whoever launched it
    /// had other files.
    fn log(&self, identity: &Identity) -> Log {
        let seen = process::observe(&self.layout.instance(&identity.id));
        match seen.filter(|seen| seen.keeper_alive || seen.process_alive) {
            Some(seen) => seen.launch.log,
            None => logs::kept_of(&self.layout.service_log(&identity.id), identity.service.replicas),
        }
    }

    fn directory(&self, identity: &Identity) -> PathBuf {
        self.layout.tree(identity.tree).join(&identity.service.directory)
    }

    async fn filled<T>(
        &self,
        identity: &Identity,
        with: impl FnOnce(&Fill<'_>) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let subject = Subject {
            release: identity.id.release,
            resources: &identity.resources,
            port: identity.port,
            replica: identity.id.replica,
            user: identity.service.user.as_deref(),
            label: &identity.id.to_string(),
        };
        self.fill(subject, with).await
    }

    /// Makes the files of settings again that something took from a running instance.
    pub(in crate::host) async fn keep_files(&self, service: &Service, id: &InstanceId) -> Result<(), Fault> {
        let is_file = |reference: &Reference| matches!(reference, Reference::SettingFile(_));
        let words = match &service.command {
            Command::Argv(words) => words.as_slice(),
            Command::Shell(_) => &[],
        };
        if !service.env.values().chain(words).flat_map(Template::references).any(is_file) {
            return Ok(());
        }
        // What was launched earlier has its files from then.
        let identity = Identity::read(&self.layout.instance(id))
            .map_err(|error| Fault::new(format!("{id} cannot be described: {error}"), ""))?;
        self.launch(&identity).await.map(drop)
    }

    /// Whom the health checks of an instance ask.
    pub(in crate::host) async fn target(&self, identity: &Identity) -> Result<Target, Fault> {
        let service = &identity.service;
        let probes = [&service.checks.startup, &service.checks.readiness, &service.checks.liveness]
            .into_iter()
            .flatten()
            .filter_map(|check| match &check.probe {
                Probe::Command(command) => Some(command),
                _ => None,
            });
        let idle = service.stop.quiet.as_ref().and_then(|quiet| quiet.idle.as_ref());
        let commands: Vec<_> = probes.chain(idle).collect();
        // References are looked up once, now: a probe runs often, and its values do not change. Where no command asks,
        // none is kept.
        let is_asked = !commands.is_empty();
        let (env, known) = self
            .filled(identity, |fill| {
                let mut known: Vec<(Reference, Zeroizing<String>)> = Vec::new();
                for command in commands {
                    if let Command::Argv(words) = command {
                        for reference in words.iter().flat_map(Template::references) {
                            let template = Template::of(reference.clone());
                            known.push((reference.clone(), fill.text(&template)?.into()));
                        }
                    }
                }
                let env = if is_asked { fill.environment(&service.env)? } else { Variables::default() };
                Ok((env, known))
            })
            .await?;
        Ok(Target {
            address: identity.port.map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port))),
            directory: self.directory(identity),
            env,
            user: service.user.clone(),
            values: Arc::new(move |reference| {
                let found = known.iter().find(|(known, _)| known == reference);
                found
                    .map(|(_, value)| value.to_string())
                    .ok_or_else(|| format!("{{{reference}}} has no value"))
            }),
        })
    }

    /// Waits until an instance is ready: its startup and readiness checks succeed, or, without a
    /// readiness check, it has run for its settling time; and what listens on its port is its own. That it ends
    /// meanwhile is a failure at once: a release that cannot start must not wait for its deadline to say so.
    ///
    /// One that has lost its port to another process before it could listen is started again at another port, and
    /// `say` is told.
    pub(in crate::host) async fn await_ready(
        &self,
        id: &InstanceId,
        say: &dyn Fn(String),
    ) -> Result<String, Fault> {
        let mut moves = 0;
        loop {
            let taken = match self.await_ready_where_it_is(id, say).await {
                Ok(ready) => return Ok(ready),
                Err(Unready::Failed(fault)) => return Err(fault),
                Err(Unready::Displaced { fault, .. }) if moves == MOVES => return Err(fault),
                Err(Unready::Displaced { taken, .. }) => taken,
            };
            moves += 1;
            if let Some(port) = self.move_away(id).await? {
                say(format!("{taken}; {id} is started again at port {port}"));
            }
        }
    }

    async fn await_ready_where_it_is(
        &self,
        id: &InstanceId,
        say: &dyn Fn(String),
    ) -> Result<String, Unready> {
        let directory = self.layout.instance(id);
        let identity = Identity::read(&directory)
            .map_err(|error| Fault::new(format!("{id} was never started: {error}"), ""))?;
        let target = self.target(&identity).await?;
        let began = Instant::now();
        let ended = async {
            end_of(&directory).await.unwrap_or_else(|error| format!("it cannot be watched: {error}"))
        };
        let failed = |what: String, hint: &str, by: Option<Holder>| {
            let with_tail = |fault: Fault| fault.with_tail(self.tail(&identity), "its log");
            let Some(by) = by else {
                return Unready::Failed(with_tail(Fault::new(format!("{id} {what}"), hint)));
            };
            let (taken, hint) = taken_by(&identity, &by);
            let fault = with_tail(Fault::new(format!("{id} {what}; {taken}"), hint));
            match identity.service.port {
                Some(Port::Automatic) if !self.gets_requests(id) => Unready::Displaced { taken, fault },
                _ => Unready::Failed(fault),
            }
        };
        // It may open its port yet; but who waits may know better.
        let told = async {
            tokio::time::sleep(NOTICED).await;
            if let Some(astray) = self.astray(&identity) {
                say(format!("{id} {astray}, so far"));
            }
            std::future::pending::<Infallible>().await
        };
        tokio::select! {
            never = told => match never {},
            how = ended => Err(failed(
                format!("ended before it was ready: {how}"),
                &format!("`windlass logs {} --release {}` shows more", id.service, id.release),
                self.rival(&identity),
            )),
            verdict = readiness(&identity.service, &target, began) => match verdict {
                Ok(()) => {
                    let ready = format!("{id} is ready after {}", Span::from_millis(millis(began)).in_words());
                    match self.listener(&identity) {
                        // What has answered is somebody else, who would get its requests.
                        Listener::Another(by) => {
                            Err(failed("is not what answers at its port".to_owned(), "", Some(by)))
                        }
                        Listener::Untold(by) => Ok(format!(
                            "{ready}; {by} listens on its port, and is taken for a part of it: it was not there before"
                        )),
                        Listener::Own if identity.port.is_some_and(ports::is_open_to_others) => Ok(format!(
                            "{ready}; it also listens where other machines may come past the proxy, its passwords and \
                             its limits: have it listen on 127.0.0.1"
                        )),
                        Listener::Own | Listener::Nobody => Ok(ready),
                    }
                }
                Err(why) => match (self.rival(&identity), self.astray(&identity)) {
                    (None, Some(astray)) => Err(failed(
                        format!("was not ready in time: {why}. It {astray}"),
                        &astray.hint(&id.service, identity.service.port),
                        None,
                    )),
                    (rival, _) => Err(failed(
                        format!("was not ready in time: {why}"),
                        LONGER,
                        rival,
                    )),
                },
            },
        }
    }

    /// Drains an instance, asks it to take no more work, and stops it with all that is left of it.
    /// Where somebody is in a hurry, none of that is waited for longer than it must.
    pub(in crate::host) async fn stop_instance(
        &self,
        id: &InstanceId,
        drain: Span,
        hurry: &mut Hurry,
        tell: &dyn Fn(String),
    ) -> Result<String, Fault> {
        let directory = self.layout.instance(id);
        // Who brings copies back may be about to.
        self.starts_are_over().await;
        let alive = self.lives(id);
        let stop = self.stop_of(id);
        let mut left = Some(0);
        if alive {
            if !drain.is_zero() {
                let told = |waits: &Waits| tell(format!("{id} waits for {waits}"));
                let proxy = self.proxy();
                left = match hurry.unless(proxy.drained(id, drain.as_duration(), &told)).await {
                    Some(left) => left,
                    None => proxy.drained(id, Duration::ZERO, &|_| ()).await,
                };
                if left.is_some_and(|left| left > 0) && !hurry.has_come() {
                    // It cuts them about now; what it counts of them belongs to this run.
                    proxy.drained(id, CUT, &|_| ()).await;
                }
            }
            let failed = |error: process::RuntimeError| {
                Fault::new(format!("{id} cannot be stopped: {error}"), error.hint().unwrap_or_default())
            };
            // Where it cannot be noted, as on a full disk, it is not told: it ends all the same, by its stop.
            if let Some(quiet) = &stop.quiet
                && quieted::note(&directory).is_ok()
            {
                let pid = running(&directory);
                process::signal(&directory, &quiet.signal).await.map_err(failed)?;
                let _whether_or_not = hurry.unless(self.await_idle(id, quiet, pid)).await;
            }
            let stopping = process::stop(&directory, &stop.signal, stop.grace);
            match hurry.unless(stopping).await {
                Some(stopped) => stopped,
                // Its keeper goes on stopping it, and takes the shorter grace of two.
                None => process::stop(&directory, &stop.signal, stop.grace.min(SOON)).await,
            }
            .map_err(failed)?;
            quieted::forget(&directory);
        }
        self.health.borrow_mut().shift_remove(id);
        Ok(match left {
            Some(0) => String::new(),
            Some(left) if hurry.has_come() => {
                format!("{id}: stopped sooner, as was asked; {left} connections were left")
            }
            Some(1) => format!("{id}: 1 connection was closed at the deadline"),
            Some(left) => format!("{id}: {left} connections were closed at the deadline"),
            None => format!(
                "{id}: the proxy did not say whether requests were left: any were cut at the deadline"
            ),
        })
    }

    /// How an instance is stopped. Where its description is damaged, it is stopped all the same, as most are.
    pub(in crate::host) fn stop_of(&self, id: &InstanceId) -> Stop {
        match Identity::read(&self.layout.instance(id)) {
            Ok(identity) => identity.service.stop,
            Err(_) => Stop { signal: "TERM".to_owned(), grace: Span::from_secs(30), quiet: None },
        }
    }

    /// Whether anything of an instance lives, also where what is written of it is damaged.
    pub(in crate::host) fn lives(&self, id: &InstanceId) -> bool {
        lives(&self.layout.instance(id))
    }

    /// The end of an instance's log.
    pub(in crate::host) fn tail(&self, identity: &Identity) -> Vec<String> {
        logs::tail(Path::new(&self.log(identity).path), TAIL, &self.redactor(identity.id.release))
    }
}

/// Whether anything lives that is kept in an instance's directory, or was left there by a process that died with its
/// keeper: the next keeper clears that away, and whoever stops the instance has it cleared away.
pub(in crate::host) fn lives(directory: &Path) -> bool {
    let lives_unkept = |seen: process::Observation| seen.process_alive || seen.has_left_some(directory);
    process::is_kept(directory) || process::observe(directory).is_some_and(lives_unkept)
}

/// Waits until what runs has ended, or was started again, and answers how. That its keeper is killed is neither: it
/// runs on, and gets another.
async fn end_of(directory: &Path) -> Result<String, process::RuntimeError> {
    loop {
        let mut watch = process::watch(directory).await?;
        while let Some(status) = watch.recv().await {
            if status.restarts > 0 || !matches!(status.state, ProcessState::Running { .. }) {
                return Ok(status.last_exit.map_or_else(|| "it ended".to_owned(), |exit| exit.to_string()));
            }
        }
        if !process::observe(directory).is_some_and(|seen| seen.is_under_way()) {
            return Ok("it was gone, and its keeper with it".to_owned());
        }
        tokio::time::sleep(WITHOUT_KEEPER).await;
    }
}

/// Asks until the service's checks say yes or no. Each has a start period of its own: one that waits for
/// `startup` has not begun.
async fn readiness(service: &Service, target: &Target, began: Instant) -> Result<(), String> {
    let checks = [&service.checks.startup, &service.checks.readiness];
    for check in checks.into_iter().flatten() {
        pass(check, target).await?;
    }
    if service.checks.readiness.is_none() {
        tokio::time::sleep(service.settle.as_duration().saturating_sub(began.elapsed())).await;
    }
    Ok(())
}

/// How soon a starting instance is asked again at first: an application that boots in 50 ms must not
/// wait for a check interval made for one that runs.
const EAGER: Duration = Duration::from_millis(10);

async fn pass(check: &Check, target: &Target) -> Result<(), String> {
    let began = Instant::now();
    let mut gate = Gate::new(check.clone());
    let mut pause = EAGER;
    let mut why = "it did not answer".to_owned();
    loop {
        let answer = health::probe(&check.probe, target, check.timeout.as_duration()).await;
        let now = Span::from_millis(millis(began));
        match &answer {
            Err(unhealthy) => why = unhealthy.to_string(),
            Ok(()) if now > gate.deadline() => {
                why = format!("it answered well only after {}, and has {}", now.in_words(), gate.deadline());
            }
            Ok(()) => {}
        }
        match gate.observe(answer.is_ok(), now) {
            GateVerdict::Ready => return Ok(()),
            GateVerdict::Failed => return Err(why),
            GateVerdict::Waiting => {}
        }
        tokio::time::sleep(pause.min(check.interval.as_duration())).await;
        // Bounded itself: a length of time that grows for ever overflows.
        pause = pause.mul_f64(1.5).min(check.interval.as_duration());
    }
}

fn millis(began: Instant) -> u64 {
    u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use windlass_testkit::sample::{name, web};

    use super::*;
    use crate::host::testing;

    // The pauses between probes grow; after some 120 of them they were longer than any length of time.
    #[tokio::test]
    async fn a_copy_that_never_answers_fails_however_often_it_was_asked() {
        let free = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
        let target = Target {
            address: Some(free),
            directory: "/".into(),
            env: Variables::default(),
            user: None,
            values: Arc::new(|_| Err(String::new())),
        };
        let check = Check {
            probe: Probe::Tcp,
            interval: Span::from_millis(1),
            timeout: Span::from_secs(1),
            start_period: Span::from_millis(1500),
            healthy_after: 1,
            unhealthy_after: 1,
        };
        let why = pass(&check, &target).await.unwrap_err();
        assert!(why.contains("refused"), "{why}");
    }

    fn by_command(shell: &str, start_period: u64) -> Check {
        Check {
            probe: Probe::Command(Command::Shell(shell.to_owned())),
            interval: Span::from_millis(20),
            timeout: Span::from_secs(5),
            start_period: Span::from_millis(start_period),
            healthy_after: 1,
            unhealthy_after: 1,
        }
    }

    fn target(directory: &std::path::Path) -> Target {
        let values = Arc::new(|_: &Reference| Err(String::new()));
        let env = vec![("PATH".to_owned(), std::env::var("PATH").unwrap_or_default())].into();
        Target { address: None, directory: directory.into(), env, user: None, values }
    }

    /// It has booted for longer than readiness alone has.
    #[tokio::test]
    async fn readiness_has_its_time_from_when_the_startup_check_has_passed() {
        let place = tempfile::tempdir().unwrap();
        let mut service = web("serve");
        service.checks.startup = Some(by_command("true", 60_000));
        service.checks.readiness = Some(by_command("true", 20_000));
        let began = Instant::now().checked_sub(Duration::from_secs(30)).unwrap();
        readiness(&service, &target(place.path()), began).await.unwrap();
    }

    /// Where it wrote when it was launched by a Windlass for which a release's copies shared a log.
    #[test]
    fn a_copy_that_runs_goes_on_writing_where_it_began_to() {
        let (_place, host) = testing::host();
        let plan = testing::first(|spec| drop(spec.services.insert(name("web"), web("serve"))));
        let identity = host.identify(&plan, &plan.instances["web"][0]).unwrap();
        let directory = host.layout.instance(&identity.id);
        let former = logs::kept(&host.layout.log("web.r1"));
        let launch = Launch { log: former.clone(), ..Launch::default() };
        std::fs::write(directory.join("launch.json"), serde_json::to_vec(&launch).unwrap()).unwrap();
        let keeper = std::fs::File::create(directory.join("lock")).unwrap();
        keeper.lock().unwrap();
        assert_eq!(host.log(&identity), former);
        keeper.unlock().unwrap();
        assert_eq!(host.log(&identity).path, host.layout.log("web.r1.1").display().to_string());
    }

    /// A run may have taken it in hand while whoever looks after it was about to start it.
    #[tokio::test]
    async fn a_quieted_worker_that_is_not_wanted_any_more_is_left_to_whoever_stops_it() {
        let (_place, host) = testing::host();
        let plan = testing::first(|spec| drop(spec.services.insert(name("web"), web("serve"))));
        let identity = host.identify(&plan, &plan.instances["web"][0]).unwrap();
        let directory = host.layout.instance(&identity.id);
        quieted::note(&directory).unwrap();
        assert!(!host.start_instance_if(&identity, || false).await.unwrap());
        assert!(quieted::is_noted(&directory));
    }

    #[tokio::test]
    async fn a_good_answer_that_comes_too_late_is_called_late() {
        let place = tempfile::tempdir().unwrap();
        let why = pass(&by_command("sleep 0.1", 30), &target(place.path())).await.unwrap_err();
        assert!(why.starts_with("it answered well only after ") && why.ends_with(", and has 30ms"), "{why}");
    }
}
