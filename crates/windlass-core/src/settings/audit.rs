//! Looking for values that are right by their form and yet should not go into production.

mod covered;
mod development;
mod sought;
mod weak;

pub use sought::Sought;

use indexmap::IndexMap;

use super::{Assembled, Declared, Fault, Provenance, Resolved, Secret, is_secret};
use crate::diag::Severity;
use crate::manifest::nearest;

/// Environments that are nobody's but their developers'; all others are for others.
const OWN: [&str; 5] = ["local", "dev", "development", "test", "ci"];

/// Whether somebody else than its developers depends on the environment.
#[must_use]
pub fn is_for_others(environment: &str) -> bool {
    !OWN.contains(&environment)
}

/// Why a text that nobody declared can be guessed, where it is a secret that can; never shows it.
#[must_use]
pub fn why_weak(app: &str, name: &str, value: &str) -> Option<String> {
    weak::is_judged(name, value, None).then(|| weak::why(app, name, value, None))?
}

/// The same of what the encrypted file is to hold, as the manifest declares it.
#[must_use]
pub fn why_weak_sealed(app: &str, name: &str, value: &str, declared: Option<&Declared>) -> Option<String> {
    let is_judged = !value.is_empty() && weak::is_judged(name, value, declared);
    is_judged.then(|| weak::why(app, name, value, declared))?
}

/// Something that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What kind of thing, such as `weak-secret`.
    pub code: &'static str,
    /// Whether it stops a deploy.
    pub severity: Severity,
    /// The setting that it is about.
    pub setting: String,
    /// What is wrong, where, and what to do.
    pub fault: Fault,
}

/// What an audit looks at.
#[derive(Debug, Clone, Copy)]
pub struct Audited<'a> {
    /// The application's name.
    pub app: &'a str,
    /// The environment.
    pub environment: &'a str,
    /// What is declared.
    pub declared: &'a IndexMap<String, Declared>,
    /// What was found.
    pub assembled: &'a Assembled,
    /// What the manifest's file is called.
    pub manifest: &'a str,
}

impl Audited<'_> {
    /// Secrets that can be guessed: errors where the environment is for others.
    #[must_use]
    pub fn weak(&self) -> Vec<Finding> {
        let severity = if is_for_others(self.environment) { Severity::Error } else { Severity::Warning };
        let mut findings = vec![];
        for (name, resolved) in &self.assembled.settings {
            let declared = self.declared.get(name);
            let judged =
                |value: &&Secret| !value.is_empty() && weak::is_judged(name, value.expose(), declared);
            let Some(value) = resolved.value.text.known().filter(judged) else { continue };
            if let Some(why) = weak::why(self.app, name, value.expose(), declared) {
                let help = "make another one: openssl rand -base64 32";
                findings.push(self.finding("weak-secret", severity, name, resolved, &why, help));
            }
        }
        findings
    }

    /// Values that were made for development, where the environment is for others.
    #[must_use]
    pub fn development(&self) -> Vec<Finding> {
        if !is_for_others(self.environment) {
            return vec![];
        }
        let mut findings = vec![];
        for (name, resolved) in &self.assembled.settings {
            let Some(value) = resolved.value.text.known() else { continue };
            if let Some(why) = development::why(name, value.expose()) {
                let help = format!("set {name} for {}", self.environment);
                findings.push(self.finding(
                    "development-value",
                    Severity::Warning,
                    name,
                    resolved,
                    &why,
                    &help,
                ));
            }
        }
        findings
    }

    /// Names that stand in a file and are declared nowhere. `referred` says whether the manifest
    /// refers to one.
    #[must_use]
    pub fn unknown(&self, referred: impl Fn(&str) -> bool) -> Vec<Finding> {
        let mut findings = vec![];
        for (name, resolved) in &self.assembled.settings {
            if self.declared.contains_key(name) || referred(name) {
                continue;
            }
            let help = match nearest(name, self.declared.keys().map(String::as_str)) {
                Some(meant) => format!("did you mean {meant}?"),
                None => "declare it under [settings], or remove it".to_owned(),
            };
            let why = "it is declared nowhere, and handed to every process";
            findings.push(self.finding("unknown-setting", Severity::Warning, name, resolved, why, &help));
        }
        findings
    }

    /// Declarations that nothing gets, with or without a value.
    #[must_use]
    pub fn unused(&self, names: &[String]) -> Vec<Finding> {
        let unused = self.declared.iter().filter(|(name, _)| names.contains(name));
        unused
            .map(|(name, declared)| Finding {
                code: "unused-setting",
                severity: Severity::Warning,
                setting: name.clone(),
                fault: Fault {
                    file: self.manifest.to_owned(),
                    line: declared.line,
                    column: 0,
                    message: format!("{name}: no service, job, cron, build step or template gets it"),
                    help: "name who needs it in `services`, or take the declaration away".to_owned(),
                },
            })
            .collect()
    }

    /// What is to be said of a setting, where its value came from.
    #[must_use]
    pub fn finding(
        &self,
        code: &'static str,
        severity: Severity,
        name: &str,
        resolved: &Resolved,
        why: &str,
        help: &str,
    ) -> Finding {
        let (file, line) = match &resolved.value.provenance {
            Provenance::Default | Provenance::Composed => {
                let line = self.declared.get(name).map_or(0, |declared| declared.line);
                (self.manifest.to_owned(), line)
            }
            other => other.place(),
        };
        let (message, help) = (format!("{name}: {why}"), help.to_owned());
        let fault = Fault { file, line, column: 0, message, help };
        Finding { code, severity, setting: name.to_owned(), fault }
    }
}

#[cfg(test)]
mod tests;
