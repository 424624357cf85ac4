//! Runs that are not over, for whoever wants to know.

use std::rc::Rc;

use windlass_core::journal::Standing;
use windlass_core::protocol::OpenRun;

use crate::clock;
use crate::host::Host;
use crate::host::run::handle::RunHandle;

impl Host {
    /// The run that holds the lock.
    pub(in crate::host) fn holder(&self) -> Option<Rc<RunHandle>> {
        let holder = self.journal.borrow().lock_holder().ok().flatten()?;
        self.runs.borrow().get(&holder).cloned()
    }

    /// The open run, for people: the one that holds the lock, or the latest.
    pub(in crate::host) fn open_run(&self) -> Option<OpenRun> {
        let holder = self.holder();
        let handle = holder.clone().or_else(|| self.runs.borrow().values().last().cloned())?;
        Some(OpenRun {
            run: handle.row.id.clone(),
            headline: handle.row.plan.headline(),
            by: handle.row.by.clone(),
            began: handle.row.began,
            under_way: handle.under_way.get(),
            locked: holder.is_some(),
            settles_at: handle.settles_at.get(),
            remaining: self.remaining(&handle),
        })
    }

    /// The plan of the open run, and how far it is.
    pub(in crate::host) fn open_plan(&self) -> Option<(Rc<RunHandle>, Rc<Standing>)> {
        let handle = self.holder().or_else(|| self.runs.borrow().values().last().cloned())?;
        let standing = self.standing(&handle);
        Some((handle, standing))
    }

    /// How far a run is. Its records are read again only when there are more of them: who looks after many
    /// copies asks for each.
    pub(in crate::host) fn standing(&self, handle: &RunHandle) -> Rc<Standing> {
        let journal = self.journal.borrow();
        let length = journal.last_record(&handle.row.id).unwrap_or_default();
        let known = handle.standing.borrow().clone();
        match known {
            Some((of, standing)) if of == length => standing,
            _ => {
                let records = journal.records(&handle.row.id).unwrap_or_default();
                let standing = Rc::new(Standing::of(&handle.row.plan, &records));
                handle.standing.replace(Some((length, standing.clone())));
                standing
            }
        }
    }

    /// Who asked for a run.
    pub(in crate::host) fn asked_by(&self, run: &str) -> String {
        self.runs.borrow().get(run).map(|handle| handle.row.by.clone()).unwrap_or_default()
    }

    /// A run in one line, for whoever has to wait for it.
    pub(in crate::host) fn describe_run(&self, run: &str) -> String {
        let handle = self.runs.borrow().get(run).cloned();
        handle.map_or_else(|| format!("run {run}"), |handle| self.describe(&handle))
    }

    pub(super) fn describe(&self, handle: &RunHandle) -> String {
        let since = (clock::wall_millis() - handle.row.began).max(0) / 1000;
        let since = if since == 0 { "just begun".to_owned() } else { format!("begun {since} s ago") };
        let until = match (handle.under_way.get(), handle.settles_at.get()) {
            (false, Some(at)) => {
                let left = (at - clock::wall_millis()).max(0) / 1000;
                format!("; it was interrupted and is settled in {left} s unless it is resumed")
            }
            _ => String::new(),
        };
        format!("{} by {}, {since}{until}", handle.row.plan.headline(), handle.row.by)
    }
}
