//! `windlass secrets set NAME`

use std::io::{self, IsTerminal, Read};

use windlass_core::settings::sealed::LARGEST_VALUE;
use windlass_core::settings::{Misfit, Secret};
use zeroize::Zeroizing;

use super::declared::Declarations;
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
        false => {
            let without = format!("remove a setting with: windlass secrets unset {}", args.name);
            Some(value(&args.name, args.exact, &without)?)
        }
    };
    let declarations = Declarations::of(context);
    fits(&declarations, args, given.as_ref())?;
    let is_given = given.is_some();
    let changed = place.change(keyring(context)?, |editing, random| {
        let secret = given.unwrap_or_else(|| random.text(usize::from(args.length)));
        let is_new = !editing.values().keys().any(|label| label.name == args.name);
        editing.set(&args.name, &secret, today(), random).map(|changed| (changed, is_new, secret))
    });
    let changed = changed.map_err(|why| trouble(context, &place, why))?;
    let (differs, is_new, value) = changed.answer;
    let declared = declarations.warn_of(context, &args.name);
    let is_weak = is_given && declarations.warn_weak(context, &args.name, &value);
    let covered = declarations.warn_covered(context, &place.file(), [(args.name.as_str(), &value)])?;
    let document = serde_json::json!({
        "name": args.name, "file": place.file(), "changed": differs, "new": is_new, "declared": declared, "weak": is_weak,
        "covered": !covered.is_empty(),
        "epoch": changed.written.as_ref().map(|version| version.epoch),
    });
    context.print(&document, || match (differs, is_new) {
        (false, _) => format!("{} has this value already.", args.name),
        (true, true) => format!("Set {} in {}. {}", args.name, place.file(), commit_hint(&place)),
        (true, false) => format!("Changed {} in {}. {}", args.name, place.file(), commit_hint(&place)),
    });
    Ok(0)
}

/// Refuses a value that is not what the manifest declares: the next deploy would.
fn fits(declarations: &Declarations<'_>, args: &Set, given: Option<&Secret>) -> Result<(), Failure> {
    let name = &args.name;
    let Some(value) = given else {
        let bounds = declarations.get(name).unwrap_or_default().bounds;
        let length = u64::from(args.length);
        let least = bounds.min_length.filter(|least| length < *least);
        let bound = least.or(bounds.max_length.filter(|most| length > *most));
        return match bound {
            Some(bound) => Err(Failure::usage(
                format!("{length} characters are not what is declared of {name}"),
                format!("nothing was changed; say --length {bound}"),
            )),
            None => Ok(()),
        };
    };
    match declarations.misfits(name, value).into_iter().next() {
        None => Ok(()),
        Some(Misfit { message, help }) => {
            let help = if help.is_empty() { help } else { format!("{help}; ") };
            Err(Failure::usage(format!("{name}: {message}"), format!("{help}nothing was changed")))
        }
    }
}

/// The value that is given on standard input, or typed.
///
/// # Errors
/// When there is none, with the hint `without`.
pub(super) fn value(name: &str, exact: bool, without: &str) -> Result<Secret, Failure> {
    let stdin = io::stdin();
    if stdin.is_terminal() {
        return typed(name, without);
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
        return Err(Failure::usage(format!("standard input has no value for {}", name), without));
    }
    Ok(Secret::new(text))
}

fn typed(name: &str, without: &str) -> Result<Secret, Failure> {
    let ask = |question: String| {
        prompt_secret(&question).map_err(|error| match error.kind() {
            io::ErrorKind::Interrupted => Failure::new(130, "interrupted", ""),
            _ => Failure::failed(format!("the terminal cannot be read: {error}"), ""),
        })
    };
    let first = ask(format!("Value of {name} (is not shown): "))?;
    if first.is_empty() {
        return Err(Failure::usage("nothing was typed", without));
    }
    if ask("Once more: ".to_owned())? != first {
        return Err(Failure::usage("the two are not the same", "nothing was changed; try again"));
    }
    Ok(first)
}
