//! `windlass secrets rotate NAME`

use std::cell::OnceCell;
use std::path::PathBuf;

use windlass_core::name::Name;
use windlass_core::plan::{Observed, Request, Rotated, Wanted};
use windlass_core::protocol::{FingerprintKey, Values};
use windlass_core::settings::{
    Declared, MadeUp, NoSuccessor, Provenance, Secret, Text, next_account, successor,
};
use windlass_core::spec::SealedVersion;

use super::{keyring, rotatable, set, trouble};
use crate::cli::args::secrets::Rotate;
use crate::cli::client::not_deployed;
use crate::cli::context::Context;
use crate::cli::failure::{Failure, INTERRUPTED, NEEDS_A_PERSON};
use crate::cli::other_source;
use crate::cli::project::Project;
use crate::cli::rotation::{self, Note};
use crate::cli::verbs::request::{self, How};
use crate::settings::Found;
use crate::settings::sealed::{Place, fresh_random, today};

pub(super) async fn run(context: &Context, args: &Rotate) -> Result<u8, Failure> {
    let project = context.project()?;
    let Some(name) = &args.name else { return rotatable::list(context, &project).await };
    let declared = project.manifest.settings(project.environment.as_str());
    match (declared.get(name), Name::new(name.as_str())) {
        (Some(Declared { rotate: Some(MadeUp { at: Some(engine), .. }), .. }), _)
            if args.value_from_stdin =>
        {
            Err(Failure::usage(
                format!("the new value of {name} is made up, and {} told of it", engine.name()),
                "leave --value-from-stdin out",
            ))
        }
        (Some(Declared { rotate: Some(made_up), .. }), _) => {
            setting(context, &project, name, (*made_up, args.value_from_stdin)).await
        }
        (_, Ok(name)) if args.value_from_stdin => Err(Failure::usage(
            format!("{name} is no setting that is rotated; only those take a value"),
            "leave --value-from-stdin out: the credential of a resource is made up",
        )),
        (_, Ok(name)) => {
            request::change_active(context, Request::Rotate { what: Rotated::Resource(name) }).await
        }
        (Some(_), Err(_)) => Err(Failure::usage(
            format!("the manifest does not say how {name} is rotated"),
            "write `rotate = \"generate\"`, or the commands that tell its source, at that setting",
        )),
        (None, Err(_)) => Err(Failure::usage(
            format!("there is no setting {name}"),
            "name one of those that `windlass secrets rotate` lists",
        )),
    }
}

async fn setting(
    context: &Context,
    project: &Project,
    name: &str,
    (made_up, given): (MadeUp, bool),
) -> Result<u8, Failure> {
    if !project.layout.journal().exists() {
        return Err(not_deployed());
    }
    other_source::refuse(context, project).await?;
    // Asked for before others are kept out: a person takes their time.
    let given = if given {
        Some(set::value(name, false, "give the new value, or leave --value-from-stdin out: one is made up")?)
    } else {
        None
    };
    let held = rotation::Held::take(&project.layout)?;
    rotation::settle_held(context, project, &held).await?;
    let mut found = context.settings(project).map_err(|faults| context.refuse(project, &faults, &[]))?;
    let account = found.declared.get(name).and_then(|declared| declared.account.clone());
    let made = if given.is_some() { None } else { Some(made_up) };
    let exchanged = exchanged(context, project, &found, (name, account.as_deref()), (made_up, given))?;
    for one in &exchanged {
        check(project, &mut found, &one.name, &one.new, made)?;
        one.kept.check(&one.name, &one.new)?;
    }
    let noted: OnceCell<Option<SealedVersion>> = OnceCell::new();
    let planned = async |observed: &Observed, key: &FingerprintKey| {
        let mut wanted = wanted(observed, name, (&exchanged, account.as_deref()), key)?;
        for one in &exchanged {
            if let Some(setting) = wanted.spec.settings.get_mut(&one.name) {
                setting.fingerprint = one.new.fingerprint(&key.0);
            }
        }
        windlass_core::plan::plan(&wanted, observed)
            .map_err(|error| Failure::usage(error.to_string(), ""))?;
        let version = match noted.get() {
            Some(version) => version.clone(),
            None => {
                let version = note(context, project, &exchanged, key)?;
                noted.get_or_init(|| version).clone()
            }
        };
        // An older file has the old value: a deploy of one is refused.
        wanted.spec.sealed = version.or(wanted.spec.sealed);
        Ok(wanted)
    };
    let values =
        || Values(exchanged.iter().map(|one| (one.name.clone(), one.new.expose().to_owned())).collect());
    let how = How { values: &values, ..How::default() };
    let ended = request::carry_out_as(context, project, planned, how).await;
    let is_open = matches!(&ended, Ok(code) if *code == INTERRUPTED)
        || matches!(&ended, Err(failure) if failure.code == INTERRUPTED);
    if is_open {
        rotation::tell_unsettled(context, &rotation::unsettled(project));
        return ended;
    }
    // Looked up like after a crash: what the run said is not all that may have happened.
    match (rotation::settle_held(context, project, &held).await, &ended) {
        (Err(failure), Ok(0)) => Err(in_force_but(name, &failure)),
        (Err(failure), _) => {
            context.say(&format!("note: {}", failure.message));
            ended
        }
        (Ok(()), _) => {
            if exchanged.iter().any(|one| one.kept == Kept::Sealed) && matches!(ended, Ok(0)) {
                context.say(&format!("Commit {}.", place(project).file()));
            }
            ended
        }
    }
}

