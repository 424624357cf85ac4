//! Commands.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use windlass_core::launch::{End, KeeperAsk, ProcessState};

use super::{Keeper, Phase, Purpose};
use crate::keeper::policy::Next;
use crate::keeper::watchers::ClientId;
use crate::keeper::{signal, tree};

impl Keeper {
    pub(super) fn stop_as_launched(&mut self, end: End) {
        self.stop(self.launched_signal(), self.launch.stop.grace.as_duration(), end);
    }

    /// The signal that stops it when nothing else is said.
    pub(super) fn launched_signal(&self) -> Signal {
        signal::by_name(&self.launch.stop.signal).unwrap_or(Signal::TERM)
    }

    /// Ends what runs, which is not alive any more, for its policy to decide what follows. What is
    /// ending or waits to be started again does so as it is.
    fn restart(&mut self, reason: String) {
        if matches!(self.phase, Phase::Running) && self.process.is_some() && self.successor.is_none() {
            let deadline = Instant::now() + self.launch.stop.grace.as_duration();
            self.begin_to_stop(self.launched_signal(), deadline, Purpose::Restart(reason));
        }
    }

    /// Cuts the pause before a restart short.
    fn start_now(&mut self) {
        match &mut self.phase {
            Phase::Backoff { until } | Phase::Clearing { then: Next::Restart(until), .. } => {
                *until = Instant::now();
            }
            Phase::Running | Phase::Stopping { .. } | Phase::Clearing { .. } | Phase::Done => {}
        }
    }

    fn begin_to_stop(&mut self, signal: Signal, kill_at: Instant, purpose: Purpose) {
        let Some(process) = &self.process else { return };
        let (pid, start_ticks) = (process.pid.as_raw_nonzero().get(), process.start_ticks);
        self.await_its_end(signal, kill_at, purpose);
        tree::signal(&[pid], signal);
        self.enter(ProcessState::Stopping { pid, start_ticks });
    }

    /// Waits for what gets, or got, this signal.
    pub(super) fn await_its_end(&mut self, signal: Signal, kill_at: Instant, purpose: Purpose) {
        let pause = self.launch.stop_again;
        let again = (!pause.is_zero()).then(|| Instant::now() + pause.as_duration());
        self.phase = Phase::Stopping { kill_at, killed: false, purpose, signal, again };
    }

    pub(super) fn stop(&mut self, signal: Signal, grace: Duration, end: End) {
        let deadline = Instant::now() + grace;
        if let Some(successor) = self.successor.take() {
            self.kill_all_of(&successor.process);
        }
        match &mut self.phase {
            Phase::Running => {
                if self.process.is_none() {
                    return self.finish(end);
                }
                self.begin_to_stop(signal, deadline, Purpose::End(end));
            }
            Phase::Stopping { kill_at, purpose, signal: sent, .. } => {
                *kill_at = deadline.min(*kill_at);
                if matches!(purpose, Purpose::Restart(_)) {
                    *purpose = Purpose::End(end);
                }
                // Whoever asks again, because somebody died meanwhile, asks for no other end.
                if let Some(process) = self.process.as_ref().filter(|_| *sent != signal) {
                    *sent = signal;
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
            match ask.and_then(|ask| self.perform(ask, client)) {
                Ok(()) => self.watchers.answer(client, &self.status),
                Err(reason) => self.watchers.refuse(client, &self.status, reason),
            }
        }
    }

    fn perform(&mut self, ask: KeeperAsk, client: ClientId) -> Result<(), String> {
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
            KeeperAsk::Restart { reason } => {
                self.restart(reason);
                Ok(())
            }
            KeeperAsk::StartNow => {
                self.start_now();
                Ok(())
            }
            KeeperAsk::Replace => self.replace(self.launch.argv.clone(), client),
            KeeperAsk::ReplaceBy { argv } => self.replace(argv, client),
        }
    }
}
