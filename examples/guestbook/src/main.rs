//! A guestbook: small enough to read in ten minutes, complete enough to be deployed.
//!
//! ```text
//! browser -> web -> incoming/ -> worker -> entries/ -> web -> browser
//!                                scheduler -> ticks
//! ```
//!
//! All processes share one directory, and every change in it is one atomic rename, so any of them
//! can be killed at any moment.

mod data;
mod form;
mod http;
mod jobs;
mod log;
mod page;
mod scheduler;
mod settings;
mod signal;
mod web;
mod worker;

use std::process::ExitCode;

const USAGE: &str = "usage: guestbook web | worker | scheduler | migrate | greet | cleanup";

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let (Some(what), None) = (words.next(), words.next()) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    log::set_service(&what);
    let done = match what.as_str() {
        "web" => web::run(),
        "worker" => worker::run(),
        "scheduler" => scheduler::run(),
        "migrate" => jobs::migrate(),
        "greet" => jobs::greet(),
        "cleanup" => jobs::cleanup(),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log::event("failed", &[("error", &error.to_string())]);
            eprintln!("guestbook {what}: {error}");
            ExitCode::FAILURE
        }
    }
}
