//! Visitors who never ask twice.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::http;

/// What the visitors saw.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) answered: u32,
    /// The answers' bodies, shortened, in the order of their first coming.
    pub(crate) bodies: BTreeMap<String, u32>,
    /// What was no answer, or one of the kinds 400 and 500.
    pub(crate) lost: Vec<String>,
}

/// Visitors who ask until they are told to stop.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    seen: Arc<Mutex<Seen>>,
    askers: Vec<JoinHandle<()>>,
}

impl Load {
    /// Asks for `path` so many times a second, from several threads so that a slow answer delays
    /// nobody else.
    pub(crate) fn start(port: u16, path: &str, per_second: u32) -> Self {
        const ASKERS: u32 = 4;
        let stop = Arc::new(AtomicBool::new(false));
        let seen = Arc::new(Mutex::new(Seen::default()));
        let pace = Duration::from_secs(1) * ASKERS / per_second;
        let askers = (0..ASKERS)
            .map(|asker| {
                let (stop, seen, path) = (stop.clone(), seen.clone(), path.to_owned());
                std::thread::spawn(move || {
                    let mut next = Instant::now() + pace * asker / ASKERS;
                    while !stop.load(Ordering::Relaxed) {
                        std::thread::sleep(next.saturating_duration_since(Instant::now()));
                        next += pace;
                        let answer = http::ask(port, "GET", &path, &[], "");
                        let mut seen = seen.lock().unwrap();
                        match answer {
                            Ok(answer) if answer.status < 400 => {
                                seen.answered += 1;
                                let body = answer.body.chars().take(40).collect();
                                *seen.bodies.entry(body).or_default() += 1;
                            }
                            Ok(answer) => seen.lost.push(format!("{} {}", answer.status, answer.body)),
                            Err(error) => seen.lost.push(error.to_string()),
                        }
                    }
                })
            })
            .collect();
        Self { stop, seen, askers }
    }

    /// Asks until at least so many more answers have come.
    pub(crate) fn answers(&self, more: u32) {
        let count = || {
            let seen = self.seen.lock().unwrap();
            seen.answered + u32::try_from(seen.lost.len()).unwrap()
        };
        let wanted = count() + more;
        crate::place::wait_for("answers under load", Duration::from_secs(60), || count() >= wanted);
    }

    /// Stops, and tells what was seen.
    pub(crate) fn stop(mut self) -> Seen {
        self.end();
        std::mem::take(&mut self.seen.lock().unwrap())
    }

    fn end(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for asker in self.askers.drain(..) {
            let _ = asker.join();
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.end();
    }
}
