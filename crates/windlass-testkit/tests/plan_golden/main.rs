//! What plans look like, literally: the text a person reads, and the steps an engine follows.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod deploying;
mod going_back;
mod jobs_and_resources;
mod kit;
mod leftovers;
mod parts;
mod rotating;
mod scaling_and_stopping;
mod strategies;
