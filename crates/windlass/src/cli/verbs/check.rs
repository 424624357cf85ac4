//! `windlass check`

use windlass_core::spec::Spec;

use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::keeper::limits::{self, By, Capabilities};
use crate::project::version;
use crate::resource;

pub(in crate::cli) fn run(context: &Context) -> Result<u8, Failure> {
    let project = context.project()?;
    let specified = context.known(&project)?;
    let spec = specified.spec();
    context.tell_left_out(specified.left_out());
    for name in version::kept_settings(&project.directory) {
        context.say(&format!(
            "warning: {name}: git keeps it, so everybody who has the source has its secrets; \
             run: git rm --cached {name}, add it to .gitignore, and change the secrets"
        ));
    }
    let diags = &project.warnings;
    if !context.options.json && !diags.is_empty() {
        context.draw(diags, project.manifest.text(), &project.file);
    }
    for wrong in limits_beyond(spec, &limits::capabilities()) {
        context.say(&format!("warning: {wrong}"));
    }
    for (name, resource) in &spec.resources {
        if let Err(fault) = resource::check(resource) {
            context.say(&format!("warning: on this machine {name} cannot run: {}", fault.message));
        }
    }
    let document = serde_json::json!({
        "app": spec.app, "environment": spec.environment, "warnings": diags,
    });
    context.print(&document, || {
        let counts = [
            (spec.services.len(), "service"),
            (spec.jobs.len(), "job"),
            (spec.crons.len(), "cron job"),
            (spec.resources.len(), "resource"),
            (spec.routes.len(), "route"),
        ];
        let counts: Vec<String> = counts
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, noun)| counted(*count, noun))
            .collect();
        format!("{} is right: {} ({}) has {}.", project.file, spec.app, spec.environment, counts.join(", "))
    });
    Ok(0)
}

/// Limits of the manifest that this machine cannot honour, or only in another way than one would
/// think.
fn limits_beyond(spec: &Spec, here: &Capabilities) -> Vec<String> {
    let mut found = Vec::new();
    for (name, service) in &spec.services {
        let limits = &service.limits;
        let asked = [
            ("cpu", limits.cpu_millis.is_some(), &here.cpu),
            ("memory", limits.memory.is_some(), &here.memory),
            ("processes", limits.processes.is_some(), &here.processes),
        ];
        for (what, _, by) in asked.into_iter().filter(|(_, asked, _)| *asked) {
            match by {
                By::Nothing(why) => found.push(format!("the {what} limit of {name} cannot be held here: {why}")),
                By::Each { limit } => found.push(format!(
                    "the {what} limit of {name} holds for each of its processes, not for all together ({limit})"
                )),
                By::Account { limit } => found.push(format!(
                    "the {what} limit of {name} counts all processes of this account ({limit})"
                )),
                By::ControlGroup { .. } => {}
            }
        }
    }
    found
}

fn counted(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}
