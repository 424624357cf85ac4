//! The plan for people: `windlass plan`.

use std::fmt;

use super::{Action, Compensation, Phase, Plan, Reason, Request, Step, Traffic};
use crate::name::{InstanceId, Name};
use crate::spec::{Command, Rotation, Undo};

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return writeln!(f, "Nothing to do: {} is as the manifest says.", self.title());
        }
        writeln!(f, "{}", self.headline())?;
        let width = self.changes.iter().map(|c| c.service.as_str().len()).max().unwrap_or(0);
        for change in &self.changes {
            let copies = match (change.from, change.to) {
                (from, to) if from == to => format!("{to} running"),
                (from, to) => format!("{from} -> {to}"),
            };
            let sign = match change.reason {
                Reason::Unchanged => '=',
                Reason::New => '+',
                Reason::Removed => '-',
                _ => '~',
            };
            writeln!(f, "  {sign} {:width$}  {copies:10}  {}", change.service, change.reason)?;
        }
        for part in &self.parts {
            writeln!(f, "  {part}")?;
        }
        let mut phase = None;
        for step in &self.steps {
            if phase != Some(step.phase) {
                phase = Some(step.phase);
                writeln!(f, "\n{}", step.phase.title())?;
            }
            writeln!(f, "  {}", self.line(step))?;
        }
        let stays: Vec<&String> = self.steps.iter().filter_map(stays).collect();
        if !stays.is_empty() {
            writeln!(f, "\ncannot be undone")?;
            for why in stays {
                writeln!(f, "  {why}")?;
            }
        }
        Ok(())
    }
}

fn stays(step: &Step) -> Option<&String> {
    match &step.compensation {
        Compensation::Impossible(why) => Some(why),
        _ => None,
    }
}

impl Plan {
    /// `shop (production)`.
    #[must_use]
    pub fn title(&self) -> String {
        format!("{} ({})", self.spec.app, self.spec.environment)
    }

    /// What the run is, in one line.
    #[must_use]
    pub fn headline(&self) -> String {
        let title = self.title();
        let previous = self.previous.map(|r| r.to_string());
        match (&self.request, previous) {
            (Request::Deploy, None) => format!("Deploy {title}: {}, the first release", self.release),
            (Request::Deploy, Some(before)) => format!("Deploy {title}: {before} -> {}", self.release),
            (Request::Rollback { to, .. }, _) => {
                format!("Roll {title} back to {to}, as {}", self.release)
            }
            (Request::Restart { .. }, _) => format!("Restart {title}, as {}", self.release),
            (Request::Rotate { what }, _) => format!("Rotate {what} in {title}, as {}", self.release),
            (Request::Scale { .. }, _) => format!("Scale {title}, as {}", self.release),
            (Request::Stop { services }, _) if services.is_empty() => format!("Stop {title}"),
            (Request::Stop { .. }, _) => format!("Stop services of {title}"),
        }
    }

    /// A step, in one line.
    #[must_use]
    pub fn line(&self, step: &Step) -> String {
        let action = self.describe(&step.action);
        match (step.phase >= Phase::Lock && step.phase < Phase::Commit, &step.compensation) {
            (true, Compensation::WhenDone(undo)) => format!("{action}   ({})", self.describe(undo)),
            _ => action,
        }
    }

    fn by_command(&self, what: String, setting: &str, of: fn(&Rotation) -> &Option<Command>) -> String {
        let Some(rotation) = self.spec.rotations.get(setting) else { return what };
        match (of(rotation), &rotation.at) {
            (Some(command), _) => format!("{what}: {command}"),
            (None, Some(server)) => format!("{what}: in {}", server.engine.name()),
            (None, None) => what,
        }
    }

