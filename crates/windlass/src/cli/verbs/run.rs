//! `windlass run JOB` and `windlass run -- COMMAND`

use std::io::{IsTerminal, Seek};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::time::Duration;

use rustix::fs::{FlockOperation, Mode, OFlags, flock};
use rustix::io::Errno;
use windlass_core::name::Name;
use windlass_core::protocol::{Answer, Ask, RunWhat, Values};
use windlass_core::spec::{Command, Template};

use crate::account::Account;
use crate::cli::args;
use crate::cli::client::{Client, unexpected};
use crate::cli::context::{Context, complain, print_line};
use crate::cli::failure::{Failure, REFUSED};

pub(in crate::cli) async fn run(context: &Context, args: args::Run) -> Result<u8, Failure> {
    let job = args.job.map(Name::new).transpose();
    let job = job.map_err(|error| Failure::usage(error.to_string(), "commands come after --"))?;
    let what = match job {
        Some(job) if args.undo => RunWhat::Undo { job, release: args.release },
        Some(job) => RunWhat::Job(job),
        None => RunWhat::Command(Command::Argv(args.command.into_iter().map(Template::literal).collect())),
    };
    if args.raw && context.options.json {
        return Err(Failure::usage(
            "--raw gives what the command writes, and no JSON",
            "leave out one of the two",
        ));
    }
    // What undoes a job in a deploy that goes back has no terminal either.
    let attached = args.raw || (is_at_terminal() && !context.options.json && !args.undo);
    if !attached && is_given_a_file() {
        return Err(Failure::usage(
            "the command would not get what is on the standard input",
            "windlass run --raw passes it on, and what the command writes as it is: secrets are not masked then",
        ));
    }
    let (_, mut client) = Client::of_deployed(context).await?;
    client.send(&Ask::Run { what, attached, by: context.who() }).await?;
    let mut interrupt = std::pin::pin!(tokio::signal::ctrl_c());
    loop {
        let answer = tokio::select! {
            answer = client.receive() => answer?,
            // The host side ends the command when its asker goes.
            _ = &mut interrupt => return Ok(130),
        };
        match answer {
            Answer::Line { text, .. } if context.options.json => {
                print_line(&serde_json::json!({ "line": text }).to_string());
            }
            Answer::Line { text, .. } => print_line(&text),
            Answer::Note { text } => context.say(&text),
            Answer::Attach { argv, directory, user, env, lock } => {
                let _until_it_ends = lock.map(|path| hold(&path)).transpose()?;
                return Err(execute(&argv, &directory, user.as_deref(), &env));
            }
            Answer::Exited { code, how } => {
                if context.options.json {
                    print_line(&serde_json::json!({ "exit_code": code, "how": how }).to_string());
                } else if code != 0 {
                    complain(&format!("the command {how}"));
                }
                if rustix::io::ioctl_fionread(std::io::stdin()).is_ok_and(|left| left > 0) {
                    context.say("note: the standard input was not passed on; windlass run --raw does");
                }
                return Ok(u8::try_from(code).unwrap_or(1));
            }
            _ => return Err(unexpected()),
        }
    }
}

/// A person at a terminal gets the terminal: a shell or a prompt for a password must work there.
/// Everybody else gets lines, with secrets masked, from a command that Windlass keeps.
fn is_at_terminal() -> bool {
    std::io::stdin().is_terminal() && std::io::stdout().is_terminal()
}

/// Whether a file that nobody has read from yet stands on the standard input: `< dump.sql`. One that
/// is half read belongs to the loop of a script around this.
fn is_given_a_file() -> bool {
    let Ok(stdin) = rustix::io::dup(std::io::stdin()) else { return false };
    let mut file = std::fs::File::from(stdin);
    let is_full = file.metadata().is_ok_and(|facts| facts.is_file() && facts.len() > 0);
    is_full && file.stream_position().is_ok_and(|at| at == 0)
}

/// Holds a file locked, in what this process becomes as well.
fn hold(path: &str) -> Result<OwnedFd, Failure> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW;
    let file = rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR)
        .map_err(|error| Failure::failed(format!("{path} cannot be opened: {error}"), ""))?;
    // Whoever only looks whether it is held holds it for an instant.
    for pause in [0, 20, 40, 80] {
        std::thread::sleep(Duration::from_millis(pause));
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(file),
            Err(Errno::WOULDBLOCK) => {}
            Err(error) => return Err(Failure::failed(format!("{path} cannot be locked: {error}"), "")),
        }
    }
    let hint =
        format!("call again when it has ended; what it left running holds {path} too (fuser shows it)");
    Err(Failure::new(REFUSED, "it runs already, by windlass run", hint))
}

/// Becomes the command: this process ends here, unless it cannot.
fn execute(argv: &[String], directory: &str, user: Option<&str>, env: &Values) -> Failure {
    let Some((program, arguments)) = argv.split_first() else {
        return Failure::usage("there is no command", "write it after --");
    };
    if let Err(why) = std::env::set_current_dir(directory) {
        return Failure::failed(format!("{directory} cannot be entered: {why}"), "");
    }
    if let Err(why) = user.map_or(Ok(()), become_account) {
        return Failure::failed(why.to_string(), "");
    }
    let error = std::process::Command::new(program)
        .args(arguments)
        .env_clear()
        .envs(&env.0)
        .env("TERM", std::env::var_os("TERM").unwrap_or_default())
        .exec();
    Failure::new(127, format!("{program} cannot be run: {error}"), "")
}

fn become_account(user: &str) -> std::io::Result<()> {
    match Account::to_become(user)? {
        Some(account) => account.assume(&account.group_ids()),
        None => Ok(()),
    }
}
