//! How a controller and a host side exchange frames.

mod frame;
mod unix;

pub use frame::{FrameError, Frames, receive, send};
pub use unix::{bind, connect};
