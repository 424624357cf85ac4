//! A person's yes to what cannot be taken back, or is hardly meant.

use std::cell::Cell;
use std::io::{self, BufRead, IsTerminal};

use super::context::{Context, complain};
use super::failure::Failure;

/// Whether somebody is there who can be asked.
pub(super) fn can_be_asked(context: &Context) -> bool {
    !context.options.json && io::stdin().is_terminal()
}

/// Asks; only whoever types `name` says yes. Whoever interrupts instead says no to all of it.
pub(super) async fn is_given(context: &Context, question: &str, name: &str) -> Result<bool, Failure> {
    complain(question);
    let (answer, answered) = tokio::sync::oneshot::channel();
    // Whoever does not answer is not waited for: the thread ends with the program.
    std::thread::spawn(move || {
        let mut line = String::new();
        let _ = io::stdin().lock().read_line(&mut line);
        answer.send(line)
    });
    Ok(context.interrupts.or(answered).await?.is_ok_and(|line| line.trim() == name))
}

/// Asks whoever can be asked to type the application's name, and notes that they did; refuses all others.
pub(super) async fn ask_or_refuse(
    context: &Context,
    question: &str,
    app: &str,
    allowed: &Cell<bool>,
    refusal: Failure,
) -> Result<(), Failure> {
    if !can_be_asked(context) || context.options.yes {
        return Err(refusal);
    }
    if is_given(context, question, app).await? {
        allowed.set(true);
        return Ok(());
    }
    Err(Failure::failed("nothing was changed", ""))
}
