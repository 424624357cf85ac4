//! Decisions that depend on nothing but what was measured.

pub mod cron;
pub mod health;
