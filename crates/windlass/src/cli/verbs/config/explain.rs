//! `windlass config explain`

use std::fmt::Write as _;

use windlass_core::diag::Severity;
use windlass_core::manifest::{Given, nearest};
use windlass_core::settings::audit::{Audited, Finding};
use windlass_core::settings::{Declared, Misfit, is_secret};

use super::shown::{Seen, Shown, Viewer};
use crate::cli::commands;
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::project::Project;
use crate::cli::rotation::{self, Open};
use crate::settings::{Found, fault_to_json};

/// The layers in their order, as people call them.
const LAYERS: [&str; 5] =
    ["environment", ".env.ENVIRONMENT", ".env", "secrets.ENVIRONMENT.enc", "external store"];

pub(super) fn run(context: &Context, name: &str) -> Result<u8, Failure> {
    let project = context.project()?;
    project.must_know(project.environment.as_str())?;
    let environment = project.environment.as_str();
    let found = context.read_settings(&project, environment);
    let declared = found.declared.get(name);
    let resolved = found.assembled.settings.get(name);
    let viewer = Viewer::of(&project, &project.layout, &found);
    let holds = viewer.see(&found, name);
    let given = given(&project, name);
    if declared.is_none() && holds.is_none() && given.is_empty() {
        let hint = match nearest(name, found.names()) {
            Some(meant) => format!("did you mean {meant}?"),
            None => "see `windlass config`".to_owned(),
        };
        return Err(Failure::usage(format!("there is no setting {name:?} in {environment}"), hint));
    }
    let open = rotation::unsettled(&project).into_iter().find(|open| open.setting == name);
    let explained = Explained {
        name,
        environment,
        declared,
        secret: match resolved {
            Some(resolved) => is_secret(name, declared, &resolved.value),
            None => declared.is_none_or(|declared| declared.secret),
        },
        defaulted: found.unstored.defaulted.get(name).map(String::as_str),
        holds,
        open,
        given,
        overruled: resolved
            .iter()
            .flat_map(|resolved| &resolved.overruled)
            .map(|value| viewer.show(name, declared, value))
            .collect(),
        findings: findings(&project, &found, name),
        misfit: declared
            .zip(resolved)
            .and_then(|(declared, resolved)| declared.misfits_of(&resolved.value).into_iter().next()),
    };
    context.answer_as_known(&[&found], explained.document(), || explained.text())
}

/// What `config check` says of its value.
fn findings(project: &Project, found: &Found, name: &str) -> Vec<Finding> {
    let audited = Audited {
        app: project.app.as_str(),
        environment: project.environment.as_str(),
        declared: &found.declared,
        assembled: &found.assembled,
        manifest: &project.file,
    };
    let all = [audited.covered(), audited.weak(), audited.development()].concat();
    all.into_iter().filter(|finding| finding.setting == name).collect()
}

/// The variables of this name in `env` tables, each with its place.
fn given(project: &Project, name: &str) -> Vec<(String, Given)> {
    let manifest = &project.manifest;
    let place = |given: &Given| {
        let line = manifest.text()[..given.span.start].matches('\n').count() + 1;
        format!("{}:{line}", project.file)
    };
    manifest
        .given(project.environment.as_str(), name)
        .into_iter()
        .map(|given| (place(&given), given))
        .collect()
}

/// All there is to say of a setting.
struct Explained<'s> {
    name: &'s str,
    environment: &'s str,
    declared: Option<&'s Declared>,
    secret: bool,
    /// Why it has its default and not what a store has.
    defaulted: Option<&'s str>,
    holds: Option<Seen>,
    /// A rotation of it whose end nobody has seen.
    open: Option<Open>,
    /// What `env` tables of the manifest say, which holds for whom they are.
    given: Vec<(String, Given)>,
    overruled: Vec<Shown>,
    findings: Vec<Finding>,
    misfit: Option<Misfit>,
}

