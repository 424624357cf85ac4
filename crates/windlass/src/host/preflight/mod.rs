//! Looking before anything changes: whether this machine can carry the release.

mod added;
mod databases;
mod disk;
pub(in crate::host) mod machine;
pub(in crate::host) mod programs;
mod shared;

use std::net::TcpListener;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use indexmap::IndexMap;
use windlass_core::journal::Fault;
use windlass_core::name::{Name, ReleaseId};
use windlass_core::plan::{Action, Plan, Request};
use windlass_core::spec::{Engine, Spec, Tls};

use crate::host::Host;
use crate::host::preflight::disk::{Free, makes_files};
use crate::host::preflight::machine::{
    Lack, accounts, cannot_listen, certificates, fixed_ports, held, memory, open_files, users,
};
use crate::host::proxy::table::early;
use crate::host::resource::lifecycle::{blocking, facts};
use crate::host::settings::lookup::Settings;
use crate::host::settings::{passed, values};
use crate::host::tree::contents::{self, Damage, Look};
use crate::host::tree::handover;
use crate::host::world::by_hand;
use crate::keeper::limits;
use crate::layout::Layout;
use crate::resource;

/// What the application keeps among the files of the active release, in `tree` and as `active` says, and a release of
/// another tree will not have, with what to do about it.
#[must_use]
pub fn left_behind(layout: &Layout, tree: ReleaseId, active: &Spec, next: &Spec) -> Vec<String> {
    let databases = databases::left_behind(layout, tree, active, next);
    databases.into_iter().chain(added::left_behind(layout, tree, active, next)).collect()
}

impl Host {
    /// Looks at everything at once and answers all that is wrong in one fault.
    pub(super) async fn preflight(&self, plan: &Plan) -> Result<String, Fault> {
        let spec = &plan.spec;
        let mut wrong: Vec<Lack> = open_files().into_iter().collect();
        let mut notes = Vec::new();
        let root = self.layout.root();
        let look =
            || Free::at(root).map(|free| free.short(root, spec, makes_files(plan))).unwrap_or_default();
        let mut found = look();
        if found.iter().any(|short| short.stops) {
            // The trees that a run before put aside may not be gone yet.
            let _ = self.remove_what_is_aside().await;
            found = look();
        }
        for short in found {
            match short.stops {
                true => wrong.push(Lack::new("disk", "", short.what, short.hint)),
                false => notes.push(short.what),
            }
        }
        self.look_at_tree(plan, &mut wrong).await?;
        self.look_at_way_back(plan, &mut wrong, &mut notes).await?;
        wrong.extend(memory(spec));
        wrong.extend(held(spec, &limits::capabilities()));
        wrong.extend(accounts(spec));
        let active = self.journal.borrow().active().ok().flatten();
        let shown = active.map(|active| active.release.spec.listen.tls).unwrap_or_default();
        let may_stay = |tls: &Tls| plan.request != Request::Deploy && shown.contains(tls);
        notes.extend(certificates(spec, &may_stay, &mut wrong));
        self.look_at_ports(spec, &mut wrong).await;
        wrong.extend(fixed_ports(spec, &self.layout));
        let (private, layout) = (spec.clone(), self.layout.clone());
        wrong.extend(blocking(move || programs::servers(&private, &layout, &layout.state())).await?);
        if plan.request == Request::Deploy {
            let is_built = plan.steps.iter().any(|step| matches!(step.action, Action::Build { .. }));
            wrong.extend(programs::commands(spec, is_built, &self.path_of(plan.release)));
        }
        self.look_at_what_is_left_behind(plan, &mut notes).await?;
        self.look_at_jobs(plan, &mut wrong);
        self.look_at_users(plan, &mut wrong);
        self.look_at_accounts(plan, &mut wrong, &mut notes).await?;
        self.look_at_resources(plan, &mut wrong).await;
        if let Err(fault) = self.rehearse_rotation(plan).await {
            wrong.push(Lack::new("rotation", "", fault.message, fault.hint));
        }
        match wrong.as_slice() {
            [] => Ok(notes.join("; ")),
            [Lack { what, hint, .. }] => Err(Fault::new(what.clone(), hint.clone())),
            several => {
                let lines: Vec<String> =
                    several.iter().map(|Lack { what, hint, .. }| format!("{what}: {hint}")).collect();
                let message = format!("{} things are missing on this machine", several.len());
                Err(Fault { tail: lines, ..Fault::new(message, "mend them, and deploy again") })
            }
        }
    }

