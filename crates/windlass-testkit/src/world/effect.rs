//! The smallest things that can have happened or not.

use windlass_core::journal::Fault;
use windlass_core::name::{InstanceId, Name, ReleaseId};
use windlass_core::plan::{
    Action, Activation, ObservedResource, Plan, Request, Traffic, Tree, job_digest, resource_digest,
};
use windlass_core::spec::{Credential, When};

use super::{Fenced, Instance, JobState, Lock, TreeState, World};

/// One of the instants an action is made of.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Only looks.
    Watch,
    /// The unfinished directory exists.
    CreateTree(ReleaseId),
    /// All files are in it.
    FillTree(ReleaseId),
    /// A build step has run in it.
    BuildTree(ReleaseId, usize),
    /// It has its final name.
    SealTree(ReleaseId),
    /// It has lost its final name and part of its files.
    SpoilTree(ReleaseId),
    /// It is gone.
    DropTree(ReleaseId),
    /// The lock is this run's.
    Lock,
    /// The world was found to be what the plan was made for.
    Verify,
    /// The resource runs as this release says.
    StartResource(Name, ReleaseId),
    /// The resource does not run.
    StopResource(Name),
    /// The resource knows this credential.
    Add(Name, Credential),
    /// The resource does not know it any more.
    Revoke(Name, Credential),
    /// The new value of the setting is good at its source.
    AddValue(String),
    /// It is written down that the value before this release's is to be revoked.
    Owe(String, ReleaseId),
    /// The value before this release's, or its own, is good no more.
    RevokeValue(String, ReleaseId, bool),
    /// The job runs.
    SpawnJob(Name, bool),
    /// The job has succeeded.
    FinishJob(Name, bool),
    /// The instance runs.
    Spawn(InstanceId),
    /// The instance is ready.
    Ready(InstanceId),
    /// The instance has ended.
    Kill(InstanceId),
    /// The proxy has this table.
    Table(Traffic),
    /// The ledger names the release.
    Ledger,
    /// `current` names the ledger's release.
    Link,
}

impl Effect {
    /// What an action is made of, in order.
    #[must_use]
    pub fn of(action: &Action) -> Vec<Self> {
        match action.clone() {
            Action::Preflight | Action::SmokeTest { .. } | Action::Bake => vec![Self::Watch],
            Action::FetchSource { tree } => vec![Self::CreateTree(tree), Self::FillTree(tree)],
            Action::Build { tree, index } => vec![Self::BuildTree(tree, index)],
            Action::SealTree { tree } => vec![Self::SealTree(tree)],
            Action::RemoveTree { tree } => vec![Self::SpoilTree(tree), Self::DropTree(tree)],
            Action::TakeLock => vec![Self::Lock, Self::Verify],
            Action::StartResource { resource, of } => vec![Self::StartResource(resource, of), Self::Watch],
            Action::StopResource { resource } => vec![Self::StopResource(resource)],
            // What is new is kept before the server hears of it; what goes is forgotten last.
            Action::AddCredential { resource, credential } => {
                vec![Self::Add(resource, credential), Self::Watch]
            }
            Action::RevokeCredential { resource, credential } => {
                vec![Self::Watch, Self::Revoke(resource, credential)]
            }
            Action::AddValue { setting } => vec![Self::AddValue(setting), Self::Watch],
            Action::VerifyValue { .. } => vec![Self::Watch],
            Action::RevokeValue { setting, of, undo: true } => vec![Self::RevokeValue(setting, of, true)],
            Action::RevokeValue { setting, of, undo: false } => {
                vec![Self::Owe(setting.clone(), of), Self::RevokeValue(setting, of, false)]
            }
            Action::RunJob { job, undo } => {
                vec![Self::SpawnJob(job.clone(), undo), Self::FinishJob(job, undo)]
            }
            Action::StartInstance { instance, ready: false } => vec![Self::Spawn(instance)],
            Action::StartInstance { instance, ready: true } => {
                vec![Self::Spawn(instance.clone()), Self::Ready(instance)]
            }
            Action::AwaitReady { instance } => vec![Self::Ready(instance)],
            Action::StopInstance { instance, .. } => vec![Self::Watch, Self::Kill(instance)],
            Action::SwitchTraffic { traffic } => vec![Self::Table(traffic)],
            Action::Commit => vec![Self::Ledger, Self::Link],
        }
    }

