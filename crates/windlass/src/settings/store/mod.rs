//! Asking external stores for the values that settings take from them.
//!
//! ```text
//! places -by store, by path-> Session (log in) -read-> Payload -field-> Secret
//!                                      \ http_client: TLS, attempts, limits
//! ```
//!
//! [`fetch`] asks all stores at the same time, each for every path once, within the time that its
//! declaration allows, and answers what was found beside every [`StoreFault`]. Nothing here ends
//! early because something else failed, and nothing that a store or a program says reaches a message,
//! except what is known to be no value: status codes, names of fields, a program's masked complaints.

mod aws;
mod azure;
mod command;
mod encode;
mod fault;
mod fetch;
mod gcp;
mod payload;
mod session;
mod surroundings;
mod vault;

pub use fault::StoreFault;
pub use fetch::{Fetched, fetch};
pub use surroundings::Surroundings;

pub use crate::trouble::Whose;
