//! Whether something still runs in a tree that nobody can go back to any more.

use std::fs;
use std::path::Path;

use windlass_core::name::ReleaseId;

use crate::host::Host;
use crate::processes;
use crate::runtime::process;

impl Host {
    /// What still runs in a tree: what was started there and is kept, wherever it went since; and whatever
    /// else is there, such as a command at a terminal.
    pub(in crate::host) fn works_in(&self, tree: ReleaseId) -> Option<String> {
        let tree = self.layout.tree(tree);
        let jobs = fs::read_dir(self.layout.jobs()).into_iter().flatten().flatten();
        let kept = jobs.filter_map(|job| process::observe(&job.path()));
        let mut kept =
            kept.filter(|seen| seen.is_under_way() && Path::new(&seen.launch.directory).starts_with(&tree));
        if let Some(seen) = kept.next() {
            return Some(seen.launch.label);
        }
        let tree = tree.canonicalize().ok()?;
        let there =
            |pid: &i32| processes::directory(*pid).is_ok_and(|directory| directory.starts_with(&tree));
        let pid = processes::all().into_iter().find(there)?;
        Some(format!("process {pid} ({})", processes::name(pid).unwrap_or_default()))
    }
}
