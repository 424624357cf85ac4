//! What is deployed here for this account, whoever looks from wherever: a checkout is not needed to learn that.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;
use windlass_core::name::{Name, ReleaseId};

use crate::engine::Journal;
use crate::layout::{self, Layout};
use crate::project::load::FILE;

/// An environment that has its state here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Deployed {
    /// The application.
    pub(crate) app: Name,
    /// The environment.
    pub(crate) environment: Name,
    /// The active release; `None` where there is none, or it cannot be read.
    pub(crate) release: Option<ReleaseId>,
    /// Whether everything was stopped by hand.
    pub(crate) stopped: bool,
    /// The project's directory that it was deployed from.
    pub(crate) directory: Option<PathBuf>,
    /// The manifest there, where it still is.
    pub(crate) manifest: Option<PathBuf>,
}

impl Deployed {
    /// What has its state in these directories; `None` where nothing was ever deployed there.
    pub(crate) fn at(layout: &Layout) -> Option<Self> {
        let name = |path: &Path| Name::new(path.file_name()?.to_str()?).ok();
        let (environment, app) = (name(layout.root())?, name(layout.root().parent()?)?);
        if !layout.journal().is_file() {
            return None;
        }
        let active =
            Journal::open_to_read(&layout.journal()).ok().and_then(|journal| journal.active().ok()?);
        let directory = active.as_ref().map(|active| PathBuf::from(&active.release.source.path));
        let manifest = directory.as_ref().map(|directory| directory.join(FILE)).filter(|file| file.is_file());
        Some(Self {
            app,
            environment,
            release: active.as_ref().map(|active| active.release.id),
            stopped: active.is_some_and(|active| active.stopped),
            directory,
            manifest,
        })
    }

    /// `shop (production)`.
    pub(crate) fn title(&self) -> String {
        format!("{} ({})", self.app, self.environment)
    }
}

/// All of it, by name. What cannot be looked at is left out.
pub(crate) fn here() -> Vec<Deployed> {
    layout::home().map(|home| below(&home)).unwrap_or_default()
}

fn below(home: &Path) -> Vec<Deployed> {
    let inside = |path: &Path| fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path());
    let environments = inside(home).flat_map(|app| inside(&app).collect::<Vec<_>>());
    let mut all: Vec<Deployed> = environments.filter_map(|root| Deployed::at(&Layout::at(root))).collect();
    all.sort_by(|a, b| (&a.app, &a.environment).cmp(&(&b.app, &b.environment)));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_a_journal_is_listed_by_name() {
        let home = tempfile::tempdir().unwrap();
        for (app, environment) in [("shop", "production"), ("blog", "local"), ("shop", "local")] {
            let layout = Layout::at(home.path().join(app).join(environment));
            layout.make().unwrap();
            drop(Journal::open(&layout.journal()).unwrap());
        }
        fs::create_dir_all(home.path().join("shop/empty")).unwrap();
        fs::write(home.path().join("stray"), "").unwrap();
        let titles: Vec<String> = below(home.path()).iter().map(Deployed::title).collect();
        assert_eq!(titles, ["blog (local)", "shop (local)", "shop (production)"]);
    }
}
