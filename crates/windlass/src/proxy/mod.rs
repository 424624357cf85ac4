//! The proxy: carries requests to instances, and switches between releases at one instant.
//!
//! # Theory of operation
//!
//! It knows nothing but a [table](windlass_core::edge::Table), which names every route and endpoint
//! and replaces the one before as a whole. The *control* thread takes tables from the admin socket,
//! makes them durable and puts them in force; it also runs the health checks. *Workers*, one thread
//! each, carry the requests: a request stays in the thread that accepted its connection.
//!
//! ```text
//! control:  admin -> control -> state (disk), listen (sockets), edge.switch ; health
//! worker:   accept -> conn -> serve -> route, limit, auth -> forward | files | redirect
//!                                                              forward -> hold, upstream, tunnel
//! ```
//!
//! The two meet in [`edge`]: an endpoint is chosen, and counted, under the read lock of the table,
//! which a switch takes for writing. When a switch is answered, no later request can reach an endpoint
//! that left. What is still there is drained ([`drain`]).
//!
//! Checks by command are asked by the host side, which says whom they keep requests from ([`unready`]).
//! That is no part of a table: it changes by itself, at any time, and is about what runs.
//!
//! What makes it fast: nothing is handed from thread to thread; the connection to the endpoint is
//! driven by the request that uses it ([`upstream`]) rather than by a task of its own; one timer a
//! connection is left to fire early rather than moved with each request ([`timer`]).

mod args;
mod connection;
mod control;
#[cfg(test)]
pub(crate) mod damaged;
mod drain;
mod edge;
mod endpoint;
mod live;
mod measure;
mod request;
mod run;
pub(crate) mod unready;

pub use run::main;
