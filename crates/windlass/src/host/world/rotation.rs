//! A setting's own commands, which tell its source of its values.

use windlass_core::journal::Fault;
use windlass_core::name::ReleaseId;
use windlass_core::plan::{Action, Plan};
use windlass_core::spec::{Command, Limits, Rotation};

use super::Acting;
use crate::host::errand::Errand;
use crate::host::rotation::{Owed, Pair};
use crate::host::{logs, oneshot};
use crate::layout;
use crate::settings::Redactor;

/// The name of the keeper and log of what an action runs: one for each run, as of jobs.
pub(super) fn label(plan: &Plan, action: &Action) -> Option<String> {
    let release = plan.release;
    Some(match action {
        Action::AddValue { setting } => format!("{release}.{setting}.create"),
        Action::VerifyValue { setting } => format!("{release}.{setting}.verify"),
        Action::RevokeValue { setting, undo: true, .. } => format!("{release}.{setting}.undo"),
        Action::RevokeValue { setting, of, .. } if *of == release => format!("{release}.{setting}.revoke"),
        Action::RevokeValue { setting, of, .. } => format!("{release}.{setting}.revoke.{of}"),
        _ => return None,
    })
}

/// One of the commands.
struct Run<'a> {
    action: Action,
    what: &'static str,
    command: &'a Command,
    rotation: &'a Rotation,
    /// The release whose settings it gets.
    of: ReleaseId,
    /// What it finds as `OLD_VALUE` and `NEW_VALUE`.
    pair: Pair,
}

impl Acting {
    /// Makes the new value good. Whoever does that may have to sign in with the one that is in force.
    pub(super) async fn add_value(
        &self,
        plan: &Plan,
        setting: &str,
        line: &dyn Fn(String),
    ) -> Result<String, Fault> {
        let Some((rotation, command)) = found(plan, setting, |rotation| rotation.create.as_ref()) else {
            return Ok(String::new());
        };
        let pair = self.host.pair(plan, setting)?;
        let action = Action::AddValue { setting: setting.to_owned() };
        let of = plan.previous.unwrap_or(plan.release);
        let run = Run { action, what: "making the new value good", command, rotation, of, pair };
        self.run_for(plan, setting, &run, line).await
    }

    pub(super) async fn verify_value(
        &self,
        plan: &Plan,
        setting: &str,
        line: &dyn Fn(String),
    ) -> Result<String, Fault> {
        let Some((rotation, command)) = found(plan, setting, |rotation| rotation.verify.as_ref()) else {
            return Ok(String::new());
        };
        let pair = self.host.pair(plan, setting)?;
        let action = Action::VerifyValue { setting: setting.to_owned() };
        let of = plan.release;
        let run = Run { action, what: "verifying the new value", command, rotation, of, pair };
        self.run_for(plan, setting, &run, line).await
    }

    /// Takes a value away: the one that the release `of` replaced, or, to undo, its own.
    pub(super) async fn revoke_value(
        &self,
        plan: &Plan,
        setting: &str,
        (of, undo): (ReleaseId, bool),
        line: &dyn Fn(String),
    ) -> Result<String, Fault> {
        let Some((rotation, command)) = found(plan, setting, |rotation| rotation.revoke.as_ref()) else {
            return Ok(String::new());
        };
        let host = &self.host;
        let action = Action::RevokeValue { setting: setting.to_owned(), of, undo };
        let owed = Owed::new(&host.layout, setting, of);
        let mut unwritten = None;
        let (pair, lives) = match (undo, of == plan.release) {
            (true, _) => (host.pair(plan, setting)?.exchanged(), plan.previous.unwrap_or(plan.release)),
            (false, true) => {
                let pair = host.pair(plan, setting)?;
                // First, so that the next run knows what is left should this fail. Where there is no room
                // for that, it is revoked all the same.
                unwritten = owed.keep(&pair).err();
                (pair, plan.release)
            }
            (false, false) => match owed.read()? {
                // What came after it may have been replaced as well.
                Some(pair) => (host.with_new_of(pair, plan.release, setting), plan.release),
                None => return Ok(String::new()),
            },
        };
        let revoked = async {
            host.refuse_in_force(setting, &pair.old)?;
            let waited = host.until_not_given(setting, &pair.old).await?;
            let run = Run { action, what: "revoking the value", command, rotation, of: lives, pair };
            self.run_for(plan, setting, &run, line).await.map(|_| waited)
        };
        match (revoked.await, unwritten) {
            (Ok(waited), _) if !undo => owed.forget().map(|()| waited),
            (Err(fault), Some(why)) => Err(Fault {
                hint: format!(
                    "take the old value of {setting} away at its source yourself: no later run will, because {}",
                    why.message
                ),
                ..fault
            }),
            (revoked, _) => revoked,
        }
    }

    async fn run_for(
        &self,
        plan: &Plan,
        setting: &str,
        run: &Run<'_>,
        line: &dyn Fn(String),
    ) -> Result<String, Fault> {
        let host = &self.host;
        let label = label(plan, &run.action).unwrap_or_default();
        let errand = Errand {
            label: &label,
            log: &label,
            command: run.command,
            directory: host.layout.tree(plan.tree.id),
            env: &run.rotation.env,
            user: None,
            release: run.of,
            resources: &plan.spec.resources,
            limits: Limits::default(),
            timeout: run.rotation.timeout,
        };
        let (launch, mut env) = host.errand(&errand).await?;
        env.retain(|(name, _)| name != "OLD_VALUE" && name != "NEW_VALUE");
        env.push(("OLD_VALUE".to_owned(), run.pair.old.clone()));
        env.push(("NEW_VALUE".to_owned(), run.pair.new.clone()));
        let both = Redactor::new([run.pair.old.as_str(), run.pair.new.as_str()]);
        let (own, masks) = (host.redactor(plan.release), host.redactor(run.of));
        let masked = |text: &str| masks.redact(&own.redact(&both.redact(text))).into_owned();
        let told = |text: String| line(masked(&text));
        let ended = host.run_to_end(&host.layout.job(&label), &launch, env, &told).await;
        let log = host.layout.log(&label);
        // The log is kept longer than the old value, and could not be masked by it then.
        if let Ok(text) = std::fs::read(&log) {
            let text = String::from_utf8_lossy(&text).into_owned();
            let hidden = masked(&text);
            if hidden != text {
                let written = layout::replace_file(&log, hidden.as_bytes(), 0o600);
                written
                    .map_err(|error| Fault::new(format!("{label}: its log cannot be masked: {error}"), ""))?;
            }
        }
        let what = format!("{} of {setting}", run.what);
        oneshot::success(&what, &ended?, run.rotation.timeout, logs::tail(&log, 40))?;
        Ok(String::new())
    }
}

fn found<'a>(
    plan: &'a Plan,
    setting: &str,
    command: fn(&Rotation) -> Option<&Command>,
) -> Option<(&'a Rotation, &'a Command)> {
    let rotation = plan.spec.rotations.get(setting)?;
    Some((rotation, command(rotation)?))
}
