//! `windlass runs`

use std::fmt::Write as _;

use windlass_core::event::{RequestCost, RunRecord};
use windlass_core::journal::Verdict;
use windlass_core::protocol::{Acknowledged, Answer, Ask, Audit};
use windlass_core::units::Span;

use crate::cli::args;
use crate::cli::client::{Client, unexpected};
use crate::cli::commands;
use crate::cli::context::{Context, complain};
use crate::cli::failure::{Failure, NEEDS_A_PERSON};
use crate::observe::{how_lost, printable_line};

/// More faults than these are counted where a line tells what was acknowledged; `--acknowledge` and `status --json`
/// have all.
const FAULTS_TOLD: usize = 10;

pub(in crate::cli) async fn run(context: &Context, args: &args::Runs) -> Result<u8, Failure> {
    if args.acknowledge {
        return acknowledge(context).await;
    }
    let mut client = Client::to_look(context).await?;
    let mut records = match client.ask(&Ask::Runs { limit: args.limit }).await? {
        Answer::Runs(records) => records,
        _ => return Err(unexpected()),
    };
    records.iter_mut().for_each(commands::complete_record);
    let audit = client.audit().await?.unwrap_or_default();
    context.answer(&records, || records.iter().map(text).collect())?;
    for fault in &audit.faults {
        complain(&printable_line(&format!("error: {}: {fault}", Audit::AMISS)));
    }
    if !audit.faults.is_empty() {
        complain(&format!("  hint: {}", Audit::HINT));
        return Ok(NEEDS_A_PERSON);
    }
    if audit.runs > 0 {
        let runs = if audit.runs == 1 { "run is" } else { "runs are" };
        let Audit { runs: count, last, acknowledged, .. } = audit;
        let but = acknowledged.iter().map(|Acknowledged { at, by, faults }| {
            let told = faults.get(..FAULTS_TOLD).map_or_else(
                || faults.join("; "),
                |first| format!("{}; {} in all", first.join("; "), faults.len()),
            );
            format!(" but for what {by} acknowledged at {} ({told})", time(*at))
        });
        let but: Vec<String> = but.collect();
        context.say(&printable_line(&format!(
            "{count} {runs} on record, as written down{}; the chain over them ends with {last}",
            but.join(", and")
        )));
    }
    Ok(0)
}

/// Accepts the runs on record as they are.
async fn acknowledge(context: &Context) -> Result<u8, Failure> {
    let (_, mut client) = Client::of_deployed(context).await?;
    client.must_be_of_this_build()?;
    let known = match client.ask(&Ask::Acknowledge { by: context.who() }).await? {
        Answer::Acknowledged(known) => known,
        _ => return Err(unexpected()),
    };
    let document = serde_json::json!({ "changed": !known.is_empty(), "acknowledged": known });
    context.print(&document, || match known.as_slice() {
        [] => "Nothing to acknowledge: the runs on record are as they were written down.".to_owned(),
        known => {
            let known: Vec<String> =
                known.iter().map(|fault| format!("acknowledged: {}", printable_line(fault))).collect();
            known.join("\n")
        }
    });
    Ok(0)
}

fn time(millis: i64) -> String {
    let time = jiff::Timestamp::from_millisecond(millis);
    time.map(|time| time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()).unwrap_or_default()
}

fn text(record: &RunRecord) -> String {
    let at = time(record.began);
    let seconds = (record.ended - record.began).max(0) as f64 / 1000.0;
    let how = record.verdict.as_ref().map_or("unknown", Verdict::in_words);
    let (headline, by) = (printable_line(&record.headline), printable_line(&record.by));
    let mut text = format!("{at}  {headline}  by {by}: {how} after {seconds:.1} s\n");
    if let Some(fault) = record.verdict.as_ref().and_then(Verdict::fault) {
        let _ = writeln!(text, "    {}", printable_line(&fault.message));
        if !fault.hint.is_empty() {
            let _ = writeln!(text, "    hint: {}", printable_line(&fault.hint));
        }
    }
    let phases: Vec<String> = record
        .phases
        .iter()
        .map(|(phase, millis)| format!("{} {}", phase.title(), Span::from_millis(*millis).in_words()))
        .collect();
    if !phases.is_empty() {
        let _ = writeln!(text, "    {}", phases.join(", "));
    }
    let _ = writeln!(text, "    requests: {}", requests(record.requests));
    text
}

fn requests(cost: RequestCost) -> String {
    let anew = "the proxy or the host side was started anew meanwhile";
    if cost
        == (RequestCost {
            uncounted: true,
            longest_gap_micros: cost.longest_gap_micros,
            ..Default::default()
        })
    {
        return format!("not known, {anew}");
    }
    let since =
        if cost.uncounted { format!("; {anew}: those before are not counted") } else { String::new() };
    format!(
        "{} served ({} with 5xx), {} failed{}, {} drained, longest gap {:.1} ms{since}",
        cost.served,
        cost.server_errors,
        cost.failed,
        how_lost(&cost),
        cost.drained,
        cost.longest_gap_micros as f64 / 1000.0
    )
}
