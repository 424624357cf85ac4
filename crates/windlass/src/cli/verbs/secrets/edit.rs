//! `windlass secrets edit`

use std::io::ErrorKind;

use indexmap::IndexMap;
use windlass_core::settings::sealed::{LARGEST_FILE, Refused};
use windlass_core::settings::{self, Fault, Misfit, Secret, dotenv};
use zeroize::Zeroizing;

use super::declared::Declarations;
use super::editor::{self, Signals};
use super::{commit_hint, keyring, listed, place, sound, trouble};
use crate::cli::context::{Context, complain};
use crate::cli::failure::Failure;
use crate::settings::scratch::Scratch;
use crate::settings::sealed::today;

type Values = IndexMap<String, Secret>;

/// What a person has changed.
struct Difference {
    set: Values,
    unset: Vec<String>,
}

pub(super) async fn run(context: &Context) -> Result<u8, Failure> {
    let place = place(context)?;
    let opened = sound(context, &place)?;
    let before: Values =
        opened.in_force().map(|(name, value)| (name.to_owned(), value.secret.clone())).collect();
    drop(opened);
    // From here on no signal ends the program before the file is wiped.
    let mut signals = Signals::new()?;
    let scratch = Scratch::new("secrets.env").map_err(|error| {
        Failure::failed(format!("there is no place for a file that only you can read: {error}"), "")
    })?;
    if !scratch.is_memory() {
        context.say(
            "warning: this machine has no directory in memory; the editor's file is written to the disk",
        );
    }
    let declarations = Declarations::of(context);
    let misfits = |read: &Read| misfits(&declarations, &before, read);
    let after = edited(&scratch, &text(context, &before)?, &mut signals, &misfits).await?;
    drop(scratch);
    if after.is_empty() && !before.is_empty() {
        return Err(Failure::usage(
            "the editor left nothing, and nothing was changed",
            "to remove secrets, remove their lines; the last one: windlass secrets unset NAME",
        ));
    }
    let Difference { set, unset } = difference(&before, &after);
    let changed = place.change(keyring(context)?, |editing, random| {
        // Nobody is kept out while a person types; whoever has written meanwhile is not overwritten.
        for name in set.keys().chain(&unset) {
            let now = editing.values().iter().find(|(label, _)| label.name == *name && !label.pending);
            if now.map(|(_, value)| &value.secret) != before.get(name) {
                return Err(Refused {
                    message: format!("somebody else has changed {name} while you edited"),
                    help: "nothing was changed; edit again".to_owned(),
                });
            }
        }
        for (name, secret) in &set {
            editing.set(name, secret, today(), random)?;
        }
        for name in &unset {
            editing.unset(name);
        }
        Ok(())
    });
    let changed = changed.map_err(|why| trouble(context, &place, why))?;
    for name in set.keys().filter(|name| !before.contains_key(*name)) {
        declarations.warn_of(context, name);
    }
    let is_weak = |(name, value): &(&String, &Secret)| declarations.warn_weak(context, name, value);
    let weak: Vec<String> = set.iter().filter(is_weak).map(|(name, _)| name.clone()).collect();
    let values = set.iter().map(|(name, value)| (name.as_str(), value));
    let covered = declarations.warn_covered(context, &place.file(), values)?;
    let set: Vec<String> = set.into_keys().collect();
    let document = serde_json::json!({
        "file": place.file(), "set": set, "unset": unset, "weak": weak,
        "covered": covered,
        "epoch": changed.written.as_ref().map(|version| version.epoch),
    });
    context.print(&document, || match changed.written {
        None => "Nothing was changed.".to_owned(),
        Some(_) => format!("Set {}; removed {}. {}", listed(&set), listed(&unset), commit_hint(&place)),
    });
    Ok(0)
}

fn text(context: &Context, values: &Values) -> Result<Zeroizing<String>, Failure> {
    let pairs = values.iter().map(|(name, secret)| (name.as_str(), secret.expose()));
    let lines = settings::write(pairs).map_err(|error| Failure::failed(error.to_string(), ""))?;
    let head = format!(
        "# The secrets of {}. Save and leave the editor to seal them; remove a line to remove a secret.\n\
         # As in a .env file: NAME=value. In single quotes all but the quote stands for itself, also line breaks.\n\n",
        context.options.environment
    );
    Ok(Zeroizing::new([head.as_str(), &lines].concat()))
}

