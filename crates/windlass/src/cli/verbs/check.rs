//! `windlass check`

use windlass_core::diag::summary;
use windlass_core::plan::left_behind;
use windlass_core::spec::Spec;

use crate::account;
use crate::cli::args;
use crate::cli::context::{Context, complain};
use crate::cli::failure::Failure;
use crate::cli::judged::Judged;
use crate::cli::project::Project;
use crate::host;
use crate::keeper::limits::{self, By, Held};
use crate::project::{diag as project_diag, no_host, served, sqlite, uploads, version};
use crate::settings::fault_to_json;

pub(in crate::cli) fn run(context: &Context, args: &args::Check) -> Result<u8, Failure> {
    let project = context.draft()?;
    let mut judged = Judged::of(context, &project);
    let source = judged.examine_source(&project);
    let of_machine = judged.examine_machine(&project, args.elsewhere);
    let specified = judged.settle(context, &project)?;
    let spec = specified.spec();
    context.tell_left_out(specified.left_out());
    let diags = &project.warnings;
    if !context.options.json && !diags.is_empty() {
        context.draw(diags, project.manifest.text(), &project.file);
        complain(&summary(diags));
    }
    let held = limits::held(spec, &limits::capabilities());
    let mut doubts = doubts(&project, spec, &held);
    let found = specified.found();
    let declared = found.values().filter(|(name, _)| found.declared.contains_key(*name));
    let values = declared.map(|(name, value)| (name, value.expose()));
    doubts.extend(no_host::misled(spec, values).into_iter().map(|message| ("no-host", message)));
    doubts.extend(of_machine);
    // What cannot be read is told by those who need it.
    let observed = host::observe_from_disk(&project.layout).unwrap_or_default();
    doubts.extend(left_behind(&observed, spec).map(|why| {
        ("data-left-behind", format!("{why}: a deploy now would be refused without --allow-new-data"))
    }));
    doubts.extend(source.idle.into_iter().map(|message| ("names-no-file", message)));
    doubts.extend(source.opened.map(|message| ("opened-file", message)));
    doubts.extend(source.empty.map(|message| ("empty-release", message)));
    for (_, message) in &doubts {
        context.say(&format!("warning: {message}"));
    }
    for left_out in &source.left_out {
        context.say(&format!("note: {left_out}"));
    }
    if let Some(note) = as_root(spec) {
        context.say(&format!("note: {note}"));
    }
    for held in &held {
        if let By::ControlGroup { .. } = held.by {
            context.say(&format!("note: the {} limit of {} is held by {}", held.what, held.whose, by(held)));
        }
    }
    let mut warnings = project_diag::to_json(diags, project.manifest.text(), &project.file);
    // For people these are told where the settings are read.
    warnings.extend(specified.found().assembled.warnings.iter().map(|fault| {
        let mut warning = fault_to_json(fault);
        warning["code"] = "doubtful".into();
        warning["severity"] = "warning".into();
        warning
    }));
    warnings.extend(doubts.iter().map(
        |(code, message)| serde_json::json!({ "code": code, "severity": "warning", "message": message }),
    ));
    let limits: Vec<_> = held
        .iter()
        .map(|held| serde_json::json!({ "of": held.whose, "limit": held.what, "by": by(held) }))
        .collect();
    let document = serde_json::json!({
        "app": spec.app, "environment": spec.environment, "warnings": warnings, "limits": limits,
    });
    context.answer(&document, || {
        format!("{} is right: {} ({}) has {}.", project.file, spec.app, spec.environment, contents(spec))
    })?;
    Ok(0)
}

/// What is right, and yet may not be meant, each with its code.
fn doubts(project: &Project, spec: &Spec, held: &[Held]) -> Vec<(&'static str, String)> {
    let mut doubts = Vec::new();
    for name in version::kept_settings(&project.directory) {
        let message = format!(
            "{name}: git keeps it, so everybody who has the source has its secrets; \
             run: git rm --cached {name}, add it to .gitignore, and change the secrets"
        );
        doubts.push(("settings-in-git", message));
    }
    let lost = uploads::unshared(spec, &project.directory);
    doubts.extend(lost.into_iter().map(|message| ("uploads-in-release", message)));
    let emptied = sqlite::emptied(spec, &project.directory);
    doubts.extend(emptied.into_iter().map(|message| ("database-in-release", message)));
    doubts.extend(held.iter().filter_map(|held| Some(("limit-not-held", beyond(held)?))));
    if !served::may_be_made(spec) {
        doubts.extend(served::absent(spec, &project.directory).into_iter().map(|absent| {
            let message = format!(
                "{absent} here, and no step of [build] and no job before the start could make it; for one that \
                 releases share write \"shared:DIR\""
            );
            ("no-such-files", message)
        }));
    }
    doubts
}

/// What runs with all rights.
fn as_root(spec: &Spec) -> Option<String> {
    let services = spec.services.iter().map(|(name, service)| (name.to_string(), &service.user));
    let jobs = spec.jobs.iter().map(|(name, job)| (format!("the job {name}"), &job.user));
    let crons = spec.crons.iter().map(|(name, cron)| (format!("the cron job {name}"), &cron.user));
    let without = services.chain(jobs).chain(crons).filter(|(_, user)| user.is_none());
    let names: Vec<String> = without.map(|(name, _)| name).filter(|_| account::is_root()).collect();
    (!names.is_empty()).then(|| {
        format!("as root: {}; `user` in their tables names an account that may do less", names.join(", "))
    })
}

/// What an application is made of, in a few words.
fn contents(spec: &Spec) -> String {
    let counts = [
        (spec.services.len(), "service"),
        (spec.jobs.len(), "job"),
        (spec.crons.len(), "cron job"),
        (spec.resources.len(), "resource"),
        (spec.routes.len(), "route"),
    ];
    let counts: Vec<String> =
        counts.iter().filter(|(count, _)| *count > 0).map(|(count, noun)| counted(*count, noun)).collect();
    if counts.is_empty() { "nothing to run".to_owned() } else { counts.join(", ") }
}

/// In what other way than one would think a limit is honoured by this machine.
fn beyond(Held { whose, what, by }: &Held) -> Option<String> {
    Some(match by {
        By::Each { limit } => format!(
            "the {what} limit of {whose} holds for each of its processes, not for all together ({limit})"
        ),
        By::Account { limit } => {
            format!("the {what} limit of {whose} counts all processes of this account ({limit})")
        }
        // Nothing is what this machine lacks.
        By::ControlGroup { .. } | By::Nothing { .. } => return None,
    })
}

/// By what a limit is held, in a few words.
fn by(held: &Held) -> String {
    match &held.by {
        By::ControlGroup { version } => format!("a control group (version {version})"),
        By::Each { limit } | By::Account { limit } => (*limit).to_owned(),
        By::Nothing { .. } => "nothing".to_owned(),
    }
}

fn counted(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}
