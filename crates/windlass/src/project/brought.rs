//! Programs that a release has to bring along itself.

use std::path::{Component, Path};

use windlass_core::manifest::draft::PLACEHOLDER;
use windlass_core::name::Name;
use windlass_core::spec::{Command, Cron, Job, Service, Spec, When};

/// A program that is not there.
#[derive(Debug, PartialEq, Eq)]
pub struct Absent {
    /// Where the manifest names it.
    pub at: [String; 3],
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub hint: &'static str,
}

/// What runs a program.
struct Caller<'s> {
    table: &'static str,
    name: &'s Name,
    command: &'s Command,
    directory: &'s str,
    /// Whether something that came before may have made the program.
    is_late: bool,
}

impl<'s> Caller<'s> {
    fn of_job(name: &'s Name, job: &'s Job, is_late: bool) -> Self {
        let Job { command, directory, .. } = job;
        Self { table: "jobs", name, command, directory, is_late }
    }
}

/// The programs that no release of this source can have. `has` tells whether a path, relative to the project, is among
/// the files that are copied. What a step, a job or a service makes is not known.
pub fn absent(spec: &Spec, has: impl Fn(&str) -> bool) -> Vec<Absent> {
    let mut absent = Vec::new();
    for Caller { table, name, command, directory, is_late } in callers(spec) {
        let at = [table.to_owned(), name.to_string(), "command".to_owned()];
        let Some(program) = command.program().filter(|program| program.contains('/')) else { continue };
        let path = within(directory, program);
        let is_there = path.as_deref().is_some_and(|path| is_there(path, spec, &has));
        if program == PLACEHOLDER && !is_there {
            let what =
                format!("{table}.{name}: {program} stands for a command that Windlass could not find out");
            absent.push(Absent { at, what, hint: "write what runs there" });
            continue;
        }
        let Some(path) = path.filter(|_| !is_there && !is_late) else { continue };
        let what = format!("{table}.{name}: there is no file {path} in what a release is made of");
        let hint = "correct the command, let a step of [build] make it, or name it in [build] include where an ignore \
                    file leaves it out";
        absent.push(Absent { at, what, hint });
    }
    absent
}

/// All that runs a program, in the order in which it comes.
fn callers(spec: &Spec) -> Vec<Caller<'_>> {
    let is_early = |job: &Job| matches!(job.when, When::BeforeStart | When::Once);
    let is_built = !spec.build.steps.is_empty();
    let mut callers = Vec::new();
    // They run one after another.
    for (name, job) in spec.jobs.iter().filter(|(_, job)| is_early(job)) {
        let is_late = is_built || !callers.is_empty();
        callers.push(Caller::of_job(name, job, is_late));
    }
    let is_made = is_built || !callers.is_empty();
    // A service may make what is started after it.
    for (name, service) in spec.services.iter().filter(|(_, service)| service.replicas > 0) {
        let is_late = is_made || service.needs.iter().any(|need| spec.services.contains_key(need));
        let Service { command, directory, .. } = service;
        callers.push(Caller { table: "services", name, command, directory, is_late });
    }
    let is_late = is_built || !callers.is_empty();
    for (name, job) in spec.jobs.iter().filter(|(_, job)| !is_early(job)) {
        callers.push(Caller::of_job(name, job, is_late));
    }
    for (name, cron) in &spec.crons {
        let Cron { command, directory, .. } = cron;
        callers.push(Caller { table: "cron", name, command, directory, is_late });
    }
    callers
}

/// The path of the program, relative to the project; `None` where it is not within that.
fn within(directory: &str, program: &str) -> Option<String> {
    let path = Path::new(directory).join(program);
    let parts = path.components().filter(|part| *part != Component::CurDir);
    let parts: Option<Vec<&str>> = parts
        .map(|part| match part {
            Component::Normal(name) => name.to_str(),
            _ => None,
        })
        .collect();
    Some(parts?.join("/"))
}

