//! Settings: what is declared of them, where their values come from, and which one holds.
//!
//! ```text
//! manifest -> Declared --+
//! Layers ----------------+-- assemble --> Assembled --check--> Faults
//! ```
//!
//! [`dotenv::parse`] reads a file as docker compose does and collects every [`Fault`] with its
//! place; [`write()`] writes what `parse` reads back; [`sealed`] is the encrypted file. No message
//! ever shows a secret value.

mod address;
mod assemble;
pub mod audit;
mod check;
mod declared;
pub mod dotenv;
pub mod foreign;
mod growing;
#[cfg(test)]
mod growth;
mod harmless;
#[cfg(test)]
mod hostile;
mod interpolate;
mod kind;
mod layers;
mod lost;
mod made_of;
mod members;
mod password;
mod pattern;
mod reader;
mod rewrite;
mod room;
pub mod sealed;
mod secrecy;
mod secret;
mod successor;
mod template;
mod unit_file;
mod write;

pub use address::{Address, misaddressed};
pub use assemble::{Assembled, Resolved, Text, Value, assemble};
pub use check::{Misfit, check};
pub use declared::{Bounds, Declared, MadeUp};
pub use dotenv::{Entry, Parsed};
pub use growing::Growing;
pub(crate) use harmless::is_harmless;
pub use kind::Kind;
pub use layers::{File, Layers, Provenance, Sealed};
pub use lost::Lost;
pub(crate) use made_of::made_of;
pub use members::{Member, members};
pub(crate) use password::literal_account_password;
pub use password::{account_password, literal_password, may_hold_literal, password_in, passwords_in};
pub use pattern::Pattern;
pub use reader::Reader;
pub use rewrite::{NotRewritten, rewrite};
pub use room::{Room, too_large};
pub(crate) use secrecy::speaks_of_secret;
pub use secrecy::{is_secret, sounds_secret};
pub use secret::Secret;
pub use successor::{NoSuccessor, next_account, successor};
pub use template::template;
pub use unit_file::write_environment_file;
pub use write::{NotWritable, write, write_shell};

use std::fmt;

/// Something wrong, or doubtful, in a settings file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The file, as it was named to the parser.
    pub file: String,
    /// The line, from 1; 0 when it is about the whole file.
    pub line: u32,
    /// The column in characters, from 1; 0 when it is about the whole line or file.
    pub column: u32,
    /// What is wrong; never shows a value.
    pub message: String,
    /// What to do about it.
    pub help: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        if self.column > 0 {
            write!(f, ":{}", self.column)?;
        }
        write!(f, ": {}; {}", self.message, self.help)
    }
}

impl std::error::Error for Fault {}

/// Whether `text` can be the name of a setting: an environment variable's name.
#[must_use]
pub fn is_setting_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}
