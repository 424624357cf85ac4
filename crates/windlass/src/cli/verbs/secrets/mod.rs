//! `windlass secrets`: the encrypted file of an environment.

mod audit;
mod declared;
mod edit;
mod editor;
mod export;
mod get;
mod git;
mod import;
mod init;
mod keygen;
mod leavers;
mod list;
mod merge;
mod recipients;
mod rekey;
mod repair;
mod rotatable;
mod rotate;
mod set;
mod table;
mod unset;

use windlass_core::name::Name;
use windlass_core::settings::Fault;
use windlass_core::settings::sealed::Opened;

use crate::cli::args::secrets::{RecipientsVerb, Secrets, Verb};
use crate::cli::context::{Context, complain, faults_to_json};
use crate::cli::failure::{Failure, REFUSED, USAGE};
use crate::cli::print::print_line;
use crate::settings::sealed::{Keyring, Place, Trouble};

pub(in crate::cli) async fn run(context: &Context, args: Secrets) -> Result<u8, Failure> {
    match args.verb {
        Verb::Init(args) => init::run(context, args.name),
        Verb::Set(args) => set::run(context, &args),
        Verb::Get(args) => get::run(context, &args.name),
        Verb::List => list::run(context),
        Verb::Edit => edit::run(context).await,
        Verb::Unset(args) => unset::run(context, &args.name),
        Verb::Rekey => rekey::run(context),
        Verb::Recipients(args) => match args.verb {
            None | Some(RecipientsVerb::List) => recipients::list(context),
            Some(RecipientsVerb::Add(args)) => recipients::add(context, &args),
            Some(RecipientsVerb::Remove(args)) => recipients::remove(context, &args.name),
        },
        Verb::Import(args) => import::run(context, &args),
        Verb::Export(args) => export::run(context, args.format.as_deref(), args.out.as_deref()),
        Verb::Repair => repair::run(context),
        Verb::Merge(args) => merge::run(context, &args),
        Verb::Rotate(args) => rotate::run(context, &args).await,
        Verb::Keygen(args) => keygen::run(context, &args),
        Verb::Audit(args) => audit::run(context, args.older_than),
    }
}

/// Where the environment's file lies. The manifest may be faulty: its place is enough.
fn place(context: &Context) -> Result<Place, Failure> {
    let environment = Name::new(context.options.environment.clone())
        .map_err(|error| Failure::usage(format!("--env: {error}"), ""))?;
    Ok(Place::new(&context.project_directory()?, environment.as_str()))
}

fn keyring(context: &Context) -> Result<&Keyring, Failure> {
    context.keyring().map_err(|fault| told(context, &[fault]))
}

/// The file, opened; what is damaged in it is told, and the rest can be used.
fn opened(context: &Context, place: &Place) -> Result<Opened, Failure> {
    let opened = place.read(keyring(context)?).map_err(|faults| told(context, &faults))?;
    opened.ok_or_else(|| missing(context, place))
}

/// The file, opened and whole.
fn sound(context: &Context, place: &Place) -> Result<Opened, Failure> {
    let opened = opened(context, place)?;
    if opened.is_sound() {
        return Ok(opened);
    }
    let faults: Vec<Fault> = opened.damaged.into_iter().map(|damaged| damaged.fault).collect();
    Err(told(context, &faults))
}

fn missing(context: &Context, place: &Place) -> Failure {
    Failure::usage(
        format!("there is no {}", place.file()),
        format!("make it: windlass secrets init --env {}", context.options.environment),
    )
}

/// Tells faults, and answers the failure that they are.
fn told(context: &Context, faults: &[Fault]) -> Failure {
    if context.options.json {
        let faults = faults_to_json(faults);
        print_line(&serde_json::json!({ "exit_code": USAGE, "faults": faults }).to_string());
    } else {
        faults.iter().for_each(|fault| complain(&format!("error: {fault}")));
    }
    Failure::told(USAGE)
}

pub(in crate::cli) fn trouble(context: &Context, place: &Place, trouble: Trouble) -> Failure {
    match trouble {
        Trouble::Missing(_) => missing(context, place),
        Trouble::Faults(faults) => told(context, &faults),
        Trouble::Refused(refused) => Failure::usage(refused.message, refused.help),
        Trouble::Busy(file) => Failure::new(
            REFUSED,
            format!("another windlass is writing {file}"),
            "try again when it has ended; an editor that is open does not count",
        ),
        Trouble::System(message) => Failure::failed(message, ""),
    }
}

/// What is to be done with the file after a change.
fn commit_hint(place: &Place) -> String {
    format!("Commit {}, and deploy.", place.file())
}

/// `DB_PASSWORD, TOKEN`, or `nothing`.
fn listed(names: &[String]) -> String {
    if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
}
