//! For machines: one JSON object a line.

use std::io::{self, Write};

use windlass_core::event::Event;

use super::{Observer, printable_json};

/// Prints each event as it is.
#[derive(Debug, Default)]
pub struct JsonLines;

impl Observer for JsonLines {
    fn see(&mut self, event: &Event) {
        let line = serde_json::to_string(event).unwrap_or_default();
        // A reader that has gone does not stop a deploy.
        let _ = writeln!(io::stdout(), "{}", printable_json(&line));
    }
}
