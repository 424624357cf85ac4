//! A request: vetted, routed, admitted, answered.

pub(super) mod asset;
pub(super) mod auth;
pub(super) mod body;
pub(super) mod caller;
pub(super) mod compress;
pub(super) mod conditions;
pub(super) mod files;
pub(super) mod headers;
pub(super) mod limit;
pub(super) mod own_answer;
pub(super) mod route;
pub(super) mod serve;
pub(super) mod ticket;
pub(super) mod upload;
