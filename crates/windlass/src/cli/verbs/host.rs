//! `windlass host enable|disable|status`

use std::path::Path;

use crate::boot;
use crate::cli::args;
use crate::cli::client::Client;
use crate::cli::commands;
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::other_source;
use crate::cli::project::Project;
use crate::layout::Layout;

pub(in crate::cli) async fn run(context: &Context, args: args::Host) -> Result<u8, Failure> {
    match args.what {
        args::HostVerb::Enable => enable(context).await,
        args::HostVerb::Disable => disable(context).await,
        args::HostVerb::Status => status(context).await,
        args::HostVerb::Start { directory } => start(&directory).await,
        args::HostVerb::Halt { directory } => {
            boot::halt(&Layout::at(directory)).await;
            Ok(0)
        }
    }
}

async fn enable(context: &Context) -> Result<u8, Failure> {
    let project = context.project()?;
    other_source::refuse(context, &project).await?;
    let change = boot::enable(&project.layout, &project.app, &project.environment)
        .map_err(|error| Failure::failed(error, ""))?;
    if let Some(lack) = boot::nobody_reads(&change.entry) {
        context.say(&format!("warning: {lack}"));
    }
    context.print(&change, || {
        let already = if change.changed { "" } else { " already" };
        format!("{} is{already} started with the machine: {}.", title(&project), change.entry)
    });
    Ok(0)
}

async fn disable(context: &Context) -> Result<u8, Failure> {
    let project = context.project()?;
    other_source::refuse(context, &project).await?;
    let change = boot::disable(&project.layout).map_err(|error| Failure::failed(error, ""))?;
    let document = serde_json::json!({ "changed": change.as_ref().is_some_and(|change| change.changed) });
    context.print(&document, || match &change {
        Some(_) => {
            format!("{} is not started with the machine any more; what runs goes on.", title(&project))
        }
        None => format!("Nothing starts {} with the machine.", title(&project)),
    });
    Ok(0)
}

async fn status(context: &Context) -> Result<u8, Failure> {
    let project = context.project()?;
    let runs = Client::reach(&project.layout).await?.is_some();
    let entry = boot::recorded(&project.layout);
    let document = serde_json::json!({
        "running": runs, "boot": entry, "directory": project.layout.root(),
    });
    context.answer(&document, || {
        let now = if runs { "runs" } else { "does not run; any verb starts it" };
        let boot = match &entry {
            Some(entry) => format!("It is started with the machine: {entry}."),
            None => commands::complete("Nothing starts it with the machine: run windlass host enable.")
                .into_owned(),
        };
        format!(
            "The host side of {} {now}.\n{boot}\nIt keeps everything in {}.",
            title(&project),
            project.layout.root().display()
        )
    })?;
    Ok(0)
}

/// What the machine's own start runs. It says nothing where there is nothing to start.
async fn start(directory: &Path) -> Result<u8, Failure> {
    boot::start_again(&Layout::at(directory)).await.map(|_| 0).map_err(|error| Failure::failed(error, ""))
}

fn title(project: &Project) -> String {
    format!("{} ({})", project.app, project.environment)
}