/// What the person has made of the text. Faults are told, and mended in the editor.
async fn edited(
    scratch: &Scratch,
    text: &str,
    signals: &mut Signals,
    misfits: &dyn Fn(&Read) -> Vec<Fault>,
) -> Result<Values, Failure> {
    let failed = |what: &str, error: std::io::Error| {
        Failure::failed(format!("the editor's file cannot be {what}: {error}"), "")
    };
    scratch.write(text.as_bytes()).map_err(|error| failed("written", error))?;
    loop {
        editor::call(scratch.path(), signals).await?;
        let bytes = scratch.read(LARGEST_FILE as u64).map_err(|error| match error.kind() {
            ErrorKind::NotFound => Failure::usage(
                "the editor has removed the file, and nothing was changed",
                "to remove secrets, remove their lines; an editor that puts another file in its place must give it the same name",
            ),
            _ => failed("read", error),
        })?;
        let faults = match std::str::from_utf8(&bytes) {
            Ok(text) => {
                let read = parse("secrets.env", text);
                let misfits = misfits(&read);
                let Read { values, mut faults, valueless, .. } = read;
                faults.extend(valueless.into_iter().chain(misfits));
                if faults.is_empty() {
                    return Ok(values);
                }
                faults.sort_by_key(|fault| fault.line);
                faults
            }
            Err(_) => vec![Fault {
                file: "secrets.env".to_owned(),
                line: 0,
                column: 0,
                message: "it is not UTF-8 text".to_owned(),
                help: "save it as UTF-8".to_owned(),
            }],
        };
        faults.iter().for_each(|fault| complain(&format!("error: {fault}")));
        if !signals.ask("Edit it again? (otherwise nothing is changed) [y/N] ").await? {
            return Err(Failure::usage("what was written cannot be taken", "nothing was changed"));
        }
    }
}

/// What a `.env` text says.
pub(super) struct Read {
    pub(super) values: Values,
    /// Where they stand.
    lines: IndexMap<String, u32>,
    /// What is only doubtful elsewhere is a fault here: a dollar sign that vanishes would change a password.
    pub(super) faults: Vec<Fault>,
    /// Lines that give no value.
    pub(super) valueless: Vec<Fault>,
}

pub(super) fn parse(file: &str, text: &str) -> Read {
    let parsed = dotenv::parse(file, text, &|_| None, &|_| None);
    // No environment is looked at here.
    let bare = parsed.bare.into_iter();
    let bare = bare.map(|fault| Fault { message: "there is no = in this line".to_owned(), ..fault });
    Read {
        lines: parsed.entries.iter().map(|entry| (entry.name.clone(), entry.line)).collect(),
        values: parsed.entries.into_iter().map(|entry| (entry.name, entry.value)).collect(),
        faults: parsed.faults.into_iter().chain(parsed.warnings).collect(),
        valueless: parsed.unfit.into_iter().chain(bare).collect(),
    }
}

/// The values among those that were changed which are not what is declared.
fn misfits(declarations: &Declarations<'_>, before: &Values, read: &Read) -> Vec<Fault> {
    let mut faults = vec![];
    for (name, secret) in &difference(before, &read.values).set {
        for Misfit { message, help } in declarations.misfits(name, secret) {
            faults.push(Fault {
                file: "secrets.env".to_owned(),
                line: read.lines.get(name).copied().unwrap_or_default(),
                column: 0,
                message: format!("{name}: {message}"),
                help: if help.is_empty() { "write another one".to_owned() } else { help },
            });
        }
    }
    faults
}

fn difference(before: &Values, after: &Values) -> Difference {
    let changed = |name: &String, secret: &Secret| before.get(name) != Some(secret);
    let set = after.iter().filter(|(name, secret)| changed(name, secret));
    Difference {
        set: set.map(|(name, secret)| (name.clone(), secret.clone())).collect(),
        unset: before.keys().filter(|name| !after.contains_key(*name)).cloned().collect(),
    }
}
