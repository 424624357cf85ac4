//! `windlass secrets export`

mod credentials;
mod out;

use std::io::{self, IsTerminal, Write};
use std::path::Path;

use indexmap::IndexMap;
use windlass_core::settings::{self, NotWritable, Reader};
use zeroize::Zeroizing;

use super::{place, sound};
use crate::cli::context::{Context, complain};
use crate::cli::failure::Failure;
use crate::wiped::to_json;

type Values<'v> = IndexMap<&'v str, &'v str>;

pub(super) fn run(context: &Context, format: Option<&str>, out: Option<&Path>) -> Result<u8, Failure> {
    let format = format.unwrap_or(if context.options.json { "json" } else { "dotenv" });
    if out.is_none() {
        may_print(context, format)?;
    }
    let place = place(context)?;
    let opened = sound(context, &place)?;
    let values: Values<'_> = opened.in_force().map(|(name, value)| (name, value.secret.expose())).collect();
    if let (Some(directory), "credentials") = (out, format) {
        return credentials::write(context, &values, directory);
    }
    let text = written(format, &values).map_err(|error| Failure::failed(error, "nothing was written"))?;
    match out {
        Some(path) => {
            let path = out::file(path, &text)?;
            let count = values.len();
            let values = if count == 1 { "value" } else { "values" };
            context.answer(&serde_json::json!({ "file": path, "values": count }), || {
                format!("{} has {count} {values}, for your account alone.", path.display())
            })?;
        }
        None => {
            let mut stdout = io::stdout();
            let printed = stdout.write_all(&text).and_then(|()| stdout.flush());
            printed.map_err(|error| Failure::failed(format!("the values cannot be written: {error}"), ""))?;
        }
    }
    if format == "dotenv" {
        warn(context, &values);
    }
    Ok(0)
}

/// Whether values may go to standard output; warns where others could read them there.
fn may_print(context: &Context, format: &str) -> Result<(), Failure> {
    if format == "credentials" {
        return Err(Failure::usage(
            "--format credentials makes a file for each value",
            "say in which directory: --out DIRECTORY",
        ));
    }
    let stdout = io::stdout();
    if stdout.is_terminal() && !context.options.yes {
        return Err(Failure::usage(
            "this would show every secret on the terminal",
            "send it somewhere (windlass secrets export --out FILE), or add --yes",
        ));
    }
    let facts = rustix::fs::fstat(&stdout).ok();
    let is_file = |mode| rustix::fs::FileType::from_raw_mode(mode) == rustix::fs::FileType::RegularFile;
    if let Some(mode) = facts.map(|facts| facts.st_mode).filter(|mode| is_file(*mode) && mode & 0o077 != 0)
        && !context.options.quiet
    {
        complain(&format!(
            "warning: other accounts may read the file that standard output goes to (mode {:04o}): chmod 600 it, and \
             next time write it with --out FILE",
            mode & 0o777
        ));
    }
    Ok(())
}

fn written(format: &str, values: &Values<'_>) -> Result<Zeroizing<Vec<u8>>, String> {
    let pairs = values.iter().map(|(name, value)| (*name, *value));
    let text = match format {
        "json" => return json(values).map_err(|error| error.to_string()),
        "sh" => settings::write_shell(pairs).map_err(|error| error.to_string()),
        "systemd" => settings::write_environment_file(pairs).map_err(|NotWritable { name }| {
            format!("the value of {name} holds a character that systemd takes from no file")
        }),
        _ => settings::write(pairs).map_err(|error| error.to_string()),
    };
    text.map(|mut text| Zeroizing::new(std::mem::take(&mut *text).into_bytes()))
}

/// One line.
fn json(values: &Values<'_>) -> serde_json::Result<Zeroizing<Vec<u8>>> {
    let document = to_json(values)?;
    // With room for the end: a larger place would leave a copy in the old one.
    let mut line = Zeroizing::new(Vec::with_capacity(document.len() + 1));
    line.extend_from_slice(&document);
    line.push(b'\n');
    Ok(line)
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