/// A setting, the value that goes, and the one that comes.
struct Exchanged {
    name: String,
    kept: Kept,
    old: Secret,
    new: Secret,
}

/// What is exchanged: the value of `name`, and where that is the password of an account, the account's name.
fn exchanged(
    context: &Context,
    project: &Project,
    found: &Found,
    (name, account): (&str, Option<&str>),
    (made_up, given): (MadeUp, Option<Secret>),
) -> Result<Vec<Exchanged>, Failure> {
    let value = |name: &str| found.assembled.get(name).cloned().unwrap_or_default();
    let one = |name: &str, new: Secret| {
        Ok::<_, Failure>(Exchanged {
            name: name.to_owned(),
            kept: Kept::of(project, found, name)?,
            old: value(name),
            new,
        })
    };
    if let Some(new) = given {
        return Ok(vec![one(name, new)?]);
    }
    let mut random = fresh_random().map_err(|why| trouble(context, &place(project), why))?;
    let text = random.text(usize::from(made_up.length));
    let Some(engine) = made_up.at else { return Ok(vec![one(name, text)?]) };
    let mark = format!("{:08x}", random.number());
    let nothing_follows = |name: &str, why: NoSuccessor| {
        Failure::usage(
            format!("the value of {name} {why}"),
            format!("write it as the application signs in to {}", engine.name()),
        )
    };
    match account {
        Some(account) => {
            let next = next_account(value(account).expose(), &mark);
            let next = Secret::new(next.map_err(|why| nothing_follows(account, why))?);
            Ok(vec![one(name, text)?, one(account, next)?])
        }
        None => {
            let old = value(name);
            let made = successor(engine, old.expose(), text.expose(), &mark);
            Ok(vec![one(name, Secret::new(made.map_err(|why| nothing_follows(name, why))?))?])
        }
    }
}

/// Notes that all of these are being exchanged: in the encrypted file by one write.
fn note(
    context: &Context,
    project: &Project,
    exchanged: &[Exchanged],
    key: &FingerprintKey,
) -> Result<Option<SealedVersion>, Failure> {
    for one in exchanged {
        if let Kept::File(file) = &one.kept {
            let (old, new) = (one.old.fingerprint(&key.0), one.new.fingerprint(&key.0));
            let (setting, file) = (one.name.clone(), file.clone());
            Note { version: Note::VERSION, setting, file, old, new }.write(&project.layout)?;
        }
    }
    let sealed: Vec<&Exchanged> = exchanged.iter().filter(|one| one.kept == Kept::Sealed).collect();
    if sealed.is_empty() {
        return Ok(None);
    }
    let place = place(project);
    let changed = place.change(keyring(context)?, |editing, random| {
        sealed.iter().try_for_each(|one| editing.set_pending(&one.name, &one.new, today(), random).map(drop))
    });
    let written = changed.map_err(|why| trouble(context, &place, why))?.written;
    // The release runs with the values of the write that will promote them.
    Ok(written.map(SealedVersion::next))
}

/// The new value is in force, and the file does not say so.
fn in_force_but(name: &str, failure: &Failure) -> Failure {
    let hint = match failure.hint.as_str() {
        "" => "make it writable; the next windlass deploy puts the new value there",
        hint => hint,
    };
    Failure {
        code: NEEDS_A_PERSON,
        message: format!("{name} is rotated, and {}", failure.message),
        hint: hint.to_owned(),
        told: failure.told,
        overtaken: failure.overtaken,
    }
}

