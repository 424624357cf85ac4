//! Requests over HTTP, to the stores of settings and to those who are told: encrypted, bounded in size
//! and time, asked again where that can help. No message shows more of a request than its address.
//!
//! A client of our own on hyper and rustls, which the proxy brings along: a general one would add 19
//! crates, and none of what it does beyond this is wanted here.

mod client;
mod connect;
mod proxy;
mod tls;

pub(crate) use client::{Answer, Client, Patience, Request, credential, is_passing};
pub(crate) use connect::beside;
pub(crate) use proxy::Proxies;
pub(crate) use tls::config as tls_config;
