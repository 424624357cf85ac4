//! Programs that a release has to bring along itself.

use std::path::{Component, Path};

use windlass_core::manifest::draft::PLACEHOLDER;
use windlass_core::spec::{Spec, When};

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

/// The programs that no release of this source can have. `has` tells whether a path, relative to the project, is among
/// the files that are copied.
pub fn absent(spec: &Spec, has: impl Fn(&str) -> bool) -> Vec<Absent> {
    let early = spec.jobs.values().any(|job| matches!(job.when, When::BeforeStart | When::Once));
    let services = spec.services.iter().map(|(name, s)| ("services", name, &s.command, &s.directory, early));
    let jobs = spec.jobs.iter().map(|(name, job)| {
        let is_later = early && !matches!(job.when, When::BeforeStart | When::Once);
        ("jobs", name, &job.command, &job.directory, is_later)
    });
    let crons = spec.crons.iter().map(|(name, cron)| ("cron", name, &cron.command, &cron.directory, early));
    let mut absent = Vec::new();
    // What an earlier job makes is not known.
    for (table, name, command, directory, may_be_made) in services.chain(jobs).chain(crons) {
        let at = [table.to_owned(), name.to_string(), "command".to_owned()];
        let Some(program) = command.program().filter(|program| program.contains('/')) else { continue };
        if program == PLACEHOLDER {
            let what =
                format!("{table}.{name}: {program} stands for a command that Windlass could not find out");
            absent.push(Absent { at, what, hint: "write what runs there" });
            continue;
        }
        if may_be_made || !spec.build.steps.is_empty() {
            continue;
        }
        let Some(path) = within(directory, program).filter(|path| !is_there(path, spec, &has)) else {
            continue;
        };
        let what = format!("{table}.{name}: there is no file {path} in what a release is made of");
        let hint = "correct the command, let a step of [build] make it, or name it in [build] include where an ignore \
                    file leaves it out";
        absent.push(Absent { at, what, hint });
    }
    absent
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

/// Whether it is there, or may be: below a link, or in what releases share.
fn is_there(path: &str, spec: &Spec, has: impl Fn(&str) -> bool) -> bool {
    let above = path.match_indices('/').map(|(at, _)| &path[..at]);
    std::iter::once(path)
        .chain(above)
        .any(|place| has(place) || spec.build.shared.iter().any(|shared| shared == place))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(manifest: &str) -> Vec<String> {
        let (manifest, diags) = windlass_core::manifest::load(&format!("[app]\nname = \"shop\"\n{manifest}"));
        assert_eq!(diags, []);
        let spec = windlass_core::resolve::resolve(&manifest.unwrap(), "local", &Default::default()).unwrap();
        let has = |path: &str| ["bin/serve", "tools", "jobs/seed"].contains(&path);
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
    fn a_placeholder_is_no_program_whatever_is_built() {
        let service = format!("[services.web]\ncommand = {PLACEHOLDER:?}\n");
        let expected =
            format!("services.web: {PLACEHOLDER} stands for a command that Windlass could not find out");
        assert_eq!(told(&service), [expected.as_str()]);
        assert_eq!(told(&format!("[build]\nsteps = [\"make\"]\n{service}")), [expected]);
    }
}