impl Explained<'_> {
    fn receivers(&self) -> Option<&Vec<String>> {
        self.declared.and_then(|declared| declared.services.as_ref())
    }

    fn document(&self) -> serde_json::Value {
        let declared = self.declared;
        serde_json::json!({
            "name": self.name,
            "environment": self.environment,
            "declared": declared.map(Declared::describe),
            "help": declared.and_then(|declared| declared.help.clone()),
            "secret": self.secret,
            "from": declared.and_then(|declared| Some(declared.from.as_ref()?.to_string())),
            "default_because": self.defaulted,
            "holds": self.holds,
            "rotating": self.open.is_some(),
            "given": self.given.iter().map(|(source, given)| {
                serde_json::json!({ "table": given.table, "value": given.text, "source": source })
            }).collect::<Vec<_>>(),
            "overruled": self.overruled,
            "services": self.receivers(),
            "findings": self.findings.iter().map(|finding| {
                let mut json = fault_to_json(&finding.fault);
                json["code"] = finding.code.into();
                json["severity"] = serde_json::json!(finding.severity);
                json
            }).collect::<Vec<_>>(),
            "fault": self.misfit.as_ref().map(|misfit| format!("{}; {}", misfit.message, misfit.help)),
        })
    }

    fn text(&self) -> String {
        let Self { name, declared, .. } = self;
        let is_only_given = declared.is_none() && self.holds.is_none() && !self.given.is_empty();
        let mut text = match declared {
            _ if is_only_given => format!("{name}: no setting, but a variable of the manifest\n"),
            Some(declared) => format!("{name}: {}\n", declared.describe()),
            None if self.secret => format!("{name}: not declared, so it is taken for a secret\n"),
            None => format!("{name}: not declared\n"),
        };
        for line in declared.iter().flat_map(|declared| declared.help.iter()) {
            let _ = writeln!(text, "  {line}");
        }
        if let Some(place) = declared.and_then(|declared| declared.from.as_ref()) {
            let _ = writeln!(text, "store     {place}");
        }
        if let Some(said) = self.defaulted {
            let _ = writeln!(text, "default   because {said}");
        }
        match &self.holds {
            Some(Seen::Shown(shown)) => {
                let _ = writeln!(text, "holds     {}  {}", shown.source, shown.text());
            }
            Some(Seen::Unknown { unknown }) => {
                let _ = writeln!(text, "not known {unknown}");
            }
            None if is_only_given => {}
            None => {
                let asked = LAYERS.map(|layer| layer.replace("ENVIRONMENT", self.environment));
                let _ = writeln!(text, "no value  looked in {}", asked.join(", "));
            }
        }
        if let Some(open) = &self.open {
            let (what, help) = open.told();
            let _ = writeln!(text, "open      {what}; {}", commands::complete(help));
        }
        for shown in &self.overruled {
            let _ = writeln!(text, "over      {}  {}", shown.source, shown.text());
        }
        for (source, Given { table, to, text: typed, .. }) in &self.given {
            let typed = typed.as_deref().unwrap_or("(secret)");
            let _ = writeln!(text, "given     {source}  {typed}  by [{table}], to {to}");
        }
        if !is_only_given {
            let _ = writeln!(text, "goes to   {}", self.goes_to());
        }
        if let Some(misfit) = &self.misfit {
            let _ = writeln!(text, "wrong     {}; {}", misfit.message, misfit.help);
        }
        let start = format!("{name}: ");
        for Finding { severity, fault, .. } in &self.findings {
            let word = if *severity == Severity::Error { "wrong" } else { "doubtful" };
            let message = fault.message.strip_prefix(&start).unwrap_or(&fault.message);
            let _ = writeln!(text, "{word:<9} {message}; {}", fault.help);
        }
        text
    }

    /// Who gets it, and how.
    fn goes_to(&self) -> String {
        let name = self.name;
        match (self.receivers(), self.declared.is_some_and(|declared| declared.file)) {
            (Some(names), _) if names.is_empty() => "nobody by itself".to_owned(),
            (Some(names), false) => names.join(", "),
            (Some(names), true) => format!("{}, as {name}_FILE", names.join(", ")),
            (None, false) => "every service, job, cron and build step".to_owned(),
            (None, true) => format!("every service, job, cron and build step, as {name}_FILE"),
        }
    }
}
