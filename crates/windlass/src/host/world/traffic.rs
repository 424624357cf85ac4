//! Switching requests from one set of instances to another.

use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use windlass_core::edge::Table;
use windlass_core::journal::Fault;
use windlass_core::name::{InstanceId, ReleaseId};
use windlass_core::plan::{Plan, Request, Traffic};

use super::Acting;
use crate::checksummed;
use crate::host::Host;
use crate::layout::Layout;
use crate::project::served;

/// Which table the proxy was last asked to put in force: lets a restarted host side recognise its
/// own, and make it anew.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::host) struct Sent {
    pub(in crate::host) generation: u64,
    pub(in crate::host) run: String,
    pub(in crate::host) traffic: Traffic,
}

impl Acting {
    pub(super) async fn switch_traffic(
        &self,
        run: &str,
        plan: &Plan,
        traffic: &Traffic,
    ) -> Result<String, Fault> {
        let host = &self.host;
        all_served(host, plan, traffic)?;
        host.proxy().start().await?;
        let generation = host
            .journal
            .borrow_mut()
            .next_number("generation")
            .map_err(|error| Fault::new(error.to_string(), ""))?;
        let table = host.table(plan, traffic, generation)?;
        let before = Sent::read(&host.layout);
        let sent = Sent { generation, run: run.to_owned(), traffic: traffic.clone() };
        sent.write(&host.layout).map_err(|error| {
            Fault::new(format!("the traffic cannot be noted: {error}"), "free some disk space")
        })?;
        match host.proxy().apply(table.clone()).await {
            Ok(nanos) => Ok(format!("switched in {} us", nanos.div_ceil(1000))),
            Err(refused) if is_in_force(host, before, table).await => {
                Ok(format!("nothing else is in force: {}", refused.message))
            }
            Err(refused) => Err(refused),
        }
    }
}

/// Whether the table that was sent before is in force still, and would be this one but for its number if it were made now:
/// where the proxy's disk has failed it takes no other, and whoever goes back needs none. What such a table holds beside
/// its traffic, as of services that are stopped, may have changed since it was sent. It is noted again.
async fn is_in_force(host: &Host, before: Option<Sent>, mut table: Table) -> bool {
    let Some(before) = before else { return false };
    if host.proxy().report().await.is_none_or(|report| report.generation != before.generation) {
        return false;
    }
    // It may be the same disk; then a run asks again.
    let _noted = before.write(&host.layout);
    table.generation = before.generation;
    host.table_again(&before).is_ok_and(|in_force| in_force == table)
}

/// Refuses to send requests to a new release that lacks what its routes serve: all that makes it has
/// run. Who goes back, or starts again after a crash, takes what there is.
fn all_served(host: &Host, plan: &Plan, traffic: &Traffic) -> Result<(), Fault> {
    if plan.request != Request::Deploy || traffic.release != Some(plan.release) {
        return Ok(());
    }
    let absent = served::absent(&plan.spec, &host.layout.tree(plan.tree.id));
    let Some(first) = absent.first() else { return Ok(()) };
    let what: Vec<String> = absent.iter().map(|absent| format!("{absent} in the release")).collect();
    Err(Fault::new(
        what.join("; "),
        format!(
            "correct `{}` of the route, or have a step of [build] or a job before the start make it; see also \
             whether an ignore file or [build] exclude leaves it out",
            first.key()
        ),
    ))
}

impl Sent {
    pub(in crate::host) fn write(&self, layout: &Layout) -> io::Result<()> {
        checksummed::write(&path(layout), self)
    }

    /// Whether a copy gets requests by it, or would if no other could.
    pub(in crate::host) fn names(&self, id: &InstanceId) -> bool {
        self.traffic.pools.values().chain(self.traffic.fallback.values()).flatten().any(|named| named == id)
    }

    /// What was asked last; nothing where that cannot be read: then a run asks again, and no proxy is put right
    /// between runs, which keeps a table of its own.
    pub(in crate::host) fn read(layout: &Layout) -> Option<Self> {
        checksummed::read(&path(layout)).ok().flatten()
    }
}

fn path(layout: &Layout) -> PathBuf {
    layout.state().join("traffic.json")
}

impl Host {
    /// The table that was sent last, made again of what is known now.
    pub(in crate::host) fn table_again(&self, sent: &Sent) -> Result<Table, Fault> {
        let unreadable = |error: crate::engine::JournalError| Fault::new(error.to_string(), "");
        let release = sent.traffic.release.unwrap_or(ReleaseId(0));
        let row = self.journal.borrow().release(release).map_err(unreadable)?;
        let (spec, tree) = match row {
            Some(row) => (row.spec, row.tree),
            None => return Err(Fault::new(format!("the ledger does not know {release}"), "")),
        };
        self.table_of(&spec, tree, &sent.traffic, sent.generation)
    }

    /// Whether the table in force is the one that this run sent for this traffic.
    pub(super) async fn has_traffic(&self, run: &str, traffic: &Traffic) -> bool {
        let Some(sent) = Sent::read(&self.layout) else { return false };
        let report = self.proxy().report().await;
        sent.run == run
            && sent.traffic == *traffic
            && report.is_some_and(|report| report.generation == sent.generation)
    }
}
