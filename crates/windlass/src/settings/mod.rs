//! Where settings come from, and how their values are kept out of what people read.
//!
//! A value comes from the first of these that has one: the process's environment (for names that
//! the manifest declares, no others), `.env.ENVIRONMENT`, `.env`, the declared default. Each value
//! remembers where it came from ([`Provenance`]); the values themselves are
//! [`Secret`](windlass_core::settings::Secret)s, and a [`Redactor`] masks them in text that comes
//! from elsewhere, such as a program's output.

mod encodings;
mod load;
mod redact;
pub mod store;

pub use load::{Declared, Provenance, Settings, Value, load};
pub use redact::Redactor;
