//! Settings: missing ones, secrets with a default, receivers that do not exist, values of several
//! sources, compositions that go in circles.

mod declaration;
mod rotate;

use std::ops::Range;

use super::Scene;
use crate::diag::Diag;
use crate::manifest::settings::SOURCES;
use crate::manifest::{self, Node};
use crate::resolve::{RECEIVER, composed, order};
use crate::settings::{Declared, is_setting_name, sounds_secret};
use crate::spec::{Reference, Template};

pub(super) fn find(scene: &Scene<'_>, diags: &mut Vec<Diag>) {
    for of in all(scene) {
        declaration::find(&of, diags);
        rotate::find(&of, diags);
        diags.extend(super::process::own_variable(of.key, of.node));
        diags.extend(of.no_prefix());
        of.two_sources(diags);
        of.literal(diags);
        diags.extend(of.file_name());
        of.receivers(diags);
    }
    circles(scene, diags);
}

/// Settings that must have a value, and for which none was found.
pub(super) fn missing(scene: &Scene<'_>, diags: &mut Vec<Diag>) {
    diags.extend(all(scene).filter_map(|of| of.missing()));
}

/// Settings that are put together from each other.
fn circles<'a>(scene: &'a Scene<'a>, diags: &mut Vec<Diag>) {
    let of = |(key, setting): (&'a String, &'a Declared)| -> (&'a str, Vec<&'a str>) {
        let references = setting.composed.iter().flat_map(Template::references);
        (key.as_str(), references.filter_map(composed::setting_of).collect())
    };
    let needs = scene.declared.iter().map(of).collect();
    for circle in order::cycles(&needs) {
        let Some(of) = circle.first().and_then(|first| all(scene).find(|of| of.key == *first)) else {
            continue;
        };
        let message = format!("these settings are put together from each other: {}", circle.join(" -> "));
        let source = if of.typed("value") { "value" } else { "url" };
        diags
            .push(Diag::error("cycle", of.span(source), message).help("give one of them a value of its own"));
    }
}

/// A setting, its declaration, and where it stands.
struct Of<'a> {
    scene: &'a Scene<'a>,
    key: &'a str,
    setting: &'a Declared,
    node: &'a Node,
}

fn all<'a>(scene: &'a Scene<'a>) -> impl Iterator<Item = Of<'a>> {
    let typed = scene.root.get("settings").and_then(Node::table).into_iter().flatten();
    typed.filter_map(|(key, node)| Some(Of { scene, key, setting: scene.declared.get(key)?, node }))
}

