//! The arguments of `windlass secrets`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

const EXAMPLES: &str = "\
The encrypted file is secrets.ENVIRONMENT.enc beside the manifest. It is made to be committed.

Examples:
  windlass secrets init --env production             make your key and the file
  windlass secrets set DB_PASSWORD --env production   asks for the value, and does not show it
  windlass secrets set API_KEY < key.txt             takes it from a file
  windlass secrets set TOKEN --generate              makes one up
  windlass secrets list                              names, dates, who can read them
  windlass secrets edit                              all of them, in your editor
  windlass secrets recipients add bob wlpub1_...     let Bob read them
  windlass secrets recipients remove bob             make a new key without him
  windlass secrets rotate API_TOKEN                  another value, also for its source and all who see it

Keys come from the first of WINDLASS_KEY, WINDLASS_KEY_FILE, WINDLASS_KEY_COMMAND and ~/.config/windlass/key;
a passphrase from WINDLASS_PASSPHRASE or the terminal.";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(in crate::cli) struct Secrets {
    #[command(subcommand)]
    pub(in crate::cli) verb: Verb,
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Verb {
    /// Make your key, the environment's encrypted file, and git's merge driver for it
    Init(Init),
    /// Give a setting a value: from standard input, the terminal, or made up
    Set(Set),
    /// Print a value
    Get(Get),
    /// Names and dates of the values, who can read them, and what is damaged
    #[command(
        after_help = "Examples:\n  windlass secrets list --env production\n  windlass secrets list --json"
    )]
    List,
    /// Change all values in your editor ($VISUAL or $EDITOR)
    #[command(after_help = "Example:\n  windlass secrets edit --env production")]
    Edit,
    /// Remove a value
    Unset(Unset),
    /// Encrypt everything again with a new key
    #[command(after_help = "Example:\n  windlass secrets rekey --env production")]
    Rekey,
    /// Who can read the file
    #[command(
        after_help = "Examples:\n  windlass secrets recipients\n  windlass secrets recipients add bob wlpub1_...\n  windlass secrets recipients remove bob"
    )]
    Recipients(Recipients),
    /// Take values over from another file
    Import(Import),
    /// Print all values, or write them to a file: as a .env file, for a shell, for systemd, or as JSON
    Export(Export),
    /// Remove what is damaged, and seal the rest
    #[command(after_help = "Examples:\n  windlass secrets list\n  windlass secrets repair --yes")]
    Repair,
    /// Merge two versions of the file: git's merge driver calls this
    #[command(
        after_help = "Example:\n  git config merge.windlass-secrets.driver 'windlass secrets merge %O %A %B'"
    )]
    Merge(Merge),
    /// Exchange a value or credential for a new one, without a gap; any failure goes back to the old one
    Rotate(Rotate),
    /// Make a key
    Keygen(Keygen),
    /// Which values are old, or known to whoever was removed, and who can read the file
    Audit(Audit),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  windlass secrets init --env production
  windlass secrets init --name ada")]
