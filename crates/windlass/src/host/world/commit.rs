//! The one instant after which nothing goes back.

use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use windlass_core::journal::Fault;
use windlass_core::name::Name;
use windlass_core::plan::{Plan, Request};
use windlass_core::spec::{Spec, When};

use super::Acting;
use crate::engine::ReleaseRow;
use crate::host::Host;
use crate::{clock, failpoint, layout};

impl Acting {
    /// Writes the release into the ledger as the active one, then points `current` at its tree. The
    /// ledger is the truth; the link follows it, also when a crash comes between the two.
    pub(super) async fn commit(&self, run: &str, plan: &Plan) -> Result<String, Fault> {
        let host = &self.host;
        let failed = |what: String| Fault::new(what, "free some disk space, and resume");
        let schema = self.schema(plan).await;
        let before = host.journal.borrow().release(plan.release).ok().flatten();
        let release = match before {
            // Stopping leaves the release what it was.
            Some(row) if plan.previous == Some(plan.release) => {
                ReleaseRow { instances: plan.instances.clone(), ..row }
            }
            _ => ReleaseRow {
                id: plan.release,
                tree: plan.tree.id,
                headline: plan.headline(),
                by: host.asked_by(run),
                activated: clock::wall_millis(),
                spec: plan.spec.clone(),
                source: plan.tree.source.clone(),
                instances: plan.instances.clone(),
                schema,
            },
        };
        let active = host.journal.borrow().active().ok().flatten();
        let written = match &plan.request {
            Request::Rollback { to, .. } => {
                let before = active.as_ref().map(|active| &active.release.spec);
                let once = once(before.into_iter().chain([&plan.spec]));
                host.journal.borrow_mut().activate_back(&release, *to, &once)
            }
            request => {
                let stopped = is_stopped_by(request, active.is_some_and(|active| active.stopped));
                host.journal.borrow_mut().activate(&release, stopped)
            }
        };
        written.map_err(|error| failed(format!("the ledger cannot be written: {error}")))?;
        host.point_current(plan).map_err(|error| failed(format!("`current` cannot be changed: {error}")))?;
        Ok(String::new())
    }

    /// What the schema commands of the jobs say of the database now.
    async fn schema(&self, plan: &Plan) -> indexmap::IndexMap<Name, String> {
        let mut schema = indexmap::IndexMap::new();
        // Before a rollback somebody may have taken it back by hand.
        if !matches!(plan.request, Request::Deploy | Request::Rollback { .. }) {
            // Only jobs change the schema, and only a deploy runs them: it is what it was.
            let active = self.host.journal.borrow().active().ok().flatten();
            return active.map(|active| active.release.schema).unwrap_or_default();
        }
        for (name, job) in &plan.spec.jobs {
            let Some(command) = &job.schema else { continue };
            let label = format!("{}.{name}.schema", plan.release);
            let said = self.host.read_schema(plan, job, command, &label).await;
            if let Some(line) = said.ok().filter(|line| !line.is_empty()) {
                let line = self.host.redactor(plan.release).redact(&line).into_owned();
                schema.insert(name.clone(), line);
            }
        }
        schema
    }
}

/// The jobs that run only once, in any of these.
fn once<'a>(specs: impl Iterator<Item = &'a Spec>) -> Vec<Name> {
    let jobs = specs.flat_map(|spec| &spec.jobs).filter(|(_, job)| job.when == When::Once);
    jobs.map(|(name, _)| name.clone()).collect()
}

/// Whether everything is stopped once this was done. What stops one service wakes no other.
fn is_stopped_by(request: &Request, was_stopped: bool) -> bool {
    match request {
        Request::Stop { services } => services.is_empty() || was_stopped,
        _ => false,
    }
}

impl Host {
    /// Whether the ledger says what this plan's commit writes. If so the link follows it: a crash may
    /// have come between the two.
    pub(super) fn is_committed(&self, plan: &Plan) -> Result<bool, Fault> {
        let active = self
            .journal
            .borrow()
            .active()
            .map_err(|error| Fault::new(error.to_string(), "see state/journal.db"))?;
        let in_ledger = active.is_some_and(|active| {
            active.release.id == plan.release
                && active.release.instances == plan.instances
                && active.stopped == is_stopped_by(&plan.request, active.stopped)
        });
        if in_ledger {
            self.point_current(plan).map_err(|error| {
                Fault::new(format!("`current` cannot be changed: {error}"), "free some disk space")
            })?;
        }
        Ok(in_ledger)
    }

    fn point_current(&self, plan: &Plan) -> io::Result<()> {
        let wanted = relative_tree(plan);
        let link = self.layout.current();
        if std::fs::read_link(&link).is_ok_and(|now| now == wanted) {
            return Ok(());
        }
        let beside = self.layout.root().join(".current.new");
        let _ = std::fs::remove_file(&beside);
        symlink(&wanted, &beside)?;
        failpoint::around(|| {
            std::fs::rename(&beside, &link)?;
            layout::sync_dir(self.layout.root())
        })
    }
}

fn relative_tree(plan: &Plan) -> PathBuf {
    Path::new("releases").join(plan.tree.id.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stops_a_service_of_a_stopped_environment_wakes_nothing() {
        let one = Request::Stop { services: vec![windlass_testkit::sample::name("web")] };
        let all = Request::Stop { services: vec![] };
        assert!(is_stopped_by(&one, true) && !is_stopped_by(&one, false));
        assert!(is_stopped_by(&all, false) && !is_stopped_by(&Request::Deploy, true));
    }
}
