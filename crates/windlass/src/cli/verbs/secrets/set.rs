//! `windlass secrets set NAME`

use std::io::{self, IsTerminal, Read};

use windlass_core::manifest::{self, Manifest};
use windlass_core::settings::sealed::LARGEST_VALUE;
use windlass_core::settings::{Declared, Misfit, Secret};
use zeroize::Zeroizing;

use super::{commit_hint, keyring, place, trouble};
use crate::cli::args::secrets::Set;
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::settings::sealed::{prompt_secret, today};

pub(super) fn run(context: &Context, args: &Set) -> Result<u8, Failure> {
    let place = place(context)?;
    // Asked for before the file is locked: a person takes their time.
    let given = match args.generate {
        true => None,
        false => Some(value(&args.name, args.exact)?),
    };
    fits(context, args, given.as_ref())?;
    let changed = place.change(keyring(context)?, |editing, random| {
        let secret = given.unwrap_or_else(|| random.text(usize::from(args.length)));
        let is_new = !editing.values().keys().any(|label| label.name == args.name);
        editing.set(&args.name, &secret, today(), random).map(|changed| (changed, is_new))
    });
    let changed = changed.map_err(|why| trouble(context, &place, why))?;
    let (differs, is_new) = changed.answer;
    let declared = declared(context, &args.name);
    if let Some(Err(help)) = &declared {
        context.say(&format!("warning: {} is declared nowhere in the manifest; {help}", args.name));
    }
    let document = serde_json::json!({
        "name": args.name, "file": place.file(), "changed": differs, "new": is_new, "declared": declared.as_ref().map(Result::is_ok),
        "epoch": changed.written.as_ref().map(|version| version.epoch),
    });
    context.print(&document, || match (differs, is_new) {
        (false, _) => format!("{} has this value already.", args.name),
        (true, true) => format!("Set {} in {}. {}", args.name, place.file(), commit_hint(&place)),
        (true, false) => format!("Changed {} in {}. {}", args.name, place.file(), commit_hint(&place)),
    });
    Ok(0)
}

/// The manifest, where it can be read and has the environment. One that is faulty is told of by others.
fn manifest(context: &Context) -> Option<Manifest> {
    let text = std::fs::read_to_string(context.manifest_path().ok()?).ok()?;
    let manifest = manifest::load(&text).0?;
    let environment = &context.options.environment;
    manifest.environments().iter().any(|known| known == environment).then_some(manifest)
}

/// Refuses a value that is not what the manifest declares: the next deploy would.
fn fits(context: &Context, args: &Set, given: Option<&Secret>) -> Result<(), Failure> {
    let declared = manifest(context)
        .and_then(|manifest| manifest.settings(&context.options.environment).shift_remove(&args.name));
    let Some(declared) = declared else { return Ok(()) };
    let name = &args.name;
    let Some(value) = given else {
        let length = u64::from(args.length);
        let least = declared.bounds.min_length.filter(|least| length < *least);
        let bound = least.or(declared.bounds.max_length.filter(|most| length > *most));
        return match bound {
            Some(bound) => Err(Failure::usage(
                format!("{length} characters are not what is declared of {name}"),
                format!("nothing was changed; say --length {bound}"),
            )),
            None => Ok(()),
        };
    };
    // What goes into this file is shown nowhere, whatever else is declared.
    let declared = Declared { secret: true, ..declared };
    declared.check(value).map_err(|Misfit { message, help }| {
        let help = if help.is_empty() { help } else { format!("{help}; ") };
        Failure::usage(format!("{name}: {message}"), format!("{help}nothing was changed"))
    })
}

/// Whether the manifest knows the name, and if not, what to do; `None` where that cannot be said.
fn declared(context: &Context, name: &str) -> Option<Result<(), String>> {
    let (manifest, environment) = (manifest(context)?, context.options.environment.as_str());
    let declared = manifest.settings(environment);
    if declared.contains_key(name) || manifest.refers_to_setting(environment, name) {
        return Some(Ok(()));
    }
    Some(Err(match manifest::nearest(name, declared.keys().map(String::as_str)) {
        Some(meant) => format!("did you mean {meant}?"),
        None => "declare it under [settings]".to_owned(),
    }))
}

/// The value that is given on standard input, or typed.
pub(super) fn value(name: &str, exact: bool) -> Result<Secret, Failure> {
    let stdin = io::stdin();
    if stdin.is_terminal() {
        return typed(name);
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(LARGEST_VALUE + 4));
    // Enough to tell that it is too large.
    stdin
        .lock()
        .take(LARGEST_VALUE as u64 + 3)
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::failed(format!("standard input cannot be read: {error}"), ""))?;
    let text = std::str::from_utf8(&bytes).map_err(|_| {
        Failure::usage(format!("the value of {} is not UTF-8 text", name), "encode it, as base64 for example")
    })?;
    // `echo` and editors put a line end behind what people mean.
    let text = match text.strip_suffix('\n') {
        Some(line) if !exact => line.strip_suffix('\r').unwrap_or(line),
        _ => text,
    };
    if text.is_empty() {
        return Err(Failure::usage(
            format!("standard input has no value for {}", name),
            "remove a setting with: windlass secrets unset",
        ));
    }
    Ok(Secret::new(text))
}

fn typed(name: &str) -> Result<Secret, Failure> {
    let ask = |question: String| {
        prompt_secret(&question).map_err(|error| match error.kind() {
            io::ErrorKind::Interrupted => Failure::new(130, "interrupted", ""),
            _ => Failure::failed(format!("the terminal cannot be read: {error}"), ""),
        })
    };
    let first = ask(format!("Value of {name} (is not shown): "))?;
    if first.is_empty() {
        return Err(Failure::usage("nothing was typed", "remove a setting with: windlass secrets unset"));
    }
    if ask("Once more: ".to_owned())? != first {
        return Err(Failure::usage("the two are not the same", "nothing was changed; try again"));
    }
    Ok(first)
}
