//! What another project has deployed under the same name: nobody changes or deletes that unasked. The name
//! is often that of a directory, such as `backend`.

use std::borrow::Cow;
use std::path::Path;

use windlass_core::plan::Observed;

use super::client;
use super::consent;
use super::context::Context;
use super::failure::{Failure, REFUSED};
use super::project::Project;
use crate::project::origin::{self, Known, Whose};

/// Where what is there came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Origin {
    /// The directory that was deployed last.
    pub(super) directory: String,
    pub(super) whose: Whose,
}

impl Origin {
    fn of(observed: &Observed, project: &Project) -> Option<Self> {
        let directory = directory(observed)?.to_owned();
        let known = Known { manifest: Cow::Borrowed(&project.manifest), is_whole: project.is_whole };
        let whose = origin::whose(Path::new(&directory), &project.directory, &known);
        Some(Self { directory, whose })
    }

    fn is_elsewhere(&self, project: &Project) -> bool {
        Path::new(&self.directory) != project.directory
    }

    /// What a person should know of it who changes what is there.
    fn note(&self, project: &Project) -> String {
        let app = &project.app;
        let unknown = match self.whose {
            Whose::Unknown => "; whether that is this project cannot be told",
            Whose::Own | Whose::Another => "",
        };
        format!("note: the last deploy of {app} came from {}{unknown}", self.directory)
    }
}

/// Refuses to change what is there, where it is another project's, unless that was allowed or a person says
/// yes. Starts nothing. Answers where it came from, where anything did.
pub(super) async fn refuse(context: &Context, project: &Project) -> Result<Option<Origin>, Failure> {
    let (observed, _) = client::observe(&project.layout).await?;
    refuse_in(context, project, &observed).await
}

/// The same of what was observed already.
pub(super) async fn refuse_in(
    context: &Context,
    project: &Project,
    observed: &Observed,
) -> Result<Option<Origin>, Failure> {
    // A call looks several times, and nearly always at the same: git is asked, and a person told, once.
    let judged = context.origin.borrow().clone();
    if let Some(judged) = judged.filter(|judged| directory(observed) == Some(&judged.directory)) {
        return Ok(Some(judged));
    }
    let Some(origin) = Origin::of(observed, project) else { return Ok(None) };
    let allowed = &context.may_change_others;
    if origin.whose == Whose::Another && !allowed.get() {
        let why = why(observed, project, &origin);
        let question = format!("{why}. Type {} to go on:", project.app);
        let hint = "give one of them another name, in [app] of its manifest; --allow-other-source goes on all the same, where \
                    they are one project; where it was moved, remove the old directory or its manifest";
        let refusal = Failure::new(REFUSED, why, hint);
        consent::ask_or_refuse(context, &question, project.app.as_str(), allowed, refusal).await?;
    } else if origin.is_elsewhere(project) {
        context.say(&origin.note(project));
    }
    context.origin.replace(Some(origin.clone()));
    Ok(Some(origin))
}

/// Whose services and data are there, where they are another's.
pub(super) fn found(observed: &Observed, project: &Project) -> Option<String> {
    let origin = Origin::of(observed, project)?;
    (origin.whose == Whose::Another).then(|| why(observed, project, &origin))
}

/// The directory that was deployed last, where anything of that is there.
fn directory(observed: &Observed) -> Option<&String> {
    match &observed.active {
        Some(active) => Some(&active.tree.source.path),
        None => observed.left_by.as_ref(),
    }
}

fn why(observed: &Observed, project: &Project, origin: &Origin) -> String {
    let what = match &observed.active {
        Some(_) => "what runs here and its data are that one's",
        None if observed.resources.is_empty() => "its first deploy is not over",
        None => "the databases that it left are that one's",
    };
    format!(
        "{} ({}) was deployed from {} last, which is another project than {}: {what}",
        project.app,
        project.environment,
        origin.directory,
        project.directory.display()
    )
}
