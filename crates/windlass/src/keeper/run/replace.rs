//! A second process that takes the first one's place, with its sockets.

use std::io;
use std::path::Path;
use std::time::Instant;

use windlass_core::launch::Launch;

use super::{Keeper, Phase, Successor};
use crate::keeper::files::{self, Durability, LAUNCH};
use crate::keeper::store::MOST_CONNECTIONS;
use crate::keeper::tree;
use crate::keeper::watchers::ClientId;

/// How many predecessors may still end. Each keeps its connection to the store until then, and what runs and what is to
/// replace it need theirs.
const MOST_RETIRING: usize = MOST_CONNECTIONS - 2;

/// How what is said ends where a replacement is refused because others are under way, which end in their time.
pub(crate) const BEING_REPLACED: &str = "is being replaced already";

impl Keeper {
    /// Starts a second process, from the same launch but for its program and arguments. Should it fail later, the
    /// client that asked is told.
    pub(super) fn replace(&mut self, argv: Vec<String>, client: ClientId) -> Result<(), String> {
        if self.store.is_none() {
            return Err("it cannot be replaced: its launch has no sockets to hand over".to_owned());
        }
        // Predecessors that still end are in nobody's way: they have let go of all that is handed over. But another must
        // find room.
        if self.successor.is_some() || self.retiring.len() >= MOST_RETIRING {
            return Err(format!("it cannot be replaced now: it {BEING_REPLACED}"));
        }
        if !matches!(self.phase, Phase::Running) {
            return Err("it cannot be replaced now: it does not run".to_owned());
        }
        // What the process has just stored is handed on too.
        self.serve_store();
        let former = std::mem::replace(&mut self.launch.argv, argv);
        let spawned = self.spawn();
        // Until it is ready, whatever is started again is the former.
        let argv = std::mem::replace(&mut self.launch.argv, former);
        let process = spawned.map_err(|reason| format!("the new process was not started: {reason}"))?;
        let deadline = Instant::now() + self.launch.stop.grace.as_duration();
        self.successor = Some(Successor { process, argv, deadline, client });
        Ok(())
    }

    pub(super) fn serve_store(&mut self) {
        let Some(store) = &mut self.store else { return };
        let ready = store.serve();
        if self.successor.as_ref().is_some_and(|s| ready.contains(&s.process.pid.as_raw_nonzero().get())) {
            // Before anybody is told: the next keeper is to start it again as it is.
            if let Err(error) = self.write_successor_down() {
                return self.successor_failed(&format!("it cannot be written down what is to run: {error}"));
            }
            let old = self.process.take();
            self.succeed();
            if let Some(old) = old {
                tree::signal(&[old.pid.as_raw_nonzero().get()], self.launched_signal());
                self.retiring.push((old, Instant::now() + self.launch.stop.grace.as_duration()));
            }
        }
    }

    pub(super) fn succeed(&mut self) {
        if let Some(successor) = self.successor.take() {
            self.process = Some(successor.process);
            self.launch.argv = successor.argv;
            self.running();
        }
    }

    /// Writes down that it is the successor which is to run.
    pub(super) fn write_successor_down(&self) -> io::Result<()> {
        match &self.successor {
            Some(successor) if successor.argv != self.launch.argv => {
                let launch = Launch { argv: successor.argv.clone(), ..self.launch.clone() };
                files::replace(Path::new(LAUNCH), &launch, Durability::UntilReboot)
            }
            _ => Ok(()),
        }
    }

    pub(super) fn successor_failed(&mut self, reason: &str) {
        let Some(successor) = self.successor.take() else { return };
        self.kill_all_of(&successor.process);
        let reason = format!("not replaced, the old process goes on: {reason}");
        self.watchers.refuse(successor.client, &self.status, reason);
    }
}
