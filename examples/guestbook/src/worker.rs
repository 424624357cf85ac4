//! Takes entries from the queue and publishes them.

use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use crate::data::{Data, Entry};
use crate::log;
use crate::settings;
use crate::signal::{self, Signal};

/// How often an empty queue is looked at.
const POLL: Duration = Duration::from_millis(50);

/// The longest name and message that are published, in characters.
const LONGEST: (usize, usize) = (60, 1000);

/// Works until it is asked to stop. An entry that it holds is finished first.
pub fn run() -> io::Result<()> {
    let signals = signal::subscribe()?;
    let data = Data::open()?;
    let effort = settings::milliseconds("GUESTBOOK_WORK_MS", 20)?;
    log::event("working", &[]);
    let asked = work(&data, effort, &signals)?;
    if asked == Signal::Quiet {
        log::event("quiet", &[]);
        while matches!(signals.recv(), Ok(Signal::Quiet)) {}
    }
    log::event("stopped", &[]);
    Ok(())
}

/// Works until a signal comes, and answers which.
fn work(data: &Data, effort: Duration, signals: &Receiver<Signal>) -> io::Result<Signal> {
    loop {
        for id in data.waiting()? {
            if let Ok(signal) = signals.try_recv() {
                return Ok(signal);
            }
            let mine = data.publish(&id, |entry| {
                thread::sleep(effort);
                tidy(entry);
            })?;
            if mine {
                log::event("published", &[("entry", &id)]);
            }
        }
        match signals.recv_timeout(POLL) {
            Ok(signal) => return Ok(signal),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Ok(Signal::Stop),
        }
    }
}

fn tidy(entry: &mut Entry) {
    let cut = |text: &str, longest| text.trim().chars().take(longest).collect::<String>();
    entry.name = cut(&entry.name, LONGEST.0);
    entry.message = cut(&entry.message, LONGEST.1);
    if entry.name.is_empty() {
        entry.name.push_str("Somebody");
    }
}
