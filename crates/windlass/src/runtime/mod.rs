//! Runtimes: start, stop and observe instances. They never know why.
//!
//! - [`process`]: plain processes, each with a keeper; needs no root and nothing installed.

pub mod process;
