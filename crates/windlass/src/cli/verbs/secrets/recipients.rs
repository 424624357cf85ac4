//! `windlass secrets recipients`

use std::io;

use serde_json::json;
use windlass_core::settings::Secret;
use windlass_core::settings::sealed::{Document, PublicKey, Stretch};

use super::table::table;
use super::{commit_hint, keyring, listed, missing, place, told, trouble};
use crate::cli::args::secrets::AddRecipient;
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::settings::sealed::{can_prompt, fresh_random, prompt_secret, today};

/// Shorter passphrases are guessed, however slow guessing is made.
const SHORTEST: usize = 12;

pub(super) fn list(context: &Context) -> Result<u8, Failure> {
    let place = place(context)?;
    let parsed = place.parsed().map_err(|faults| told(context, &faults))?;
    let parsed = parsed.ok_or_else(|| missing(context, &place))?;
    let Some(document) = parsed.document else { return Err(told(context, &parsed.faults)) };
    context.print(&json(&document), || text(&document));
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
    let given = std::env::var("WINDLASS_NEW_PASSPHRASE").ok().map(Secret::new);
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
        return Err(Failure::usage(
            format!("the passphrase is shorter than {SHORTEST} characters"),
            "five or six random words make a good one",
        ));
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
    let changed = place
        .change(keyring(context)?, |editing, random| {
            editing.remove(name, random)?;
            Ok(editing.values().keys().map(ToString::to_string).collect::<Vec<_>>())
        })
        .map_err(|why| trouble(context, &place, why))?;
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
