//! `windlass run JOB` and `windlass run -- COMMAND`

use std::io::{IsTerminal, Seek};
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::time::Duration;

use rustix::fs::{FlockOperation, Mode, OFlags, flock};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};
use tokio::signal::unix::{SignalKind, signal};
use windlass_core::name::Name;
use windlass_core::protocol::{Answer, Ask, RunWhat, Values};
use windlass_core::spec::{Command, Template};

use crate::account::Account;
use crate::cli::args;
use crate::cli::client::{Client, unexpected};
use crate::cli::context::{Context, complain};
use crate::cli::failure::{Failure, REFUSED};
use crate::cli::print::print_line;
use crate::observe::{printable_json, printable_line};

pub(in crate::cli) async fn run(context: &Context, args: args::Run) -> Result<u8, Failure> {
    let job = args.job.map(Name::new).transpose();
    let job = job.map_err(|error| Failure::usage(error.to_string(), "commands come after --"))?;
    let what = match job {
        Some(job) if args.undo => RunWhat::Undo { job, release: args.release },
        Some(job) => RunWhat::Job(job),
        None => RunWhat::Command {
            command: Command::Argv(args.command.into_iter().map(Template::literal).collect()),
            service: args.service.map(Name::new).transpose().map_err(|error| {
                Failure::usage(error.to_string(), "--service takes the name of a service of the manifest")
            })?,
        },
    };
    if args.raw && context.options.json {
        return Err(Failure::usage(
            "--raw gives what the command writes, and no JSON",
            "leave out one of the two",
        ));
    }
    // A job is what a deploy or the clock runs, without a terminal: only what somebody types may talk to them.
    let is_typed = matches!(what, RunWhat::Command { .. });
    let attached = args.raw || (is_typed && is_at_terminal() && !context.options.json);
    if !attached && is_given_a_file() {
        return Err(Failure::usage(
            "the command would not get what is on the standard input",
            "windlass run --raw passes it on, and what the command writes as it is: secrets are not masked then",
        ));
    }
    let (_, mut client) = Client::of_deployed(context).await?;
    client.must_be_of_this_build()?;
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
                print_line(&printable_json(&serde_json::json!({ "line": text }).to_string()));
            }
            Answer::Line { text, .. } => print_line(&printable_line(&text)),
            Answer::Note { text } => context.say(&text),
            Answer::Attach { argv, directory, user, env, lock, stay } => {
                let held = lock.map(|path| hold(&path)).transpose()?;
                // As another account this process could not ask for it any more.
                client.let_rest_after(context).await;
                let command = command(&argv, &directory, user.as_deref(), &env)?;
                return match (held, stay) {
                    (None, false) => Err(execute(command)),
                    (held, _) => stand_by(command, held, client).await,
                };
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

/// A command that a person types at a terminal gets the terminal: a shell or a prompt for a password must work there.
/// All else gives lines, with secrets masked, from a command that Windlass keeps.
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

/// Holds a file locked, in this process only: a command may leave a daemon behind, which would hold it for
/// ever.
fn hold(path: &str) -> Result<OwnedFd, Failure> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
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
    Err(Failure::new(REFUSED, "it runs already, by windlass run", "call again when it has ended"))
}

/// The command, as this process stands where it is to run, with its account's rights.
fn command(
    argv: &[String],
    directory: &str,
    user: Option<&str>,
    env: &Values,
) -> Result<std::process::Command, Failure> {
    let (program, arguments) =
        argv.split_first().ok_or_else(|| Failure::usage("there is no command", "write it after --"))?;
    std::env::set_current_dir(directory)
        .map_err(|why| Failure::failed(format!("{directory} cannot be entered: {why}"), ""))?;
    user.map_or(Ok(()), become_account).map_err(|why| Failure::failed(why.to_string(), ""))?;
    let mut command = std::process::Command::new(program);
    command
        .args(arguments)
        .env_clear()
        .envs(&env.0)
        .env("TERM", std::env::var_os("TERM").unwrap_or_default());
    Ok(command)
}

/// Becomes the command: this process ends here, unless it cannot.
fn execute(mut command: std::process::Command) -> Failure {
    let error = command.exec();
    cannot_be_run(&command, &error)
}

/// Holds the lock and the conversation until the command has ended, and answers as it did. What it left running
/// does not count.
async fn stand_by(
    mut command: std::process::Command,
    lock: Option<OwnedFd>,
    conversation: Client,
) -> Result<u8, Failure> {
    let failed = |error: std::io::Error| Failure::failed(format!("signals cannot be awaited: {error}"), "");
    // They end this process no more. A hangup, which nohup may keep away from both, still does.
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut quit = signal(SignalKind::quit()).map_err(failed)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    // Whoever kills this process must not leave the command behind without its lock.
    crate::sys::end_with_its_parent(&mut command);
    let mut command = tokio::process::Command::from(command);
    let mut child = command.spawn().map_err(|error| cannot_be_run(command.as_std(), &error))?;
    // Ctrl-C at a terminal reaches the command by itself: a second one would be one too many.
    let has_terminal = std::fs::File::open("/dev/tty").is_ok();
    let tell = |child: &tokio::process::Child, signal: Signal| {
        if let Some(pid) = child.id().and_then(|pid| Pid::from_raw(pid.cast_signed())) {
            let _gone_already = kill_process(pid, signal);
        }
    };
    let status = loop {
        tokio::select! {
            status = child.wait() => break status,
            _ = interrupt.recv() => if !has_terminal { tell(&child, Signal::INT) },
            _ = quit.recv() => if !has_terminal { tell(&child, Signal::QUIT) },
            _ = terminate.recv() => tell(&child, Signal::TERM),
        }
    };
    drop((lock, conversation));
    let status =
        status.map_err(|error| Failure::failed(format!("how it ended is not known: {error}"), ""))?;
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    Ok(u8::try_from(code).unwrap_or(1))
}

fn cannot_be_run(command: &std::process::Command, error: &std::io::Error) -> Failure {
    Failure::new(127, format!("{} cannot be run: {error}", command.get_program().display()), "")
}

fn become_account(user: &str) -> std::io::Result<()> {
    match Account::to_become(user)? {
        Some(account) => account.assume(&account.group_ids()),
        None => Ok(()),
    }
}
