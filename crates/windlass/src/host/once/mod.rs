//! What runs to its end: build steps, jobs, cron runs.

pub(super) mod errand;
pub(super) mod outcome;
