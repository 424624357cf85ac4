//! The source of a project, as verbs look at it.

use windlass_core::settings::Fault;
use windlass_core::spec::Spec;

use super::context::Context;
use super::failure::Failure;
use super::own_files;
use super::project::Project;
use crate::project::source::{self, Leaving, Listing, Selection, Trouble};

/// More links that leave the project are only counted.
const MOST_LINKS: usize = 10;

/// Lists the source `without` some files.
pub(super) fn list(
    context: &Context,
    project: &Project,
    spec: &Spec,
    without: Vec<String>,
) -> Result<Listing, Failure> {
    source::list(&selection(project, spec, without)).map_err(|trouble| failure(context, project, trouble))
}

/// Refuses a source that no deploy takes. No file of it is read.
pub(super) fn examine(context: &Context, project: &Project, spec: &Spec) -> Result<(), Failure> {
    let without = own_files::below(&project.directory, &[]);
    match source::leaving(&selection(project, spec, without)) {
        Ok(leaving) if leaving.is_empty() => Ok(()),
        Ok(leaving) => Err(failure(context, project, Trouble::Leaving(leaving))),
        Err(error) => Err(failure(context, project, Trouble::Io(error))),
    }
}

fn selection(project: &Project, spec: &Spec, without: Vec<String>) -> Selection {
    Selection {
        root: project.directory.clone(),
        exclude: spec.build.exclude.clone(),
        include: spec.build.include.clone(),
        without,
    }
}

fn failure(context: &Context, project: &Project, trouble: Trouble) -> Failure {
    let links = match trouble {
        Trouble::Leaving(links) => links,
        Trouble::Io(error) => {
            let hint = "let this account read it, or name it in [build] exclude";
            return Failure::usage(format!("the source cannot be read: {error}"), hint);
        }
    };
    let mut faults: Vec<Fault> = links.iter().take(MOST_LINKS).map(fault).collect();
    if let (Some(last), more @ 1..) = (faults.last_mut(), links.len().saturating_sub(MOST_LINKS)) {
        let links = if more == 1 { "link leaves" } else { "links leave" };
        last.help.push_str(&format!("; {more} more {links} the project"));
    }
    context.refuse(project, &faults, &[])
}

fn fault(Leaving { link, target }: &Leaving) -> Fault {
    Fault {
        file: link.clone(),
        line: 0,
        column: 0,
        message: format!("this is a link that leaves the project (to {target}), and a release must be whole"),
        help: format!(
            "put what it leads to in its place, or leave it out, with {:?} in [build] exclude",
            format!("/{link}")
        ),
    }
}
