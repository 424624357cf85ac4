//! `windlass run JOB` and `windlass run -- COMMAND`

use windlass_core::name::Name;
use windlass_core::protocol::{Answer, Ask, RunWhat};
use windlass_core::spec::{Command, Template};

use crate::cli::args;
use crate::cli::client::{Client, unexpected};
use crate::cli::context::{Context, complain, print_line};
use crate::cli::failure::Failure;

pub(in crate::cli) async fn run(context: &Context, args: args::Run) -> Result<u8, Failure> {
    let project = context.project()?;
    if !project.layout.journal().exists() {
        return Err(super::request::not_deployed());
    }
    let what = match args.job {
        Some(job) => RunWhat::Job(
            Name::new(job).map_err(|error| Failure::usage(error.to_string(), "commands come after --"))?,
        ),
        None => RunWhat::Command(Command::Argv(args.command.into_iter().map(Template::literal).collect())),
    };
    let mut client = Client::start(&project.layout).await?;
    client.send(&Ask::Run { what, by: context.who() }).await?;
    let mut interrupt = std::pin::pin!(tokio::signal::ctrl_c());
    loop {
        let answer = tokio::select! {
            answer = client.receive() => answer?,
            // The host side ends the command when its asker goes.
            _ = &mut interrupt => return Ok(130),
        };
        match answer {
            Answer::Line { text, .. } if context.options.json => {
                print_line(&serde_json::json!({ "line": text }).to_string());
            }
            Answer::Line { text, .. } => print_line(&text),
            Answer::Exited { code, how } => {
                if context.options.json {
                    print_line(&serde_json::json!({ "exit_code": code, "how": how }).to_string());
                } else if code != 0 {
                    complain(&format!("the command {how}"));
                }
                return Ok(u8::try_from(code).unwrap_or(1));
            }
            _ => return Err(unexpected()),
        }
    }
}
