//! Following a run to its end, whatever happens to either side.

use std::time::Duration;

use tokio::sync::mpsc;
use windlass_core::event::{Event, RunRecord, What};
use windlass_core::journal::{Direction, Verdict};
use windlass_core::plan::Phase;
use windlass_core::protocol::{Answer, Ask, Claim};

use super::client::{Client, frozen, unexpected};
use super::commands;
use super::context::{Context, complain};
use super::failure::{Failure, INTERRUPTED, REFUSED};
use super::interrupts::{Interrupts, Signals};
use super::print::print_line;
use super::project::Project;
use super::wait::{self, Patience};
use crate::layout::Layout;
use crate::observe::{JsonLines, Observer, Plain, Terminal, debug, outcome};
use crate::transport;

/// How often a host side that went away is looked for again, and how long in all.
const RETRIES: u32 = 40;

/// How often the host side is looked at while it says nothing.
const LOOK: Duration = Duration::from_secs(5);

/// How the conversation about a run ended.
enum End {
    Over(Box<RunRecord>, Verdict),
    /// The host side cannot go on, and says why.
    Interrupted(String),
    /// The host side went away.
    Lost,
    /// The person does not want to wait.
    Left,
}

/// What is told of a run's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    /// How it ended.
    Outcome,
    /// That it failed: otherwise it is a part of what the verb does, which says the rest.
    Trouble,
    /// How it ended, to people: what the verb does begins behind it, and how that goes is what programs
    /// are told.
    Before,
    /// How it ended, to who wanted it to go back: that it did not is a failure.
    Back,
}

/// Asks for a run and follows it; answers the exit code. A host side that dies meanwhile is started
/// again, and the run goes on.
pub(super) async fn run(
    context: &Context,
    project: &Project,
    client: Client,
    ask: Ask,
    told: Told,
) -> Result<u8, Failure> {
    with_signals(context, project, client, ask, (told, Patience::Long)).await
}

/// The same of a run that is settled before what the verb does begins. One that cannot be is a failure: whoever
/// tried again would come to the same.
pub(super) async fn before(
    context: &Context,
    project: &Project,
    client: Client,
    ask: Ask,
    patience: Patience,
) -> Result<u8, Failure> {
    with_signals(context, project, client, ask, (Told::Before, patience)).await
}

async fn with_signals(
    context: &Context,
    project: &Project,
    client: Client,
    ask: Ask,
    way: (Told, Patience),
) -> Result<u8, Failure> {
    let mut signals = context.interrupts.take()?;
    let ended = to_its_end(context, project, client, ask, way, &mut signals).await;
    context.interrupts.give_back(signals);
    ended
}

async fn to_its_end(
    context: &Context,
    project: &Project,
    client: Client,
    ask: Ask,
    (told, patience): (Told, Patience),
    signals: &mut Signals,
) -> Result<u8, Failure> {
    let mut observer: Box<dyn Observer> = match (context.options.json, context.is_live()) {
        (true, _) => Box::new(JsonLines),
        (false, true) => Box::new(Terminal::default()),
        (false, false) if context.options.quiet => Box::new(Silent),
        (false, false) => Box::new(Plain::default()),
    };
    let mut state = State {
        by: context.who(),
        run: None,
        seen: 0,
        cancelled: false,
        committed: false,
        told_frozen: false,
    };
    let (mut client, mut ask) = (client, ask);
    let mut lost = 0;
    loop {
        match follow(
            &project.layout,
            client,
            &ask,
            &mut state,
            observer.as_mut(),
            (signals, &context.interrupts),
        )
        .await?
        {
            // Nothing changed: whoever made the plan may make another.
            End::Over(_, Verdict::Refused(fault)) if fault.moved => {
                return Err(Failure { overtaken: true, ..Failure::new(REFUSED, fault.message, fault.hint) });
            }
            End::Over(record, verdict) => {
                return Ok(tell(context, &record, &verdict, told));
            }
            End::Interrupted(why) if told == Told::Before => return Err(not_settled(&why)),
            End::Interrupted(why) => return Ok(left(context, &why, told)),
            End::Left => {
                return Ok(left(context, "the run is not waited for any more, and goes on", told));
            }
            End::Lost => {}
        }
        // Nothing is assumed of what became of it: the host side is asked, and goes on from its
        // journal.
        lost += 1;
        if lost > RETRIES {
            return Err(Failure::new(
                INTERRUPTED,
                "the host side goes away again and again",
                format!("see {}; then `windlass resume`", project.layout.log("host").display()),
            ));
        }
        context.say("the host side went away; it is started again and the run goes on");
        tokio::time::sleep(Duration::from_millis(20)).await;
        // However that fails: what was begun may have changed something.
        client = Client::start_again(&project.layout)
            .await
            .map_err(|failure| Failure { code: INTERRUPTED, ..failure })?;
        wait::hurry_again(context, &mut client, patience).await?;
        ask = match &state.run {
            Some(run) => {
                if let Some(record) = ended(&mut client, run).await? {
                    let verdict = verdict(&record)?;
                    return Ok(tell(context, &record, &verdict, told));
                }
                let how = if state.cancelled { Claim::Abort } else { Claim::Resume };
                Ask::Claim { how, by: state.by.clone(), run: Some(run.clone()), interrupted: false }
            }
            None => ask,
        };
        state.seen = 0;
    }
}