    /// An action, in one line.
    #[must_use]
    pub fn describe(&self, action: &Action) -> String {
        match action {
            Action::Preflight => "check disk, memory, programs, accounts, ports and certificates".to_owned(),
            Action::FetchSource { tree } => format!("copy the source to releases/{tree}"),
            Action::Build { index, .. } => match self.spec.build.steps.get(*index) {
                Some(step) => format!("run {}", step.command),
                None => format!("run build step {}", index + 1),
            },
            Action::SealTree { tree } => format!("seal releases/{tree}"),
            Action::RemoveTree { tree } => format!("remove releases/{tree}"),
            Action::TakeLock => "take the lock, and look whether anything has moved".to_owned(),
            Action::StartResource { resource, of } if *of == self.release => format!("start {resource}"),
            Action::StartResource { resource, of } => format!("start {resource} as {of} had it"),
            Action::StopResource { resource } => format!("stop {resource}; its data stays"),
            Action::AddCredential { resource, credential } => {
                format!("let {credential} sign in to {resource}, beside those that do")
            }
            Action::RevokeCredential { resource, credential } => format!("revoke {credential} in {resource}"),
            Action::AddValue { setting } => {
                let what = format!("make the new value of {setting} good, beside the old one");
                self.by_command(what, setting, |rotation| &rotation.create)
            }
            Action::VerifyValue { setting } => {
                let what = format!("ask whether the new value of {setting} is good");
                self.by_command(what, setting, |rotation| &rotation.verify)
            }
            Action::RevokeValue { setting, of, undo } => {
                let what = match (undo, *of == self.release) {
                    (true, _) => format!("revoke the new value of {setting}"),
                    (false, true) => format!("revoke the old value of {setting}"),
                    (false, false) => format!("revoke the value of {setting} that {of} left"),
                };
                self.by_command(what, setting, |rotation| &rotation.revoke)
            }
            Action::RunJob { job, undo: false } => match self.spec.jobs.get(job) {
                Some(spec) => format!("run job {job}: {}", spec.command),
                None => format!("run job {job}"),
            },
            Action::RunJob { job, undo: true } => match self.spec.jobs.get(job).map(|spec| &spec.undo) {
                Some(Undo::Command(command)) => format!("undo job {job}: {command}"),
                _ => format!("undo job {job}"),
            },
            Action::StartInstance { instance, .. } => format!("start {instance}"),
            Action::AwaitReady { instance } => format!("wait until {instance} is ready"),
            Action::StopInstance { instance, drain } if drain.is_zero() => format!("stop {instance}"),
            Action::StopInstance { instance, drain } => {
                format!("drain (at most {drain}) and stop {instance}")
            }
            Action::SmokeTest { index } => match self.spec.deploy.smoke.get(*index) {
                Some(test) => format!("ask {} for {}, expecting {}", test.service, test.path, test.status),
                None => format!("smoke test {}", index + 1),
            },
            Action::SwitchTraffic { traffic } => switch(traffic, self),
            Action::Bake => format!("watch the new release for {}", self.bake()),
            Action::Commit if matches!(self.request, Request::Stop { .. }) => {
                "record that it is stopped; from here on nothing goes back".to_owned()
            }
            Action::Commit => {
                format!("make {} the active release; from here on nothing goes back", self.release)
            }
        }
    }
}

fn switch(traffic: &Traffic, plan: &Plan) -> String {
    let Some(release) = traffic.release else { return "answer no requests".to_owned() };
    let ids: Vec<&InstanceId> = traffic.pools.values().flatten().collect();
    let held: Vec<&Name> =
        traffic.pools.iter().filter(|(_, ids)| ids.is_empty()).map(|(name, _)| name).collect();
    let listening = plan.spec.services.iter().filter(|(_, service)| service.port.is_some());
    let refused: Vec<&Name> = listening
        .map(|(name, _)| name)
        .filter(|name| release == plan.release && !traffic.pools.contains_key(*name))
        .collect();
    let mut parts = Vec::new();
    if !ids.is_empty() {
        parts.push(format!("send requests to {}", comma(&ids)));
    }
    for (verb, names) in [("hold", held), ("refuse", refused)] {
        if !names.is_empty() {
            let what = if parts.is_empty() { "requests" } else { "those" };
            parts.push(format!("{verb} {what} for {}", comma(&names)));
        }
    }
    if parts.is_empty() { format!("route requests as {release} says") } else { parts.join("; ") }
}

fn comma(items: &[impl ToString]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