    /// Whether only the owner of the lock may do it. A run builds its own tree, and removes it,
    /// without.
    fn needs_lock(&self, own: Option<ReleaseId>) -> bool {
        match self {
            Self::Watch | Self::Lock | Self::Verify => false,
            Self::CreateTree(tree)
            | Self::FillTree(tree)
            | Self::BuildTree(tree, _)
            | Self::SealTree(tree)
            | Self::SpoilTree(tree)
            | Self::DropTree(tree) => Some(*tree) != own,
            _ => true,
        }
    }
}

/// Why an effect did not happen.
#[derive(Debug, Clone, PartialEq)]
pub enum Refusal {
    /// Somebody else drives the run now.
    Fenced,
    /// The world does not allow it.
    Failed(Fault),
}

impl From<Fenced> for Refusal {
    fn from(_: Fenced) -> Self {
        Self::Fenced
    }
}

fn failed(message: impl Into<String>) -> Refusal {
    Refusal::Failed(Fault::new(message, ""))
}

fn refused(message: &str) -> Refusal {
    Refusal::Failed(Fault { refused: true, ..Fault::new(message, "") })
}

impl World {
    /// Lets one effect of a run happen.
    ///
    /// # Errors
    /// [`Refusal`] where it must not, or cannot.
    pub fn happen(&mut self, run: usize, session: u64, effect: &Effect) -> Result<(), Refusal> {
        self.admit(run, session)?;
        let plan = &self.runs[run].plan;
        let own = (plan.tree.id == plan.release).then_some(plan.release);
        if effect.needs_lock(own)
            && !self.lock.is_some_and(|l| l.owner == run && l.number == session)
            && !self.unfenced
        {
            return Err(Refusal::Fenced);
        }
        match effect.clone() {
            Effect::Watch => {}
            Effect::CreateTree(id) => {
                let source = plan.tree.source.clone();
                self.trees.entry(id).or_insert(TreeState { source, fetched: false, built: 0, sealed: false });
            }
            Effect::FillTree(id) => self.tree(id)?.fetched = true,
            Effect::BuildTree(id, index) => {
                let tree = self.tree(id)?;
                tree.built = tree.built.max(index + 1);
            }
            Effect::SealTree(id) => {
                let steps = plan.spec.build.steps.len();
                let tree = self.tree(id)?;
                if !tree.fetched || tree.built < steps {
                    return Err(failed(format!("releases/{id} is not finished")));
                }
                tree.sealed = true;
            }
            Effect::SpoilTree(id) => self.spoil(id),
            Effect::DropTree(id) => {
                self.trees.remove(&id);
            }
            Effect::Lock => self.take_lock(run, session)?,
            Effect::Verify => {
                if !self.fits(run) {
                    return Err(refused("the world has moved"));
                }
            }
            Effect::StartResource(name, of) => {
                let found = self.blueprints.get(&of).filter(|b| b.spec.resources.contains_key(&name));
                let digest = found.map(|b| resource_digest(&b.spec, &name));
                let digest = digest.ok_or_else(|| failed("no such resource"))?;
                let credential = found.and_then(|b| b.spec.resources.get(&name)?.credential());
                let made = ObservedResource { digest: String::new(), running: false, credentials: vec![] };
                let resource = self.resources.entry(name).or_insert(made);
                if resource.credentials.is_empty() {
                    resource.credentials.extend(credential);
                }
                resource.digest = digest;
                resource.running = true;
            }
            Effect::StopResource(name) => {
                if let Some(resource) = self.resources.get_mut(&name) {
                    resource.running = false;
                }
            }
            Effect::Add(name, credential) => {
                let resource = self.resources.get_mut(&name).filter(|resource| resource.running);
                let resource = resource.ok_or_else(|| failed(format!("{name} does not run")))?;
                if !resource.credentials.contains(&credential) {
                    resource.credentials.push(credential);
                }
            }
            Effect::Revoke(name, credential) => self.revoke(&name, credential)?,
            Effect::AddValue(setting) => self.add_value(run, setting)?,
            Effect::Owe(setting, of) => {
                let owed = (setting, of);
                if of == plan.release && !self.unrevoked.contains(&owed) {
                    self.unrevoked.push(owed);
                }
            }
            Effect::RevokeValue(setting, of, own) => self.revoke_value(&setting, of, own)?,
            Effect::SpawnJob(job, undo) => self.spawn_job(run, &job, undo),
            Effect::FinishJob(job, undo) => {
                let key = (plan.release, job.clone(), undo);
                if self.jobs.get(&key).is_some_and(|job| job.failed) {
                    return Err(failed(format!("the job {job} failed")));
                }
                self.finish_job(run, &job, undo, true);
            }
            Effect::Spawn(id) => self.spawn(id)?,
            Effect::Ready(id) => {
                let up = self.instances.get_mut(&id).filter(|i| i.running);
                up.ok_or_else(|| failed(format!("{id} ended")))?.ready = true;
            }
            Effect::Kill(id) => {
                if let Some(instance) = self.instances.get_mut(&id) {
                    instance.running = false;
                    instance.ready = false;
                }
            }
            Effect::Table(traffic) => self.traffic = traffic,
            Effect::Ledger => self.commit(run),
            Effect::Link => self.current = self.active.as_ref().map(|a| a.tree.id),
        }
        Ok(())
    }

