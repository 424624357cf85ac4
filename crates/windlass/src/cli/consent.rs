//! A person's yes to what cannot be taken back, or is hardly meant.

use std::io::{self, BufRead, IsTerminal};

use super::context::{Context, complain};

/// Whether somebody is there who can be asked.
pub(super) fn can_be_asked(context: &Context) -> bool {
    !context.options.json && io::stdin().is_terminal()
}

/// Asks; only whoever types `name` says yes.
pub(super) fn is_given(question: &str, name: &str) -> bool {
    complain(question);
    let mut line = String::new();
    let _ = io::stdin().lock().read_line(&mut line);
    line.trim() == name
}
