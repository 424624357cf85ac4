//! The arguments, as typed. They are converted at once; no other file knows clap.

pub(super) mod config;
pub(super) mod secrets;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::parser::ValueSource;
use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

const EXAMPLES: &str = "\
Examples:
  windlass init                      write a windlass.toml for the project in this directory
  windlass check                     find every fault in it
  windlass config                    see every setting, and where its value came from
  windlass plan                      see what a deploy would do
  windlass deploy                    deploy; answers with the address
  windlass status                    how everything is
  windlass logs -f web               follow the log of a service
  windlass rollback                  back to the release before

Exit codes:
  0 done   1 failed, nothing changed   2 usage or manifest error   3 failed and rolled back
  4 interrupted, resumable   5 needs a person   6 refused (lock held, plan stale)";

/// One binary and one manifest that put a multi-service application into production and keep it
/// there. Every deploy is a transaction.
#[derive(Debug, Parser)]
#[command(name = "windlass", version, after_help = EXAMPLES, propagate_version = true)]
pub(super) struct Arguments {
    #[command(flatten)]
    pub(super) options: Options,
    #[command(subcommand)]
    pub(super) verb: Verb,
}

impl Arguments {
    /// Reads what was typed, and what of it is not there by default.
    pub(super) fn read(typed: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let mut matches = Self::command().try_get_matches_from(typed)?;
        let is_typed = matches.value_source("environment") == Some(ValueSource::CommandLine);
        let mut arguments =
            Self::from_arg_matches_mut(&mut matches).map_err(|error| error.format(&mut Self::command()))?;
        arguments.options.names_environment = is_typed;
        Ok(arguments)
    }
}

/// Options of every verb.
#[derive(Debug, Clone, Args)]
pub(super) struct Options {
    /// The environment
    #[arg(long = "env", value_name = "NAME", default_value = "local", global = true)]
    pub(super) environment: String,
    /// Whether the environment was named, and is not the usual one
    #[arg(skip)]
    pub(super) names_environment: bool,
    /// The manifest [default: windlass.toml here or in a directory above]
    #[arg(long, value_name = "PATH", global = true)]
    pub(super) file: Option<PathBuf>,
    /// Do not ask external stores; what only they have counts as there
    #[arg(long, global = true)]
    pub(super) offline: bool,
    /// Go on although the last deploy under this name came from another project's directory
    #[arg(long, global = true)]
    pub(super) allow_other_source: bool,
    /// Print JSON: one document, or one line for each event
    #[arg(long, global = true)]
    pub(super) json: bool,
    /// Do not ask
    #[arg(long, short = 'y', global = true)]
    pub(super) yes: bool,
    /// Print only what is asked for, and problems
    #[arg(long, short, global = true)]
    pub(super) quiet: bool,
    /// Print without colours [also: NO_COLOR]
    #[arg(long, global = true)]
    pub(super) no_color: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Look at the project and write a manifest for it
    #[command(after_help = "Examples:\n  windlass init\n  windlass init ../shop --force")]
    Init(Init),
    /// Make a manifest of another tool's file
    #[command(after_help = "Example:\n  windlass import compose compose.yaml")]
    Import(Import),
    /// Find every fault in the manifest, the settings and the source, and what this machine lacks
    #[command(
        after_help = "Examples:\n  windlass check\n  windlass check --env production --json\n  windlass check --env \
                      production --elsewhere    in a pull request\n\nExit codes:\n  0 right   1 this machine lacks \
                      something   2 the project is wrong"
    )]
    Check(Check),
    /// Show what a deploy would do; changes nothing
    #[command(after_help = "Examples:\n  windlass plan\n  windlass plan --env production --out deploy.plan")]
    Plan(Plan),
    /// Carry out a plan that was written by `plan --out`
    #[command(after_help = "Example:\n  windlass apply deploy.plan --env production")]
    Apply(Apply),
    /// Bring the project into production
    #[command(after_help = "Examples:\n  windlass deploy\n  windlass deploy --env production --json")]
    Deploy(Deploy),
    /// Go back to an earlier release
    #[command(
        after_help = "Examples:\n  windlass rollback\n  windlass rollback r12\n  windlass rollback --now"
    )]
    Rollback(Rollback),
    /// Replace running copies by fresh ones, without a gap
    #[command(after_help = "Examples:\n  windlass restart\n  windlass restart web worker")]
    Restart(Services),
    /// Stop services, or everything; `deploy` or `restart` starts them again
    #[command(after_help = "Examples:\n  windlass stop worker\n  windlass stop")]
    Stop(Services),
    /// Change the number of copies: web=4
    #[command(after_help = "Example:\n  windlass scale web=4 worker=2")]
    Scale(Scale),
    /// Go on with an interrupted run, or follow the one under way
    #[command(after_help = "Example:\n  windlass resume")]
    Resume,
    /// Turn the run under way (or an interrupted one) back
    #[command(after_help = "Example:\n  windlass abort")]
    Abort,
    /// How everything is
    #[command(after_help = "Examples:\n  windlass status\n  windlass status --json")]
    Status,
    /// The releases, and which can be gone back to
    #[command(
        after_help = "A line has: * where it is the active one, its number, when it became active, its commit (- where there \
                      is none; with + where its files differed from that), who made it and by what.\n\nExamples:\n  \
                      windlass releases\n  windlass releases --all\n  windlass releases --json"
    )]
    Releases(Releases),
    /// What the latest runs did and cost
    #[command(
        after_help = "Examples:\n  windlass runs --limit 3\n  windlass runs --acknowledge   # what was altered is known, and accepted as it is"
    )]
    Runs(Runs),
    /// The logs of the services
    #[command(
        after_help = "Examples:\n  windlass logs -f web\n  windlass logs --since 10m\n  windlass logs migrate\n  windlass logs --release r12 web\n  windlass logs access"
    )]
    Logs(Logs),
    /// Run a job of the manifest, or any command with the application's environment
    #[command(
        after_help = "Examples:\n  windlass run seed\n  windlass run migrate --undo\n  windlass run --raw createsuperuser\n  windlass run -- .venv/bin/python manage.py shell\n  windlass run --service worker -- env"
    )]
    Run(Run),
    /// The settings: values and sources, a template, differences, and what is wrong with them
    Config(config::Config),
    /// Have everything started again with the machine
    #[command(after_help = "Examples:\n  windlass host enable\n  windlass host status")]
    Host(Host),
    /// The encrypted file of settings: values, who can read them
    Secrets(secrets::Secrets),
    /// Stop everything, Windlass's own processes among it
    #[command(after_help = "Examples:\n  windlass down\n  windlass down --delete-data --yes")]
    Down(Down),
    /// Print the JSON Schema of the manifest
    #[command(after_help = "Example:\n  windlass schema > windlass.schema.json")]
    Schema,
    /// Print completions for a shell
    #[command(
        after_help = "Example:\n  windlass completion bash > ~/.local/share/bash-completion/completions/windlass"
    )]
    Completion(Completion),
}

