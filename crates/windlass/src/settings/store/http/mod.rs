//! Requests to stores: encrypted, bounded in size and time, asked again where that can help.
//!
//! A client of our own on hyper and rustls, which the proxy brings along: a general one would add 19
//! crates, and none of what it does beyond this is wanted here.

mod client;
mod connect;
pub(super) mod proxy;
mod tls;

pub(super) use client::{Answer, Client, METADATA, Request, credential, is_passing};
