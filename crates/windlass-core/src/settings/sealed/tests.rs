//! Tampering, damage, changes and merges, on small files.

mod change;
mod merging;
mod tamper;
#[allow(clippy::disallowed_methods, reason = "the reference is read, to be compared")]
mod vectors;

use jiff::civil::{Date, date};

use super::*;
use crate::settings::{Fault, Secret};

const FILE: &str = "secrets.production.enc";
const DAY: Date = date(2026, 11, 28);

fn random(seed: u8) -> Random {
    Random::from_seed(&[seed; 32])
}

/// Somebody's key.
fn ada() -> Identity {
    Identity::new(&mut random(1))
}

/// Somebody else's.
fn bob() -> Identity {
    Identity::new(&mut random(2))
}

/// A file of production for Ada, with these values.
fn file(values: &[(&str, &str)]) -> String {
    file_of("production", 3, values)
}

fn file_of(environment: &str, seed: u8, values: &[(&str, &str)]) -> String {
    let mut random = random(seed);
    let mut editing = Editing::new(environment, &mut random);
    editing.add("ada", ada().public(), None, DAY, &mut random).unwrap();
    for (name, value) in values {
        editing.set(name, &Secret::new(*value), DAY, &mut random).unwrap();
    }
    editing.finish().0
}

fn open_as(text: &str, identity: Identity) -> Result<Opened, NotOpened> {
    let parsed = parse(FILE, text);
    super::open(FILE, parsed.document.unwrap(), parsed.faults, &[identity])
}

#[track_caller]
fn opened(text: &str) -> Opened {
    match open_as(text, ada()) {
        Ok(opened) => opened,
        Err(why) => panic!("{why:?}:\n{text}"),
    }
}

/// Changes a sound file.
fn changed(text: &str, seed: u8, change: impl FnOnce(&mut Editing, &mut Random)) -> String {
    let mut editing = opened(text).edit().unwrap();
    change(&mut editing, &mut random(seed));
    editing.finish().0
}

fn shown(opened: &Opened) -> Vec<String> {
    opened.values.iter().map(|(label, value)| format!("{label}={}", value.secret.expose())).collect()
}

fn faults(opened: &Opened) -> Vec<Fault> {
    opened.damaged.iter().map(|damaged| damaged.fault.clone()).collect()
}
