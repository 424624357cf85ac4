//! Asking a person for a secret: on the terminal itself, without showing it, whatever standard input
//! and output are.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use windlass_core::settings::Secret;
use zeroize::Zeroizing;

/// The longest line that is taken.
const LONGEST: usize = 64 << 10;

/// Whether there is a person to ask.
#[must_use]
pub fn is_possible() -> bool {
    terminal().is_ok()
}

/// Asks, and reads one line.
///
/// # Errors
/// When there is no terminal, or the person interrupts.
pub fn secret(question: &str) -> io::Result<Secret> {
    let terminal = terminal()?;
    let quiet = Quiet::begin(&terminal)?;
    (&terminal).write_all(question.as_bytes())?;
    let line = read_line(&mut &terminal);
    drop(quiet);
    (&terminal).write_all(b"\n")?;
    line
}

fn terminal() -> io::Result<File> {
    OpenOptions::new().read(true).write(true).open("/dev/tty")
}

/// A terminal that shows nothing of what is typed and gives every key at once, interrupts too: one
/// that ended this process here would leave the person with a terminal that shows nothing.
struct Quiet<'a> {
    terminal: &'a File,
    before: Termios,
}

impl<'a> Quiet<'a> {
    fn begin(terminal: &'a File) -> io::Result<Self> {
        let before = tcgetattr(terminal)?;
        let mut quiet = before.clone();
        quiet.local_modes -= LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG;
        // What was typed before the question is not an answer to it.
        tcsetattr(terminal, OptionalActions::Flush, &quiet)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Quiet<'_> {
    fn drop(&mut self) {
        let _as_it_was = tcsetattr(self.terminal, OptionalActions::Now, &self.before);
    }
}

fn read_line(terminal: &mut impl Read) -> io::Result<Secret> {
    let mut line = Zeroizing::new(Vec::with_capacity(LONGEST));
    let mut byte = Zeroizing::new([0]);
    loop {
        if terminal.read(&mut *byte)? == 0 {
            break;
        }
        match byte[0] {
            b'\n' | b'\r' | 0x04 => break,
            0x03 => return Err(io::Error::new(io::ErrorKind::Interrupted, "interrupted")),
            // Backspace takes a whole character, Ctrl-U all of them.
            0x08 | 0x7f => while line.pop().is_some_and(|byte| byte & 0xc0 == 0x80) {},
            0x15 => line.clear(),
            other if line.len() < LONGEST => line.push(other),
            _ => return Err(io::Error::other("this line is too long")),
        }
    }
    match std::str::from_utf8(&line) {
        Ok(text) => Ok(Secret::new(text)),
        Err(_) => Err(io::Error::other("what was typed is not UTF-8 text")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_as_a_person_types_it() {
        let typed = |bytes: &str| read_line(&mut bytes.as_bytes()).map(|secret| secret.expose().to_owned());
        assert_eq!(typed("hunter2\nrest").unwrap(), "hunter2");
        assert_eq!(typed("hunté\u{7f}er3\u{7f}2\r").unwrap(), "hunter2");
        assert_eq!(typed("wrong\u{15}right\n").unwrap(), "right");
        assert_eq!(typed("\u{7f}x").unwrap(), "x");
        assert_eq!(typed("ab\u{3}c\n").unwrap_err().kind(), io::ErrorKind::Interrupted);
    }
}