    /// Where the programs of a release are looked for.
    fn path_of(&self, release: ReleaseId) -> Vec<PathBuf> {
        let values = values::read(&self.layout, release).unwrap_or_default();
        let path = passed::places(&values).and_then(|mut places| places.find(|(name, _)| *name == "PATH"));
        path.map_or_else(crate::programs::path, |(_, path)| std::env::split_paths(path).collect())
    }

    /// Who is to run and to write what is not root's has to be able to.
    async fn look_at_accounts(
        &self,
        plan: &Plan,
        wrong: &mut Vec<Lack>,
        notes: &mut Vec<String>,
    ) -> Result<(), Fault> {
        let before = self.journal.borrow().active().ok().flatten().map(|active| active.release.spec);
        let (spec, layout) = (plan.spec.clone(), self.layout.clone());
        let shares = blocking(move || shared::look(&spec, &layout, before.as_ref())).await?;
        wrong.extend(shares.lacks);
        notes.extend(shares.notes);
        notes.extend(shares.given);
        wrong.extend(
            handover::unsafe_links(plan)
                .map(|what| Lack::new("free-links", "build.shared", what, handover::LINKS_HINT)),
        );
        let (spec, tree) = (plan.spec.clone(), self.layout.tree(plan.tree.id));
        let is_built = self.layout.is_sealed(plan.tree.id);
        let look = move || {
            let built = is_built.then_some(tree.as_path());
            let mut lacks = programs::out_of_reach(&spec, built);
            lacks.extend(built.into_iter().flat_map(|tree| programs::unfit(&spec, tree)));
            lacks
        };
        wrong.extend(blocking(look).await?);
        Ok(())
    }

    /// What a run leaves behind in the active release is told before it does.
    async fn look_at_what_is_left_behind(&self, plan: &Plan, notes: &mut Vec<String>) -> Result<(), Fault> {
        let active = self.journal.borrow().active().ok().flatten().map(|active| active.release);
        let Some(active) = active.filter(|active| active.tree != plan.tree.id) else { return Ok(()) };
        let (layout, spec) = (self.layout.clone(), plan.spec.clone());
        notes.extend(blocking(move || left_behind(&layout, active.tree, &active.spec, &spec)).await?);
        Ok(())
    }

    /// No job runs beside itself.
    fn look_at_jobs(&self, plan: &Plan, wrong: &mut Vec<Lack>) {
        for step in &plan.steps {
            if let Action::RunJob { job, .. } = &step.action
                && self.runs_by_hand(job)
            {
                let fault = by_hand(job);
                wrong.push(Lack::new("job", "", fault.message, fault.hint));
            }
        }
    }

    /// A route that nobody may pass stops the run before the switch does.
    fn look_at_users(&self, plan: &Plan, wrong: &mut Vec<Lack>) {
        if plan.request != Request::Deploy {
            return;
        }
        let values = crate::host::settings::values::read(&self.layout, plan.release).unwrap_or_default();
        let settings = Settings { values: &values, known: &plan.spec.settings };
        let mut unknown = Vec::new();
        let lines = |key: &str| settings.text(key, &early).map_err(|fault| unknown.push(fault)).ok();
        let amiss = users(&plan.spec, lines);
        wrong.extend(amiss.into_iter().map(|(_, what, help)| Lack::new("users", "", what, help)));
        wrong.extend(unknown.into_iter().map(|fault| Lack::new("users", "", fault.message, fault.hint)));
    }

    /// A tree that is there already must still be what was sealed.
    async fn look_at_tree(&self, plan: &Plan, wrong: &mut Vec<Lack>) -> Result<(), Fault> {
        let hint = match &plan.request {
            Request::Deploy => "deploy again: they are made anew from the source",
            Request::Rollback { anyway: false, .. } => {
                "check out its commit and deploy that, or go back to another release; \
                 --anyway takes the files as they are"
            }
            _ => return Ok(()),
        };
        let tree = plan.tree.id;
        if plan.steps.iter().any(|step| step.action == Action::SealTree { tree }) {
            return Ok(());
        }
        if let Some(Damage { what, .. }) = self.damage(tree, self.how_closely(plan)).await? {
            wrong.push(Lack::new("tree", "", format!("the files of releases/{tree} {what}"), hint));
        }
        Ok(())
    }

