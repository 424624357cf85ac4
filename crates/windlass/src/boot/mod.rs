//! Starting the host side: for a verb that needs it, and with the machine.
//!
//! ```text
//! windlass host enable   writes an entry: a systemd unit where systemd runs the machine, else a line
//!                        of the account's crontab
//! the machine starts     the entry runs `windlass host start DIR`, which starts the host side with the
//!                        environment it had before; the host side starts what should run
//! it goes down           systemd's runs `windlass host halt DIR`, which ends all of it in order
//! ```

mod crontab;
#[cfg(test)]
pub(crate) mod damaged;
mod entry;
mod halt;
mod start;
mod systemd;

pub use entry::{Change, Entry, disable, enable, nobody_reads, recorded};
pub use halt::halt;
pub use start::{Environment, NotStarted, start, start_again};