    fn tree(&mut self, id: ReleaseId) -> Result<&mut TreeState, Refusal> {
        self.trees.get_mut(&id).ok_or_else(|| failed(format!("releases/{id} is gone")))
    }

    fn spoil(&mut self, id: ReleaseId) {
        if let Some(tree) = self.trees.get_mut(&id) {
            tree.sealed = false;
            tree.fetched = false;
        }
    }

    fn take_lock(&mut self, run: usize, session: u64) -> Result<(), Refusal> {
        if let Some(lock) = self.lock.filter(|lock| lock.owner != run)
            && self.runs[lock.owner].verdict().is_none()
        {
            return Err(refused("another run holds the lock"));
        }
        self.lock = Some(Lock { owner: run, number: session });
        if self.runs[run].before.is_none() {
            let before = Self { runs: Vec::new(), ..self.clone() };
            self.runs[run].before = Some(Box::new(before));
        }
        Ok(())
    }

    /// Whether the world is still what the run's plan was made for.
    pub(super) fn fits(&self, run: usize) -> bool {
        let plan = &self.runs[run].plan;
        plan.base == self.observe().fingerprint()
            && self.trees.get(&plan.tree.id).is_some_and(|tree| tree.sealed)
    }

    /// A host refuses to take away what the active release, or anything that runs, signs in with.
    fn revoke(&mut self, name: &Name, credential: Credential) -> Result<(), Refusal> {
        let active = self.active.as_ref().and_then(|active| active.spec.resources.get(name));
        if active.and_then(|resource| resource.credential()) == Some(credential) {
            return Err(failed(format!("{credential} of {name} is in force")));
        }
        if let Some(id) = self.running().iter().find(|id| self.signs_in(id, name) == Some(credential)) {
            return Err(failed(format!("{id} signs in to {name} with {credential}")));
        }
        if let Some(resource) = self.resources.get_mut(name) {
            resource.credentials.retain(|known| *known != credential);
        }
        Ok(())
    }

    /// What an instance was given to sign in to a resource with.
    pub(crate) fn signs_in(&self, id: &InstanceId, name: &Name) -> Option<Credential> {
        let spec = &self.blueprints.get(&id.release)?.spec;
        let service = spec.services.get(&id.service)?;
        spec.resources.get(name)?.credential().filter(|_| service.signs_in(name, &spec.settings))
    }

    fn add_value(&mut self, run: usize, setting: String) -> Result<(), Refusal> {
        let value = |spec: &windlass_core::spec::Spec| Some(spec.settings.get(&setting)?.fingerprint.clone());
        let old = self.active.as_ref().and_then(|active| value(&active.spec));
        let new = value(&self.runs[run].plan.spec);
        let (Some(old), Some(new)) = (old, new) else { return Err(failed("no such setting")) };
        let good = self.sources.entry(setting).or_insert(vec![old]);
        if !good.contains(&new) {
            good.push(new);
        }
        Ok(())
    }

