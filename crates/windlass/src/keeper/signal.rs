//! Signals by name, as manifests and people write them.

use rustix::process::Signal;

const NAMES: [(&str, Signal); 31] = [
    ("SIGHUP", Signal::HUP),
    ("SIGINT", Signal::INT),
    ("SIGQUIT", Signal::QUIT),
    ("SIGILL", Signal::ILL),
    ("SIGTRAP", Signal::TRAP),
    ("SIGABRT", Signal::ABORT),
    ("SIGBUS", Signal::BUS),
    ("SIGFPE", Signal::FPE),
    ("SIGKILL", Signal::KILL),
    ("SIGUSR1", Signal::USR1),
    ("SIGSEGV", Signal::SEGV),
    ("SIGUSR2", Signal::USR2),
    ("SIGPIPE", Signal::PIPE),
    ("SIGALRM", Signal::ALARM),
    ("SIGTERM", Signal::TERM),
    ("SIGSTKFLT", Signal::STKFLT),
    ("SIGCHLD", Signal::CHILD),
    ("SIGCONT", Signal::CONT),
    ("SIGSTOP", Signal::STOP),
    ("SIGTSTP", Signal::TSTP),
    ("SIGTTIN", Signal::TTIN),
    ("SIGTTOU", Signal::TTOU),
    ("SIGURG", Signal::URG),
    ("SIGXCPU", Signal::XCPU),
    ("SIGXFSZ", Signal::XFSZ),
    ("SIGVTALRM", Signal::VTALARM),
    ("SIGPROF", Signal::PROF),
    ("SIGWINCH", Signal::WINCH),
    ("SIGIO", Signal::IO),
    ("SIGPWR", Signal::POWER),
    ("SIGSYS", Signal::SYS),
];

/// The signal of this name, with or without `SIG`.
pub(crate) fn by_name(name: &str) -> Option<Signal> {
    let short = name.strip_prefix("SIG").unwrap_or(name);
    NAMES.iter().find(|(known, _)| &known[3..] == short).map(|(_, signal)| *signal)
}

/// The name of a signal, `SIGRTMIN+n` (as the kernel counts, from 32) for those that have none.
pub(crate) fn name(number: i32) -> String {
    match NAMES.iter().find(|(_, signal)| signal.as_raw() == number) {
        Some((name, _)) => (*name).to_owned(),
        None => format!("SIGRTMIN+{}", number - 32),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_with_and_without_their_prefix() {
        assert_eq!(by_name("TERM"), Some(Signal::TERM));
        assert_eq!(by_name("SIGTSTP"), Some(Signal::TSTP));
        assert_eq!(by_name("term"), None);
        assert_eq!(by_name("SIG"), None);
        assert_eq!(name(11), "SIGSEGV");
        assert_eq!(name(34), "SIGRTMIN+2");
    }
}