impl Of<'_> {
    fn span(&self, part: &str) -> Range<usize> {
        self.scene.span(&["settings", self.key, part])
    }

    fn typed(&self, part: &str) -> bool {
        self.node.get(part).is_some()
    }

    fn missing(&self) -> Option<Diag> {
        let (Self { scene, key, setting, .. }, environment) = (self, &self.scene.spec.environment);
        let found = scene.settings.is_some_and(|found| found.contains_key(*key));
        // A source that was refused is reported already.
        if found || !setting.required || SOURCES.iter().any(|source| self.typed(source)) {
            return None;
        }
        // Whoever has to call it otherwise must not give it a value under this name.
        if !is_setting_name(key) || manifest::own_variable(key).is_some() || self.no_prefix().is_some() {
            return None;
        }
        let own = if setting.secret { "" } else { "; or give it a default here" };
        let span = scene.span(&["settings", key]);
        let diag = Diag::error("missing-setting", span, format!("the setting {key} has no value"));
        let sealed = match (scene.is_sealed, setting.secret) {
            (true, _) => format!("run `windlass secrets set {key}`, or "),
            // It belongs into no file that others read.
            (false, true) => {
                format!("make an encrypted file (`windlass secrets init`, `windlass secrets set {key}`), or ")
            }
            (false, false) => String::new(),
        };
        Some(diag.help(format!(
            "{sealed}set it in the environment, in .env.{environment} or in .env, as {key}=...{own}"
        )))
    }

    fn no_prefix(&self) -> Option<Diag> {
        let Self { scene, key, .. } = self;
        let prefix = scene.root.at(&["app", "settings_prefix"]).and_then(Node::text)?;
        if key.starts_with(prefix) {
            return None;
        }
        let message =
            format!("the setting {key} does not begin with {prefix}, which `settings_prefix` asks of all");
        let diag = Diag::error("no-prefix", scene.span(&["settings", key]), message);
        Some(diag.help(format!("call it {prefix}{key}, or take `settings_prefix` away")))
    }

    fn two_sources(&self, diags: &mut Vec<Diag>) {
        let typed: Vec<&str> = SOURCES.into_iter().filter(|source| self.typed(source)).collect();
        for (at, second) in typed.iter().enumerate() {
            // The default holds where the store has no such value.
            let excludes = |first: &&&str| (**first, *second) != ("default", "from");
            let Some(first) = typed[..at].iter().find(excludes) else { continue };
            let message = format!("{} has both `{first}` and `{second}`", self.key);
            diags.push(Diag::error("two-sources", self.span(second), message).help(
                "only one of default, value, url and from can say what it is; a default may stand beside from",
            ));
        }
    }

    /// A secret that stands in the manifest.
    fn literal(&self, diags: &mut Vec<Diag>) {
        let setting = self.setting;
        let constant = setting.constant().filter(|constant| !constant.is_empty());
        if setting.secret && setting.default.is_some() {
            diags.push(self.secret_default("default", "has a default"));
        }
        if setting.secret && constant.is_some() {
            let source = if self.typed("value") { "value" } else { "url" };
            return diags.push(self.secret_default(source, "stands in the manifest"));
        }
        diags.extend(self.literal_secret());
    }

    fn secret_default(&self, part: &str, what: &str) -> Diag {
        let away = if part == "default" { "the default".to_owned() } else { format!("`{part}`") };
        let help = match self.setting.from {
            Some(_) => format!("take {away} away; if the value is no secret, say secret = false"),
            None => format!("take {away} away and put {}=... into .env, which is not committed", self.key),
        };
        let message = format!("the secret {} {what}, for all to read", self.key);
        Diag::error("secret-default", self.span(part), message).help(help)
    }

    /// A password that stands in the manifest: an error where it is one for sure, unless that is said to be none.
    fn literal_secret(&self) -> Option<Diag> {
        let Self { scene, key, setting, node } = self;
        let literal = |text: &str| {
            !text.is_empty()
                && Template::parse(text).is_ok_and(|template| template.references().next().is_none())
        };
        let text = |path: &[&str]| node.at(path).and_then(Node::text);
        let in_default = setting.default.as_deref().and_then(crate::settings::password_in);
        let in_value = text(&["value"]).and_then(crate::settings::literal_password);
        let is_account = text(&["value"]).and_then(crate::settings::literal_account_password).is_some();
        let of_url = text(&["url", "password"]).filter(|text| literal(text));
        let password = format!("the password in {key} stands in the manifest for all to read");
        let (certain, what, span) = if of_url.is_some() {
            (true, password, scene.span(&["settings", key, "url", "password"]))
        } else if in_value.is_some() && !setting.harmless {
            (is_account, password, self.span("value"))
        } else if in_default.is_some() && !setting.harmless && !setting.secret {
            (false, password, self.span("default"))
        } else if !setting.secret && setting.default.as_deref().is_some_and(literal) && sounds_secret(key) {
            let what = format!("{key} looks like a secret, and stands in the manifest for all to read");
            (false, what, self.span("default"))
        } else {
            return None;
        };
        let help = "declare a setting for it with secret = true, and put its value into .env";
        Some(match certain && !setting.harmless {
            true => Diag::error("secret-default", span, what).help(help),
            false => Diag::warning("literal-secret", span, what).help(help),
        })
    }

    /// The variable that says where its file is must not be another setting.
    fn file_name(&self) -> Option<Diag> {
        let variable = self.setting.file.then(|| format!("{}_FILE", self.key))?;
        if !self.scene.declared.contains_key(&variable) {
            return None;
        }
        let message =
            format!("{variable} says where the file of {} is, and is a setting of its own", self.key);
        Some(Diag::error("taken-name", self.span("file"), message).help("rename one of the two"))
    }

    fn receivers(&self, diags: &mut Vec<Diag>) {
        let Self { scene, key, setting, .. } = self;
        for (index, name) in setting.services.iter().flatten().enumerate() {
            let span = || scene.span(&["settings", key, "services", &index.to_string()]);
            let sections = ["services", "jobs", "cron"];
            let typed = sections.into_iter().any(|section| scene.typed(&[section, name]));
            if name != "build" && name != RECEIVER && !typed && !scene.is_misnamed(&sections, name) {
                let known = receivers(scene);
                diags.push(scene.unknown("unknown-service", span(), "service, job or cron", name, &known));
            }
            if name == "build" && scene.needing.contains(*key) {
                let message = format!("a build cannot get {key}: it runs before any resource is started");
                let diag = Diag::error("bad-reference", span(), message);
                diags.push(diag.help("do it in a job with when = \"before-start\""));
            }
        }
    }
}

fn receivers<'a>(scene: &Scene<'a>) -> Vec<&'a str> {
    let spec = scene.spec;
    let names = spec.services.keys().chain(spec.jobs.keys()).chain(spec.crons.keys());
    names.map(crate::name::Name::as_str).chain(["build", RECEIVER]).collect()
}

/// The fault of a setting in a resource's address that is put together from what only a release knows.
pub(super) fn of_release(scene: &Scene<'_>, span: &Range<usize>, key: &str) -> Option<Diag> {
    let settings = &scene.spec.settings;
    let setting = settings.get(key)?;
    let reference = composed::references(&setting.composed, settings).into_iter().find(|reference| {
        !matches!(
            reference,
            Reference::Setting(_) | Reference::Resource { .. } | Reference::App | Reference::Environment
        )
    })?;
    let message = format!("{key} is put together from {{{reference}}}, which means nothing for a resource");
    Some(Diag::error("bad-reference", span.clone(), message).help("give the setting a value of its own"))
}

/// The fault of a setting that is to be known before any resource is, and cannot.
pub(super) fn too_late(scene: &Scene<'_>, span: &Range<usize>, key: &str, whose: &str) -> Option<Diag> {
    let settings = &scene.spec.settings;
    let setting = settings.get(key).filter(|_| scene.needing.contains(key))?;
    let reference = composed::references(&setting.composed, settings)
        .into_iter()
        .find(|reference| matches!(reference, Reference::Resource { .. }))?;
    let message = format!("{key} is put together from {{{reference}}}, which {whose} cannot wait for");
    Some(Diag::error("bad-reference", span.clone(), message).help("give the setting a value of its own"))
}