    /// What runs is read while it does. A tree of the same source that an earlier release has left behind may have
    /// lain for weeks.
    fn how_closely(&self, plan: &Plan) -> Look {
        let active = self.journal.borrow().active().ok().flatten();
        let runs = active.is_some_and(|active| active.release.tree == plan.tree.id);
        if plan.request == Request::Deploy && runs { Look::AtChanged } else { Look::AtAll }
    }

    /// What a deploy that fails goes back to, and what its copies are started from until then, must still be
    /// what was sealed; or what the application has made of it, which runs.
    async fn look_at_way_back(
        &self,
        plan: &Plan,
        wrong: &mut Vec<Lack>,
        notes: &mut Vec<String>,
    ) -> Result<(), Fault> {
        if plan.request != Request::Deploy || plan.anyway {
            return Ok(());
        }
        let active = self.journal.borrow().active().ok().flatten().filter(|active| !active.stopped);
        let Some(tree) = active.map(|active| active.release.tree).filter(|tree| *tree != plan.tree.id) else {
            return Ok(());
        };
        if let Some(Damage { what, was_written }) = self.damage(tree, Look::AtChanged).await? {
            let what = format!(
                "a deploy that fails goes back to the active release, and its files in releases/{tree} {what}"
            );
            let hint = "deploy with --anyway to make a sound release of the source, or `windlass rollback` to one that is \
                        sound";
            match was_written {
                true => notes.push(format!(
                    "{what}; files that the application itself changes belong in [build] shared"
                )),
                false => wrong.push(Lack::new("way-back", "", what, hint)),
            }
        }
        Ok(())
    }

    /// What is wrong with the files of a tree, in words that follow on them.
    async fn damage(&self, tree: ReleaseId, how: Look) -> Result<Option<Damage>, Fault> {
        let (root, seal) = (self.layout.tree(tree), self.layout.seal(tree));
        Ok(match blocking(move || contents::damage(&root, &seal, how)).await? {
            Ok(None) => None,
            Ok(Some(Damage { what, was_written })) => {
                Some(Damage { what: format!("are not those that were built: {what}"), was_written })
            }
            Err(error) => Some(Damage { what: format!("cannot be read: {error}"), was_written: false }),
        })
    }

    /// What is there already, somebody else's or Windlass's own, must answer before a deploy begins.
    async fn look_at_resources(&self, plan: &Plan, wrong: &mut Vec<Lack>) {
        if plan.request != Request::Deploy {
            return;
        }
        let started = |name: &Name| {
            plan.steps.iter().any(
                |step| matches!(&step.action, Action::StartResource { resource, .. } if resource == name),
            )
        };
        let values = crate::host::settings::values::read(&self.layout, plan.release).unwrap_or_default();
        let settings = Settings { values: &values, known: &plan.spec.settings };
        for (name, spec) in plan.spec.resources.iter().filter(|(name, _)| !started(name)) {
            let only = IndexMap::from([(name.clone(), spec.clone())]);
            let hint = if spec.is_private() {
                format!("see `windlass logs {name}`, and deploy again when it is back")
            } else {
                "bring it back, or correct its address, and deploy again".to_owned()
            };
            let facts = match facts(self, &only, settings).await {
                Ok(facts) => facts.get(name).cloned().unwrap_or_default(),
                Err(fault) => {
                    wrong.push(Lack::new("resource", "", fault.message, fault.hint));
                    continue;
                }
            };
            if let Err(why) = answer(spec.engine, facts).await {
                let what = format!("the resource {name} does not answer: {why}");
                wrong.push(Lack::new("resource", "", what, hint));
            }
        }
    }

