//! How a run ended, for people: the address, what it cost, how to go back, what to do.

use std::fmt::Write as _;

use windlass_core::event::{RunRecord, WayBack};
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
    format!(" {} of {all} requests lost,{errors} longest gap {gap:.0} ms.{anew}", requests.failed)
}

fn write_fault(text: &mut String, fault: &Fault) {
    let _ = writeln!(text, "  {}", fault.message);
    if !fault.hint.is_empty() {
        let _ = writeln!(text, "  hint: {}", fault.hint);
    }
}
