//! Where settings come from, and how their values are kept out of what people read.
//!
//! [`load()`] reads the layers and lets
//! [`assemble`](windlass_core::settings::assemble) say which value holds. The values themselves are
//! [`Secret`](windlass_core::settings::Secret)s, and a [`Redactor`] masks them in text that comes
//! from elsewhere, such as a program's output.

mod decodings;
pub(crate) mod encodings;
mod found;
mod load;
mod redact;
mod room;
pub mod scratch;
pub mod sealed;
#[cfg(test)]
mod shown;
pub mod store;

pub use found::{Found, Unstored, fault_to_json};
pub use load::{Answers, Ask, Below, Loaded, load, misspelt};
pub(crate) use redact::passwords_in;
pub use redact::{Redactor, SHORTEST_MASKED};
