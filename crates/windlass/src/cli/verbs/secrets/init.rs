//! `windlass secrets init`

use windlass_core::settings::sealed::Identity;

use super::{git, keygen, keyring, place, trouble};
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::settings::sealed::today;

pub(super) fn run(context: &Context, name: Option<String>) -> Result<u8, Failure> {
    let place = place(context)?;
    // It may be made first and the environment be written afterwards.
    if let Ok(project) = context.project()
        && let Err(unknown) = project.must_know(project.environment.as_str())
    {
        context.say(&format!("note: {} in {}; {}", unknown.message, project.file, unknown.hint));
    }
    let name = name.unwrap_or_else(|| account(context));
    let made = match keyring(context)?.keys().is_empty() {
        true => Some(keygen::of_the_account()?),
        false => None,
    };
    let keys: Vec<Identity> = match &made {
        Some((identity, _)) => vec![identity.clone()],
        None => keyring(context)?.keys(),
    };
    let public = keys.first().map(Identity::public).ok_or_else(|| Failure::failed("there is no key", ""))?;
    let created = !place.path().exists();
    if created {
        place
            .create(|editing, random| editing.add(&name, public, None, today(), random))
            .map_err(|why| trouble(context, &place, why))?;
    }
    let git = git::prepare(&context.project_directory()?)
        .map_err(|error| Failure::failed(format!(".gitattributes cannot be written: {error}"), ""))?;
    let mut commit = vec![];
    if created {
        commit.push(place.file());
    }
    if git.attributes {
        commit.push(".gitattributes".to_owned());
    }
    let key_file = made.as_ref().map(|(_, path)| path.display().to_string());
    let document = serde_json::json!({
        "file": place.file(), "created": created, "key_file": key_file, "public_key": public.to_string(),
        "merge_driver": git.driver, "commit": commit,
    });
    context.print(&document, || {
        let mut text = String::new();
        if let Some(path) = &key_file {
            text.push_str(&format!("Made your key, {path}. Keep a copy of it in a safe place.\n"));
        }
        if created {
            text.push_str(&format!("Made {} for {name} ({public}).\n", place.file()));
        } else {
            text.push_str(&format!("{} is there already. Your public key is {public}\n", place.file()));
        }
        if git.driver {
            text.push_str("Told this clone of the repository how to merge encrypted files.\n");
        }
        if !commit.is_empty() {
            text.push_str(&format!("Commit: {}\n", commit.join(" ")));
        }
        let flag = match context.options.environment.as_str() {
            "local" => String::new(),
            environment => format!(" --env {environment}"),
        };
        text + &format!("Next: windlass secrets set NAME{flag}")
    });
    Ok(0)
}

/// The account's name, as far as a recipient can be called so.
fn account(context: &Context) -> String {
    let named = ["SUDO_USER", "USER", "LOGNAME"].iter().find_map(|key| std::env::var(key).ok());
    let clean: String = named
        .unwrap_or_else(|| context.account())
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || "._@+-".contains(*c))
        .skip_while(|c| !c.is_ascii_alphanumeric())
        .take(64)
        .collect();
    if clean.is_empty() { "me".to_owned() } else { clean }
}
