//! Ending everything in order when the machine goes down.
//!
//! Left to itself, whatever stops the machine asks all processes at once to end: a database would go before what
//! writes to it has, and keepers would pass on what their processes were told already. What is in force stays in
//! force, and comes back with the machine.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::future::join_all;
use rustix::fs::{FlockOperation, flock};
use windlass_core::units::Span;

use crate::layout::Layout;
use crate::runtime::process;

/// How long whatever it is has at the most to end by itself, whatever its own grace: the machine is not held up
/// for longer. Three stages of that have to fit into the unit's `TimeoutStopSec`.
const LONGEST: Span = Span::from_secs(120);

/// How much longer its keeper has to say so.
const SLACK: Duration = Duration::from_secs(15);

/// How often the host side is ended that somebody starts again meanwhile, and after which pause.
const TRIES: u32 = 100;
const PAUSE: Duration = Duration::from_millis(50);

/// Ends the host side, which would bring back the rest; then the proxy; then services and jobs; then resources.
/// Returns when they have, or have had their time.
pub async fn halt(layout: &Layout) {
    let _nobody_begins = instead_of_the_host_side(layout).await;
    end(&layout.proxy().join("keeper")).await;
    // Listed when whoever could start another has ended.
    let application = [layout.instances(), layout.jobs()].iter().flat_map(|parent| below(parent)).collect();
    end_all(application).await;
    let resources = below(&layout.root().join("resources"));
    end_all(resources.into_iter().map(|resource| resource.join("keeper")).collect()).await;
    // A command that is under way may have had it tried again all the while.
    end(&layout.host().join("keeper")).await;
}

/// Ends the host side and takes its lock, so that a deploy that is under way cannot have another one serve.
async fn instead_of_the_host_side(layout: &Layout) -> Option<File> {
    let path = layout.state().join("host.lock");
    for _ in 0..TRIES {
        end(&layout.host().join("keeper")).await;
        // Without that file none has ever served here.
        let lock = File::options().write(true).open(&path).ok()?;
        if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok() {
            return Some(lock);
        }
        tokio::time::sleep(PAUSE).await;
    }
    None
}

async fn end_all(all: Vec<PathBuf>) {
    join_all(all.iter().map(|directory| end(directory))).await;
}

async fn end(directory: &Path) {
    let Some(seen) = process::observe(directory).filter(|seen| seen.keeper_alive || seen.process_alive)
    else {
        return;
    };
    let stop = &seen.launch.stop;
    let grace = stop.grace.min(LONGEST);
    // What cannot be ended so, or whose keeper does not answer, is ended by whoever asked for the halt.
    let ending = process::stop(directory, &stop.signal, grace);
    let _left_to_the_machine = tokio::time::timeout(grace.as_duration() + SLACK, ending).await;
}

fn below(parent: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(parent).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}