    async fn look_at_ports(&self, spec: &Spec, wrong: &mut Vec<Lack>) {
        if let Some(pid) = self.proxy().stays_frozen().await {
            let what = format!(
                "the proxy does not answer: its process {pid} is frozen (it was stopped by a signal)"
            );
            wrong.push(Lack::new("proxy", "", what, frozen_hint(pid)));
            return;
        }
        let mut report = self.proxy().report().await;
        let keeper = self.layout.proxy().join("keeper");
        // One that is just being started again holds its ports all the same; it may die once more.
        for _ in 0..3 {
            if report.is_none() && crate::runtime::process::is_kept(&keeper) {
                let _no_answer = self.proxy().start().await;
                report = self.proxy().report().await;
            }
        }
        let ours = report.map(|report| report.listening).unwrap_or_default();
        for address in spec.listen.http.iter().chain(&spec.listen.https) {
            if ours.contains(address) {
                continue;
            }
            if let Err(error) = TcpListener::bind(address.as_str()) {
                // `[::]:80` after `0.0.0.0:80`: what is in the way is the proxy itself.
                if error.kind() == std::io::ErrorKind::AddrInUse
                    && !ours.is_empty()
                    && self.proxy().could_listen(address).await
                {
                    continue;
                }
                wrong.push(cannot_listen(address, &error));
            }
        }
    }
}

/// How a proxy that is frozen goes on.
pub(in crate::host) fn frozen_hint(pid: i32) -> String {
    format!("let it go on: kill -CONT {pid}; or end it: kill -KILL {pid}, and its keeper starts it again")
}

/// Asks a resource for a while: one whose server has just died is started again by its keeper.
async fn answer(engine: Engine, facts: resource::Facts) -> Result<(), String> {
    const PATIENCE: Duration = Duration::from_secs(5);
    const TIMEOUT: Duration = Duration::from_secs(2);
    let deadline = Instant::now() + PATIENCE;
    loop {
        let facts = facts.clone();
        let why = match blocking(move || resource::ready(engine, &facts, TIMEOUT)).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(reason)) => reason.to_string(),
            Err(fault) => fault.message,
        };
        if Instant::now() > deadline {
            return Err(why);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[cfg(test)]
mod tests {
    use windlass_testkit::sample::secret;

    use super::*;
    use crate::host::testing;

    const MANIFEST: &str = r#"
        [app]
        name = "shop"

        [settings]
        USERS = { secret = true }

        [services.web]
        command = "serve"
        port = "auto"
        readiness = { tcp = true }

        [listen]
        http = "127.0.0.1:8080"

        [[routes]]
        path = "/"
        service = "web"
        basic_auth = "USERS"
    "#;

    /// As where the file of values was lost: it would fail at the switch, after the migrations.
    #[test]
    fn who_may_pass_has_to_be_known_before_anything_changes() {
        let (manifest, diags) = windlass_core::manifest::load(MANIFEST);
        assert_eq!(diags, []);
        let settings = IndexMap::from([("USERS".to_owned(), secret("one"))]);
        let spec = windlass_core::resolve::resolve(&manifest.unwrap(), "local", &settings).unwrap();
        let (_place, host) = testing::host();
        let mut wrong = Vec::new();
        host.look_at_users(&testing::first(|first| *first = spec), &mut wrong);
        let wrong: Vec<_> = wrong.into_iter().map(|lack| lack.what).collect();
        assert_eq!(wrong, ["the setting USERS has no value"]);
    }

    /// What decays below the file system shows only where all of it is read.
    #[test]
    fn only_the_tree_that_runs_is_read_in_part() {
        let (_place, host) = testing::host();
        let mut plan = testing::first(|_| {});
        assert_eq!(host.how_closely(&plan), Look::AtAll);
        let activate = |release| host.journal.borrow_mut().activate(&testing::row(release), false).unwrap();
        activate(plan.tree.id.0);
        assert_eq!(host.how_closely(&plan), Look::AtChanged);
        // As `git revert` has it: the tree of a release before is of the same source.
        activate(plan.tree.id.0 + 1);
        assert_eq!(host.how_closely(&plan), Look::AtAll);
        activate(plan.tree.id.0);
        plan.request = Request::Rollback { to: plan.release, anyway: false };
        assert_eq!(host.how_closely(&plan), Look::AtAll);
    }
}
