//! `windlass run`: what a person has run in the active release.

pub(super) mod command;
pub(super) mod undo;
