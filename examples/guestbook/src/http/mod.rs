//! A small HTTP/1.1 server: one thread for each connection, kept connections, bounded everything.
//!
//! It ends without losing a request: see [`Server::drain`].

mod connections;
mod request;
mod response;
mod server;

pub use request::Request;
pub use response::Response;
pub use server::Server;
