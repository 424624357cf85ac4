//! The `windlass` binary: chooses which of its four parts this process plays.

use std::path::Path;
use std::process::ExitCode;

/// musl's own has one lock for all threads, and hands memory back to the system again and again: under
/// load the proxy made a system call for that in every sixth request.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // Every part holds secrets, and a core dump is a file with all of them. What they start inherits
    // the limit, and may raise it again.
    windlass::leave_no_core();
    windlass::end_with_a_panic();
    let args: Vec<_> = std::env::args_os().skip(1).collect();
    // The three long-lived parts are not verbs for people; they are chosen before anything is
    // parsed, so that a keeper stays as small as it can be.
    match args.first().and_then(|arg| arg.to_str()) {
        Some("keeper") => windlass::keeper::main(&args[1..]),
        Some("proxy") => windlass::proxy::main(&args[1..]),
        // With a directory it is the host side itself; otherwise people mean the verb.
        Some("host") if args.get(1).is_some_and(|arg| Path::new(arg).is_absolute()) => {
            windlass::host::main(&args[1..])
        }
        _ => windlass::cli::main(),
    }
}
