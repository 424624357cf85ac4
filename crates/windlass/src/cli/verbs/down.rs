//! `windlass down`

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;
use windlass_core::name::{Name, ReleaseId};
use windlass_core::plan::Observed;
use windlass_core::protocol::{Answer, Ask};

use super::request;
use crate::boot;
use crate::cli::client::{Client, unexpected};
use crate::cli::commands;
use crate::cli::consent;
use crate::cli::context::Context;
use crate::cli::failure::{Failure, REFUSED};
use crate::cli::other_source::{self, Origin};
use crate::layout::Layout;
use crate::project::origin::Whose;

pub(in crate::cli) async fn run(context: &Context, delete_data: bool) -> Result<u8, Failure> {
    let project = context.place()?;
    if !project.layout.journal().exists() {
        let project = context.project()?;
        project.must_know(project.environment.as_str())?;
        context.print(&serde_json::json!({ "changed": false }), || "Nothing is deployed here.".to_owned());
        return Ok(0);
    }
    let title = format!("{} ({})", project.app, project.environment);
    let origin = other_source::refuse(context, &project).await?;
    if delete_data {
        confirm(context, &title, origin.as_ref()).await?;
    }
    let mut client = Client::start(context, &project.layout).await?;
    let observed = match client.ask(&Ask::Observe).await? {
        Answer::Observed { observed, .. } => observed,
        _ => return Err(unexpected()),
    };
    let contents = Contents::of(&observed, &project.layout);
    // Something may run that an earlier stop knew nothing of.
    if observed
        .active
        .as_ref()
        .is_some_and(|active| !active.stopped || observed.instances.iter().any(|i| i.running))
    {
        let code = request::stop_everything(context, &project).await?;
        if code != 0 {
            return Ok(code);
        }
        context.interrupts.refuse().await?;
    }
    let mut client = Client::start(context, &project.layout).await?;
    client.shut_down(&project.layout, delete_data).await?;
    if delete_data {
        // Nothing is left that could be started with the machine.
        boot::disable(&project.layout).map_err(|error| Failure::failed(error, "take it out by hand"))?;
        // The host side has gone; its state is the last thing here.
        std::fs::remove_dir_all(project.layout.root()).map_err(|error| {
            Failure::failed(format!("{} cannot be deleted: {error}", project.layout.root().display()), "")
        })?;
        // The application's own directory stays as long as it has another environment.
        let _not_empty = project.layout.root().parent().map(std::fs::remove_dir);
    }
    let document = match delete_data {
        true => serde_json::json!({ "changed": true, "deleted": contents }),
        false => serde_json::json!({ "changed": true }),
    };
    context.print(&document, || match delete_data {
        true => format!("{title} is down, and deleted: {contents}. There is no way back."),
        false => {
            let again = commands::complete("`windlass deploy` or `windlass restart` starts it again");
            format!("{title} is down; its data stays.\n{again}.")
        }
    });
    Ok(0)
}

/// What an environment holds.
#[derive(Serialize)]
struct Contents {
    directory: PathBuf,
    /// The resources of which there is data.
    resources: Vec<Name>,
    /// Whether anything lies in the directory that releases share.
    shared: bool,
    /// The releases whose files are there, the latest first.
    releases: Vec<ReleaseId>,
}

impl Contents {
    fn of(observed: &Observed, layout: &Layout) -> Self {
        let shared = std::fs::read_dir(layout.shared()).is_ok_and(|mut entries| entries.next().is_some());
        Self {
            directory: layout.root().to_path_buf(),
            resources: observed.resources.keys().cloned().collect(),
            shared,
            releases: observed.releases.iter().map(|(release, _)| *release).collect(),
        }
    }
}

impl fmt::Display for Contents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        if !self.resources.is_empty() {
            let names: Vec<&str> = self.resources.iter().map(Name::as_str).collect();
            parts.push(format!("the data of {}", names.join(", ")));
        }
        if self.shared {
            parts.push("the files that releases share".to_owned());
        }
        if !self.releases.is_empty() {
            let releases: Vec<String> = self.releases.iter().map(ToString::to_string).collect();
            parts.push(format!("the releases {}", releases.join(", ")));
        }
        parts.push(format!("settings, logs and records in {}", self.directory.display()));
        f.write_str(&parts.join("; "))
    }
}

async fn confirm(context: &Context, title: &str, origin: Option<&Origin>) -> Result<(), Failure> {
    if context.options.yes {
        let unknown = origin.filter(|origin| origin.whose == Whose::Unknown);
        return match unknown.filter(|_| !context.may_change_others.get()) {
            None => Ok(()),
            Some(Origin { directory, .. }) => Err(Failure::new(
                REFUSED,
                format!(
                    "{title} was deployed from {directory} last, and whether that is this project cannot be told: \
                     nothing was deleted"
                ),
                "leave --yes out to be asked, or add --allow-other-source",
            )),
        };
    }
    if !consent::can_be_asked(context) {
        return Err(Failure::usage("deleting data needs a person's yes", "add --yes if that is meant"));
    }
    let from = origin.map(|origin| format!(", deployed from {}", origin.directory)).unwrap_or_default();
    let question =
        format!("This deletes every database, upload and release of {title}{from}. Type its name to go on:");
    if consent::is_given(context, &question, title.split(' ').next().unwrap_or_default()).await? {
        return Ok(());
    }
    Err(Failure::failed("nothing was deleted", ""))
}
