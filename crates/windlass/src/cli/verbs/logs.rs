//! `windlass logs`

use windlass_core::protocol::{Answer, Ask};

use super::request;
use crate::cli::args;
use crate::cli::client::{Client, unexpected};
use crate::cli::context::{Context, print_line};
use crate::cli::failure::Failure;
use crate::clock;

pub(in crate::cli) async fn run(context: &Context, args: args::Logs) -> Result<u8, Failure> {
    let project = context.project()?;
    if !project.layout.journal().exists() {
        return Err(request::not_deployed());
    }
    let services = request::names(args.services)?;
    let one = services.len() == 1;
    let since =
        args.since.map(|span| clock::wall_millis() - i64::try_from(span.as_millis()).unwrap_or(i64::MAX));
    let mut client = Client::start(&project.layout).await?;
    client.send(&Ask::Logs { services, lines: args.lines, since, follow: args.follow }).await?;
    let mut interrupt = std::pin::pin!(tokio::signal::ctrl_c());
    loop {
        let answer = tokio::select! {
            answer = client.receive() => answer?,
            _ = &mut interrupt => return Ok(0),
        };
        match answer {
            Answer::Line { source, text } if context.options.json => {
                print_line(&serde_json::json!({ "source": source, "line": text }).to_string());
            }
            Answer::Line { text, .. } if one => print_line(&text),
            Answer::Line { source, text } => print_line(&format!("{source:12} | {text}")),
            Answer::Done => return Ok(0),
            _ => return Err(unexpected()),
        }
    }
}
