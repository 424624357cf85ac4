//! `windlass down`

use std::io::{self, BufRead, IsTerminal};

use windlass_core::plan::Request;
use windlass_core::protocol::{Answer, Ask};
use windlass_core::units::Span;

use super::request;
use crate::boot;
use crate::cli::client::{Client, unexpected};
use crate::cli::context::{Context, complain};
use crate::cli::failure::Failure;
use crate::runtime::process;

pub(in crate::cli) async fn run(context: &Context, delete_data: bool) -> Result<u8, Failure> {
    let project = context.project()?;
    if !project.layout.journal().exists() {
        context.print(&serde_json::json!({ "changed": false }), || "Nothing is deployed here.".to_owned());
        return Ok(0);
    }
    let title = format!("{} ({})", project.app, project.environment);
    if delete_data {
        confirm(context, &title)?;
    }
    let mut client = Client::start(&project.layout).await?;
    let deployed = match client.ask(&Ask::Observe).await? {
        Answer::Observed { observed, .. } => observed.active.is_some_and(|active| !active.stopped),
        _ => return Err(unexpected()),
    };
    if deployed {
        let code = request::change_active(context, Request::Stop { services: Vec::new() }).await?;
        if code != 0 {
            return Ok(code);
        }
    }
    let mut client = Client::start(&project.layout).await?;
    match client.ask(&Ask::Shutdown { delete_data }).await? {
        Answer::Done => {}
        _ => return Err(unexpected()),
    }
    // A keeper that took over from one that was killed cannot see how the host side ended, and would
    // start it again.
    let keeper = project.layout.host().join("keeper");
    let _gone_already = process::stop(&keeper, "TERM", Span::from_secs(5)).await;
    if delete_data {
        // Nothing is left that could be started with the machine.
        boot::disable(&project.layout, &project.app, &project.environment)
            .map_err(|error| Failure::failed(error, "take it out by hand"))?;
        // The host side has gone; its state is the last thing here.
        std::fs::remove_dir_all(project.layout.root()).map_err(|error| {
            Failure::failed(format!("{} cannot be deleted: {error}", project.layout.root().display()), "")
        })?;
        // The application's own directory stays as long as it has another environment.
        let _not_empty = project.layout.root().parent().map(std::fs::remove_dir);
    }
    context.print(&serde_json::json!({ "changed": true }), || {
        let data = if delete_data { "its data is deleted" } else { "its data stays" };
        format!("{title} is down; {data}.")
    });
    Ok(0)
}

fn confirm(context: &Context, title: &str) -> Result<(), Failure> {
    if context.options.yes {
        return Ok(());
    }
    if !io::stdin().is_terminal() {
        return Err(Failure::usage("deleting data needs a person's yes", "add --yes if that is meant"));
    }
    complain(&format!("This deletes every database, upload and release of {title}. Type its name to go on:"));
    let mut line = String::new();
    let _ = io::stdin().lock().read_line(&mut line);
    if line.trim() == title.split(' ').next().unwrap_or_default() {
        return Ok(());
    }
    Err(Failure::failed("nothing was deleted", ""))
}