#[derive(Debug, Args)]
pub(super) struct Init {
    /// The project
    #[arg(default_value = ".")]
    pub(super) directory: PathBuf,
    /// Replace a manifest that is there
    #[arg(long)]
    pub(super) force: bool,
}

#[derive(Debug, Args)]
pub(super) struct Import {
    /// What kind of file it is
    #[arg(value_parser = ["compose"])]
    pub(super) kind: String,
    /// The file
    pub(super) path: PathBuf,
    /// Replace a manifest that is there
    #[arg(long)]
    pub(super) force: bool,
    /// Print the manifest, and write nothing
    #[arg(long, conflicts_with = "force")]
    pub(super) stdout: bool,
}

#[derive(Debug, Args)]
pub(super) struct Plan {
    /// Write the plan to a file, for `apply`
    #[arg(long, value_name = "FILE")]
    pub(super) out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct Check {
    /// The deploy will be on another machine: what this one lacks is only warned of
    #[arg(long)]
    pub(super) elsewhere: bool,
}

#[derive(Debug, Args)]
pub(super) struct Deploy {
    /// Deploy although the encrypted file of settings is older than the one of the active release
    #[arg(long)]
    pub(super) allow_older_secrets: bool,
    /// Deploy although that stops every service that runs and starts none
    #[arg(long)]
    pub(super) allow_no_services: bool,
    /// Deploy although the data of a resource stays behind and a new one takes its place
    #[arg(long)]
    pub(super) allow_new_data: bool,
    /// Deploy although files of the active release, which a failure goes back to, are gone or have decayed
    #[arg(long)]
    pub(super) anyway: bool,
}

#[derive(Debug, Args)]
pub(super) struct Apply {
    /// The plan's file
    pub(super) plan: PathBuf,
    /// Carry it out although the encrypted file of settings is older than the one of the active release
    #[arg(long)]
    pub(super) allow_older_secrets: bool,
    /// Carry it out although that stops every service that runs and starts none
    #[arg(long)]
    pub(super) allow_no_services: bool,
    /// Carry it out although the data of a resource stays behind and a new one takes its place
    #[arg(long)]
    pub(super) allow_new_data: bool,
    /// Carry it out although files of the active release, which a failure goes back to, are gone or have decayed
    #[arg(long)]
    pub(super) anyway: bool,
}

#[derive(Debug, Args)]
pub(super) struct Rollback {
    /// Which release, such as r12 [default: the one before]
    pub(super) release: Option<windlass_core::name::ReleaseId>,
    /// Cut short what a run before this one still waits for once it is committed: requests that are drained,
    /// and workers that finish what they have in hand
    #[arg(long)]
    pub(super) now: bool,
    /// Go back although an irreversible job has changed the schema since, or files of the release were
    /// changed
    #[arg(long)]
    pub(super) anyway: bool,
}

#[derive(Debug, Args)]
pub(super) struct Services {
    /// Which services [default: all]
    pub(super) services: Vec<String>,
}

#[derive(Debug, Args)]
pub(super) struct Scale {
    /// How many copies of which service: web=4
    #[arg(required = true, value_name = "SERVICE=COPIES")]
    pub(super) replicas: Vec<String>,
}

#[derive(Debug, Args)]
pub(super) struct Releases {
    /// How many, the newest ones; --json has all that --all shows
    #[arg(long, value_name = "RELEASES", default_value_t = 20, allow_negative_numbers = true, value_parser = count)]
    pub(super) limit: u32,
    /// The newest 200, and whatever else can be gone back to
    #[arg(long, conflicts_with = "limit")]
    pub(super) all: bool,
}

#[derive(Debug, Args)]
pub(super) struct Runs {
    /// How many
    #[arg(long, value_name = "RUNS", default_value_t = 10, allow_negative_numbers = true, value_parser = count)]
    pub(super) limit: u32,
    /// Accept what somebody has altered of them as it is: who did, when and what goes on record, and what is altered later is told again
    #[arg(long, conflicts_with = "limit")]
    pub(super) acknowledge: bool,
}

#[derive(Debug, Args)]
pub(super) struct Logs {
    /// Of which services, copies (web.r12.1), resources, jobs, cron jobs; build, access, proxy, host [default: all services]
    #[arg(value_name = "NAME")]
    pub(super) of: Vec<String>,
    /// Of this release: what its copies of a service wrote, its own jobs and build
    #[arg(long, value_name = "RELEASE")]
    pub(super) release: Option<windlass_core::name::ReleaseId>,
    /// Go on as lines are written
    #[arg(long, short)]
    pub(super) follow: bool,
    /// How many lines of each to begin with [default: 100, or all since the time that is named]
    #[arg(long, short = 'n', value_name = "LINES", allow_negative_numbers = true, value_parser = count)]
    pub(super) lines: Option<u32>,
    /// Only lines written within this time, such as 10m, or after this moment, such as 2026-11-21T09:00:00Z
    #[arg(long, value_name = "TIME", value_parser = since)]
    pub(super) since: Option<Since>,
}

#[derive(Debug, Args)]
#[command(
    override_usage = "windlass run [OPTIONS] <JOB>\n       windlass run [OPTIONS] <JOB> --undo [--release <RELEASE>]\n       windlass run [OPTIONS] [--service <NAME>] -- <COMMAND>..."
)]
pub(super) struct Run {
    /// The job, or the cron job: it gets no input, and its lines are shown with secrets masked, also at a terminal
    #[arg(conflicts_with = "command", required_unless_present = "command")]
    pub(super) job: Option<String>,
    /// Connect it with this command's own input and output, byte for byte; secrets are not masked then
    #[arg(long)]
    pub(super) raw: bool,
    /// Run what undoes the job, as its `undo` says, in the release that it belongs to
    #[arg(long, requires = "job", conflicts_with = "raw")]
    pub(super) undo: bool,
    /// Undo it with the files and settings of this release [default: the one in which it is half-done, or was done last]
    #[arg(long, value_name = "RELEASE", requires = "undo")]
    pub(super) release: Option<windlass_core::name::ReleaseId>,
    /// Run the command with the environment, the directory and the account of this service [default: the first one]
    #[arg(long, value_name = "NAME", conflicts_with = "job")]
    pub(super) service: Option<String>,
    /// Any command. At a terminal it gets the terminal itself, and secrets are not masked; elsewhere it is run as a job is
    #[arg(last = true)]
    pub(super) command: Vec<String>,
}

