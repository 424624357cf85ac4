//! Telling the source of a setting of its values: by the setting's own commands, or the server itself.

use std::path::Path;

use windlass_core::journal::Fault;
use windlass_core::name::ReleaseId;
use windlass_core::plan::{Action, Plan, Request, Rotated};
use windlass_core::settings::Secret;
use windlass_core::spec::{Command, Limits, Reference, Rotation, Server, Template};
use windlass_core::units::Span;
use zeroize::Zeroizing;

use super::Acting;
use crate::host::Host;
use crate::host::logs;
use crate::host::once::errand::Errand;
use crate::host::once::outcome;
use crate::host::resource::lifecycle::fault;
use crate::host::settings::fill::Subject;
use crate::host::settings::rotation::{Owed, Pair, Urls};
use crate::layout;
use crate::resource::{Deed, Exchange};
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

/// Who is told.
#[derive(Clone, Copy)]
enum Told<'a> {
    By(&'a Command),
    Server(&'a Server, Deed),
}

/// One telling.
struct Run<'a> {
    action: Action,
    what: &'static str,
    told: Told<'a>,
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
        let Some((rotation, told)) = found(plan, setting, Deed::Create) else {
            return Ok(String::new());
        };
        let pair = self.host.pair_at(plan, setting).await?;
        let action = Action::AddValue { setting: setting.to_owned() };
        let of = plan.previous.unwrap_or(plan.release);
        let run = Run { action, what: "making the new value good", told, rotation, of, pair };
        self.run_for(plan, setting, &run, line).await
    }

    pub(super) async fn verify_value(
        &self,
        plan: &Plan,
        setting: &str,
        line: &dyn Fn(String),
    ) -> Result<String, Fault> {
        let Some((rotation, told)) = found(plan, setting, Deed::Verify) else {
            return Ok(String::new());
        };
        let pair = self.host.pair_at(plan, setting).await?;
        let action = Action::VerifyValue { setting: setting.to_owned() };
        let of = plan.release;
        let run = Run { action, what: "verifying the new value", told, rotation, of, pair };
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
        let Some((rotation, told)) = found(plan, setting, Deed::Revoke) else {
            return Ok(String::new());
        };
        let host = &self.host;
        let action = Action::RevokeValue { setting: setting.to_owned(), of, undo };
        let owed = Owed::new(&host.layout, setting, of);
        let own = undo || of == plan.release;
        let (pair, lives) = match (undo, own) {
            (true, _) => {
                (host.pair_at(plan, setting).await?.exchanged(), plan.previous.unwrap_or(plan.release))
            }
            (false, true) => (host.pair_at(plan, setting).await?, plan.release),
            (false, false) => match owed.read()? {
                // What came after it may have been replaced as well.
                Some(pair) => {
                    let mut pair = host.with_new_of(pair, plan.release, setting)?;
                    if let (Some(urls), Some(url)) = (&mut pair.urls, url_of(plan, setting)) {
                        zeroize::Zeroize::zeroize(&mut urls.new);
                        let now = host.value_in(plan, plan.release, url).await?;
                        urls.new.clone_from(&now);
                    }
                    (pair, plan.release)
                }
                None => return Ok(String::new()),
            },
        };
        // First, so that the next run knows what is left should this fail. Where there is no room for that, it is
        // revoked all the same.
        let unwritten = if own { owed.keep(&pair).err() } else { None };
        let revoked = async {
            host.refuse_in_force(setting, &pair.old)?;
            let waited = host.until_not_given(setting, &pair.old).await?;
            let run = Run { action, what: "revoking the value", told, rotation, of: lives, pair };
            let said = self.run_for(plan, setting, &run, line).await?;
            Ok([waited, said].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join("; "))
        };
        match (revoked.await, unwritten) {
            (Ok(waited), _) => owed.forget().map(|()| waited),
            (Err(fault), Some(why)) => Err(Fault {
                hint: format!(
                    "take the {} value of {setting} away at its source yourself: no later run will, because {}",
                    if undo { "new" } else { "old" },
                    why.message
                ),
                ..fault
            }),
            (Err(fault), None) => Err(fault),
        }
    }

    /// Whether the source of a setting has been told already, by a command that ended well. If whoever
    /// ran that could not clear up any more, it is done now.
    pub(super) fn was_told(&self, plan: &Plan, action: &Action) -> Result<bool, Fault> {
        let host = &self.host;
        let Some(label) = label(plan, action).filter(|label| host.succeeded(label)) else {
            return Ok(false);
        };
        let (Action::AddValue { setting }
        | Action::VerifyValue { setting }
        | Action::RevokeValue { setting, .. }) = action
        else {
            return Ok(true);
        };
        let pair = match action {
            Action::RevokeValue { of, .. } => Owed::new(&host.layout, setting, *of).read()?,
            _ => None,
        };
        let pair = pair.or_else(|| host.pair(plan, setting).ok());
        if let Some(pair) = &pair {
            let both = Redactor::new([pair.old.as_str(), pair.new.as_str()]);
            let own = host.redactor(plan.release);
            let masked = |text: &str| own.redact(&both.redact(text)).into_owned();
            mask_log(&host.layout.log(&label), &masked)
                .map_err(|error| Fault::new(format!("{label}: {error}"), ""))?;
        }
        if let Action::RevokeValue { of, .. } = action {
            Owed::new(&host.layout, setting, *of).forget()?;
        }
        Ok(true)
    }

    async fn run_for(
        &self,
        plan: &Plan,
        setting: &str,
        run: &Run<'_>,
        line: &dyn Fn(String),
    ) -> Result<String, Fault> {
        let host = &self.host;
        let command = match run.told {
            Told::By(command) => command,
            Told::Server(server, deed) => {
                let timeout = run.rotation.timeout;
                return host.tell_server(plan, setting, (server, deed), &run.pair, timeout).await;
            }
        };
        let label = label(plan, &run.action).unwrap_or_default();
        let errand = Errand {
            label: &label,
            log: &label,
            command,
            directory: host.layout.tree(plan.tree.id),
            env: &run.rotation.env,
            user: None,
            release: run.of,
            resources: &plan.spec.resources,
            limits: Limits::default(),
            timeout: run.rotation.timeout,
        };
        let (launch, mut env) = host.errand(&errand).await?;
        env.set("OLD_VALUE", run.pair.old.as_str());
        env.set("NEW_VALUE", run.pair.new.as_str());
        let both = Redactor::new([run.pair.old.as_str(), run.pair.new.as_str()]);
        let (own, masks) = (host.redactor(plan.release), host.redactor(run.of));
        let masked = |text: &str| masks.redact(&own.redact(&both.redact(text))).into_owned();
        let told = |text: String| line(masked(&text));
        let ended = host.run_to_end(&host.layout.job(&label), &launch, env, &told).await;
        let log = host.layout.log(&label);
        mask_log(&log, &masked).map_err(|error| Fault::new(format!("{label}: {error}"), ""))?;
        let what = format!("{} of {setting}", run.what);
        outcome::must_succeed(&what, &ended?, run.rotation.timeout, (logs::tail(&log, 40, &both), ""))?;
        Ok(String::new())
    }
}

