//! The arguments of `windlass config`.

use clap::{Args, Subcommand};

const EXAMPLES: &str = "\
Examples:
  windlass config                                      every setting: its value, where it came from
  windlass config explain DATABASE_URL                 each layer of one, and which one holds
  windlass config template --env production > .env.production
  windlass config diff staging production              what is different between two environments
  windlass config check --env production --strict      find what should not go into production

Exit codes:
  0 done   2 usage or manifest error; of check: something stands in the way of a deploy, and with
  --strict also a warning";

const CHECKED: &str = "\
Examples:
  windlass config check --env production
  windlass config check --strict --json

What stops a deploy as well:
  always         unreadable, bad-value, bad-address, store, users, too-large, faults of the manifest
  for others     weak-secret, covered-value (environments but local, dev, development, test, ci)

What only this looks for:
  value-in-git, value-in-history, development-value, unknown-setting, unused-setting,
  unmasked-secret, private keys, files of settings that git keeps, kept once or does not ignore;
  a deploy for others warns of a .env with secrets that git keeps";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(in crate::cli) struct Config {
    #[command(subcommand)]
    pub(in crate::cli) what: Option<What>,
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum What {
    /// Every setting: its value (of secrets a fingerprint) and where it came from [default]
    #[command(
        after_help = "Examples:\n  windlass config list --env production\n  windlass config list --json"
    )]
    List,
    /// What each layer has for a setting, which one holds, and who gets it
    #[command(after_help = "Example:\n  windlass config explain DATABASE_URL --env production")]
    Explain(Explain),
    /// Print a commented settings file to fill in
    #[command(after_help = "Example:\n  windlass config template --env production > .env.production")]
    Template,
    /// What is different between two environments
    #[command(after_help = "Example:\n  windlass config diff staging production")]
    Diff(Diff),
    /// Find what is missing, mistyped, unknown, unused, weak, for development, or kept by git
    #[command(
        after_help = CHECKED
    )]
    Check(Check),
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Explain {
    /// The setting
    pub(in crate::cli) setting: String,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Diff {
    /// One environment
    pub(in crate::cli) left: String,
    /// The other one
    pub(in crate::cli) right: String,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Check {
    /// Warnings count as errors
    #[arg(long)]
    pub(in crate::cli) strict: bool,
}
