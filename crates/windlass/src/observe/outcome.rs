//! How a run ended, for people: the address, what it cost, how to go back, what to do.

use std::fmt::Write as _;

use windlass_core::event::{RequestCost, RunRecord, WayBack};
use windlass_core::journal::{Fault, Verdict};

/// The last lines of a run.
#[must_use]
pub fn outcome(record: &RunRecord, verdict: &Verdict) -> String {
    let release = record.release.map(|release| release.to_string()).unwrap_or_default();
    let seconds = (record.ended - record.began).max(0) as f64 / 1000.0;
    let mut text = String::new();
    match verdict {
        Verdict::Done => done(&mut text, record, &release, seconds),
        Verdict::DoneWithProblems(faults) => {
            done(&mut text, record, &release, seconds);
            let _ = writeln!(text, "but this needs a person:");
            faults.iter().for_each(|fault| write_fault(&mut text, fault));
        }
        Verdict::Failed(fault) => {
            let _ = writeln!(text, "Failed after {seconds:.1} s; nothing changed.");
            write_fault(&mut text, fault);
        }
        Verdict::Refused(fault) => {
            let _ = writeln!(text, "Refused; nothing changed.");
            write_fault(&mut text, fault);
        }
        Verdict::RolledBack(fault) => {
            let back = record.previous.map_or_else(
                || "nothing runs, as before".to_owned(),
                |previous| format!("{previous} is active, as before"),
            );
            let _ = writeln!(text, "Failed and rolled back after {seconds:.1} s: {back}.{}", cost(record));
            write_fault(&mut text, fault);
        }
        Verdict::Stuck { cause, left } => {
            let _ = writeln!(text, "Failed, and going back did not wholly succeed.");
            write_fault(&mut text, cause);
            let _ = writeln!(text, "What is left needs a person:");
            left.iter().for_each(|fault| write_fault(&mut text, fault));
        }
    }
    text
}

fn done(text: &mut String, record: &RunRecord, release: &str, seconds: f64) {
    if record.headline.starts_with("Stop") {
        let _ = writeln!(
            text,
            "Stopped in {seconds:.1} s. `windlass deploy` or `windlass restart` starts it again."
        );
        return;
    }
    let at = match record.addresses.as_slice() {
        [] => String::new(),
        addresses => format!(" at {}", addresses.join(" and ")),
    };
    let _ = writeln!(text, "{release} is live{at} after {seconds:.1} s.{}", cost(record));
    if let Some(refused) = &record.refused {
        let _ = writeln!(
            text,
            "warning: of the requests to {release}, {refused}: it may take its visitors for others (a host name or \
             an origin that its settings do not allow); `windlass logs` shows what it says"
        );
    }
    let Some(previous) = record.previous else { return };
    let _ = match record.back {
        WayBack::Plain => writeln!(text, "Back to {previous}: windlass rollback"),
        WayBack::Named => writeln!(text, "Back to {previous}: windlass rollback {previous}"),
        WayBack::Nowhere => Ok(()),
    };
}

fn cost(record: &RunRecord) -> String {
    let requests = record.requests;
    let all = requests.served + requests.failed;
    let anew = match requests.uncounted {
        true => {
            " The proxy or the host side was started anew meanwhile: what had been counted before is missing here."
        }
        false => "",
    };
    if all == 0 {
        return anew.to_owned();
    }
    let gap = requests.longest_gap_micros as f64 / 1000.0;
    let errors = match requests.server_errors {
        0 => String::new(),
        errors => format!(" {errors} answered with an error of the application's (5xx),"),
    };
    let lost = requests.failed;
    format!(" {lost} of {all} requests lost{},{errors} longest gap {gap:.0} ms.{anew}", how_lost(&requests))
}

/// How those were lost whose answers had begun, in brackets.
pub(crate) fn how_lost(requests: &RequestCost) -> String {
    let told: Vec<String> = [
        (requests.cut_at_drain, "cut at the end of the drain"),
        (requests.cut.saturating_sub(requests.cut_at_drain), "broken off by the application"),
    ]
    .into_iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, how)| if count == requests.failed { how.to_owned() } else { format!("{count} {how}") })
    .collect();
    if told.is_empty() { String::new() } else { format!(" ({})", told.join(", ")) }
}

fn write_fault(text: &mut String, fault: &Fault) {
    let _ = writeln!(text, "  {}", fault.message);
    if !fault.hint.is_empty() {
        let _ = writeln!(text, "  hint: {}", fault.hint);
    }
}

#[cfg(test)]
mod tests {
    use windlass_core::event::Refused;
    use windlass_core::name::ReleaseId;

    use super::*;

    #[test]
    fn what_was_lost_and_how_is_told() {
        let told = |failed, cut, cut_at_drain| {
            let requests =
                RequestCost { served: 380 - failed, failed, cut, cut_at_drain, ..RequestCost::default() };
            cost(&RunRecord { requests, ..RunRecord::default() })
        };
        assert_eq!(told(0, 0, 0), " 0 of 380 requests lost, longest gap 0 ms.");
        assert_eq!(told(1, 1, 1), " 1 of 380 requests lost (cut at the end of the drain), longest gap 0 ms.");
        assert_eq!(
            told(4, 3, 1),
            " 4 of 380 requests lost (1 cut at the end of the drain, 2 broken off by the application), longest gap 0 ms."
        );
    }

    #[test]
    fn a_release_that_refuses_its_visitors_is_told_of() {
        let refused = Refused { refused: 44, answered: 44, refused_before: 0, answered_before: 500 };
        let record =
            RunRecord { release: Some(ReleaseId(2)), refused: Some(refused), ..RunRecord::default() };
        let told = outcome(&record, &Verdict::Done);
        let expected =
            "warning: of the requests to r2, 44 of 44 answered with 4xx (the release before: 0 of 500): ";
        assert!(told.contains(expected), "{told}");
    }
}
