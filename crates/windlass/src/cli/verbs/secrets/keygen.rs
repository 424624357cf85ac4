//! `windlass secrets keygen`

use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use windlass_core::settings::sealed::Identity;
use zeroize::Zeroizing;

use super::keyring;
use crate::cli::args::secrets::Keygen;
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::layout;
use crate::settings::sealed::{Trouble, default_key_file, fresh_random, today};

pub(super) fn run(context: &Context, args: &Keygen) -> Result<u8, Failure> {
    if args.show {
        return show(context);
    }
    let (identity, path) = match &args.path {
        Some(path) => (make(path)?, path.clone()),
        None => of_the_account()?,
    };
    let public = identity.public().to_string();
    context.say(&format!("Made {}. It opens what is encrypted for this public key:", path.display()));
    context.print(&serde_json::json!({ "key_file": path, "public_key": public }), || public.clone());
    Ok(0)
}

fn show(context: &Context) -> Result<u8, Failure> {
    let keyring = keyring(context)?;
    let publics: Vec<String> = keyring.keys().iter().map(|key| key.public().to_string()).collect();
    if publics.is_empty() {
        return Err(Failure::usage(
            format!("there is no key ({})", keyring.whence()),
            "make one: windlass secrets keygen",
        ));
    }
    context.answer(&serde_json::json!({ "public_keys": publics }), || publics.join("\n"))?;
    Ok(0)
}

/// Makes the account's own key.
pub(super) fn of_the_account() -> Result<(Identity, PathBuf), Failure> {
    let path = default_key_file(&|name| std::env::var_os(name)).ok_or_else(|| {
        Failure::failed(
            "there is no place for a key: HOME is not set",
            "name a file: windlass secrets keygen FILE",
        )
    })?;
    if let Some(directory) = path.parent() {
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory);
        made.map_err(|error| {
            Failure::failed(format!("{} cannot be made: {error}", directory.display()), "")
        })?;
    }
    Ok((make(&path)?, path))
}

/// Writes a new key to a file that is not there yet.
fn make(path: &Path) -> Result<Identity, Failure> {
    let mut random = fresh_random().map_err(|trouble| match trouble {
        Trouble::System(message) => Failure::failed(message, ""),
        _ => Failure::failed("there are no random numbers", ""),
    })?;
    let identity = Identity::new(&mut random);
    let secret = identity.to_text();
    let text = Zeroizing::new(format!(
        "# A key of Windlass, made on {}. Whoever has it can read what is encrypted for\n# {}\n{}\n",
        today(),
        identity.public(),
        secret.expose()
    ));
    write(path, &text).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => Failure::usage(
            format!("there is a {} already", path.display()),
            format!("what is encrypted for it would be lost; its public key: {}", shown_by(path)),
        ),
        _ => Failure::failed(format!("{} cannot be written: {error}", path.display()), ""),
    })?;
    Ok(identity)
}

/// What shows the public key of a file.
fn shown_by(path: &Path) -> String {
    let show = "windlass secrets keygen --show";
    match default_key_file(&|name| std::env::var_os(name)) {
        Some(own) if own == path => show.to_owned(),
        _ => {
            format!("WINDLASS_KEY_FILE={} {show}", crate::cli::commands::quoted(&path.display().to_string()))
        }
    }
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    layout::sync_dir(path.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new(".")))
}