struct State {
    by: String,
    run: Option<String>,
    seen: usize,
    cancelled: bool,
    /// Whether the run only goes forward any more.
    committed: bool,
    /// Whether the person knows that the host side does nothing.
    told_frozen: bool,
}

/// Says only problems: what a step that failed has said, which the hint points to, and why a run is not over.
struct Silent;

impl Observer for Silent {
    fn see(&mut self, event: &Event) {
        problems(&event.what).iter().for_each(|line| complain(line));
    }
}

fn problems(what: &What) -> Vec<String> {
    match what {
        What::StepFailed { fault, .. } => fault.tail.iter().map(|line| format!("  | {line}")).collect(),
        What::Interrupted { why } => vec![why.clone()],
        _ => Vec::new(),
    }
}

async fn follow(
    layout: &Layout,
    mut client: Client,
    ask: &Ask,
    state: &mut State,
    observer: &mut dyn Observer,
    (signals, interrupts): (&mut Signals, &Interrupts),
) -> Result<End, Failure> {
    if client.send(ask).await.is_err() {
        return Ok(End::Lost);
    }
    match client.receive().await {
        Ok(Answer::Event(event)) => {
            if let Some(end) = take(state, observer, event) {
                return Ok(end);
            }
        }
        Ok(_) => return Err(unexpected()),
        Err(failure) if failure.code == INTERRUPTED => return Ok(End::Lost),
        Err(failure) => return Err(failure),
    }
    let (mut reader, mut writer) = client.into_halves();
    let (sender, mut answers) = mpsc::channel(64);
    let reading = tokio::spawn(async move {
        while let Ok(answer) = transport::receive::<Answer>(&mut reader).await {
            if sender.send(answer).await.is_err() {
                return;
            }
        }
    });
    let end = loop {
        tokio::select! {
            answer = answers.recv() => match answer {
                Some(Answer::Event(event)) => if let Some(end) = take(state, observer, event) { break end },
                Some(_) => {}
                None => break End::Lost,
            },
            () = tokio::time::sleep(LOOK), if !state.told_frozen => {
                // It will say nothing until somebody wakes it, and a build may be as quiet for as long.
                if let Some(frozen) = frozen(layout) {
                    state.told_frozen = true;
                    complain(&format!("{}\n  hint: {}", frozen.message, frozen.hint));
                }
            }
            () = signals.any() => {
                interrupts.note();
                if state.cancelled {
                    complain(match state.committed {
                        false => "not waiting any more; the run goes on going back: windlass status",
                        true => "not waiting any more; the rest goes on by itself: windlass status",
                    });
                    break End::Left;
                }
                state.cancelled = true;
                // A run that has just committed goes on all the same; its verdict says so.
                complain(match state.committed {
                    false => "stopping: the run goes back (once more to leave it alone)",
                    true => "nothing goes back any more; the rest is carried out (once more to leave it alone)",
                });
                let cancel = Ask::Cancel { run: state.run.clone().unwrap_or_default(), by: state.by.clone() };
                let _ = transport::send(&mut writer, &cancel).await;
            }
        }
    };
    reading.abort();
    Ok(end)
}

fn take(state: &mut State, observer: &mut dyn Observer, mut event: Event) -> Option<End> {
    commands::complete_event(&mut event.what);
    match &event.what {
        What::RunBegan { run, .. } => state.run = Some(run.clone()),
        What::StepBegan { phase, direction: Direction::Forward, .. } => {
            state.committed = *phase > Phase::Commit;
        }
        _ => {}
    }
    state.seen += 1;
    debug::event("client", &event);
    observer.see(&event);
    match event.what {
        What::RunEnded { verdict, record } => Some(End::Over(record, verdict)),
        What::Interrupted { why } => Some(End::Interrupted(why)),
        _ => None,
    }
}

/// The record of a run that ended while nobody could follow it.
async fn ended(client: &mut Client, run: &str) -> Result<Option<RunRecord>, Failure> {
    match client.ask(&Ask::Runs { limit: 20 }).await? {
        Answer::Runs(records) => Ok(records.into_iter().find(|record| record.run == run)),
        _ => Err(unexpected()),
    }
}

/// How a run ended, where its record can be read.
fn verdict(record: &RunRecord) -> Result<Verdict, Failure> {
    record.verdict.clone().ok_or_else(|| {
        let what = "the run has ended, and how cannot be read in its record";
        Failure::new(INTERRUPTED, what, "see windlass status")
    })
}

