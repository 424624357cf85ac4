//! Values of settings: kept, put into templates and files, masked, exchanged.

pub(super) mod files;
pub(super) mod fill;
pub(super) mod in_use;
pub(super) mod lookup;
pub(super) mod masked;
pub(super) mod masks;
pub(super) mod passed;
pub(super) mod rotation;
pub(super) mod values;
