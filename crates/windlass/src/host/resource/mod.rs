//! Private resources: started, asked, stopped; their credentials.

pub(super) mod answers;
mod credentials;
pub(super) mod lifecycle;
