//! The control thread: applies tables, answers the admin socket, and ends the process in order.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;
use tokio::sync::mpsc::UnboundedSender;
use windlass_core::edge::{Answer, Ask, Table};

use crate::proxy::connection::worker::Order;
use crate::proxy::control::listen::{LINGER, Listeners};
use crate::proxy::control::state::State;
use crate::proxy::edge::Edge;
use crate::proxy::run::say;

/// What the control thread owns.
pub(in crate::proxy) struct Control {
    pub(in crate::proxy) edge: Arc<Edge>,
    pub(in crate::proxy) listeners: Rc<RefCell<Listeners>>,
    pub(in crate::proxy) state: RefCell<State>,
    pub(in crate::proxy) workers: Vec<UnboundedSender<Order>>,
    /// What was damaged at the start.
    pub(in crate::proxy) problem: RefCell<Option<String>>,
    /// Which addresses of the table in force cannot be listened on, and why.
    pub(in crate::proxy) unheard: RefCell<Vec<String>>,
}

/// How often an address that could not be had is asked for again.
const PACE: Duration = Duration::from_secs(1);

impl Control {
    pub(in crate::proxy) fn obey(&self, ask: Ask) -> Answer {
        match ask {
            Ask::Prepare(table) => self.prepare(&table).unwrap_or_else(|reason| Answer::Refused { reason }),
            Ask::Apply(table) => self.apply(&table).unwrap_or_else(|reason| Answer::Refused { reason }),
            Ask::Report => {
                // The host side asks every few seconds: often enough to notice.
                self.listeners.borrow_mut().mind_the_keeper();
                let mut report = self.edge.report(self.listeners.borrow().addresses());
                report.problems.extend(self.problem.borrow().clone());
                report.problems.extend(self.unheard.borrow().iter().cloned());
                Answer::Report(Box::new(report))
            }
            Ask::Drained { instances } => {
                let (mut left, mut streams) = (IndexMap::new(), IndexMap::new());
                for instance in instances {
                    let on_it = self.edge.left_on(&instance);
                    streams.insert(instance.clone(), on_it.streams);
                    left.insert(instance, on_it.all);
                }
                Answer::Drained { left, streams }
            }
            Ask::Unready { instances, ended } => {
                self.edge.set_unready(instances, ended);
                Answer::Noted
            }
            Ask::Metrics => Answer::Metrics { text: self.edge.metrics() },
            Ask::Probe { address } => match self.listeners.borrow().probe(&address) {
                Ok(()) => Answer::Free,
                Err(reason) => Answer::Refused { reason },
            },
        }
    }

    /// Does what takes time of putting a table in force, and changes nothing that is in force.
    fn prepare(&self, table: &Table) -> Result<Answer, String> {
        self.edge.compile(table.clone()).map_err(|why| format!("the table is wrong: {why}"))?;
        self.state.borrow_mut().prepare(table).map_err(unwritable)?;
        Ok(Answer::Prepared { generation: table.generation })
    }

    /// Makes what was answered last, once the answer is on its way: nobody has to wait for the disk.
    pub(in crate::proxy) fn settle(&self) {
        if let Err(error) = self.state.borrow_mut().settle() {
            *self.problem.borrow_mut() = Some(format!("the table may not outlast a power cut: {error}"));
        }
    }

    /// Puts a table in force, and on disk. All that can fail comes before anything is changed.
    fn apply(&self, table: &Table) -> Result<Answer, String> {
        let live = self.edge.live();
        let generation = table.generation;
        if generation < live.table.generation || generation == 0 {
            return Err(format!(
                "generation {generation} is older than the one in force, {}: read the report and build the table anew",
                live.table.generation
            ));
        }
        if generation == live.table.generation && *table != live.table {
            return Err(format!(
                "another table of generation {generation} is in force: build the table anew"
            ));
        }
        let next = self.edge.compile(table.clone()).map_err(|why| format!("the table is wrong: {why}"))?;
        let mut listeners = self.listeners.borrow_mut();
        let opened = listeners.open(&table.listen)?;
        if generation > live.table.generation {
            self.state.borrow_mut().put(table).map_err(unwritable)?;
        }
        let took = self.edge.switch(next);
        listeners.put_in_force(opened, &table.listen);
        if listeners.any_leaves() {
            let listeners = Rc::clone(&self.listeners);
            tokio::task::spawn_local(async move {
                tokio::time::sleep(LINGER).await;
                listeners.borrow_mut().close_left();
            });
        }
        self.edge.last_good().forget_others(&table.listen.tls);
        *self.problem.borrow_mut() = None;
        self.unheard.borrow_mut().clear();
        Ok(Answer::Applied { generation, switch_nanos: u64::try_from(took.as_nanos()).unwrap_or(u64::MAX) })
    }

    /// Puts the table that was found at the start in force. Where it cannot listen, it tries again and
    /// again ([`keep_listening`](Self::keep_listening)).
    ///
    /// # Errors
    /// Why it cannot be; then there is none.
    pub(in crate::proxy) fn restore(&self, table: Table) -> Result<(), String> {
        let next = self.edge.compile(table)?;
        self.edge.switch(next);
        self.listen();
        for why in self.unheard.borrow().iter() {
            say(why);
        }
        Ok(())
    }

    /// Whether this proxy could do what the one does whose place it is to take. If it cannot, that one had
    /// better stay.
    ///
    /// # Errors
    /// What it could not do.
    pub(in crate::proxy) fn could_take_over(&self, table: Option<&Table>) -> Result<(), String> {
        let Some(table) = table else {
            return self.problem.borrow().clone().map_or(Ok(()), Err);
        };
        self.edge.compile(table.clone())?;
        let (_closed_again, unheard) = self.listeners.borrow_mut().open_some(&table.listen);
        if unheard.is_empty() { Ok(()) } else { Err(unheard.join("; ")) }
    }

    /// Opens what can be had of the addresses in the table in force.
    fn listen(&self) {
        let live = self.edge.live();
        let mut listeners = self.listeners.borrow_mut();
        let (opened, unheard) = listeners.open_some(&live.table.listen);
        listeners.put_in_force(opened, &live.table.listen);
        *self.unheard.borrow_mut() = unheard;
    }

    /// Asks again for the addresses that could not be had.
    pub(in crate::proxy) async fn keep_listening(self: Rc<Self>) {
        while !self.unheard.borrow().is_empty() {
            tokio::time::sleep(PACE).await;
            self.listen();
        }
    }
}

#[allow(clippy::needless_pass_by_value, reason = "handed to `map_err`")]
fn unwritable(error: std::io::Error) -> String {
    format!("the table cannot be written: {error}: make room or fix the directory")
}
