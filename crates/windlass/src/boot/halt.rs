//! Ending everything in order when the machine goes down.
//!
//! Left to itself, whatever stops the machine asks all processes at once to end: a database would go before what
//! writes to it has, and keepers would pass on what their processes were told already. What is in force stays in
//! force, and comes back with the machine.

use std::path::{Path, PathBuf};

use windlass_core::units::Span;

use crate::layout::Layout;
use crate::runtime::process;

/// How long the proxy and the application have at the most; a database may take longer to write what it has.
const LONGEST: Span = Span::from_secs(30);
const LONGEST_OF_RESOURCES: Span = Span::from_secs(60);

/// Ends the host side, which would bring back the rest; then the proxy; then services and jobs; then resources.
/// Returns when they have, or have had their time.
pub async fn halt(layout: &Layout) {
    let resources =
        below(&layout.root().join("resources")).into_iter().map(|resource| resource.join("keeper"));
    let application = [layout.instances(), layout.jobs()].iter().flat_map(|parent| below(parent)).collect();
    for (all, longest) in [
        (vec![layout.host().join("keeper")], LONGEST),
        (vec![layout.proxy().join("keeper")], LONGEST),
        (application, LONGEST),
        (resources.collect(), LONGEST_OF_RESOURCES),
    ] {
        futures_util::future::join_all(all.iter().map(|directory| end(directory, longest))).await;
    }
}

async fn end(directory: &Path, longest: Span) {
    let Some(seen) = process::observe(directory).filter(|seen| seen.keeper_alive || seen.process_alive)
    else {
        return;
    };
    let stop = &seen.launch.stop;
    // What cannot be ended so is ended by whoever asked.
    let _left_to_the_machine = process::stop(directory, &stop.signal, stop.grace.min(longest)).await;
}

fn below(parent: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(parent).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}
