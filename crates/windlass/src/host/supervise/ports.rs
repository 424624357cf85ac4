//! Whether the port of each copy in force is its own still: what has ended, or starts again, does not hold it, and
//! whoever takes it meanwhile would get the copy's requests.

use std::collections::HashMap;
use std::rc::Rc;

use windlass_core::name::InstanceId;
use windlass_core::spec::Port;
use windlass_core::units::Span;

use crate::host::Host;
use crate::host::instance::identity::Identity;
use crate::host::instance::lifecycle::MOVES;
use crate::host::instance::port::{Listener, taken_by};
use crate::host::instance::restarts::Restarts;
use crate::host::supervise::liveness::Running;
use crate::host::supervise::loops::note;
use crate::runtime::process::{self, Observation};

/// How old a process is of which nothing comes any more that listens on its port.
const LATE: Span = Span::from_secs(60);

/// What is known of the copies' ports.
#[derive(Debug, Default)]
pub(in crate::host) struct Ports {
    /// The process of each copy for which that is settled: it is looked at no more.
    settled: HashMap<InstanceId, Running>,
    /// How often a copy had to move without having come to its port since.
    moves: HashMap<InstanceId, u32>,
}

impl Host {
    /// Looks who listens on a copy's port, unless it is known to be this process of the copy's. One whose port somebody
    /// else has gets no requests, and moves to another where the port was chosen.
    pub(super) fn keep_port(self: &Rc<Self>, id: &InstanceId, seen: &Observation) {
        let process = Running::seen(seen);
        if process.is_some() && self.ports.borrow().settled.get(id) == process.as_ref() {
            return;
        }
        let Ok(identity) = Identity::read(&self.layout.instance(id)) else { return };
        match self.listener(&identity) {
            Listener::Another(by) => {
                let (why, _) = taken_by(&identity, &by);
                self.verdicts.displace(id, why.clone());
                if matches!(identity.service.port, Some(Port::Automatic)) && !seen.gave_up() {
                    self.move_elsewhere(id, why);
                }
            }
            Listener::Own | Listener::Untold(_) => {
                if let Some(process) = process {
                    self.verdicts.has_its_port(id);
                    let ports = &mut self.ports.borrow_mut();
                    ports.moves.remove(id);
                    ports.settled.insert(id.clone(), process);
                }
            }
            Listener::Nobody => {
                // One that gets no requests is waited for as long as it takes.
                let is_late = |process: &Running| {
                    identity.port.is_none() || (process.age() > LATE && !self.verdicts.is_displaced(id))
                };
                if let Some(process) = process.filter(is_late) {
                    self.ports.borrow_mut().settled.insert(id.clone(), process);
                }
            }
        }
    }

    /// Forgets the ports of copies that are none of the active release's any more.
    pub(super) fn forget_ports(&self, active: &[InstanceId]) {
        let ports = &mut self.ports.borrow_mut();
        ports.settled.retain(|id, _| active.contains(id));
        ports.moves.retain(|id, _| active.contains(id));
    }

    /// Starts a copy at another port, beside all else: it has its time to end.
    fn move_elsewhere(self: &Rc<Self>, id: &InstanceId, why: String) {
        let moves = self.ports.borrow().moves.get(id).copied().unwrap_or_default();
        if moves == MOVES || !self.starting_anew.borrow_mut().insert(id.clone()) {
            return;
        }
        self.ports.borrow_mut().moves.insert(id.clone(), moves + 1);
        note(&format!("{why}; {id} is started again at another"));
        let (host, id) = (self.clone(), id.clone());
        tokio::task::spawn_local(async move {
            let directory = host.layout.instance(&id);
            let restarts = Restarts::read(&directory).and_one(process::observe(&directory).as_ref(), &why);
            match host.move_away(&id, || host.keeps(&id)).await {
                Ok(Some(_)) => restarts.write(&directory),
                Ok(None) => {}
                Err(fault) => note(&fault.message),
            }
            host.starting_anew.borrow_mut().remove(&id);
        });
    }
}
