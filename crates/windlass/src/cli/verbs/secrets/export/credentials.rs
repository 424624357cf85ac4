//! Values as systemd's `LoadCredential=` takes them: a file for each, with its bytes and nothing else.

use std::path::Path;

use serde::Serialize;

use super::{Values, out};
use crate::cli::context::Context;
use crate::cli::failure::Failure;

/// A value in a file of its own.
#[derive(Serialize)]
struct Credential<'v> {
    name: &'v str,
    file: String,
    /// The line of a unit.
    line: String,
}

/// Writes them, and prints the lines of a unit that hand them to its service.
pub(super) fn write(context: &Context, values: &Values<'_>, directory: &Path) -> Result<u8, Failure> {
    let whole = std::path::absolute(directory).unwrap_or_else(|_| directory.to_owned());
    let Some(place) = whole.to_str().filter(|place| !place.contains(char::is_control)) else {
        return Err(Failure::usage(
            format!("{} cannot be told to systemd", directory.display()),
            "name a directory whose path is text without control characters",
        ));
    };
    let directory = out::directory(&whole)?;
    let mut credentials = Vec::with_capacity(values.len());
    for (name, value) in values {
        out::file(&directory.join(name), value.as_bytes())?;
        let file = format!("{}/{name}", place.trim_end_matches('/'));
        // What a `%` begins is put in by systemd.
        let line = format!("LoadCredential={name}:{}", file.replace('%', "%%"));
        credentials.push(Credential { name, file, line });
    }
    tell_others(context, values, &directory);
    context.answer(&credentials, || {
        credentials.iter().map(|credential| credential.line.as_str()).collect::<Vec<_>>().join("\n")
    })?;
    Ok(0)
}

/// What lies there and is no value any more, such as one that was unset since.
fn tell_others(context: &Context, values: &Values<'_>, directory: &Path) {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let mut others: Vec<String> = entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| !values.contains_key(name.as_str()))
        .collect();
    others.sort();
    if !others.is_empty() {
        let others: Vec<String> = others.iter().map(|name| format!("{name:?}")).collect();
        context.say(&format!(
            "note: {} has what is no value of the file, and was left: {}",
            directory.display(),
            others.join(", ")
        ));
    }
}
