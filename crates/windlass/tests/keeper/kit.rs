//! A directory for a keeper, and the end of all that runs in it.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use windlass::runtime::process::{self, Ended, RuntimeError};
use windlass_core::launch::{Launch, Log, ProcessState, Status};
use windlass_core::spec::{Limits, Restart, RestartWhen, Stop};
use windlass_core::units::{Bytes, Span};
use windlass_testkit::built;
use windlass_testkit::watchdog::watch_over;

/// No wait in these tests is longer.
const PATIENCE: Duration = Duration::from_secs(90);

pub(crate) struct Kept {
    root: TempDir,
    pub(crate) dir: PathBuf,
}

impl Kept {
    pub(crate) fn new() -> Self {
        Self::in_directory(&std::env::temp_dir())
    }

    pub(crate) fn in_directory(parent: &Path) -> Self {
        process::use_program(env!("CARGO_BIN_EXE_windlass").into());
        let root = tempfile::tempdir_in(parent).unwrap();
        watch_over(root.path());
        let dir = root.path().canonicalize().unwrap().join("web.r1.1");
        Self { root, dir }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    pub(crate) fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// A launch that is started once. Its times are long enough for a machine that is busy with other things: a test
    /// that waits for one of them sets its own.
    pub(crate) fn launch(&self, argv: &[&str]) -> Launch {
        Launch {
            version: Launch::VERSION,
            label: "web.r1.1".into(),
            argv: argv.iter().map(|arg| (*arg).to_owned()).collect(),
            directory: self.root.path().to_str().unwrap().into(),
            user: None,
            restart: Restart {
                when: RestartWhen::Never,
                backoff: Span::from_millis(20),
                backoff_max: Span::from_millis(80),
                limit: 5,
                window: Span::from_secs(600),
            },
            stop: Stop { signal: "TERM".into(), grace: Span::from_secs(30), quiet: None },
            stop_again: Span::ZERO,
            limits: Limits::default(),
            log: Log {
                path: self.path("out.log").to_str().unwrap().into(),
                rotate_at: Bytes(1 << 20),
                keep: 3,
            },
            timeout: Span::ZERO,
            tied: false,
            oom_score_adj: 0,
            sockets: false,
            keeps_others: false,
        }
    }

    pub(crate) fn sh(&self, line: &str) -> Launch {
        self.launch(&["/bin/sh", "-c", line])
    }

    pub(crate) fn hostile(&self, args: &[&str]) -> Launch {
        let hostile = hostile();
        let mut argv = vec![hostile.to_str().unwrap()];
        argv.extend(args);
        self.launch(&argv)
    }

    pub(crate) async fn start(&self, launch: &Launch) -> Result<(), RuntimeError> {
        process::start(&self.dir, launch, env()).await
    }

    pub(crate) async fn run(&self, launch: &Launch) -> Ended {
        self.run_in(env(), launch).await
    }

    pub(crate) async fn run_in(&self, env: Vec<(String, String)>, launch: &Launch) -> Ended {
        let run = async {
            let _tie = process::start_tied(&self.dir, launch, env).await?;
            process::wait_ended(&self.dir).await
        };
        within(run).await.unwrap()
    }

    pub(crate) async fn stop(&self) -> Ended {
        self.stop_within(Span::from_secs(30)).await
    }

    /// The same, for what does not end for a signal alone.
    pub(crate) async fn stop_within(&self, grace: Span) -> Ended {
        within(process::stop(&self.dir, "TERM", grace)).await.unwrap().unwrap()
    }

    /// Waits until the keeper is gone too, which may end a rotation first.
    pub(crate) async fn gone(&self) {
        let keeper = self.status().keeper;
        until(|| (!lives(keeper)).then_some(())).await;
    }

    pub(crate) fn status(&self) -> Status {
        process::observe(&self.dir).unwrap().status.unwrap()
    }

    /// The process that runs now.
    pub(crate) fn pid(&self) -> i32 {
        match self.status().state {
            ProcessState::Running { pid, .. } => pid,
            other => panic!("it does not run: {other:?}"),
        }
    }

    /// Waits for a file that a process writes, and gives its content.
    pub(crate) async fn file(&self, name: &str) -> String {
        until(|| Some(self.text(name)).filter(|text| !text.is_empty())).await
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        // The keeper first, or it would start the process again.
        for _ in 0..20 {
            if let Some(status) =
                process::observe(&self.dir).filter(|seen| seen.keeper_alive).and_then(|s| s.status)
            {
                kill(status.keeper, "KILL");
            }
            let left = processes_of(&self.dir);
            if left.is_empty() {
                return;
            }
            left.into_iter().for_each(|pid| kill(pid, "KILL"));
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

pub(crate) fn env() -> Vec<(String, String)> {
    vec![("PATH".into(), std::env::var("PATH").unwrap()), ("GREETING".into(), "good morning".into())]
}

/// The program with the badly behaved ones.
pub(crate) fn hostile() -> PathBuf {
    built::program("hostile")
}

pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("this takes too long")
}

/// Waits for something that nothing announces.
pub(crate) async fn until<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "this takes too long");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

pub(crate) fn kill(pid: i32, signal: &str) {
    let signal = match signal {
        "KILL" => rustix::process::Signal::KILL,
        "TERM" => rustix::process::Signal::TERM,
        "STOP" => rustix::process::Signal::STOP,
        "CONT" => rustix::process::Signal::CONT,
        other => panic!("{other}"),
    };
    let _gone = rustix::process::kill_process(rustix::process::Pid::from_raw(pid).unwrap(), signal);
}

/// Whether a process runs; one that has ended and was not yet taken notice of does not.
pub(crate) fn lives(pid: i32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat[stat.rfind(')').unwrap()..].starts_with(") Z"))
}

/// All processes that a keeper of this directory started.
pub(crate) fn processes_of(dir: &Path) -> Vec<i32> {
    let mark = format!("WINDLASS_PROCESS={}#", dir.display());
    std::fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| {
            std::fs::read(format!("/proc/{pid}/environ"))
                .is_ok_and(|env| env.split(|b| *b == 0).any(|entry| entry.starts_with(mark.as_bytes())))
        })
        .collect()
}
