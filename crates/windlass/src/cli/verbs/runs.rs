//! `windlass runs`

use std::fmt::Write as _;

use windlass_core::event::{RequestCost, RunRecord};
use windlass_core::journal::Verdict;
use windlass_core::protocol::{Answer, Ask, Audit};
use windlass_core::units::Span;

use crate::cli::client::{Client, unexpected};
use crate::cli::commands;
use crate::cli::context::{Context, complain};
use crate::cli::failure::{Failure, NEEDS_A_PERSON};
use crate::observe::{how_lost, printable_line};

pub(in crate::cli) async fn run(context: &Context, limit: u32) -> Result<u8, Failure> {
    let mut client = Client::to_look(context).await?;
    let mut records = match client.ask(&Ask::Runs { limit }).await? {
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
        let Audit { runs: count, last, .. } = audit;
        context
            .say(&format!("{count} {runs} on record, as written down; the chain over them ends with {last}"));
    }
    Ok(0)
}

fn text(record: &RunRecord) -> String {
    let at = jiff::Timestamp::from_millisecond(record.began)
        .map(|at| at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string())
        .unwrap_or_default();
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
