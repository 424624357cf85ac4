//! Windlass's effects: everything that looks at the world or changes it. What is to be done is
//! decided in `windlass-core`.
//!
//! One binary plays four parts, each a process of its own (`main.rs` chooses):
//!
//! - the command line ([`cli`]), which loads, asks the host side, and prints;
//! - the host side ([`host`]), which owns an environment: its journal, its lock, its processes;
//! - the proxy ([`proxy`]), which carries the requests and outlives both;
//! - a keeper ([`keeper`]) for every process, its parent, so that none is lost or left over.

mod access;
pub mod account;
pub mod boot;
mod certificate;
mod checksummed;
pub mod cli;
pub mod clock;
#[cfg(test)]
mod damaged;
mod deployed;
pub mod engine;
mod executable;
mod failpoint;
pub mod health;
pub mod host;
mod http_client;
mod idle;
pub mod keeper;
pub mod layout;
pub mod observe;
mod own_log;
mod ports;
mod processes;
mod programs;
pub mod project;
pub mod proxy;
mod random;
mod reach;
pub mod resource;
pub mod runtime;
pub mod schedule;
pub mod settings;
mod sys;
pub mod transport;
mod trouble;
mod trust;
pub mod variables;
mod wiped;

/// Sees to it that this process leaves no core dump, whatever becomes of it.
pub fn leave_no_core() {
    use rustix::process::{Resource, setrlimit};

    // Lowering one's own limit cannot fail.
    let _ = setrlimit(Resource::Core, keeper::limits::no_core());
}

/// Has a panic end this process, wherever in it that happens: a host side that goes on without the
/// task that drove a run would never end it, while one that is gone is started again and takes it up.
pub fn end_with_a_panic() {
    let tell = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        tell(panic);
        std::process::abort();
    }));
}
