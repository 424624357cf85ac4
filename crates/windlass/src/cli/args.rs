//! The arguments, as typed. They are converted at once; no other file knows clap.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

const EXAMPLES: &str = "\
Examples:
  windlass init                      write a windlass.toml for the project in this directory
  windlass check                     find every fault in it
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

/// Options of every verb.
#[derive(Debug, Clone, Args)]
pub(super) struct Options {
    /// The environment
    #[arg(long = "env", value_name = "NAME", default_value = "local", global = true)]
    pub(super) environment: String,
    /// The manifest [default: windlass.toml here or in a directory above]
    #[arg(long, value_name = "PATH", global = true)]
    pub(super) file: Option<PathBuf>,
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
    Init(Init),
    /// Make a manifest of another tool's file
    Import(Import),
    /// Find every fault in the manifest and the settings
    Check,
    /// Show what a deploy would do; changes nothing
    Plan(Plan),
    /// Carry out a plan that was written by `plan --out`
    Apply(Apply),
    /// Bring the project into production
    Deploy,
    /// Go back to an earlier release
    Rollback(Rollback),
    /// Replace running copies by fresh ones, without a gap
    Restart(Services),
    /// Stop services, or everything; `deploy` or `restart` starts them again
    Stop(Services),
    /// Change the number of copies: web=4
    Scale(Scale),
    /// Go on with an interrupted run, or follow the one under way
    Resume,
    /// Turn the run under way (or an interrupted one) back
    Abort,
    /// How everything is
    Status,
    /// The releases, and which can be gone back to
    Releases,
    /// What the latest runs did and cost
    Runs(Runs),
    /// The logs of the services
    Logs(Logs),
    /// Run a job of the manifest, or any command with the application's environment
    Run(Run),
    /// Stop everything, Windlass's own processes among it
    Down(Down),
    /// Print the JSON Schema of the manifest
    Schema,
    /// Print completions for a shell
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
}

#[derive(Debug, Args)]
pub(super) struct Plan {
    /// Write the plan to a file, for `apply`
    #[arg(long, value_name = "FILE")]
    pub(super) out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct Apply {
    /// The plan's file
    pub(super) plan: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct Rollback {
    /// Which release, such as r12 [default: the one before]
    pub(super) release: Option<windlass_core::name::ReleaseId>,
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
pub(super) struct Runs {
    /// How many
    #[arg(long, default_value_t = 10)]
    pub(super) limit: u32,
}

#[derive(Debug, Args)]
pub(super) struct Logs {
    /// Of which services, resources, jobs or cron jobs [default: all services]
    pub(super) services: Vec<String>,
    /// Go on as lines are written
    #[arg(long, short)]
    pub(super) follow: bool,
    /// How many lines of each to begin with
    #[arg(long, short = 'n', default_value_t = 100)]
    pub(super) lines: u32,
    /// Only logs written to within this time, such as 10m
    #[arg(long, value_name = "TIME")]
    pub(super) since: Option<windlass_core::units::Span>,
}

#[derive(Debug, Args)]
pub(super) struct Run {
    /// The job
    #[arg(conflicts_with = "command", required_unless_present = "command")]
    pub(super) job: Option<String>,
    /// Any command
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
pub(super) struct Completion {
    /// The shell
    pub(super) shell: clap_complete::Shell,
}
