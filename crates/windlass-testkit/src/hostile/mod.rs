//! Programs that behave badly, for tests of what keeps them.

mod processes;
mod resources;

use std::io::Write;
use std::process::ExitCode;

/// Runs the program that `args` name, with its arguments.
#[must_use]
pub fn main(args: &[String]) -> ExitCode {
    let (what, rest) = args.split_first().map_or(("", [].as_slice()), |(what, rest)| (what.as_str(), rest));
    let number = |at: usize| rest.get(at).and_then(|text| text.parse::<u64>().ok()).unwrap_or_default();
    let text = |at: usize| rest.get(at).map_or("", String::as_str);
    let done = match what {
        // Ends with CODE after MILLISECONDS.
        "exit" => return processes::exit(number(0), number(1)),
        // Dies of the signal with this NUMBER.
        "die" => processes::die(number(0)),
        // Runs on through SIGTERM and SIGINT; writes its id to FILE when it does.
        "stubborn" => processes::stubborn(text(0)),
        // Leaves a daemon (forked twice, in a session of its own) that writes its id to FILE, then runs.
        "daemon" => processes::daemon(text(0)),
        "daemon-parent" => processes::daemon_parent(text(0)),
        "daemon-itself" => processes::daemon_itself(text(0)),
        // Forks, up to COUNT processes, which fork too.
        "forks" => processes::forks(number(0)),
        // Writes COUNT numbered lines, PER_MILLISECOND at a time (0: as fast as it can), then runs.
        "flood" => resources::flood(number(0), number(1)),
        // Takes MEBIBYTES of memory, then runs.
        "hog" => resources::hog(number(0)),
        // Listens on PORT after MILLISECONDS.
        "slow-bind" => resources::slow_bind(number(0), number(1)),
        _ => Err(std::io::Error::other(format!("there is no hostile program {what:?}"))),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _closed = writeln!(std::io::stderr(), "hostile: {error}");
            ExitCode::from(99)
        }
    }
}
