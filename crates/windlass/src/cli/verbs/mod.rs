//! The verbs, one file each.

pub(super) mod apply;
pub(super) mod check;
pub(super) mod claim;
pub(super) mod completion;
pub(super) mod config;
pub(super) mod deploy;
pub(super) mod down;
pub(super) mod host;
pub(super) mod import;
pub(super) mod init;
pub(super) mod logs;
pub(super) mod plan;
pub(super) mod plan_file;
pub(super) mod releases;
pub(super) mod request;
pub(super) mod restart;
pub(super) mod rollback;
pub(super) mod run;
pub(super) mod runs;
pub(super) mod scale;
pub(super) mod schema;
pub(super) mod secrets;
pub(super) mod status;
pub(super) mod stop;
