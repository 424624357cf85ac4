//! The command line: one file for each verb. It loads, asks the host side, and prints.
//!
//! ```text
//! args -> Context (project, options) -> verb -> Client (host side) -> Outcome -> exit code
//! ```

mod args;
mod client;
mod commands;
mod consent;
mod context;
#[cfg(test)]
pub(crate) mod damaged;
mod elsewhere;
mod failure;
#[cfg(test)]
mod fake_host;
mod follow;
mod interrupts;
mod judged;
mod other_source;
mod own_files;
mod passed;
mod print;
mod project;
mod rotation;
mod source;
mod specified;
mod stored;
mod verbs;
mod wait;

use std::ffi::OsString;
use std::process::ExitCode;

use args::{Arguments, Verb};
use failure::Failure;

use crate::observe::debug;

/// Runs a verb.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = match Arguments::read(std::env::args_os()) {
        Ok(arguments) => arguments,
        Err(error) if error.use_stderr() && wants_json(std::env::args_os()) => {
            return Failure::of_arguments(&error).print(true);
        }
        Err(error) if failure::gives_a_value(&error) => return Failure::of_arguments(&error).print(false),
        Err(error) => {
            // Help that nobody can read was not given.
            let unprinted = print::printed(error.print()).is_err();
            return ExitCode::from(match (error.use_stderr(), unprinted) {
                (true, _) => failure::USAGE,
                (false, true) => failure::FAILED,
                (false, false) => 0,
            });
        }
    };
    let json = arguments.options.json;
    commands::are_about(&arguments.options);
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return Failure::failed(format!("no runtime: {error}"), "").print(json),
    };
    match runtime.block_on(run(arguments)) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => failure.print(json),
    }
}

/// Whether arguments that cannot be read ask for JSON all the same.
fn wants_json(arguments: impl Iterator<Item = OsString>) -> bool {
    arguments.take_while(|argument| argument != "--").any(|argument| argument == "--json")
}

async fn run(arguments: Arguments) -> Result<u8, Failure> {
    let context = context::Context::new(arguments.options)?;
    if let Some(warning) = debug::unknown_level() {
        context.say(&warning);
    }
    let ended = verb(&context, arguments.verb).await;
    client::let_rest(&context).await;
    ended
}

async fn verb(context: &context::Context, verb: Verb) -> Result<u8, Failure> {
    match verb {
        Verb::Init(args) => verbs::init::run(context, &args),
        Verb::Import(args) => verbs::import::run(context, &args),
        Verb::Check(args) => verbs::check::run(context, &args),
        Verb::Plan(args) => verbs::plan::run(context, &args).await,
        Verb::Apply(args) => verbs::apply::run(context, &args).await,
        Verb::Deploy(args) => verbs::deploy::run(context, &args).await,
        Verb::Rollback(args) => verbs::rollback::run(context, args.release, args.anyway, args.now).await,
        Verb::Restart(args) => verbs::restart::run(context, args.services).await,
        Verb::Stop(args) => verbs::stop::run(context, args.services).await,
        Verb::Scale(args) => verbs::scale::run(context, &args.replicas).await,
        Verb::Resume => verbs::claim::resume(context).await,
        Verb::Abort => verbs::claim::abort(context).await,
        Verb::Status => verbs::status::run(context).await,
        Verb::Releases(args) => verbs::releases::run(context, &args).await,
        Verb::Runs(args) => verbs::runs::run(context, &args).await,
        Verb::Logs(args) => verbs::logs::run(context, args).await,
        Verb::Run(args) => verbs::run::run(context, args).await,
        Verb::Config(args) => verbs::config::run(context, args),
        Verb::Host(args) => verbs::host::run(context, args).await,
        Verb::Secrets(args) => verbs::secrets::run(context, args).await,
        Verb::Down(args) => verbs::down::run(context, args.delete_data).await,
        Verb::Schema => verbs::schema::run(),
        Verb::Completion(args) => verbs::completion::run(args.shell),
    }
}
