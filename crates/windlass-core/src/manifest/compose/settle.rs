//! Variables where a manifest can hold no reference: what stands for them is what compose takes now, from the
//! environment and the `.env` beside the file.

use super::Note;
use super::interpolate::{Otherwise, Piece, pieces};
use super::variables::holds_secret;
use super::yaml::{Value, Yaml};
use crate::settings::dotenv::Lookup;
use crate::settings::speaks_of_secret;

/// Keys of a service whose values are numbers, ports, sizes and the like.
const SETTLED: [&str; 13] = [
    "cpus",
    "deploy",
    "env_file",
    "expose",
    "mem_limit",
    "pids_limit",
    "ports",
    "restart",
    "scale",
    "stop_grace_period",
    "stop_signal",
    "ulimits",
    "user",
];

/// Such keys of `deploy`. Its labels are text, in which anything may stand.
const OF_DEPLOY: [&str; 2] = ["replicas", "resources"];

/// Puts values in. Answers which were taken from elsewhere.
pub(super) fn settle(document: &mut Yaml, values: Lookup<'_>) -> Vec<Note> {
    let mut notes = Vec::new();
    for (service, node) in document.get_mut("services").map(Yaml::map_mut).into_iter().flatten() {
        for (key, value) in node.map_mut().iter_mut().filter(|(key, _)| SETTLED.contains(&key.as_str())) {
            let place = format!("services.{service}.{key}");
            if key != "deploy" {
                fill(value, &place, values, &mut notes);
                continue;
            }
            for (key, value) in
                value.map_mut().iter_mut().filter(|(key, _)| OF_DEPLOY.contains(&key.as_str()))
            {
                fill(value, &format!("{place}.{key}"), values, &mut notes);
            }
        }
    }
    notes
}

fn fill(node: &mut Yaml, place: &str, values: Lookup<'_>, notes: &mut Vec<Note>) {
    match &mut node.value {
        Value::Null => {}
        Value::List(items) => items.iter_mut().for_each(|item| fill(item, place, values, notes)),
        Value::Map(entries) => {
            for (key, value) in entries {
                fill(value, &format!("{place}.{key}"), values, notes);
            }
        }
        Value::Scalar(text) => {
            let mut taken = Vec::new();
            let filled = put_in(&pieces(text), values, &mut taken);
            for name in taken {
                let message = format!("{name} is taken as the environment or .env has it now");
                notes.push(Note { line: node.line, place: place.to_owned(), message });
            }
            *text = filled;
        }
    }
}

/// What has no value and no default stays as it was written.
fn put_in(pieces: &[Piece], values: Lookup<'_>, taken: &mut Vec<String>) -> String {
    let mut out = String::new();
    for piece in pieces {
        let variable = match piece {
            Piece::Text(text) => {
                out.push_str(&text.replace('$', "$$"));
                continue;
            }
            Piece::Variable(variable) => variable,
        };
        // A manifest is for all to read.
        let name = variable.name.as_str();
        let may_be_read = |value: &String| !speaks_of_secret(name) && !holds_secret(name, value);
        let value = values(name).filter(|value| !value.is_empty() && may_be_read(value));
        match (&variable.otherwise, value) {
            (Otherwise::Instead(_), None) => {}
            (Otherwise::Instead(other), Some(_)) | (Otherwise::Default(other), None) => {
                out.push_str(&put_in(other, values, taken));
            }
            (Otherwise::Missing | Otherwise::Default(_), Some(value)) => {
                taken.push(variable.name.clone());
                out.push_str(&value.replace('$', "$$"));
            }
            (Otherwise::Missing, None) => out.push_str(&variable.written),
        }
    }
    out
}
