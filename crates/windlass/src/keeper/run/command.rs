//! Commands.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use windlass_core::launch::{End, KeeperAsk, ProcessState};

use super::{Keeper, Phase};
use crate::keeper::policy::Next;
use crate::keeper::{signal, tree};

impl Keeper {
    pub(super) fn stop_as_launched(&mut self, end: End) {
        let signal = signal::by_name(&self.launch.stop.signal).unwrap_or(Signal::TERM);
        self.stop(signal, self.launch.stop.grace.as_duration(), end);
    }

    pub(super) fn stop(&mut self, signal: Signal, grace: Duration, end: End) {
        let deadline = Instant::now() + grace;
        if let Some(successor) = self.successor.take() {
            self.kill_all_of(&successor.process);
        }
        match &mut self.phase {
            Phase::Running => {
                let Some(process) = &self.process else { return self.finish(end) };
                let pid = process.pid.as_raw_nonzero().get();
                let pause = self.launch.stop_again;
                let again = (!pause.is_zero()).then(|| (Instant::now() + pause.as_duration(), signal));
                self.phase = Phase::Stopping { kill_at: deadline, killed: false, end, again };
                tree::signal(&[pid], signal);
                self.enter(ProcessState::Stopping { pid });
            }
            Phase::Stopping { kill_at, .. } => {
                *kill_at = deadline.min(*kill_at);
                if let Some(process) = &self.process {
                    tree::signal(&[process.pid.as_raw_nonzero().get()], signal);
                }
            }
            Phase::Clearing { kill_at, then, .. } => {
                *kill_at = deadline.min(*kill_at);
                if matches!(then, Next::Restart(_)) {
                    *then = Next::End(end);
                }
            }
            Phase::Backoff { .. } => self.finish(end),
            Phase::Done => {}
        }
    }

    pub(super) fn obey(&mut self) {
        for (client, ask) in self.watchers.serve() {
            let refusal = match ask {
                Ok(ask) => self.perform(ask).err(),
                Err(reason) => Some(reason),
            };
            let mut answer = self.status.clone();
            if refusal.is_some() {
                answer.note = refusal;
            }
            self.watchers.answer(client, &answer);
        }
    }

    pub(super) fn perform(&mut self, ask: KeeperAsk) -> Result<(), String> {
        let known = |name: &str| signal::by_name(name).ok_or_else(|| format!("there is no signal {name:?}"));
        match ask {
            KeeperAsk::Watch => Ok(()),
            KeeperAsk::Signal { signal } => {
                let signal = known(&signal)?;
                match (&self.phase, &self.process) {
                    (Phase::Running | Phase::Stopping { .. }, Some(process)) => {
                        tree::signal(&[process.pid.as_raw_nonzero().get()], signal);
                        Ok(())
                    }
                    _ => Err("nothing runs that a signal could be sent to".to_owned()),
                }
            }
            KeeperAsk::Stop { signal, grace } => {
                let signal = known(&signal)?;
                self.stop(signal, grace.as_duration(), End::Stopped);
                Ok(())
            }
            KeeperAsk::Replace => self.replace(),
        }
    }
}
