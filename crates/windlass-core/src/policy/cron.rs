//! When a cron job runs.
