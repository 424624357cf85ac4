//! Waiting for a worker that was told to take no more work.

use std::time::Duration;

use windlass_core::launch::{ProcessState, Status};
use windlass_core::name::InstanceId;
use windlass_core::spec::{Command, Probe, Quiet};

use super::Host;
use super::identity::Identity;
use crate::health;
use crate::runtime::process;

/// How often a worker is asked whether it is idle, and how long one answer may take.
const PACE: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(10);

impl Host {
    /// Returns when the worker has ended, says that it is idle, or has had its time.
    pub(super) async fn await_idle(&self, id: &InstanceId, quiet: &Quiet) {
        let waiting = async {
            match &quiet.idle {
                Some(idle) => tokio::select! {
                    () = self.until_gone(id) => {}
                    () = self.until_idle(id, idle) => {}
                },
                None => self.until_gone(id).await,
            }
        };
        let _its_time_is_over = tokio::time::timeout(quiet.wait.as_duration(), waiting).await;
    }

    /// Returns when the process that runs now has ended. Its keeper may be about to start it again,
    /// which must not come to that: the new one would take work.
    async fn until_gone(&self, id: &InstanceId) {
        let Ok(mut changes) = process::watch(&self.layout.instance(id)).await else { return };
        let mut first: Option<Status> = None;
        while let Some(status) = changes.recv().await {
            let same = first.as_ref().is_none_or(|first| first.restarts == status.restarts);
            if !same || !matches!(status.state, ProcessState::Running { .. }) {
                return;
            }
            first.get_or_insert(status);
        }
    }

    /// Returns when the worker's own command says that it holds no work.
    async fn until_idle(&self, id: &InstanceId, idle: &Command) {
        let directory = self.layout.instance(id);
        let Ok(identity) = Identity::read(&directory) else { return std::future::pending().await };
        let Ok(mut target) = self.target(&identity).await else { return std::future::pending().await };
        let status = process::observe(&directory).and_then(|seen| seen.status);
        if let Some(Status { state: ProcessState::Running { pid, .. }, .. }) = status {
            target.env.push(("WINDLASS_PID".to_owned(), pid.to_string()));
        }
        let probe = Probe::Command(idle.clone());
        while health::probe(&probe, &target, PATIENCE).await.is_err() {
            tokio::time::sleep(PACE).await;
        }
    }
}