/// The run that had to be settled first was interrupted again.
fn not_settled(why: &str) -> Failure {
    Failure::new(
        INTERRUPTED,
        format!("what was asked for is not begun, because the run before it cannot be settled: {why}"),
        "see to that, and ask again: `windlass status` says how things stand; `windlass resume` goes on with that run",
    )
}

/// The run is not over. People were told already.
fn left(context: &Context, why: &str, told: Told) -> u8 {
    if context.options.json && told != Told::Before {
        Failure::new(INTERRUPTED, why, "`windlass status` says how things stand; `windlass resume` goes on")
            .print(true);
    }
    INTERRUPTED
}

/// Says how a run ended, and answers the exit code.
fn tell(context: &Context, record: &RunRecord, verdict: &Verdict, told: Told) -> u8 {
    if told == Told::Back && verdict.is_committed() {
        if *verdict != Verdict::Done && !context.options.json {
            complain(outcome(record, verdict).trim_end());
        }
        let failure = did_not_go_back(record, verdict);
        failure.print(context.options.json);
        return failure.code;
    }
    let code = verdict.exit_code();
    if context.options.json {
        if let Some(failure) = for_programs(verdict, told) {
            failure.print(true);
        }
        return code;
    }
    if *verdict == Verdict::Done && told == Told::Trouble {
        return code;
    }
    let text = outcome(record, verdict);
    if verdict.is_committed() {
        print_line(&commands::complete(text.trim_end()));
    } else {
        complain(text.trim_end());
    }
    code
}

/// That a run which was to go back was committed by then.
fn did_not_go_back(record: &RunRecord, verdict: &Verdict) -> Failure {
    let what =
        format!("nothing went back: {} was committed, and was carried out to its end", record.headline);
    let hint = match record.previous.filter(|_| record.previous != record.release) {
        Some(previous) => format!("`windlass rollback` goes back to {previous}"),
        None => "`windlass status` says how things stand".to_owned(),
    };
    // What needs a person does so however it came about.
    let code = if *verdict == Verdict::Done { REFUSED } else { verdict.exit_code() };
    Failure::new(code, what, hint)
}

/// What programs are told of a run's end. Events say how it went; that it failed, and all has failed with it,
/// is said as by every verb.
fn for_programs(verdict: &Verdict, told: Told) -> Option<Failure> {
    let fault = verdict.fault().filter(|_| told != Told::Before)?;
    Some(Failure::new(verdict.exit_code(), fault.message.clone(), fault.hint.clone()))
}

#[cfg(test)]
mod tests {
    use windlass_core::journal::Fault;
    use windlass_core::name::ReleaseId;

    use super::*;

    #[test]
    fn programs_are_told_only_of_the_failure_that_ends_the_call() {
        let verdict = Verdict::RolledBack(Fault::new("web is not ready", ""));
        let failure = for_programs(&verdict, Told::Outcome).unwrap();
        assert_eq!((failure.code, failure.message.as_str()), (3, "web is not ready"));
        assert!(for_programs(&verdict, Told::Before).is_none(), "what the call is for comes after it");
    }

    #[test]
    fn a_run_that_was_to_go_back_and_did_not_is_a_failure() {
        let record = RunRecord {
            headline: "Deploy shop (local): r1 -> r2".to_owned(),
            release: Some(ReleaseId(2)),
            previous: Some(ReleaseId(1)),
            ..RunRecord::default()
        };
        let failure = did_not_go_back(&record, &Verdict::Done);
        assert_eq!(failure.code, REFUSED);
        let with_problems = Verdict::DoneWithProblems(vec![Fault::new("web.r1.1 cannot be stopped", "")]);
        assert_eq!(did_not_go_back(&record, &with_problems).code, with_problems.exit_code());
        assert!(
            failure.message.starts_with("nothing went back: Deploy shop (local): r1 -> r2 was committed")
        );
        assert_eq!(failure.hint, "`windlass rollback` goes back to r1");
    }

    #[test]
    fn quiet_does_not_mean_without_a_word_of_what_went_wrong() {
        let interrupted = What::Interrupted { why: "the run's end cannot be written".to_owned() };
        assert_eq!(problems(&interrupted), ["the run's end cannot be written"]);
        let began = What::RunBegan { run: "a1".to_owned(), headline: "Deploy shop".to_owned(), steps: 1 };
        assert!(problems(&began).is_empty());
    }

    #[test]
    fn a_run_of_which_the_record_cannot_be_read_is_not_called_done() {
        let failure = verdict(&RunRecord::default()).unwrap_err();
        assert_eq!((failure.code, failure.hint.as_str()), (INTERRUPTED, "see windlass status"));
        let done = RunRecord { verdict: Some(Verdict::Done), ..RunRecord::default() };
        assert_eq!(verdict(&done).unwrap(), Verdict::Done);
    }
}
