//! The source of a project, as verbs look at it.

use std::path::Path;

use indexmap::IndexMap;
use windlass_core::diag::Diag;
use windlass_core::settings::Fault;
use windlass_core::spec::Spec;

use super::context::Context;
use super::failure::Failure;
use super::own_files;
use super::project::Project;
use crate::project::brought;
use crate::project::source::{self, LeftOut, Listing, MOST, Selection, Survey, Trouble, Unfit};

/// As many of what is left out are named.
const NAMED: usize = 3;

/// Lists the source `without` some files.
pub(super) fn list(
    context: &Context,
    project: &Project,
    spec: &Spec,
    without: Vec<String>,
) -> Result<Listing, Failure> {
    let listing = source::list(&selection(project, spec, without))
        .map_err(|trouble| context.refuse(project, &faults(trouble), &[]))?;
    match absent(project, spec, |path| listing.has(path)).as_slice() {
        [] => Ok(listing),
        absent => Err(context.refuse(project, &[], absent)),
    }
}

/// The programs that no release of the source can have.
fn absent(project: &Project, spec: &Spec, has: impl Fn(&str) -> bool) -> Vec<Diag> {
    let diag = |brought::Absent { at, what, hint }| {
        let at: Vec<&str> = at.iter().map(String::as_str).collect();
        let span = project.manifest.span_at(project.environment.as_str(), &at);
        Diag::error("no-program", span, what).help(hint)
    };
    brought::absent(spec, has).into_iter().map(diag).collect()
}

/// What was found of a source.
#[derive(Default)]
pub(super) struct Examined {
    /// What no deploy takes.
    pub(super) faults: Vec<Fault>,
    /// Programs that no release can have.
    pub(super) absent: Vec<Diag>,
    /// Patterns of the manifest that name nothing.
    pub(super) idle: Vec<String>,
    /// That nothing is taken.
    pub(super) empty: Option<String>,
    /// That others may read in a release what they may not read here.
    pub(super) opened: Option<String>,
    /// What is left out, and by what, where whoever looks at the project alone does not see it.
    pub(super) left_out: Vec<String>,
}

/// Looks at the source. No file of it is read.
pub(super) fn examine(project: &Project, spec: &Spec) -> Examined {
    let without = own_files::below(&project.directory, &[]);
    let survey = match source::survey(&selection(project, spec, without)) {
        Ok(survey) => survey,
        Err(error) => return Examined { faults: faults(Trouble::Io(error)), ..Examined::default() },
    };
    let mut left_out = left_out(&survey.left_out);
    left_out.extend(passed_over(&survey.passed_over));
    Examined {
        opened: opened(survey.closed()),
        idle: idle(&survey, spec),
        empty: (survey.is_empty() && has_files(&project.directory)).then(|| {
            "no file of the project is part of a release: ignore files or [build] exclude leave out all of them"
                .to_owned()
        }),
        left_out,
        absent: absent(project, spec, |path| survey.has(path)),
        faults: faults(Trouble::Unfit(survey.unfit)),
    }
}

/// Whether a project has anything beside its manifest and what is hidden.
fn has_files(project: &Path) -> bool {
    let entries = std::fs::read_dir(project).into_iter().flatten().flatten();
    let mut names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.any(|name| {
        !name.starts_with('.')
            && name != "windlass.toml"
            && !(name.starts_with("secrets.") && name.ends_with(".enc"))
    })
}

/// The first few of some paths.
fn some(paths: &[String]) -> String {
    let more = if paths.len() > NAMED { ", …" } else { "" };
    format!("{}{more}", paths[..paths.len().min(NAMED)].join(", "))
}

/// A line for files that others may read in a release, and may not here.
fn opened(closed: &[String]) -> Option<String> {
    (!closed.is_empty()).then(|| {
        format!(
            "only their owner may read {} here, and in a release every account may: hand over what is secret by [settings], with \
             file = true as a file, and have an ignore file leave it out; what is none: chmod go+r",
            some(closed)
        )
    })
}

/// A line for what is no file.
fn passed_over(paths: &[String]) -> Option<String> {
    (!paths.is_empty())
        .then(|| format!("sockets, pipes and devices are no part of a release: {}", some(paths)))
}

/// A line for each ignore file above the project that leaves something out.
fn left_out(left_out: &[LeftOut]) -> Vec<String> {
    let mut files: IndexMap<&Path, Vec<String>> = IndexMap::new();
    for LeftOut { path, by } in left_out {
        files.entry(by).or_default().push(path.display().to_string());
    }
    let line = |(by, paths): (&Path, Vec<String>)| {
        let count = if paths.len() == 1 { "1 path".to_owned() } else { format!("{} paths", paths.len()) };
        format!(
            "{} leaves out {count} of the project ({}): name in [build] include what a release needs of them",
            by.display(),
            some(&paths)
        )
    };
    files.into_iter().map(line).collect()
}

/// Patterns that name nothing.
fn idle(survey: &Survey, spec: &Spec) -> Vec<String> {
    let include = survey
        .idle(&spec.build.include)
        .into_iter()
        .map(|pattern| format!("{pattern:?} in [build] include names no file that can be part of a release"));
    let files = spec.services.iter().flat_map(|(name, service)| {
        survey.idle(&service.files).into_iter().map(move |pattern| {
            format!(
                "{pattern:?} in `files` of {name} names no file of the source: a deploy after a change of what is \
                 meant leaves {name} running as it is"
            )
        })
    });
    include.chain(files).collect()
}

fn selection(project: &Project, spec: &Spec, without: Vec<String>) -> Selection {
    Selection {
        root: project.directory.clone(),
        exclude: spec.build.exclude.clone(),
        include: spec.build.include.clone(),
        without,
    }
}

/// What is wrong with a source, bounded.
fn faults(trouble: Trouble) -> Vec<Fault> {
    let unfit = match trouble {
        Trouble::Unfit(unfit) => unfit,
        Trouble::Io(error) => {
            return vec![Fault {
                file: ".".to_owned(),
                line: 0,
                column: 0,
                message: format!("the source cannot be read: {error}"),
                help: "mend it, or name it in [build] exclude".to_owned(),
            }];
        }
    };
    let mut faults: Vec<Fault> = unfit.iter().take(MOST).map(fault).collect();
    if let (Some(last), more @ 1..) = (faults.last_mut(), unfit.len().saturating_sub(MOST)) {
        last.help.push_str(&format!("; {more} more cannot be part of a release"));
    }
    faults
}

fn fault(unfit: &Unfit) -> Fault {
    let (file, message, first, pattern) = match unfit {
        Unfit::Leaving { link, target } => (
            link,
            format!("this is a link that leaves the project (to {target}), and a release must be whole"),
            "put what it leads to in its place",
            link.clone(),
        ),
        Unfit::Unreadable { path } => (
            path,
            "this name is not UTF-8 text, and no record can tell it from others".to_owned(),
            "rename it",
            path.replace(char::REPLACEMENT_CHARACTER, "*"),
        ),
        Unfit::Closed { path, why } => {
            (path, format!("this cannot be read: {why}"), "let this account read it", path.clone())
        }
        Unfit::Endless { path } => {
            return Fault {
                file: path.clone(),
                line: 0,
                column: 0,
                message: "this ignore file is a pipe or a device, which has no end".to_owned(),
                help: "put a file in its place, or leave out its directory by [build] exclude".to_owned(),
            };
        }
    };
    let help = format!(
        "{first}, or leave it out, with {:?} in [build] exclude or .windlassignore",
        format!("/{pattern}")
    );
    Fault { file: file.clone(), line: 0, column: 0, message, help }
}
