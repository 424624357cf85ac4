//! `windlass logs`

use std::io::ErrorKind;
use std::time::Duration;

use windlass_core::protocol::{Answer, Ask};

use crate::cli::args::{self, Since};
use crate::cli::client::{Client, unexpected};
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::print::{is_unread, printed, put_line};
use crate::clock;
use crate::observe::{printable_json, printable_line};

/// How many lines are shown where neither a number nor a time is named.
const USUAL: u32 = 100;

/// How often it is seen whether anybody still reads what is followed.
const LOOK: Duration = Duration::from_secs(1);

pub(in crate::cli) async fn run(context: &Context, args: args::Logs) -> Result<u8, Failure> {
    // Who follows waits for what is to come, and must learn which secrets to mask by then.
    let mut client = match args.follow {
        true => Client::to_follow(context).await?,
        false => Client::to_look(context).await?,
    };
    let alone = (args.of.len() == 1).then(|| args.of[0].clone());
    let since = args.since.map(|since| match since {
        Since::Ago(span) => clock::wall_millis() - i64::try_from(span.as_millis()).unwrap_or(i64::MAX),
        Since::At(moment) => moment,
    });
    let whole = since.is_some() || args.release.is_some();
    let lines = args.lines.or((!whole).then_some(USUAL));
    let ask =
        Ask::Logs { of: args.of, release: args.release, lines, since, follow: args.follow, notes: true };
    client.send(&ask).await?;
    let mut sources = Vec::new();
    let mut interrupt = std::pin::pin!(tokio::signal::ctrl_c());
    loop {
        let mut receiving = std::pin::pin!(client.receive());
        let answer = loop {
            tokio::select! {
                answer = &mut receiving => break answer?,
                _ = &mut interrupt => return Ok(0),
                () = tokio::time::sleep(LOOK) => if is_unread() { return Ok(0) },
            }
        };
        let put = match answer {
            Answer::Line { source, copy, text } if context.options.json => {
                let line = serde_json::json!({ "source": source, "copy": copy, "line": text });
                put_line(&printable_json(&line.to_string()))
            }
            Answer::Line { source, copy, text } => {
                // One name may stand for several logs: the steps of a build, the copies of a service.
                if !sources.contains(&source) {
                    sources.push(source.clone());
                }
                let is_what_was_asked_for = alone
                    .as_ref()
                    .is_some_and(|name| sources.len() == 1 && (copy.is_none() || *name == source));
                if is_what_was_asked_for {
                    put_line(&printable_line(&text))
                } else {
                    put_line(&printable_line(&format!("{source:12} | {text}")))
                }
            }
            Answer::Note { text } => {
                context.say(&text);
                Ok(())
            }
            Answer::Done => return Ok(0),
            _ => return Err(unexpected()),
        };
        match put {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(0),
            put => printed(put)?,
        }
    }
}
