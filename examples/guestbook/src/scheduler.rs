//! Ticks.
//!
//! Every tick is a line in a file that outlives releases, from `start` to `stop`. Two schedulers at
//! the same time would be seen there; nothing in here keeps them apart, because that is the task of
//! whoever runs them.

use std::io;
use std::sync::mpsc::RecvTimeoutError;

use crate::data::Data;
use crate::log;
use crate::settings;
use crate::signal::{self, Signal};

/// Ticks every `GUESTBOOK_TICK_MS` (1000) until it is asked to stop.
pub fn run() -> io::Result<()> {
    let signals = signal::subscribe()?;
    let data = Data::open()?;
    let every = settings::milliseconds("GUESTBOOK_TICK_MS", 1000)?;
    log::event("scheduling", &[]);
    data.tick(&log::line("start", &[]))?;
    loop {
        data.tick(&log::line("tick", &[]))?;
        match signals.recv_timeout(every) {
            Ok(Signal::Stop) | Err(RecvTimeoutError::Disconnected) => break,
            Ok(Signal::Quiet) | Err(RecvTimeoutError::Timeout) => {}
        }
    }
    data.tick(&log::line("stop", &[]))?;
    log::event("stopped", &[]);
    Ok(())
}
