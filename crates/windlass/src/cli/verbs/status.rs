//! `windlass status`

mod routes;

use std::fmt::Write as _;

use windlass_core::launch::ProcessState;
use windlass_core::name::Name;
use windlass_core::protocol::{Answer, Ask, EnvironmentStatus, InstanceStatus, ServiceStatus};
use windlass_core::units::Span;

use crate::cli::client::{Client, deployed, not_deployed, unexpected};
use crate::cli::commands;
use crate::cli::context::Context;
use crate::cli::elsewhere;
use crate::cli::failure::{Failure, NEEDS_A_PERSON};
use crate::cli::rotation;
use crate::clock;

pub(in crate::cli) async fn run(context: &Context) -> Result<u8, Failure> {
    if context.is_outside() && elsewhere::status(context)? {
        return Ok(0);
    }
    let project = deployed(context)?;
    let mut client = Client::to_look_at(context, &project.layout).await?;
    let mut status = match client.ask(&Ask::Status).await? {
        Answer::Status(status) => status,
        _ => return Err(unexpected()),
    };
    if is_of_nothing(&status) {
        return Err(not_deployed());
    }
    // A run that is not over has its own line.
    if status.run.is_none() {
        let told = rotation::unsettled(&project).into_iter().map(|open| {
            let (what, help) = open.told();
            format!("{what}; {help}")
        });
        status.problems.extend(told);
    }
    status.problems.iter_mut().for_each(commands::complete_in_place);
    context.answer(&status, || text(&status, clock::wall_millis()))?;
    let is_altered = status.audit.is_some_and(|audit| !audit.faults.is_empty());
    Ok(if is_altered { NEEDS_A_PERSON } else { 0 })
}

/// Whether a first deploy has begun, and nothing came of it.
fn is_of_nothing(status: &EnvironmentStatus) -> bool {
    status.release.is_none()
        && status.run.is_none()
        && status.resources.is_empty()
        && status.transient.is_empty()
        && status.problems.is_empty()
}

/// The status for people, as of `now` (milliseconds since 1970).
fn text(status: &EnvironmentStatus, now: i64) -> String {
    let mut text = format!("{} ({})", status.app, status.environment);
    match &status.release {
        Some(release) if status.stopped => {
            let how = commands::complete("`windlass restart` starts it again");
            let _ = write!(text, "  {}, stopped: {how}", release.release);
        }
        Some(release) => {
            let _ = write!(text, "  {}, active for {}", release.release, age(now, release.activated));
        }
        None => text.push_str("  nothing is deployed"),
    }
    if !status.addresses.is_empty() && status.proxy {
        let _ = write!(text, "  {}", status.addresses.join(" "));
    }
    text.push('\n');
    if let Some(run) = &status.run {
        let how = if run.under_way { "under way" } else { "interrupted" };
        let _ = writeln!(text, "{how}: {} by {}, {}", run.headline, run.by, age(now, run.began));
    }
    let parts: Vec<&ServiceStatus> = status.services.iter().chain(&status.resources).collect();
    if !parts.is_empty() || !status.transient.is_empty() {
        let _ = writeln!(
            text,
            "\n{:20} {:12} {:>8} {:>8} {:>9} {:>8} {:>6}",
            "INSTANCE", "STATE", "FOR", "RESTARTS", "MEMORY", "CPU", "PORT"
        );
    }
    let mut transient: Vec<&InstanceStatus> = status.transient.iter().collect();
    for service in parts {
        let (others, rest) = transient.into_iter().partition(|other| other.id.service == service.name);
        let others: Vec<&InstanceStatus> = others;
        transient = rest;
        for instance in service.instances.iter().chain(others.iter().copied()) {
            let _ = writeln!(text, "{}", row(&service.name, instance, now));
        }
        if service.instances.is_empty() && others.is_empty() {
            let _ = writeln!(text, "{:20} stopped", service.name);
        }
    }
    for instance in transient {
        let _ = writeln!(text, "{}", row(&instance.id.service, instance, now));
    }
    for cron in &status.crons {
        let next = cron.next.map_or_else(|| "never".to_owned(), |at| format!("in {}", age(at, now)));
        let last = cron.outcome.clone().unwrap_or_else(|| "it has not run yet".to_owned());
        let running = if cron.running { "running now; " } else { "" };
        let _ = writeln!(text, "{:20} cron: {running}next {next}; last: {last}", cron.name);
    }
    text.push_str(&routes::table(&status.routes));
    if status.boot.is_none() && status.release.is_some() && !status.stopped {
        let how = commands::complete("After a reboot nothing starts this by itself: windlass host enable");
        let _ = writeln!(text, "\n{how}");
    }
    for problem in &status.problems {
        let _ = writeln!(text, "\n! {problem}");
    }
    text
}

fn row(service: &Name, instance: &InstanceStatus, now: i64) -> String {
    let name = if instance.id.release.0 == 0 { service.to_string() } else { instance.id.to_string() };
    let state = match (&instance.status.state, instance.stage) {
        (ProcessState::Running { .. }, Some(stage)) => stage.word(),
        (ProcessState::Running { .. }, None) if instance.ready => "ready",
        (ProcessState::Running { .. }, None) => "not ready",
        (ProcessState::Backoff { .. }, _) => "waiting",
        (ProcessState::Stopping { .. }, _) => "stopping",
        (ProcessState::Ended(_), _) => "ended",
    };
    let port = instance.port.map(|port| port.to_string()).unwrap_or_default();
    let why = instance.last_restart.as_deref().map(shortened);
    let again = why.map(|why| format!("  restarted: {why}")).unwrap_or_default();
    format!(
        "{name:20} {state:12} {:>8} {:>8} {:>6} MB {:>7}s {port:>6}{again}",
        age(now, instance.status.since),
        instance.status.restarts,
        instance.memory / 1_000_000,
        instance.cpu_millis / 1000
    )
}

/// The longest explanation that stands behind a row, in characters; all of it is in the JSON.
const LONGEST: usize = 80;

fn shortened(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

/// How long ago, to two units.
fn age(now: i64, then: i64) -> String {
    let millis = u64::try_from(now - then).unwrap_or(0);
    let rounded = match millis {
        0..60_000 => millis / 1000 * 1000,
        60_000..86_400_000 => millis / 60_000 * 60_000,
        _ => millis / 3_600_000 * 3_600_000,
    };
    Span::from_millis(rounded).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_ends_before_an_explanation_does() {
        assert_eq!(shortened("exit code 7"), "exit code 7");
        let long = format!("liveness: answered 404: {}", "é".repeat(200));
        assert_eq!(shortened(&long).chars().count(), LONGEST + 3);
        assert!(shortened(&long).ends_with("é..."));
    }
}