    /// A host refuses to take away what the active release, or anything that runs, was given.
    fn revoke_value(&mut self, setting: &str, of: ReleaseId, own: bool) -> Result<(), Refusal> {
        let owed = (setting.to_owned(), of);
        if !own && !self.unrevoked.contains(&owed) {
            return Ok(());
        }
        let spec = self.blueprints.get(&of).map(|blueprint| &blueprint.spec);
        let value = spec.and_then(|spec| match own {
            true => Some(spec.settings.get(setting)?.fingerprint.clone()),
            false => spec.revoked.get(setting)?.last().cloned(),
        });
        let Some(value) = value else { return Err(failed("no such value")) };
        let active = self.active.as_ref().and_then(|active| active.spec.settings.get(setting));
        if active.is_some_and(|setting| setting.fingerprint == value) {
            return Err(failed(format!("that value of {setting} is in force")));
        }
        if let Some(id) = self.running().iter().find(|id| self.given(id, setting) == Some(&value)) {
            return Err(failed(format!("{id} was given that value of {setting}")));
        }
        if let Some(good) = self.sources.get_mut(setting) {
            good.retain(|known| *known != value);
        }
        self.unrevoked.retain(|known| *known != owed);
        Ok(())
    }

    /// The fingerprint of the value of a setting that an instance was given.
    pub(crate) fn given(&self, id: &InstanceId, setting: &str) -> Option<&String> {
        let spec = &self.blueprints.get(&id.release)?.spec;
        let service = spec.services.get(&id.service)?;
        let known = spec.settings.get(setting).filter(|_| service.sees(setting, &spec.settings));
        known.map(|setting| &setting.fingerprint)
    }

    fn spawn(&mut self, id: InstanceId) -> Result<(), Refusal> {
        let blueprint = self.blueprints.get(&id.release).ok_or_else(|| failed("no such release"))?;
        if !self.trees.get(&blueprint.tree.id).is_some_and(|tree| tree.sealed) {
            return Err(failed(format!("{id} has no tree to run from")));
        }
        let digest = blueprint.digests.get(&id.service).cloned().unwrap_or_default();
        let instance = self.instances.entry(id).or_insert(Instance {
            digest,
            running: false,
            ready: false,
            died: false,
        });
        if !instance.running {
            *instance = Instance { running: true, ready: false, died: false, ..instance.clone() };
        }
        Ok(())
    }

    fn spawn_job(&mut self, run: usize, job: &Name, undo: bool) {
        let release = self.runs[run].plan.release;
        let state = JobState { running: false, successes: 0, failed: false };
        let state = self.jobs.entry((release, job.clone(), undo)).or_insert(state);
        if state.successes > 0 && !state.running {
            self.outrages.push(format!("job {job} of {release} runs again although it has succeeded"));
        }
        state.running = true;
        state.failed = false;
    }

    /// A running job ends.
    pub fn finish_job(&mut self, run: usize, job: &Name, undo: bool, success: bool) {
        let plan = &self.runs[run].plan;
        let Some(spec) = plan.spec.jobs.get(job) else { return };
        let Some(state) = self.jobs.get_mut(&(plan.release, job.clone(), undo)).filter(|j| j.running) else {
            return;
        };
        state.running = false;
        state.failed = !success;
        state.successes += u32::from(success);
        match (success, undo) {
            (false, _) => {}
            (true, false) => {
                self.jobs_done.insert(job.clone(), job_digest(&plan.spec, job, &plan.tree));
                if spec.when == When::Once {
                    self.once_done.insert(job.clone());
                }
            }
            (true, true) => {
                self.jobs_done.shift_remove(job);
                self.once_done.remove(job);
            }
        }
    }

    fn commit(&mut self, run: usize) {
        let plan: &Plan = &self.runs[run].plan;
        let stopped = match &plan.request {
            Request::Stop { services } => {
                services.is_empty() || self.active.as_ref().is_some_and(|a| a.stopped)
            }
            _ => false,
        };
        self.active = Some(Activation {
            release: plan.release,
            tree: Tree { id: plan.tree.id, source: plan.tree.source.clone() },
            spec: plan.spec.clone(),
            instances: plan.instances.clone(),
            stopped,
        });
        if self.releases.first().map(|(release, _)| *release) != Some(plan.release) {
            self.releases.insert(0, (plan.release, plan.tree.id));
        }
    }
}
