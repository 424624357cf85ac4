//! Waiting for a worker that was told to take no more work.

use std::path::Path;
use std::time::Duration;

use windlass_core::launch::{ProcessState, Status};
use windlass_core::name::InstanceId;
use windlass_core::spec::{Command, Probe, Quiet};

use crate::health;
use crate::host::Host;
use crate::host::instance::identity::Identity;
use crate::runtime::process;

/// How often a worker is asked whether it is idle, and how long one answer may take.
const PACE: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(10);

/// The process that runs there; none where it is gone, be it with its keeper.
pub(in crate::host) fn running(directory: &Path) -> Option<i32> {
    process::observe(directory)?.pid()
}

fn pid(status: &Status) -> Option<i32> {
    match status.state {
        ProcessState::Running { pid, .. } => Some(pid),
        _ => None,
    }
}

impl Host {
    /// Returns when the worker, which was this process when it was told, has ended, says that it is
    /// idle, or has had its time.
    pub(in crate::host) async fn await_idle(&self, id: &InstanceId, quiet: &Quiet, worker: Option<i32>) {
        let Some(worker) = worker else { return };
        let waiting = async {
            match &quiet.idle {
                Some(idle) => tokio::select! {
                    () = self.until_gone(id, worker) => {}
                    () = self.until_idle(id, idle, worker) => {}
                },
                None => self.until_gone(id, worker).await,
            }
        };
        let _its_time_is_over = tokio::time::timeout(quiet.wait.as_duration(), waiting).await;
    }

    /// Returns when the process has ended. Its keeper may be about to start it again, or has: that one
    /// must not go on, because it takes work.
    async fn until_gone(&self, id: &InstanceId, worker: i32) {
        let directory = self.layout.instance(id);
        loop {
            if let Ok(mut changes) = process::watch(&directory).await {
                while let Some(status) = changes.recv().await {
                    if pid(&status) != Some(worker) {
                        return;
                    }
                }
            }
            // Its keeper was killed, and it works on: whoever stops it then gives it another.
            if running(&directory) != Some(worker) {
                return;
            }
            tokio::time::sleep(PACE).await;
        }
    }

    /// Returns when the worker's own command says that it holds no work.
    async fn until_idle(&self, id: &InstanceId, idle: &Command, worker: i32) {
        let Ok(identity) = Identity::read(&self.layout.instance(id)) else {
            return std::future::pending().await;
        };
        let Ok(mut target) = self.target(&identity).await else { return std::future::pending().await };
        target.env.set("WINDLASS_PID", worker.to_string());
        let probe = Probe::Command(idle.clone());
        while health::probe(&probe, &target, PATIENCE).await.is_err() {
            tokio::time::sleep(PACE).await;
        }
    }
}
