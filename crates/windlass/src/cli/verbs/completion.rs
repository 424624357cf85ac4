//! `windlass completion SHELL`

use clap::CommandFactory;
use clap_complete::Shell;

use crate::cli::args::Arguments;
use crate::cli::failure::Failure;

pub(in crate::cli) fn run(shell: Shell) -> Result<u8, Failure> {
    clap_complete::generate(shell, &mut Arguments::command(), "windlass", &mut std::io::stdout());
    Ok(0)
}
