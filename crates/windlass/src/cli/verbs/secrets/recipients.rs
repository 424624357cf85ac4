//! `windlass secrets recipients`

use std::cell::Cell;
use std::ffi::OsString;
use std::io;

use serde_json::json;
use windlass_core::settings::Secret;
use windlass_core::settings::audit::why_weak;
use windlass_core::settings::sealed::{Document, Identity, PublicKey, Refused, Stretch};

use super::repair::ask;
use super::table::table;
use super::{commit_hint, keyring, listed, missing, place, told, trouble};
use crate::cli::args::secrets::AddRecipient;
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::settings::sealed::{Keyring, can_prompt, fresh_random, prompt_secret, today};

/// Shorter passphrases are guessed, however slow guessing is made.
const SHORTEST: usize = 12;

/// What to take instead.
const GOOD: &str = "nothing was changed; five or six random words make a good one";

pub(super) fn list(context: &Context) -> Result<u8, Failure> {
    let place = place(context)?;
    let parsed = place.parsed().map_err(|faults| told(context, &faults))?;
    let parsed = parsed.ok_or_else(|| missing(context, &place))?;
    let Some(document) = parsed.document else { return Err(told(context, &parsed.faults)) };
    context.answer(&json(&document), || text(&document))?;
    Ok(0)
}

pub(super) fn json(document: &Document) -> Vec<serde_json::Value> {
    let recipients = document.recipients.iter().map(|recipient| {
        json!({
            "name": recipient.name,
            "date": recipient.date.to_string(),
            "passphrase": recipient.stretch.is_some(),
            "public_key": recipient.public.to_string(),
        })
    });
    recipients.collect()
}

pub(super) fn text(document: &Document) -> String {
    let rows: Vec<Vec<String>> = document
        .recipients
        .iter()
        .map(|recipient| {
            let how = match recipient.stretch {
                Some(_) => "whoever knows the passphrase".to_owned(),
                None => recipient.public.to_string(),
            };
            vec![recipient.name.clone(), recipient.date.to_string(), how]
        })
        .collect();
    table(&rows)
}

pub(super) fn add(context: &Context, args: &AddRecipient) -> Result<u8, Failure> {
    let place = place(context)?;
    let (public, stretch) = match &args.public_key {
        Some(text) => (public_key(text)?, None),
        None => {
            let mut random = fresh_random().map_err(|why| trouble(context, &place, why))?;
            let stretch = Stretch::new(&mut random);
            let identity = stretch.identity(&new_passphrase()?).map_err(|why| Failure::failed(why, ""))?;
            (identity.public(), Some(stretch))
        }
    };
    let changed = place
        .change(keyring(context)?, |editing, random| {
            editing.add(&args.name, public, stretch, today(), random)
        })
        .map_err(|why| trouble(context, &place, why))?;
    let document = json!({
        "file": place.file(), "name": args.name, "public_key": public.to_string(),
        "epoch": changed.written.map(|version| version.epoch),
    });
    context.print(&document, || {
        format!("{} can read {} from now on. {}", args.name, place.file(), commit_hint(&place))
    });
    Ok(0)
}

fn public_key(text: &str) -> Result<PublicKey, Failure> {
    if text.starts_with("wlkey1_") {
        return Err(Failure::usage(
            "this is a private key, and now it stands in your shell's history",
            "make another one with `windlass secrets keygen`, and give the public key that it prints",
        ));
    }
    PublicKey::parse(text).ok_or_else(|| {
        Failure::usage(
            "this is not a public key, or a letter of it is wrong",
            "it begins with wlpub1_ and has 55 characters; `windlass secrets keygen --show` prints it",
        )
    })
}

fn new_passphrase() -> Result<Secret, Failure> {
    const GIVEN: &str = "WINDLASS_NEW_PASSPHRASE";
    let given = std::env::var_os(GIVEN).map(OsString::into_string).transpose();
    let given = given
        .map_err(|_| Failure::usage(format!("{GIVEN} is not UTF-8 text"), "a passphrase is a text"))?
        .map(Secret::new);
    let passphrase = match given {
        Some(passphrase) => passphrase,
        None if can_prompt() => typed_passphrase()?,
        None => {
            return Err(Failure::usage(
                "there is no terminal to ask for the passphrase",
                "give it with WINDLASS_NEW_PASSPHRASE",
            ));
        }
    };
    if passphrase.expose().chars().count() < SHORTEST {
        return Err(Failure::usage(format!("the passphrase is shorter than {SHORTEST} characters"), GOOD));
    }
    if let Some(why) = why_weak("", "PASSPHRASE", passphrase.expose()) {
        return Err(Failure::usage(format!("the passphrase can be guessed: {why}"), GOOD));
    }
    Ok(passphrase)
}

fn typed_passphrase() -> Result<Secret, Failure> {
    let ask = |question: &str| {
        prompt_secret(question).map_err(|error| match error.kind() {
            io::ErrorKind::Interrupted => Failure::new(130, "interrupted", ""),
            _ => Failure::failed(format!("the terminal cannot be read: {error}"), ""),
        })
    };
    let first = ask("New passphrase (is not shown): ")?;
    if ask("Once more: ")? != first {
        return Err(Failure::usage("the two are not the same", "nothing was changed; try again"));
    }
    Ok(first)
}

pub(super) fn remove(context: &Context, name: &str) -> Result<u8, Failure> {
    let place = place(context)?;
    let keyring = keyring(context)?;
    let asked = Cell::new(None);
    let remove = |is_agreed: bool| {
        place.change(keyring, |editing, random| {
            editing.remove(name, random)?;
            let known = editing.values().keys().map(ToString::to_string).collect::<Vec<_>>();
            if !is_agreed && is_shut_out(keyring, editing.document()) {
                let refused = shut_out(name, &place.file(), editing.document(), &known);
                asked.set(Some(refused.message.clone()));
                return Err(refused);
            }
            Ok(known)
        })
    };
    let mut changed = remove(context.options.yes);
    // Asked while nothing is locked: a person takes their time.
    if changed.is_err()
        && let Some(lost) = asked.take()
        && ask(&format!("{lost}. Remove it all the same? [y/N] "))
    {
        changed = remove(true);
    }
    let changed = changed.map_err(|why| trouble(context, &place, why))?;
    let known = changed.answer;
    let document = json!({
        "file": place.file(), "name": name, "known": known,
        "epoch": changed.written.map(|version| version.epoch),
    });
    context.print(&document, || {
        format!(
            "{name} cannot read {} as it is from now on: it has a new key.\n\
             {name} knew these values, and git's history has them for whoever kept the old key. Change them at their \
             sources:\n  {}\n{}",
            place.file(),
            listed(&known),
            commit_hint(&place)
        )
    });
    Ok(0)
}

/// Whether none of the keys that are here is a recipient's.
fn is_shut_out(keyring: &Keyring, document: &Document) -> bool {
    let own: Vec<PublicKey> = keyring.keys().iter().map(Identity::public).collect();
    !document.recipients.iter().any(|recipient| own.contains(&recipient.public))
}

/// Nobody who stays need be there, or have kept their key.
fn shut_out(name: &str, file: &str, left: &Document, known: &[String]) -> Refused {
    let message = format!(
        "{name} is whom you read {file} as here: none of the keys that were used for it opens it then ({})",
        listed(known)
    );
    let others: Vec<String> = left.recipients.iter().map(|recipient| recipient.name.clone()).collect();
    Refused {
        message,
        help: format!("say --yes if that is meant: then only {} can read it", listed(&others)),
    }
}
