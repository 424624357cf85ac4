//! Which instances the host side keeps requests from, on disk.
//!
//! The host side alone writes it, before it tells the proxy, and both read it when they start: neither
//! comes back thinking that all is well. When the host side dies the last it said stands; its keeper starts
//! it again at once, and a copy that was not ready is better left alone for that long than asked. Nothing
//! is synced: the processes that this is about do not outlast a power cut either.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use crate::checksummed;
use crate::layout;

const FILE: &str = "unready.json";

/// What was written last: nothing where it cannot be read.
pub(crate) fn read(proxy: &Path) -> BTreeSet<String> {
    checksummed::read(&proxy.join(FILE)).ok().flatten().unwrap_or_default()
}

/// Writes it.
pub(crate) fn write(proxy: &Path, instances: &BTreeSet<String>) -> io::Result<()> {
    layout::replace_passing_file(&proxy.join(FILE), &checksummed::text(instances)?)
}
