//! The real program in a place of its own.
//!
//! A [`Sandbox`] has its own `WINDLASS_HOME`, its own copy of a small application
//! ([`application`], built as the program `fixture`) and its own port. [`Load`] keeps asking while
//! things happen to it, and counts what a client would have noticed. When a sandbox is dropped,
//! every process of it is killed; when the test did not fail and took it down, none may be left.
//!
//! [`CurrentWatch`] looks at what is in force meanwhile, [`Disk`] and [`WayBack`] at what lies there.
//! [`score`] is where the tests that injure Windlass look for what must hold, and write down how that went.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "only tests use this: what goes wrong here is the test's failure"
)]

pub mod application;
mod current;
mod disk;
mod load;
mod manifest;
mod memory;
mod place;
mod processes;
mod request;
pub mod score;
mod wait;

pub use current::{CurrentWatch, Watched};
pub use disk::{Disk, WayBack};
pub use load::{Answered, Gate, Load, Seen};
pub use manifest::Manifest;
pub(crate) use memory::forget_files_of_settings;
pub use place::{Output, Sandbox, Started};
pub(crate) use processes::end_all_from;
pub use processes::{Process, end_all, is_stopped, kill, lives, processes};
pub use request::{Reply, get, send};
pub use wait::{until, until_within};
