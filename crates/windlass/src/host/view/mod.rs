//! How everything is: for plans, for people, for monitoring. Changes nothing.

mod health_page;
pub(super) mod observe;
mod routes;
mod status;
mod storage;
mod told;
mod usage;
