//! A small application: a web service, a worker, a scheduler, jobs.
//!
//! The file `behaviour` in its directory, which is its release, says how it misbehaves: words such as
//! `web.unready` or `worker.crash:200`, see [`Behaviour`]. So a release carries its own faults, and
//! an earlier one has none of them.

mod background;
mod behaviour;
mod sign_in;
mod web;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

pub use behaviour::Behaviour;

/// Runs the part that `args` name.
#[must_use]
pub fn main(args: &[String]) -> ExitCode {
    let what = args.first().map_or("", String::as_str);
    let name = args.get(1).map_or(what, String::as_str);
    let behaviour = Behaviour::of(name);
    let done = match what {
        "web" => web::serve(&behaviour),
        "worker" => background::work(&behaviour),
        "scheduler" => background::schedule(&behaviour),
        // Appends its name and release to the file of its name; fails or hangs if it has to.
        "job" => return background::job(name, &behaviour),
        _ => Err(std::io::Error::other(format!("the application has no part {what:?}"))),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _closed = writeln!(std::io::stderr(), "fixture: {error}");
            ExitCode::FAILURE
        }
    }
}

fn shared(name: &str) -> PathBuf {
    PathBuf::from(std::env::var_os("WINDLASS_SHARED").unwrap_or_default()).join(name)
}

fn release() -> String {
    std::env::var("WINDLASS_RELEASE").unwrap_or_default()
}

/// Appends one line, whole.
fn append(name: &str, line: &str) -> std::io::Result<()> {
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(shared(name))?;
    file.write_all(format!("{line}\n").as_bytes())
}

/// Ends the process after a while, badly, without a word to anybody.
fn crash_after(time: Duration) {
    std::thread::spawn(move || {
        std::thread::sleep(time);
        let _closed = writeln!(std::io::stderr(), "fixture: crashing, as told");
        std::process::exit(1);
    });
}
