//! Private resources, with the real servers. A server that is not installed fails its tests.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a helper of a test fails the test")]

mod crash;
mod credentials;
mod elsewhere;
mod postgres;
mod protocol;
mod rabbitmq;
mod redis;
mod server;

use std::time::Duration;

const SHORT: Duration = Duration::from_secs(20);
