//! A client's connection: accepted, decrypted, read and written, timed.

pub(super) mod accept;
pub(super) mod budget;
pub(super) mod conn;
pub(super) mod framing;
pub(super) mod io;
pub(super) mod linger;
pub(super) mod timer;
pub(super) mod tls;
pub(super) mod worker;
