//! Consumers of events: terminal, plain lines, JSON lines. They can neither fail nor slow a deploy.

mod json;
mod outcome;
mod plain;
mod terminal;
mod visible;

pub use json::JsonLines;
pub use outcome::outcome;
pub use plain::Plain;
pub use terminal::Terminal;
pub use visible::visible;

use windlass_core::event::Event;

/// Somebody who watches a run.
pub trait Observer {
    /// Something happened.
    fn see(&mut self, event: &Event);
}
