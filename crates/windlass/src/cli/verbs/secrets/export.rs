//! `windlass secrets export`

use std::io::{self, IsTerminal, Write};

use indexmap::IndexMap;
use windlass_core::settings;
use zeroize::Zeroizing;

use super::{place, sound};
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::wiped::to_json;

pub(super) fn run(context: &Context) -> Result<u8, Failure> {
    let mut stdout = io::stdout();
    if stdout.is_terminal() && !context.options.yes {
        return Err(Failure::usage(
            "this would show every secret on the terminal",
            "send it somewhere (windlass secrets export > FILE), or add --yes",
        ));
    }
    let place = place(context)?;
    let opened = sound(context, &place)?;
    let values: IndexMap<&str, &str> =
        opened.in_force().map(|(name, value)| (name, value.secret.expose())).collect();
    let text = if context.options.json {
        to_json(&values).map_err(|error| error.to_string())
    } else {
        settings::write(values)
            .map(|mut text| Zeroizing::new(std::mem::take(&mut *text).into_bytes()))
            .map_err(|error| error.to_string())
    };
    let text = text.map_err(|error| Failure::failed(error, ""))?;
    let end: &[u8] = if context.options.json { b"\n" } else { b"" };
    let written = stdout.write_all(&text).and_then(|()| stdout.write_all(end)).and_then(|()| stdout.flush());
    written.map_err(|error| Failure::failed(format!("the values cannot be written: {error}"), ""))?;
    Ok(0)
}
