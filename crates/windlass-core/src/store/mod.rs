//! External stores of secrets as the manifest declares them, and places in them.
//!
//! Who declares a store ([`Store`]) says how it is reached; a setting's `from` says where in it its
//! value is ([`Place`]). What is said here is complete: nothing but credentials, which come from the
//! surroundings of whoever asks, is left to be found.

mod address;
mod place;

pub use address::Address;
pub use place::{Edition, Place};

use crate::units::Span;

/// A store of secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    /// What it is.
    pub kind: Kind,
    /// Where it is, where that is said; otherwise it follows from the kind and the surroundings.
    pub address: Option<String>,
    /// A file of certificates that are trusted beside the system's, relative to the project.
    pub authorities: Option<String>,
    /// Whether it may be asked without encryption.
    pub insecure: bool,
    /// How long all questions to it may take together, attempts that fail among them.
    pub timeout: Span,
}

/// What a store is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// HashiCorp Vault or OpenBao.
    Vault {
        /// The namespace.
        namespace: Option<String>,
        /// Where the key-value engine is mounted.
        mount: String,
        /// The engine's version, 1 or 2.
        version: u8,
        /// How to log in; `None`: as the surroundings suggest.
        auth: Option<VaultAuth>,
    },
    /// AWS Secrets Manager.
    Aws {
        /// The region.
        region: Option<String>,
        /// The profile of the shared files.
        profile: Option<String>,
    },
    /// Google Cloud's Secret Manager.
    Gcp {
        /// The project.
        project: Option<String>,
    },
    /// Azure Key Vault.
    Azure,
    /// Any program that prints the value.
    Command {
        /// The words of its command line; `{path}` in them stands for the path.
        words: Vec<String>,
    },
}

/// How Vault is logged in to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VaultAuth {
    /// With a token.
    Token,
    /// With a role's id and its secret id.
    AppRole,
}

impl Kind {
    /// As it is called in the manifest.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Vault { .. } => "vault",
            Self::Aws { .. } => "aws",
            Self::Gcp { .. } => "gcp",
            Self::Azure => "azure",
            Self::Command { .. } => "command",
        }
    }

    /// The keys of a store, beside `kind` and `timeout`, that mean something for a kind.
    #[must_use]
    pub fn keys(word: &str) -> &'static [&'static str] {
        match word {
            "vault" => &["address", "namespace", "mount", "version", "auth", "ca", "insecure"],
            "aws" => &["address", "region", "profile", "ca", "insecure"],
            "gcp" => &["address", "project", "ca", "insecure"],
            "azure" => &["address", "ca", "insecure"],
            "command" => &["command"],
            _ => &[],
        }
    }
}