/// Whether it is there, or may be: below a link, in what releases share, or in what one takes over from the one before.
fn is_there(path: &str, spec: &Spec, has: impl Fn(&str) -> bool) -> bool {
    let above = path.match_indices('/').map(|(at, _)| &path[..at]);
    let is_kept = |place: &str| spec.build.shared.iter().chain(&spec.build.cache).any(|kept| kept == place);
    std::iter::once(path).chain(above).any(|place| has(place) || is_kept(place))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(manifest: &str) -> Vec<String> {
        let (manifest, diags) = windlass_core::manifest::load(&format!("[app]\nname = \"shop\"\n{manifest}"));
        assert_eq!(diags, []);
        let spec = windlass_core::resolve::resolve(&manifest.unwrap(), "local", &Default::default()).unwrap();
        let has = |path: &str| ["bin/serve", "tools", "jobs/seed", "app/replace-me"].contains(&path);
        absent(&spec, has).into_iter().map(|absent| absent.what).collect()
    }

    const SERVICES: &str = "[services.one]\ncommand = \"./bin/serve\"\n[services.two]\ncommand = \"bin/nothing x\"\n\
         [services.three]\ncommand = \"tools/by-link\"\n[services.four]\ncommand = \"/bin/nothing\"\n\
         [services.five]\ncommand = \"serve\"\n[services.six]\ncommand = \"../bin/nothing\"\n\
         [services.seven]\ncommand = \"./seed\"\ndirectory = \"jobs\"\n";

    #[test]
    fn what_no_step_makes_has_to_be_in_the_source() {
        let lacks = "services.two: there is no file bin/nothing in what a release is made of";
        assert_eq!(told(SERVICES), [lacks]);
        assert_eq!(told(&format!("[build]\nsteps = [\"make\"]\n{SERVICES}")), Vec::<String>::new());
        assert_eq!(told(&format!("[build]\nshared = [\"bin\"]\n{SERVICES}")), Vec::<String>::new());
        let job = "[jobs.make]\ncommand = \"jobs/make\"\nwhen = \"before-start\"\nundo = \"compatible\"\n";
        let lacks = "jobs.make: there is no file jobs/make in what a release is made of";
        assert_eq!(told(&format!("{SERVICES}{job}")), [lacks]);
    }

    #[test]
    fn what_came_before_may_have_made_it() {
        let none = Vec::<String>::new();
        let job = |name: &str, program: &str, when: &str| {
            let command = format!("{program} manage.py {name}");
            format!("[jobs.{name}]\ncommand = {command:?}\nwhen = {when:?}\nundo = \"compatible\"\n")
        };
        let [first, then] = [("venv", "python3"), ("migrate", ".venv/bin/python")]
            .map(|(name, program)| job(name, program, "before-start"));
        let web = "[services.web]\ncommand = \".venv/bin/gunicorn\"\n";
        let cron = "[cron.nightly]\nschedule = \"@daily\"\ncommand = \".venv/bin/python manage.py x\"\n";
        assert_eq!(told(&format!("{first}{then}{web}{cron}")), none);
        let lacks = |whose: &str| {
            format!("{whose}: there is no file .venv/bin/{}", "python in what a release is made of")
        };
        assert_eq!(told(&format!("{then}{first}{web}")), [lacks("jobs.migrate")], "the other way round");
        let late = "[jobs.late]\ncommand = \".venv/bin/python x\"\nwhen = \"after-switch\"\n";
        assert_eq!(told(&format!("{late}{web}")).len(), 1, "no later job makes what a service is");
        let start = "[services.start]\ncommand = \"./bin/serve\"\n";
        assert_eq!(told(&format!("{start}{late}{cron}")), none, "a service may make its own surroundings");
        assert_eq!(told(&format!("{start}{web}needs = [\"start\"]\n")), none);
        assert_eq!(told(&format!("{web}replicas = 0\n")), none, "nothing of it runs");
        assert_eq!(told(&format!("[build]\ncache = [\".venv\"]\n{web}")), none);
        assert_eq!(told(cron), [lacks("cron.nightly")]);
    }

    #[test]
    fn a_placeholder_is_no_program_whatever_is_built() {
        let service = format!("[services.web]\ncommand = {PLACEHOLDER:?}\n");
        let expected =
            format!("services.web: {PLACEHOLDER} stands for a command that Windlass could not find out");
        assert_eq!(told(&service), [expected.as_str()]);
        assert_eq!(told(&format!("[build]\nsteps = [\"make\"]\n{service}")), [expected]);
        assert_eq!(
            told(&format!("{service}directory = \"app\"\n")),
            Vec::<String>::new(),
            "unless there is one"
        );
    }
}
