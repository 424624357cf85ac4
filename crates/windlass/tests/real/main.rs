//! Whole applications, deployed by the program as a person would: real servers, packages from
//! their registries, requests over the wire.
//!
//! A test that lacks a program or a registry says which one, and is skipped. Each has a home, a
//! project and a port of its own, and leaves neither a process nor a directory behind.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a helper of a test fails the test"
)]

#[path = "../faults/forms.rs"]
mod forms;
mod http;
mod load;
mod needs;
mod place;
mod processes;

mod allianceauth;
mod compose;
mod dotenv;
mod environment_file;
mod frameworks;
mod guestbook;
mod health_page;
mod sealed;
mod settings;
mod sops;
mod stores;
mod versions;