impl Host {
    /// Asks a server before anything changes whether a rotation can be done there.
    pub(in crate::host) async fn rehearse_rotation(&self, plan: &Plan) -> Result<(), Fault> {
        let Request::Rotate { what: Rotated::Setting(setting) } = &plan.request else { return Ok(()) };
        let Some(rotation) = plan.spec.rotations.get(setting) else { return Ok(()) };
        let Some(server) = &rotation.at else { return Ok(()) };
        let pair = self.pair_at(plan, setting).await?;
        self.tell_server(plan, setting, (server, Deed::Rehearse), &pair, rotation.timeout).await.map(drop)
    }

    /// The two values, with the URLs in which they stand, where a server is told of those.
    async fn pair_at(&self, plan: &Plan, setting: &str) -> Result<Pair, Fault> {
        let mut pair = self.pair(plan, setting)?;
        let Some(url) = url_of(plan, setting) else { return Ok(pair) };
        let old = self.value_in(plan, plan.previous.unwrap_or(plan.release), url).await?;
        let new = self.value_in(plan, plan.release, url).await?;
        if *old == *new {
            return Err(Fault::new(
                format!("{url} is not put together from {setting}: it is the same with another one"),
                format!("take the value of {url} away wherever it has one of its own, and deploy"),
            ));
        }
        pair.urls = Some(Urls { old: old.to_string(), new: new.to_string() });
        Ok(pair)
    }

