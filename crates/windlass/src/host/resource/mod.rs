//! Private resources: started, asked, stopped; their credentials.

mod credentials;
pub(super) mod lifecycle;