fn place(project: &Project) -> Place {
    Place::new(&project.directory, project.environment.as_str())
}

/// What the active release is to run: itself.
fn wanted(
    observed: &Observed,
    name: &str,
    (exchanged, account): (&[Exchanged], Option<&str>),
    key: &FingerprintKey,
) -> Result<Wanted, Failure> {
    let active = observed.active.as_ref().ok_or_else(not_deployed)?;
    for Exchanged { name, old, .. } in exchanged {
        let in_force = active.spec.settings.get(name).map(|setting| setting.fingerprint.as_str());
        if in_force.is_some_and(|in_force| in_force != old.fingerprint(&key.0)) {
            return Err(Failure::usage(
                format!("{name} has another value here than {} runs with", active.release),
                "run windlass deploy first, or put the value back: a rotation begins with the one that is in force",
            ));
        }
    }
    let rotation = active.spec.rotations.get(name);
    if let Some(rotation) = rotation.filter(|rotation| rotation.account() != account) {
        let together = rotation.account().map_or("by itself".to_owned(), |other| format!("with {other}"));
        return Err(Failure::usage(
            format!(
                "{} exchanges {name} {together}, which the manifest does not say any more",
                active.release
            ),
            "run windlass deploy first",
        ));
    }
    let request = Request::Rotate { what: Rotated::Setting(name.to_owned()) };
    Ok(Wanted { request, spec: active.spec.clone(), source: active.tree.source.clone() })
}

/// Where the value is kept, and is exchanged.
#[derive(PartialEq, Eq)]
enum Kept {
    Sealed,
    File(PathBuf),
}

impl Kept {
    fn of(project: &Project, found: &Found, name: &str) -> Result<Self, Failure> {
        let provenance = found.assembled.settings.get(name).map(|setting| &setting.value.provenance);
        let (what, hint) = match provenance {
            Some(Provenance::Sealed { .. }) => return Ok(Self::Sealed),
            Some(Provenance::File { name, .. }) => return Ok(Self::File(project.directory.join(name))),
            Some(Provenance::Environment) => (
                "comes from the environment of this command, which Windlass cannot change for others",
                "unset it here when .env or the encrypted file has it too; else exchange it where the environment \
                 is made, and deploy",
            ),
            Some(Provenance::Store { .. }) => (
                "is kept in a store",
                "exchange it there: the next windlass deploy asks the store, and goes back when it does not work",
            ),
            Some(Provenance::Composed | Provenance::Default) => (
                "has no value but what the manifest says",
                "give it one in .env or the encrypted file, and deploy",
            ),
            None => ("has no value yet", "give it one in .env or the encrypted file, and deploy"),
        };
        Err(Failure::usage(format!("{name} {what}"), hint))
    }

    /// Looks whether the value can be put there, before anything is begun.
    fn check(&self, name: &str, new: &Secret) -> Result<(), Failure> {
        match self {
            Self::Sealed => Ok(()),
            Self::File(file) => {
                rotation::check_owner(file)?;
                let text = rotation::read(file)?;
                rotation::rewritten(file, &text, name, new).map(drop)
            }
        }
    }
}

/// Whether a deploy would take the new value.
fn check(
    project: &Project,
    found: &mut Found,
    name: &str,
    new: &Secret,
    made_up: Option<MadeUp>,
) -> Result<(), Failure> {
    if let Some(setting) = found.assembled.settings.get_mut(name) {
        setting.value.text = Text::Known(new.clone());
    }
    let start = format!("{name}: ");
    let faults = found.errors(project.app.as_str(), project.environment.as_str(), &project.file);
    let Some(fault) = faults.into_iter().find(|fault| fault.message.starts_with(&start)) else {
        return Ok(());
    };
    let why = fault.message.trim_start_matches(&start);
    let message = match made_up {
        None => format!("the new value of {name}: {why}"),
        Some(_) => format!("a value that is made up is not what {name} must be: {why}"),
    };
    let help = match made_up {
        None => fault.help,
        // It is the value in force, with another account and password: no other can be given.
        Some(MadeUp { at: Some(_), .. }) => {
            format!(
                "a new value is like the one in force, with another password: change that, or what is asked of {name}"
            )
        }
        Some(MadeUp { at: None, .. }) => {
            format!("give one: windlass secrets rotate {name} --value-from-stdin")
        }
    };
    Err(Failure::usage(message, help))
}
