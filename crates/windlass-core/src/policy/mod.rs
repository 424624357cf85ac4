//! Decisions that depend on nothing but what was measured.

pub mod again;
pub mod bake;
pub mod cron;
pub mod health;
