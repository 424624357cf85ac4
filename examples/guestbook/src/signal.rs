//! Signals, without a crate: the only `unsafe` of the program.
//!
//! The handler writes the signal's number to a pipe, and a thread turns what comes out into
//! messages, so that everything else is ordinary code.

use std::ffi::c_void;
use std::io::{self, Read};
use std::os::fd::IntoRawFd;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::thread;

use crate::settings::{self, Fault};

// Linux's numbers.
const SIGINT: i32 = 2;
const SIGUSR1: i32 = 10;
const SIGTERM: i32 = 15;
const SIGTSTP: i32 = 20;

unsafe extern "C" {
    fn signal(number: i32, handler: extern "C" fn(i32)) -> usize;
    fn write(fd: i32, bytes: *const c_void, length: usize) -> isize;
}

static PIPE: AtomicI32 = AtomicI32::new(-1);
static STOPPING: AtomicBool = AtomicBool::new(false);
static DEAF: AtomicBool = AtomicBool::new(false);

/// What the process was asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// Finish and end: SIGTERM or SIGINT.
    Stop,
    /// Take no more work: SIGTSTP or SIGUSR1.
    Quiet,
}

/// Whether the process was asked to end: true from the very moment of the signal.
pub fn stopping() -> bool {
    STOPPING.load(Ordering::SeqCst)
}

/// From now on signals arrive here, in order. To be called once.
pub fn subscribe() -> io::Result<Receiver<Signal>> {
    let (mut reader, writer) = io::pipe()?;
    DEAF.store(settings::fault()? == Fault::IgnoreTerm, Ordering::SeqCst);
    PIPE.store(writer.into_raw_fd(), Ordering::SeqCst);
    for number in [SIGINT, SIGTERM, SIGTSTP, SIGUSR1] {
        // SAFETY: the handler does only what is allowed in one: atomic accesses and write(2).
        unsafe { signal(number, on_signal) };
    }
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut byte = [0];
        while reader.read_exact(&mut byte).is_ok() {
            let signal = if is_stop(i32::from(byte[0])) { Signal::Stop } else { Signal::Quiet };
            if sender.send(signal).is_err() {
                return;
            }
        }
    });
    Ok(receiver)
}

const fn is_stop(number: i32) -> bool {
    matches!(number, SIGINT | SIGTERM)
}

extern "C" fn on_signal(number: i32) {
    if is_stop(number) {
        if DEAF.load(Ordering::SeqCst) {
            return;
        }
        STOPPING.store(true, Ordering::SeqCst);
    }
    let byte = number as u8;
    // SAFETY: one byte that lives on this stack, to a pipe that is never closed. It cannot be full
    // (64 KiB), so errno of the interrupted code stays as it is.
    unsafe { write(PIPE.load(Ordering::SeqCst), (&raw const byte).cast(), 1) };
}
