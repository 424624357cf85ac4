//! Whether there is room on the disk. What brings an application back must not be refused for want of room that
//! it does not take: a full disk is why it is asked for.

use std::path::Path;

use windlass_core::plan::{Action, Plan, Request};
use windlass_core::spec::Spec;

/// What a run takes at the most that makes no files: records, identities, the first lines of logs. It is less than
/// what is kept back for a rollback.
const LITTLE: u64 = 3 << 20;

/// The same in files.
const FEW: u64 = 200;

/// How many files a release may need at least.
const MANY: u64 = 10_000;

/// What is free.
pub(super) struct Free {
    bytes: u64,
    /// `None`: the file system has no fixed number of them.
    inodes: Option<u64>,
}

/// What is short, and what to do about it.
pub(super) struct Short {
    pub(super) what: String,
    pub(super) hint: String,
    /// Whether the run cannot do without.
    pub(super) stops: bool,
}

impl Free {
    /// What is free where this lies; `None` where that cannot be told.
    pub(super) fn at(root: &Path) -> Option<Self> {
        let disk = rustix::fs::statvfs(root).ok()?;
        Some(Self {
            bytes: disk.f_bavail.saturating_mul(disk.f_frsize),
            inodes: (disk.f_files > 0).then_some(disk.f_favail),
        })
    }

    /// What is short at `root` for a run that `makes_files` or none.
    pub(super) fn short(&self, root: &Path, spec: &Spec, makes_files: bool) -> Vec<Short> {
        let wanted = spec.deploy.min_free_disk;
        let (least, fewest) = match makes_files {
            true => (wanted, MANY),
            false => (wanted.min(LITTLE), FEW),
        };
        let root = root.display();
        let mut short = Vec::new();
        if self.bytes < wanted {
            short.push(Short {
                what: format!(
                    "{root} has {} MB free, and {} MB are wanted",
                    self.bytes / 1_000_000,
                    wanted.div_ceil(1_000_000)
                ),
                hint: "free some space, or lower [deploy] min_free_disk".to_owned(),
                stops: self.bytes < least,
            });
        }
        if let Some(left) = self.inodes.filter(|left| *left < MANY) {
            short.push(Short {
                what: format!("{root} has only {left} inodes left"),
                hint: "remove small files".to_owned(),
                stops: left < fewest,
            });
        }
        short
    }
}

pub(super) fn makes_files(plan: &Plan) -> bool {
    plan.request == Request::Deploy
        || plan.steps.iter().any(|step| matches!(step.action, Action::FetchSource { .. }))
}

#[cfg(test)]
mod tests {
    use windlass_core::name::ReleaseId;
    use windlass_core::plan::{Observed, Wanted, plan};
    use windlass_testkit::sample::{shop, source};

    use super::*;

    /// What is said of a disk where 200 MB are wanted: `!` stops the run.
    fn said(request: Request, bytes: u64, inodes: u64) -> Vec<String> {
        let mut spec = shop();
        spec.deploy.min_free_disk = 200_000_000;
        let wanted = Wanted { request: Request::Deploy, spec, source: source("one") };
        let mut plan = plan(&wanted, &Observed { next_release: 1, ..Observed::default() }).unwrap();
        plan.request = request;
        plan.steps.retain(|step| !matches!(step.action, Action::FetchSource { .. }));
        let free = Free { bytes, inodes: Some(inodes) };
        let mark = |short: Short| format!("{}{}", if short.stops { "!" } else { "" }, short.what);
        free.short(Path::new("/srv"), &plan.spec, makes_files(&plan)).into_iter().map(mark).collect()
    }

    #[test]
    fn only_what_makes_files_is_refused_where_the_disk_is_short() {
        let back = || Request::Rollback { to: ReleaseId(1), anyway: false };
        let short = "/srv has 50 MB free, and 200 MB are wanted";
        assert_eq!(said(Request::Deploy, 50_000_000, 1 << 20), [format!("!{short}")]);
        for request in [back(), Request::Restart { services: vec![] }] {
            assert_eq!(said(request, 50_000_000, 1 << 20), [short]);
        }
        assert_eq!(said(back(), 1_000_000, 1 << 20), ["!/srv has 1 MB free, and 200 MB are wanted"]);
        assert_eq!(said(back(), 300_000_000, 500), ["/srv has only 500 inodes left"]);
        assert_eq!(said(back(), 300_000_000, 50), ["!/srv has only 50 inodes left"]);
        assert_eq!(said(Request::Deploy, 300_000_000, 1 << 20), Vec::<String>::new());
    }
}