#[derive(Debug, Args)]
pub(super) struct Down {
    /// Also delete everything: databases, uploads, releases. There is no way back.
    #[arg(long)]
    pub(super) delete_data: bool,
}

#[derive(Debug, Args)]
pub(super) struct Host {
    #[command(subcommand)]
    pub(super) what: HostVerb,
}

#[derive(Debug, Subcommand)]
pub(super) enum HostVerb {
    /// Start this environment with the machine: by systemd where it runs, else by cron
    #[command(after_help = "Example:\n  windlass host enable --env production")]
    Enable,
    /// Do not start it with the machine any more; what runs goes on
    #[command(after_help = "Example:\n  windlass host disable --env production")]
    Disable,
    /// Whether the host side runs, and what starts it with the machine
    #[command(after_help = "Example:\n  windlass host status --json")]
    Status,
    /// What the machine's start runs
    #[command(hide = true)]
    Start {
        /// The environment's directory
        directory: PathBuf,
    },
    /// What the machine's end runs
    #[command(hide = true)]
    Halt {
        /// The environment's directory
        directory: PathBuf,
    },
}

#[derive(Debug, Args)]
pub(super) struct Completion {
    /// The shell
    pub(super) shell: clap_complete::Shell,
}

/// From when on.
#[derive(Debug, Clone, Copy)]
pub(super) enum Since {
    /// So long ago.
    Ago(windlass_core::units::Span),
    /// From this moment on, milliseconds since 1970.
    At(i64),
}

