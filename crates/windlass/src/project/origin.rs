//! Whether two directories hold one project: what is deployed under its name, a deploy replaces.

use std::path::{Path, PathBuf};

use windlass_core::name::Name;

use super::git;
use super::load::{self, FILE};

/// Whether `app` was deployed last `before` from a directory that is still there with a manifest of that
/// name, and holds another project than `now`. Checkouts of one repository are one project, unless it has
/// both directories; so is one that was moved.
#[must_use]
pub fn is_another(before: &Path, now: &Path, app: &Name) -> bool {
    let (Ok(before), Ok(now)) = (before.canonicalize(), now.canonicalize()) else { return false };
    before != now && is_of(&before, app) && !is_one(&before, &now, app)
}

/// Whether the directory has a manifest for the application.
fn is_of(directory: &Path, app: &Name) -> bool {
    let Ok(loaded) = load::load(&directory.join(FILE)) else { return false };
    let manifest = loaded.manifest.or_else(|| load::salvage(&loaded.text));
    manifest.and_then(|manifest| manifest.app()).as_ref() == Some(app)
}

/// Whether both are the same project of one repository.
fn is_one(before: &Path, now: &Path, app: &Name) -> bool {
    let (Some(before), Some(now)) = (Place::of(before), Place::of(now)) else { return false };
    // Where the checkout of now has the other directory too, one repository has two projects.
    let is_same = before.within == now.within || !is_of(&now.checkout.join(&before.within), app);
    is_same && (share(&before.remotes(), &now.remotes()) || share(&before.roots(), &now.roots()))
}

fn share(some: &[String], others: &[String]) -> bool {
    some.iter().any(|one| others.contains(one))
}

/// Where a directory lies in a checkout.
struct Place {
    checkout: PathBuf,
    /// Below it.
    within: PathBuf,
}

impl Place {
    fn of(directory: &Path) -> Option<Self> {
        let answer = git::ask(directory, &["rev-parse", "--show-toplevel", "--show-prefix"]);
        let mut lines = answer.lines();
        let checkout = lines.next().filter(|path| !path.is_empty())?.into();
        Some(Self { checkout, within: lines.next().unwrap_or_default().into() })
    }

    /// The repositories that it is fetched from.
    fn remotes(&self) -> Vec<String> {
        let answer = git::ask(&self.checkout, &["config", "--get-regexp", r"^remote\..*\.url$"]);
        answer.lines().filter_map(|line| line.split_once(' ')).map(|(_, url)| repository(url)).collect()
    }

    /// The commits that its history begins with; of a shallow clone, that it is cut off at.
    fn roots(&self) -> Vec<String> {
        let answer = git::ask(&self.checkout, &["rev-list", "--max-parents=0", "HEAD"]);
        answer.lines().map(str::to_owned).collect()
    }
}

/// What a URL of git leads to, whoever asks and by whatever protocol: `host/path`.
fn repository(url: &str) -> String {
    let (is_url, rest) = url.split_once("://").map_or((false, url), |(_, rest)| (true, rest));
    let (authority, path) = match rest.split_once('/') {
        Some((authority, path)) if !authority.contains(':') || is_url => (authority, path),
        // `git@host:path`
        _ => rest.split_once(':').unwrap_or(("", rest)),
    };
    let host = authority.rsplit('@').next().unwrap_or_default().to_ascii_lowercase();
    let path = path.trim_matches('/');
    format!("{host}/{}", path.strip_suffix(".git").unwrap_or(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_is_the_same_by_every_protocol() {
        for url in [
            "https://host.example/team/shop.git",
            "https://ci-token:abc@Host.example/team/shop/",
            "git@host.example:team/shop.git",
            "ssh://git@host.example/team/shop",
        ] {
            assert_eq!(repository(url), "host.example/team/shop", "{url}");
        }
        assert_eq!(repository("/srv/git/shop.git"), "/srv/git/shop");
        assert_eq!(repository("file:///srv/git/shop.git"), "/srv/git/shop");
        assert_ne!(repository("https://host.example/a/shop"), repository("https://host.example/b/shop"));
    }

    struct Ground(tempfile::TempDir);

    impl Ground {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        /// A directory with a manifest for `shop`.
        fn project(&self, path: &str) -> PathBuf {
            let directory = self.0.path().join(path);
            std::fs::create_dir_all(&directory).unwrap();
            std::fs::write(directory.join(FILE), "[app]\nname = \"shop\"\n").unwrap();
            directory
        }

        fn git(&self, path: &str, arguments: &[&str]) {
            let identity = ["-c", "user.name=a", "-c", "user.email=a@example.com"];
            let mut command = std::process::Command::new("git");
            command.arg("-C").arg(self.0.path().join(path)).args(identity).args(arguments);
            let output = command.output().unwrap();
            assert!(output.status.success(), "{output:?}");
        }

        /// A repository with what lies in the directory; `of` tells it from others.
        fn commit(&self, path: &str, of: &str) {
            self.git(path, &["init", "-q"]);
            self.git(path, &["add", "."]);
            self.git(path, &["commit", "-qm", of]);
        }

        fn is_another(&self, before: &str, now: &str) -> bool {
            let at = |path: &str| self.0.path().join(path);
            is_another(&at(before), &at(now), &Name::new("shop").unwrap())
        }
    }

    #[test]
    fn a_directory_of_another_project_is_another() {
        let ground = Ground::new();
        ground.project("a/shop");
        ground.project("b/shop");
        assert!(ground.is_another("a/shop", "b/shop"));
        assert!(!ground.is_another("a/shop", "b/../a/shop"));
        ground.commit("a/shop", "one");
        ground.commit("b/shop", "other");
        assert!(ground.is_another("a/shop", "b/shop"));
        // It was renamed, or moved.
        std::fs::write(ground.0.path().join("a/shop").join(FILE), "[app]\nname = \"web\"\n").unwrap();
        assert!(!ground.is_another("a/shop", "b/shop"));
        assert!(!ground.is_another("gone", "b/shop"));
    }

    #[test]
    fn checkouts_of_one_repository_are_one_project() {
        let ground = Ground::new();
        ground.project("a");
        ground.commit("a", "one");
        ground.git("", &["clone", "-q", "a", "clone"]);
        assert!(!ground.is_another("a", "clone"));
        ground.git("a", &["worktree", "add", "-q", "../tree"]);
        assert!(!ground.is_another("a", "tree"));
        // Shallow clones begin anywhere; where they come from is the same.
        let origin = format!("file://{}", ground.0.path().join("a").display());
        ground.git("", &["clone", "-q", "--depth=1", &origin, "first"]);
        ground.git("a", &["commit", "-q", "--allow-empty", "-m", "two"]);
        ground.git("", &["clone", "-q", "--depth=1", &origin, "second"]);
        assert!(!ground.is_another("first", "second"));
    }

    #[test]
    fn one_repository_may_have_two_projects_or_move_one() {
        let ground = Ground::new();
        ground.project("a/backend");
        ground.project("a/frontend");
        ground.commit("a", "one");
        assert!(ground.is_another("a/backend", "a/frontend"));
        ground.git("", &["clone", "-q", "a", "b"]);
        assert!(ground.is_another("a/backend", "b/frontend"));
        assert!(!ground.is_another("a/backend", "b/backend"));
        ground.git("b", &["rm", "-q", "-r", "backend"]);
        assert!(!ground.is_another("a/backend", "b/frontend"));
    }
}
