//! `windlass secrets get NAME`

use std::io::{self, IsTerminal, Write};

use windlass_core::settings::sealed::Label;

use super::{opened, place, told};
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::print::{printed, put_line};
use crate::cli::rotation::{self, Open};

pub(super) fn run(context: &Context, name: &str) -> Result<u8, Failure> {
    let place = place(context)?;
    let opened = opened(context, &place)?;
    let Some(value) = opened.get(name) else {
        let damaged = opened.damaged.iter().find(|damaged| damaged.name.as_deref() == Some(name));
        return Err(match damaged {
            Some(damaged) => told(context, std::slice::from_ref(&damaged.fault)),
            None => Failure::usage(format!("{} has no {name}", place.file()), "see windlass secrets list"),
        });
    };
    for damaged in &opened.damaged {
        context.say(&format!("warning: {}", damaged.fault));
    }
    if opened.values.contains_key(&Label::pending(name)) {
        rotation::tell_unsettled(context, &[Open { setting: name.to_owned(), file: place.file() }]);
    }
    if context.options.json {
        let document = serde_json::json!({ "name": name, "value": value.secret.expose() });
        return printed(put_line(&document.to_string())).map(|()| 0);
    }
    let mut stdout = io::stdout();
    if stdout.is_terminal() {
        return printed(put_line(value.secret.expose())).map(|()| 0);
    }
    // Byte for byte: what reads it has not asked for a line end.
    printed(stdout.write_all(value.secret.expose().as_bytes()).and_then(|()| stdout.flush())).map(|()| 0)
}
