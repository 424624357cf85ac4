//! Waiting for a run that is committed and only retires what it replaced: nobody is refused for that.

use windlass_core::event::What;
use windlass_core::protocol::{Answer, Ask, Claim, OpenRun, Remaining};

use super::client::{Client, unexpected};
use super::context::Context;
use super::failure::{Failure, INTERRUPTED, USAGE};
use super::print::print_line;
use crate::clock;
use crate::observe::printable_json;

/// How whoever waits for a run may cut that short.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Patience {
    /// What is asked for is not that urgent.
    Long,
    /// With `--now`.
    Short,
    /// By this call.
    None,
}

/// Has a committed run wait no longer than it must, where this call wants that.
pub(super) async fn hurry(
    context: &Context,
    client: &mut Client,
    open: &OpenRun,
    patience: Patience,
) -> Result<(), Failure> {
    if patience != Patience::None || open.remaining.is_none() {
        return Ok(());
    }
    let ask = Ask::Hurry { run: open.run.clone(), by: context.who() };
    match client.ask(&ask).await? {
        Answer::Done => Ok(()),
        _ => Err(unexpected()),
    }
}

/// The same of a host side that was started again, and knows of no hurry.
pub(super) async fn hurry_again(
    context: &Context,
    client: &mut Client,
    patience: Patience,
) -> Result<(), Failure> {
    if patience != Patience::None {
        return Ok(());
    }
    match client.ask(&Ask::OpenRun).await? {
        Answer::OpenRun(Some(open)) => hurry(context, client, &open, patience).await,
        Answer::OpenRun(None) => Ok(()),
        _ => Err(unexpected()),
    }
}

/// Waits until the run is over, or nobody carries it out any more.
pub(super) async fn until_over(
    context: &Context,
    mut client: Client,
    (open, remaining): (&OpenRun, &Remaining),
    patience: Patience,
) -> Result<(), Failure> {
    if context.options.json {
        print_line(&printable_json(&event(open, remaining, patience, clock::wall_millis()).to_string()));
    }
    context.say(&said(open, remaining, patience));
    let run = Some(open.run.clone());
    // It goes on by itself; this only follows it.
    let ask = Ask::Claim { how: Claim::Resume, by: context.who(), run, interrupted: false };
    context.interrupts.or(over(&mut client, &ask)).await?
}

async fn over(client: &mut Client, ask: &Ask) -> Result<(), Failure> {
    let mut answer = client.ask(ask).await;
    loop {
        match answer {
            Ok(Answer::Event(event)) => match event.what {
                What::RunEnded { .. } | What::Interrupted { .. } => return Ok(()),
                _ => answer = client.receive().await,
            },
            Ok(_) => return Err(unexpected()),
            // It is over, or the host side went away: whoever looks again sees.
            Err(failure) if failure.overtaken || matches!(failure.code, INTERRUPTED | USAGE) => return Ok(()),
            Err(failure) => return Err(failure),
        }
    }
}

/// For programs: a line among the events of runs.
fn event(open: &OpenRun, remaining: &Remaining, patience: Patience, at: i64) -> serde_json::Value {
    let waiting = serde_json::json!({
        "run": open.run,
        "headline": open.headline,
        "remaining": remaining,
        "hurried": patience == Patience::None,
    });
    serde_json::json!({ "at": at, "event": { "waiting": waiting } })
}

fn said(open: &OpenRun, remaining: &Remaining, patience: Patience) -> String {
    let bound = remaining.at_most.map(|span| format!(", for {} at the most", span.in_words()));
    let bound = if patience == Patience::None { None } else { bound };
    let how = match patience {
        Patience::Long => "",
        Patience::Short => "; `windlass rollback --now` does not wait for what it drains and for its workers",
        Patience::None => ", and was told to hurry",
    };
    format!(
        "{} is committed, and only does what is left: {}. That is waited for{}{how}",
        open.headline,
        remaining.in_words(),
        bound.unwrap_or_default()
    )
}

#[cfg(test)]
mod tests {
    use windlass_core::units::Span;

    use super::*;

    fn left() -> Remaining {
        Remaining {
            steps: ["a", "b", "c", "d"].map(str::to_owned).to_vec(),
            at_most: Some(Span::from_secs(600)),
        }
    }

    fn open() -> OpenRun {
        OpenRun {
            run: "a1".to_owned(),
            headline: "Deploy shop (local): r1 -> r2".to_owned(),
            by: String::new(),
            began: 0,
            under_way: true,
            locked: true,
            settles_at: None,
            remaining: None,
        }
    }

    #[test]
    fn it_is_said_for_what_and_how_long() {
        let (open, remaining) = (open(), left());
        assert_eq!(
            said(&open, &remaining, Patience::Long),
            "Deploy shop (local): r1 -> r2 is committed, and only does what is left: a, b, c, and 1 more. \
             That is waited for, for 10 min 0 s at the most"
        );
        assert!(said(&open, &remaining, Patience::Short).ends_with("for its workers"));
        assert!(said(&open, &remaining, Patience::None).ends_with("waited for, and was told to hurry"));
    }

    #[test]
    fn programs_are_told_the_same_as_an_event() {
        let told = |patience, remaining: &Remaining| event(&open(), remaining, patience, 5);
        assert_eq!(
            told(Patience::Short, &left()),
            serde_json::json!({ "at": 5, "event": { "waiting": {
                "run": "a1",
                "headline": "Deploy shop (local): r1 -> r2",
                "remaining": { "steps": ["a", "b", "c", "d"], "at_most": "10m" },
                "hurried": false,
            } } })
        );
        let unknown = told(Patience::None, &Remaining { at_most: None, ..left() });
        assert_eq!(unknown["event"]["waiting"]["hurried"], true);
        assert!(unknown["event"]["waiting"]["remaining"]["at_most"].is_null(), "{unknown}");
    }
}
