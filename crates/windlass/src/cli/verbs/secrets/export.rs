//! `windlass secrets export`

use std::io::{self, IsTerminal, Write};

use indexmap::IndexMap;
use windlass_core::settings::{self, NotWritable, Reader};
use zeroize::Zeroizing;

use super::{place, sound};
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::wiped::to_json;

type Values<'v> = IndexMap<&'v str, &'v str>;

pub(super) fn run(context: &Context, format: Option<&str>) -> Result<u8, Failure> {
    let mut stdout = io::stdout();
    if stdout.is_terminal() && !context.options.yes {
        return Err(Failure::usage(
            "this would show every secret on the terminal",
            "send it somewhere (windlass secrets export > FILE), or add --yes",
        ));
    }
    let place = place(context)?;
    let opened = sound(context, &place)?;
    let values: Values<'_> = opened.in_force().map(|(name, value)| (name, value.secret.expose())).collect();
    let format = format.unwrap_or(if context.options.json { "json" } else { "dotenv" });
    let text = written(format, &values).map_err(|error| Failure::failed(error, "nothing was written"))?;
    let end: &[u8] = if format == "json" { b"\n" } else { b"" };
    let written = stdout.write_all(&text).and_then(|()| stdout.write_all(end)).and_then(|()| stdout.flush());
    written.map_err(|error| Failure::failed(format!("the values cannot be written: {error}"), ""))?;
    if format == "dotenv" {
        warn(context, &values);
    }
    Ok(0)
}

fn written(format: &str, values: &Values<'_>) -> Result<Zeroizing<Vec<u8>>, String> {
    let pairs = values.iter().map(|(name, value)| (*name, *value));
    let text = match format {
        "json" => return to_json(values).map_err(|error| error.to_string()),
        "sh" => settings::write_shell(pairs).map_err(|error| error.to_string()),
        "systemd" => settings::write_environment_file(pairs).map_err(|NotWritable { name }| {
            format!("the value of {name} holds a character that systemd takes from no file")
        }),
        _ => settings::write(pairs).map_err(|error| error.to_string()),
    };
    text.map(|mut text| Zeroizing::new(std::mem::take(&mut *text).into_bytes()))
}

/// Says who reads another value in the file that was written.
fn warn(context: &Context, values: &Values<'_>) {
    for (name, value) in values {
        let lost: Vec<&str> =
            Reader::ALL.into_iter().filter(|reader| !reader.carries(value)).map(Reader::name).collect();
        if let Some((last, others)) = lost.split_last() {
            let all = if others.is_empty() {
                (*last).to_owned()
            } else {
                format!("{} and {last}", others.join(", "))
            };
            context.say(&format!(
                "warning: {name}: {all} would read another value in this file; docker compose and Windlass read it, and \
                 --format sh, json and systemd are other forms"
            ));
        }
    }
}
