//! `windlass completion SHELL`

use std::io::Write;

use clap::CommandFactory;
use clap_complete::Shell;

use crate::cli::args::Arguments;
use crate::cli::failure::Failure;
use crate::cli::print::printed;

pub(in crate::cli) fn run(shell: Shell) -> Result<u8, Failure> {
    // Written at once: who makes them does not bear a reader that goes away.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "windlass", &mut script);
    let mut stdout = std::io::stdout();
    printed(stdout.write_all(&script).and_then(|()| stdout.flush())).map(|()| 0)
}
