//! The encrypted file of an environment, `secrets.ENVIRONMENT.enc`: text that is made to be
//! committed. Its format is documented, with test vectors, in `docs/reference/secrets-file.md`.
//!
//! ```text
//! text -parse-> Document -open(identities)-> Opened -edit-> Editing -finish-> text
//!               grammar                      what can be read      changes, epoch + 1, a new seal
//! ```
//!
//! - A random *file key* is wrapped for every recipient, and with it the *origin*: random bytes that stay
//!   for as long as the file lives, and whose hash is its id. Whoever cannot open a file cannot make
//!   another one of that id, although everybody knows the recipients' public keys.
//! - The file key is the root of all others. From it come a key for each value (by its
//!   name, so that a value moved elsewhere cannot be opened), one for the tags of the recipients'
//!   lines, and one for the seal.
//! - The grammar is canonical: a line that can be read is written again byte for byte, so a change
//!   shows in a diff as what it is.
//! - What is damaged takes down its own line. Whoever reads gets the others and the names of what is
//!   lost; nobody writes to a file whose seal does not hold, other than to repair it.
//!
//! All of it is pure: keys, passphrases, dates and randomness are arguments.

mod base64;
mod derive;
mod document;
mod edit;
mod key;
mod merge;
mod open;
mod parse;
mod random;
mod value;
mod version;
mod wrap;

#[cfg(test)]
mod tests;

pub use document::{Document, Entry, Label, Recipient};
pub use edit::{Editing, Refused, Settled};
pub use key::{Identity, PublicKey, Stretch};
pub use merge::{Conflict, Merged, merge};
pub use open::{Damaged, NotOpened, Opened, Value, open};
pub use parse::{Parsed, parse};
pub use random::Random;
pub use version::{Version, Write};
pub use wrap::FileKey;

/// The name of an environment's file.
#[must_use]
pub fn file_name(environment: &str) -> String {
    format!("secrets.{environment}.enc")
}

/// The first line of every file of this version.
pub const HEADER: &str = "windlass-secrets 2";

/// The largest value, in bytes.
pub const LARGEST_VALUE: usize = 64 << 10;

/// The largest file that is read, in bytes.
pub const LARGEST_FILE: usize = 16 << 20;

/// The longest name of a value, in bytes.
const LONGEST_NAME: usize = 128;

/// The most values of a file.
const MOST_VALUES: usize = 10_000;

/// The most faults that are told: a file that is not one at all has one in every line.
const MOST_FAULTS: usize = 100;

/// The most recipients of a file, and the most of them that are passphrases: each costs whoever
/// tries a passphrase the time and the memory of stretching it.
const MOST_RECIPIENTS: usize = 64;
const MOST_PASSPHRASES: usize = 4;
