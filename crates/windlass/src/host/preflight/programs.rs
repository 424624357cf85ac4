//! Whether the programs are there.

use std::sync::atomic::{AtomicU64, Ordering};

use windlass_core::journal::Fault;
use windlass_core::plan::{Action, Plan, Request};
use windlass_core::spec::{Command, Part, Source, Spec};

use crate::host::resource::lifecycle::blocking;
use crate::layout::Layout;
use crate::{programs, resource};

/// The programs of commands, where one is named that neither the release nor its build brings along.
pub(super) fn look_at_commands(plan: &Plan, wrong: &mut Vec<(String, String)>) {
    if plan.request != Request::Deploy {
        return;
    }
    let Spec { build, services, jobs, crons, .. } = &plan.spec;
    let built = plan.steps.iter().any(|step| matches!(step.action, Action::Build { .. }));
    let first = build.steps.first().filter(|_| built);
    let mut commands: Vec<_> =
        first.map(|step| ("[build]".to_owned(), &step.command, &build.env)).into_iter().collect();
    if !built {
        // What is not there yet may be what the build installs.
        commands.extend(services.iter().map(|(n, s)| (format!("services.{n}"), &s.command, &s.env)));
        commands.extend(jobs.iter().map(|(n, job)| (format!("jobs.{n}"), &job.command, &job.env)));
        commands.extend(crons.iter().map(|(n, cron)| (format!("cron.{n}"), &cron.command, &cron.env)));
    }
    let path = programs::path();
    // What is looked for from where it runs is there when its release is.
    if path.iter().any(|directory| directory.is_relative()) {
        return;
    }
    let shown = std::env::join_paths(&path).unwrap_or_default().to_string_lossy().into_owned();
    for (whose, command, env) in commands {
        let Some(program) = looked_for(command) else { continue };
        // One that says itself where to look knows better than we do.
        if !env.contains_key("PATH") && !programs::is_on_path(program) {
            wrong.push((
                format!("{whose}: there is no program {program:?} in PATH"),
                format!("install it, or correct the command; PATH is {shown}"),
            ));
        }
    }
}

/// The program of a command, where it is looked for in `PATH`.
fn looked_for(command: &Command) -> Option<&str> {
    let Command::Argv(words) = command else { return None };
    match words.first()?.parts() {
        [Part::Text(program)] if !program.contains('/') => Some(program),
        _ => None,
    }
}

/// How often a server was asked about its options.
static TRIALS: AtomicU64 = AtomicU64::new(0);

/// The servers of private resources, and whether they take their options.
pub(super) async fn look_at_servers(
    spec: &Spec,
    layout: &Layout,
    wrong: &mut Vec<(String, String)>,
) -> Result<(), Fault> {
    for (name, private) in &spec.resources {
        let Source::Private { version, .. } = &private.source else { continue };
        let (engine, version) = (private.engine, *version);
        let (spec, directory) = (private.clone(), layout.resource(name));
        // Two deploys may look at the same time: neither has the lock yet.
        let number = TRIALS.fetch_add(1, Ordering::Relaxed);
        let scratch = layout.state().join(format!("options-{name}-{number}"));
        let look = move || {
            resource::locate(engine, version)?;
            resource::try_options(&spec, &directory, &scratch)
        };
        if let Err(fault) = blocking(look).await? {
            wrong.push((format!("resources.{name}: {}", fault.message), fault.help));
        }
    }
    Ok(())
}
