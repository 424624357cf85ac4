//! `windlass secrets repair`

use std::io::{self, BufRead, IsTerminal};

use windlass_core::settings::sealed::Opened;

use super::{commit_hint, keyring, place, trouble};
use crate::cli::context::{Context, complain};
use crate::cli::failure::Failure;
use crate::settings::fault_to_json;
use crate::settings::sealed::Trouble;

/// What came before the question.
enum Agreed {
    Sound,
    Yes(Vec<serde_json::Value>, Vec<String>),
    No,
}

pub(super) fn run(context: &Context) -> Result<u8, Failure> {
    let place = place(context)?;
    let mut refused = None;
    let repaired = place.repair(keyring(context)?, |opened| match agree(context, opened) {
        Agreed::No => {
            refused = Some(Failure::usage(
                "nothing was changed",
                "add --yes to remove what is damaged and seal the rest",
            ));
            Err(Trouble::System(String::new()))
        }
        agreed => Ok(agreed),
    });
    let repaired = repaired.map_err(|why| refused.unwrap_or_else(|| trouble(context, &place, why)))?;
    let (faults, left) = match repaired.answer {
        Agreed::Yes(faults, left) => (faults, left),
        _ => (vec![], vec![]),
    };
    let epoch = repaired.written.map(|version| version.epoch);
    let document = serde_json::json!({
        "file": place.file(), "repaired": epoch.is_some(), "damaged": faults, "left": left, "epoch": epoch,
    });
    context.print(&document, || match epoch {
        None => format!("{} is whole: there is nothing to repair.", place.file()),
        Some(_) => format!(
            "Sealed what was left of {} ({}). Set again what is missing. {}",
            place.file(),
            super::listed(&left),
            commit_hint(&place)
        ),
    });
    Ok(0)
}

fn agree(context: &Context, opened: &Opened) -> Agreed {
    if opened.is_sound() {
        return Agreed::Sound;
    }
    if !context.options.json {
        for damaged in &opened.damaged {
            complain(&format!("damaged: {}", damaged.fault));
        }
        complain(
            "A repair cannot tell what was removed, or whether an older line was put back: look at the file's history \
             first (git log -p).",
        );
    }
    let agreed = context.options.yes || ask("Remove what is damaged, and seal the rest? [y/N] ");
    if !agreed {
        return Agreed::No;
    }
    let faults = opened.damaged.iter().map(|damaged| fault_to_json(&damaged.fault)).collect();
    Agreed::Yes(faults, opened.values.keys().map(ToString::to_string).collect())
}

/// Asks the person, if there is one.
pub(super) fn ask(question: &str) -> bool {
    let stdin = io::stdin();
    if !stdin.is_terminal() {
        return false;
    }
    complain(question.trim_end());
    let mut line = String::new();
    stdin.lock().read_line(&mut line).is_ok() && ["y", "yes"].contains(&line.trim().to_lowercase().as_str())
}
