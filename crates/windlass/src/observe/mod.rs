//! Consumers of events: terminal, plain lines, JSON lines. They can neither fail nor slow a deploy.

pub(crate) mod debug;
mod json;
mod outcome;
mod plain;
mod printable;
mod terminal;

pub use json::JsonLines;
pub(crate) use outcome::how_lost;
pub use outcome::outcome;
pub use plain::Plain;
pub use printable::{printable, printable_json, printable_line};
pub use terminal::Terminal;

use windlass_core::event::Event;

/// Somebody who watches a run.
pub trait Observer {
    /// Something happened.
    fn see(&mut self, event: &Event);
}
