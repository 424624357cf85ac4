//! `windlass secrets import FILE`

use std::path::Path;
use std::process::{Command, Stdio};

use indexmap::IndexMap;
use windlass_core::settings::foreign::{self, Decrypted, Foreign};
use windlass_core::settings::sealed::LARGEST_FILE;
use windlass_core::settings::{Fault, Misfit, Secret};
use zeroize::Zeroizing;

use super::declared::Declarations;
use super::{commit_hint, edit, keyring, listed, place, told, trouble};
use crate::cli::args::secrets::Import;
use crate::cli::context::{Context, complain};
use crate::cli::failure::Failure;
use crate::settings::sealed::today;
use crate::wiped::Wiped;

pub(super) fn run(context: &Context, args: &Import) -> Result<u8, Failure> {
    let place = place(context)?;
    let Foreign { mut values, mut not_read } = read(context, args)?;
    let declarations = Declarations::of(context);
    let faults = misfits(&declarations, args, &mut values, &mut not_read);
    if !faults.is_empty() {
        return Err(told(context, &faults));
    }
    let changed = place
        .change(keyring(context)?, |editing, random| {
            let (mut new, mut changed, mut same, mut kept) = (vec![], vec![], vec![], vec![]);
            for (name, secret) in &values {
                let known = editing.values().iter().find(|(label, _)| label.name == *name);
                let known = known.map(|(_, value)| value.secret.clone());
                // `API_KEY=` is a line that somebody has yet to fill in, more often than a wish.
                if secret.expose().is_empty()
                    && known.as_ref().is_some_and(|known| !known.expose().is_empty())
                {
                    kept.push(format!("{name}: it is empty, and has a value here"));
                    continue;
                }
                match (editing.set(name, secret, today(), random)?, known.is_some()) {
                    (true, false) => new.push(name.clone()),
                    (true, true) => changed.push(name.clone()),
                    (false, _) => same.push(name.clone()),
                }
            }
            Ok((new, changed, same, kept))
        })
        .map_err(|why| trouble(context, &place, why))?;
    let (new, replaced, same, kept) = changed.answer;
    not_read.extend(kept);
    for name in &new {
        declarations.warn_of(context, name);
    }
    let taken = new.iter().chain(&replaced);
    let is_weak =
        |name: &&String| values.get(*name).is_some_and(|value| declarations.warn_weak(context, name, value));
    let weak: Vec<&String> = taken.clone().filter(is_weak).collect();
    let kept = taken.filter_map(|name| Some((name.as_str(), values.get(name)?)));
    let covered = declarations.warn_covered(context, &place.file(), kept)?;
    let document = serde_json::json!({
        "file": place.file(), "new": new, "changed": replaced, "same": same, "not_read": not_read, "weak": weak,
        "covered": covered,
    });
    context.print(&document, || {
        let mut text = format!("New in {}: {}.", place.file(), listed(&new));
        if !replaced.is_empty() {
            text.push_str(&format!("\nChanged: {}.", listed(&replaced)));
        }
        if !same.is_empty() {
            text.push_str(&format!("\nThe same already: {}.", listed(&same)));
        }
        if changed.written.is_some() {
            text.push_str(&format!("\n{}", commit_hint(&place)));
        }
        if not_read.is_empty() {
            text.push_str(&format!("\nThen remove {}.", args.path.display()));
        }
        text
    });
    if !context.options.json && !not_read.is_empty() {
        complain(&format!("Not taken over from {}:", args.path.display()));
        not_read.iter().for_each(|what| complain(&format!("  {what}")));
    }
    Ok(0)
}

/// The values that are not what is declared: with one of them nothing is taken over. An empty one is a
/// line that somebody has yet to fill in.
fn misfits(
    declarations: &Declarations<'_>,
    args: &Import,
    values: &mut IndexMap<String, Secret>,
    not_read: &mut Vec<String>,
) -> Vec<Fault> {
    let mut faults = vec![];
    values.retain(|name, value| {
        let misfits = declarations.misfits(name, value);
        if value.expose().is_empty() && !misfits.is_empty() {
            not_read.push(format!("{name}: it is empty, and must have a value"));
            return false;
        }
        faults.extend(misfits.into_iter().map(|Misfit { message, help }| {
            let help = if help.is_empty() { help } else { format!("{help}; ") };
            Fault {
                file: args.path.display().to_string(),
                line: 0,
                column: 0,
                message: format!("{name}: {message}"),
                help: format!("{help}nothing was changed"),
            }
        }));
        true
    });
    faults
}