    /// The value of a setting in a release, put together where it is that.
    async fn value_in(
        &self,
        plan: &Plan,
        release: ReleaseId,
        setting: &str,
    ) -> Result<Zeroizing<String>, Fault> {
        let subject = Subject {
            release,
            resources: &plan.spec.resources,
            port: None,
            replica: 1,
            user: None,
            label: "rotate",
        };
        let template = Template::of(Reference::Setting(setting.to_owned()));
        self.fill(subject, |fill| fill.text(&template)).await.map(Zeroizing::new)
    }

    async fn tell_server(
        &self,
        plan: &Plan,
        setting: &str,
        (server, deed): (&Server, Deed),
        pair: &Pair,
        timeout: Span,
    ) -> Result<String, Fault> {
        let admin = match &server.admin {
            Some(key) => {
                Some((key.clone(), Secret::new(self.value_in(plan, plan.release, key).await?.as_str())))
            }
            None => None,
        };
        let exchange = Exchange {
            engine: server.engine,
            setting: setting.to_owned(),
            admin,
            user: server.user.clone(),
            old: Secret::new(pair.urls.as_ref().map_or(&pair.old, |urls| &urls.old).as_str()),
            new: Secret::new(pair.urls.as_ref().map_or(&pair.new, |urls| &urls.new).as_str()),
            timeout: timeout.as_duration(),
        };
        let secrets = exchange.secrets();
        let said = self.uninterrupted(move || exchange.perform(deed)).await?.map_err(fault);
        // A server's own words may repeat what it was told.
        let masks = Redactor::new(secrets.iter().map(Secret::expose));
        let masked = |text: String| masks.redact(&text).into_owned();
        said.map(masked).map_err(|fault| Fault {
            message: masked(fault.message),
            hint: masked(fault.hint),
            ..fault
        })
    }
}

/// Masks what stands in a log: it is kept longer than the old value, and could not be masked by it then.
fn mask_log(log: &Path, masked: &dyn Fn(&str) -> String) -> Result<(), String> {
    let Ok(text) = std::fs::read(log) else { return Ok(()) };
    let text = String::from_utf8_lossy(&text).into_owned();
    let hidden = masked(&text);
    if hidden == text {
        return Ok(());
    }
    layout::replace_file(log, hidden.as_bytes(), 0o600)
        .map_err(|error| format!("its log cannot be masked: {error}"))
}

/// The setting with the URL in which the value stands, where the server is told of that.
fn url_of<'a>(plan: &'a Plan, setting: &str) -> Option<&'a str> {
    plan.spec.rotations.get(setting)?.at.as_ref()?.url.as_deref()
}

/// How a rotation does this, if it does.
fn found<'a>(plan: &'a Plan, setting: &str, deed: Deed) -> Option<(&'a Rotation, Told<'a>)> {
    let rotation = plan.spec.rotations.get(setting)?;
    let command = match deed {
        Deed::Rehearse => None,
        Deed::Create => rotation.create.as_ref(),
        Deed::Verify => rotation.verify.as_ref(),
        Deed::Revoke => rotation.revoke.as_ref(),
    };
    let server = rotation.at.as_ref().map(|server| Told::Server(server, deed));
    Some((rotation, command.map(Told::By).or(server)?))
}