pub(in crate::cli) struct Init {
    /// Your name in the list of recipients [default: your account's]
    #[arg(long)]
    pub(in crate::cli) name: Option<String>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
A value is never an argument: arguments can be seen by everybody on the machine.

Examples:
  windlass secrets set DB_PASSWORD                   asks, and does not show what is typed
  windlass secrets set TLS_KEY --exact < key.pem     with the line end at its end
  windlass secrets set SECRET_KEY --generate --length 50")]
pub(in crate::cli) struct Set {
    /// The setting
    pub(in crate::cli) name: String,
    /// Make up a value of letters and digits
    #[arg(long, conflicts_with = "exact")]
    pub(in crate::cli) generate: bool,
    /// How many of them
    #[arg(long, default_value_t = 32, requires = "generate", value_parser = clap::value_parser!(u16).range(8..=4096))]
    pub(in crate::cli) length: u16,
    /// Keep the line end at the end of standard input
    #[arg(long)]
    pub(in crate::cli) exact: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  windlass secrets get DB_PASSWORD --env production
  windlass secrets get TLS_KEY > key.pem")]
pub(in crate::cli) struct Get {
    /// The setting
    pub(in crate::cli) name: String,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  windlass secrets unset OLD_TOKEN")]
pub(in crate::cli) struct Unset {
    /// The setting
    pub(in crate::cli) name: String,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Recipients {
    #[command(subcommand)]
    pub(in crate::cli) verb: Option<RecipientsVerb>,
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum RecipientsVerb {
    /// Who can read the file
    #[command(after_help = "Example:\n  windlass secrets recipients list --json")]
    List,
    /// Let somebody read it
    Add(AddRecipient),
    /// Keep somebody from reading it from now on; says which values they knew
    #[command(after_help = "Example:\n  windlass secrets recipients remove bob --env production")]
    Remove(RemoveRecipient),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  windlass secrets recipients add bob wlpub1_...     Bob's public key, from `windlass secrets keygen`
  windlass secrets recipients add break-glass --passphrase")]
pub(in crate::cli) struct AddRecipient {
    /// Who, such as bob or ci
    pub(in crate::cli) name: String,
    /// Their public key, as `windlass secrets keygen` prints it
    #[arg(required_unless_present = "passphrase", conflicts_with = "passphrase")]
    pub(in crate::cli) public_key: Option<String>,
    /// Whoever knows a passphrase (WINDLASS_NEW_PASSPHRASE, or asked for)
    #[arg(long)]
    pub(in crate::cli) passphrase: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct RemoveRecipient {
    /// Who
    pub(in crate::cli) name: String,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  windlass secrets import .env.production --env production
  windlass secrets import --from json settings.json
  windlass secrets import --from sops secrets.yaml   needs sops, unless the file is what `sops -d` printed")]
pub(in crate::cli) struct Import {
    /// The file
    pub(in crate::cli) path: PathBuf,
    /// What kind of file it is
    #[arg(long, default_value = "env", value_parser = ["env", "json", "sops"])]
    pub(in crate::cli) from: String,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Readers of .env files differ. Whom a value does not reach as it is, is warned of; no form makes a shell run one.

Examples:
  windlass secrets export --out .env                         for your account alone (mode 600)
  eval \"$(windlass secrets export --format sh)\"             into the environment of this shell
  windlass secrets export --format systemd --out shop.env    for EnvironmentFile=
  windlass secrets export --format credentials --out creds   for LoadCredential=
  windlass secrets export --json | jq .")]
pub(in crate::cli) struct Export {
    /// How they are written [default: dotenv, with --json json]
    #[arg(long, value_parser = ["dotenv", "sh", "json", "systemd", "credentials"])]
    pub(in crate::cli) format: Option<String>,
    /// Write them to this file (mode 600), or with --format credentials into this directory (mode 700), which are
    /// neither links nor somebody else's [default: standard output]
    #[arg(long, value_name = "PATH")]
    pub(in crate::cli) out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Merge {
    /// What both sides come from (%O)
    pub(in crate::cli) base: PathBuf,
    /// Our side, which the result is written to (%A)
    pub(in crate::cli) ours: PathBuf,
    /// Their side (%B)
    pub(in crate::cli) theirs: PathBuf,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  windlass secrets keygen             makes ~/.config/windlass/key and prints its public key
  windlass secrets keygen ci.key      makes a key for something else
  windlass secrets keygen --show      prints the public keys of the keys that you have")]
pub(in crate::cli) struct Keygen {
    /// The key file [default: ~/.config/windlass/key]
    #[arg(conflicts_with = "show")]
    pub(in crate::cli) path: Option<PathBuf>,
    /// Print the public keys of the keys that are there
    #[arg(long)]
    pub(in crate::cli) show: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Exits with 1 when there is something to do.

Examples:
  windlass secrets audit --env production --older-than 180")]
pub(in crate::cli) struct Audit {
    /// Tell values that were not changed for so many days
    #[arg(long, value_name = "DAYS", default_value_t = 90)]
    pub(in crate::cli) older_than: u32,
}

#[derive(Debug, Args)]
#[command(after_help = "\
A run like a deploy: the new value is made good at its source, the services that see it are exchanged, and the
old one is revoked at last. The manifest says how, in `rotate` of the setting.

Examples:
  windlass secrets rotate                            lists what can be rotated
  windlass secrets rotate DB_PASSWORD --env production
  windlass secrets rotate API_TOKEN --value-from-stdin < token.txt
  windlass secrets rotate db                         what the application signs in to a private resource with")]
pub(in crate::cli) struct Rotate {
    /// A setting with `rotate`, or a private resource of the manifest; without one they are listed
    pub(in crate::cli) name: Option<String>,
    /// Take the new value from standard input or the terminal, instead of making one up
    #[arg(long, requires = "name")]
    pub(in crate::cli) value_from_stdin: bool,
}