fn count(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| format!("write a whole number from 0 to {}, such as 100", u32::MAX))
}

fn since(text: &str) -> Result<Since, String> {
    if let Ok(moment) = text.parse::<jiff::Timestamp>() {
        return Ok(Since::At(moment.as_millisecond()));
    }
    if let Ok(local) = text.parse::<jiff::civil::DateTime>()
        && let Ok(moment) = local.to_zoned(jiff::tz::TimeZone::system())
    {
        return Ok(Since::At(moment.timestamp().as_millisecond()));
    }
    text.parse().map(Since::Ago).map_err(|_| "write it like 10m, 2h, or 2026-11-21T09:00:00Z".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;

    /// Commands of a help text: the lines that begin with `  windlass`.
    fn examples(help: &str) -> Vec<Vec<String>> {
        let lines = help.lines().filter_map(|line| line.strip_prefix("  windlass "));
        lines
            .filter(|line| !line.contains("..."))
            .map(|line| {
                // What follows in a wide column explains it; a redirection is the shell's.
                let line = line.split("   ").next().unwrap_or(line).split(['<', '>']).next().unwrap_or(line);
                std::iter::once("windlass").chain(line.split_whitespace()).map(str::to_owned).collect()
            })
            .collect()
    }

    #[test]
    fn every_verb_shows_examples_and_they_are_right() {
        let mut command = Arguments::command();
        command.build();
        command.clone().debug_assert();
        let mut helps = vec![command.get_after_help().unwrap().to_string()];
        for verb in command.get_subcommands().filter(|verb| verb.get_name() != "help") {
            let help = verb.get_after_help().map(ToString::to_string).unwrap_or_default();
            let name = format!("windlass {}", verb.get_name());
            assert!(help.contains(&name), "{name} shows no example of itself");
            helps.push(help);
        }
        for words in helps.iter().flat_map(|help| examples(help)) {
            if let Err(error) = Arguments::try_parse_from(&words) {
                panic!("{words:?}: {error}");
            }
        }
    }

    #[test]
    fn an_environment_that_was_typed_is_told_from_the_usual_one() {
        let names = |typed: &[&str]| {
            let typed = [&["windlass"], typed].concat();
            Arguments::read(typed.into_iter().map(OsString::from)).unwrap().options.names_environment
        };
        assert!(!names(&["status"]));
        assert!(names(&["status", "--env", "local"]), "although that is the usual one");
        assert!(names(&["--env=production", "status"]));
    }

    #[test]
    fn a_time_can_be_written_in_three_ways() {
        assert!(matches!(since("10m"), Ok(Since::Ago(span)) if span.as_millis() == 600_000));
        assert!(matches!(since("2026-11-21T01:02:03.004Z"), Ok(Since::At(1_795_222_923_004))));
        assert!(matches!(since("2026-11-21T01:02:03"), Ok(Since::At(_))));
        assert!(since("yesterday").unwrap_err().contains("10m"));
    }
}
