//! Whether the programs are there.

use std::path::{Path, PathBuf};

use uuid::Uuid;
use windlass_core::spec::{Command, Spec};

use crate::account::Account;
use crate::host::preflight::machine::Lack;
use crate::layout::Layout;
use crate::{executable, programs, reach, resource};

/// The programs of commands, where one is named that neither the release nor its build brings along. `path` is that of
/// whoever deploys.
pub(super) fn commands(spec: &Spec, is_built: bool, path: &[PathBuf]) -> Vec<Lack> {
    let Spec { build, services, jobs, crons, .. } = spec;
    let first = build.steps.first().filter(|_| is_built);
    let mut commands: Vec<_> = first
        .map(|step| ("[build]".to_owned(), "build.steps".to_owned(), &step.command, &build.env))
        .into_iter()
        .collect();
    if !is_built {
        // What is not there yet may be what the build installs.
        let services = services.iter().map(|(name, s)| (format!("services.{name}"), &s.command, &s.env));
        let jobs = jobs.iter().map(|(name, job)| (format!("jobs.{name}"), &job.command, &job.env));
        let crons = crons.iter().map(|(name, cron)| (format!("cron.{name}"), &cron.command, &cron.env));
        let all = services.chain(jobs).chain(crons);
        commands.extend(all.map(|(whose, command, env)| {
            let at = format!("{whose}.command");
            (whose, at, command, env)
        }));
    }
    // What is looked for from where it runs is there when its release is.
    if path.iter().any(|directory| directory.is_relative()) {
        return Vec::new();
    }
    let mut lacks = Vec::new();
    let shown = std::env::join_paths(path).unwrap_or_default().to_string_lossy().into_owned();
    for (whose, at, command, env) in commands {
        let Some(program) = looked_for(command) else { continue };
        if program.starts_with('/') {
            if !programs::is_program(Path::new(program)) {
                let what = format!("{whose}: there is no program {program}");
                lacks.push(Lack::new("no-program", &at, what, "install it, or correct the command"));
            }
        // One that says itself where to look knows better than we do.
        } else if !env.contains_key("PATH") && !programs::is_in(path, program) {
            let what = format!("{whose}: there is no program {program:?} in PATH");
            let hint = format!("install it, or correct the command; PATH is {shown}");
            lacks.push(Lack::new("no-program", &at, what, hint));
        }
    }
    lacks
}

/// The programs that the accounts who are to run them do not get at: those of a built tree, or without one those that
/// have their place on the machine.
pub(in crate::host) fn out_of_reach(spec: &Spec, tree: Option<&Path>) -> Vec<Lack> {
    let services =
        spec.services.iter().map(|(name, s)| (format!("services.{name}"), &s.command, &s.directory, &s.user));
    let jobs =
        spec.jobs.iter().map(|(name, job)| (format!("jobs.{name}"), &job.command, &job.directory, &job.user));
    let crons = spec
        .crons
        .iter()
        .map(|(name, cron)| (format!("cron.{name}"), &cron.command, &cron.directory, &cron.user));
    let mut lacks: Vec<Lack> = Vec::new();
    for (whose, command, directory, user) in services.chain(jobs).chain(crons) {
        let Some(user) = user else { continue };
        let Some(program) = command.program().filter(|program| program.contains('/')) else { continue };
        let Ok(Some(account)) = Account::to_become(user) else { continue };
        let place = match tree {
            Some(tree) => tree.join(directory).join(program),
            None if program.starts_with('/') => PathBuf::from(program),
            None => continue,
        };
        let Some(closed) = reach::obstacle(&account, &place) else { continue };
        let what = format!("{user} may not run {program}: {} does not let it in", closed.display());
        // Many run the same program.
        if !lacks.iter().any(|lack| lack.what == what) {
            let hint = reach::remedy(&closed);
            lacks.push(Lack::new("out-of-reach", &format!("{whose}.command"), what, hint));
        }
    }
    lacks
}

/// The programs of a built tree that cannot run on this machine, whoever runs them.
pub(in crate::host) fn unfit(spec: &Spec, tree: &Path) -> Vec<Lack> {
    let services =
        spec.services.iter().map(|(name, s)| (format!("services.{name}"), &s.command, &s.directory));
    let jobs = spec.jobs.iter().map(|(name, job)| (format!("jobs.{name}"), &job.command, &job.directory));
    let crons =
        spec.crons.iter().map(|(name, cron)| (format!("cron.{name}"), &cron.command, &cron.directory));
    let mut lacks = Vec::new();
    for (whose, command, directory) in services.chain(jobs).chain(crons) {
        // What has its place on the machine replaces the path before it.
        let Some(program) = command.program().filter(|program| program.contains('/')) else { continue };
        let Some(why) = executable::unfit(&tree.join(directory).join(program)) else { continue };
        let hint = "build it on this machine, by a step of [build], or for this machine; a binary that was built elsewhere \
                    and lies in the source belongs in [build] exclude";
        lacks.push(Lack::new(
            "unfit-program",
            &format!("{whose}.command"),
            format!("{whose}: {program} {why}"),
            hint,
        ));
    }
    lacks
}

/// The program of a command, where it is looked for in `PATH` or has its place on the machine.
fn looked_for(command: &Command) -> Option<&str> {
    command.program().filter(|program| !program.contains('/') || program.starts_with('/'))
}

/// The servers of private resources, and whether they take their options, which is tried in a directory that is
/// made in `scratch` and removed.
pub(super) fn servers(spec: &Spec, layout: &Layout, scratch: &Path) -> Vec<Lack> {
    let mut lacks = Vec::new();
    for (name, private) in spec.resources.iter().filter(|(_, resource)| resource.is_private()) {
        // Two may look at the same time, as neither has the lock yet; and nobody may have made it before.
        let scratch = scratch.join(format!("options-{name}-{}", Uuid::now_v7().simple()));
        let looked = resource::check(private)
            .and_then(|()| resource::try_options(private, &layout.resource(name), &scratch));
        if let Err(fault) = looked {
            let what = format!("resources.{name}: {}", fault.message);
            lacks.push(Lack::new("resource-cannot-run", &format!("resources.{name}"), what, fault.help));
        }
    }
    lacks
}