fn read(context: &Context, args: &Import) -> Result<Foreign, Failure> {
    let path = &args.path;
    let text = text(path)?;
    let wrong = |why: String| {
        Failure::usage(format!("{}: {why}", path.display()), "say what it is: --from sops, json or env")
    };
    if args.from != "sops" && foreign::is_sops(&text) {
        return Err(wrong("sops has encrypted it".to_owned()));
    }
    match args.from.as_str() {
        "json" => foreign::json(&text).map_err(wrong),
        "sops" if foreign::is_sops(&text) => {
            let kind = kind_to_sops(path)?;
            foreign::decrypted(&sops(path)?, kind).map_err(wrong)
        }
        "sops" => match Kind::of(path) {
            Kind::Json => foreign::json(&text).map_err(wrong),
            Kind::Yaml => foreign::yaml(&text).map_err(wrong),
            Kind::Dotenv => dotenv(context, path, &text),
        },
        _ => dotenv(context, path, &text),
    }
}

fn dotenv(context: &Context, path: &Path, text: &str) -> Result<Foreign, Failure> {
    let read = edit::parse(&path.display().to_string(), text);
    if !read.faults.is_empty() {
        return Err(told(context, &read.faults));
    }
    let not_read = read.valueless.iter().map(|fault| format!("line {}: {}", fault.line, fault.message));
    Ok(Foreign { values: read.values, not_read: not_read.collect() })
}

/// What sops takes a file for, by the ending of its name.
fn kind_to_sops(path: &Path) -> Result<Decrypted, Failure> {
    let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    match name.rsplit_once('.').map(|(_, ending)| ending) {
        Some("json") => Ok(Decrypted::Json),
        Some("env") => Ok(Decrypted::Dotenv),
        Some("yaml" | "yml" | "ini") => Ok(Decrypted::Other),
        _ => Err(Failure::usage(
            format!("{} is a binary file to sops, whatever it holds, which has no names", path.display()),
            "give it the ending of what it was: .yaml, .json or .env",
        )),
    }
}

/// How what sops has decrypted is written.
enum Kind {
    Json,
    Yaml,
    Dotenv,
}

impl Kind {
    fn of(path: &Path) -> Self {
        match path.extension().and_then(|end| end.to_str()) {
            Some("json") => Self::Json,
            Some("yaml" | "yml") => Self::Yaml,
            _ => Self::Dotenv,
        }
    }
}

fn text(path: &Path) -> Result<Zeroizing<String>, Failure> {
    let facts = std::fs::metadata(path);
    let read = facts.and_then(|facts| match facts.len() {
        size if size > LARGEST_FILE as u64 => Err(std::io::Error::other("it is too large")),
        _ => std::fs::read(path).map(Zeroizing::new),
    });
    let text = read.and_then(|bytes| match std::str::from_utf8(&bytes) {
        Ok(text) => Ok(Zeroizing::new(text.to_owned())),
        Err(_) => Err(std::io::Error::other("it is not UTF-8 text")),
    });
    text.map_err(|error| Failure::usage(format!("{} cannot be read: {error}", path.display()), ""))
}

/// Has sops decrypt its file: it knows the keys and the services that hold them.
fn sops(path: &Path) -> Result<Zeroizing<String>, Failure> {
    let cannot_be_run = |error| {
        Failure::usage(
            format!("{} is encrypted, and sops cannot be run: {error}", path.display()),
            "install sops, or decrypt it elsewhere (sops -d) and import that",
        )
    };
    let mut child = Command::new("sops")
        .args(["--decrypt", "--output-type", "json"])
        .arg(std::path::absolute(path).unwrap_or_else(|_| path.to_owned()))
        .env_remove("WINDLASS_KEY")
        .env_remove("WINDLASS_PASSPHRASE")
        .stdin(Stdio::inherit())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .map_err(cannot_be_run)?;
    let mut printed = Wiped::default();
    let read = child.stdout.take().map_or(Ok(0), |mut stdout| std::io::copy(&mut stdout, &mut printed));
    let status = child.wait().map_err(cannot_be_run)?;
    if !status.success() {
        return Err(Failure::failed(
            format!("sops cannot decrypt {}: {status}", path.display()),
            "see what it said above",
        ));
    }
    read.map_err(|error| Failure::failed(format!("what sops printed cannot be read: {error}"), ""))?;
    match std::str::from_utf8(&printed.finish()) {
        Ok(text) => Ok(Zeroizing::new(text.to_owned())),
        Err(_) => Err(Failure::failed("sops printed something that is not text", "")),
    }
}
