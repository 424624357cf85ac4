//! Whether two directories hold one project: what is deployed under its name, a deploy replaces.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use windlass_core::manifest::Manifest;
use windlass_core::name::Name;

use super::git;
use super::load::{self, FILE};

/// Whose something is that was deployed under the name of a project.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// The project's own, as far as can be told: it may have been moved.
    Own,
    /// Another project's.
    Another,
    /// That cannot be told.
    Unknown,
}

/// The manifest of a project.
#[derive(Debug, Clone)]
pub struct Known<'a> {
    /// It.
    pub manifest: Cow<'a, Manifest>,
    /// Whether that is all of it; otherwise only the name could be read.
    pub is_whole: bool,
}

/// Whether what `known` names was deployed last `before` from a directory that is still there with a
/// manifest of that name, and holds another project than `now`, which has `known`. Checkouts of one
/// repository are one project, unless it has both directories; so is one that was moved. What lies in no
/// checkout is told by its manifest. Where git does not answer, or a manifest is not whole, it is not known.
#[must_use]
pub fn whose(before: &Path, now: &Path, known: &Known<'_>) -> Whose {
    let (Ok(before), Ok(now)) = (before.canonicalize(), now.canonicalize()) else { return Whose::Own };
    let Some(app) = known.manifest.app().filter(|_| before != now) else { return Whose::Own };
    let manifests = manifests(&before, &app);
    if manifests.is_empty() {
        return Whose::Own;
    }
    match (Place::of(&before), Place::of(&now)) {
        (Place::Unknown, _) | (_, Place::Unknown) => Whose::Unknown,
        (Place::Kept(before), Place::Kept(now)) if before.is_one_with(&now, &app) => Whose::Own,
        (Place::Kept(_), Place::Kept(_)) => Whose::Another,
        _ => by_manifest(&manifests, known),
    }
}

fn by_manifest(before: &[Known<'_>], now: &Known<'_>) -> Whose {
    let is_like = |other: &Known<'_>| other.is_whole && other.manifest.outline() == now.manifest.outline();
    if now.is_whole && before.iter().any(is_like) {
        return Whose::Own;
    }
    match now.is_whole && before.iter().all(|other| other.is_whole) {
        true => Whose::Another,
        false => Whose::Unknown,
    }
}

/// The manifests for the application in a directory, as any of them may have been deployed.
fn manifests(directory: &Path, app: &Name) -> Vec<Known<'static>> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let others =
        entries.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|e| e == "toml"));
    let others = others.filter(|path| !path.ends_with(FILE));
    let paths = std::iter::once(directory.join(FILE)).chain(others).filter(|path| path.is_file());
    let loaded = paths.filter_map(|path| load::load(&path).ok());
    let known = loaded.filter_map(|loaded| {
        let is_whole = loaded.manifest.is_some();
        let manifest = loaded.manifest.or_else(|| load::salvage(&loaded.text))?;
        Some(Known { manifest: Cow::Owned(manifest), is_whole })
    });
    known.filter(|known| known.manifest.app().as_ref() == Some(app)).collect()
}

/// Where a directory lies.
enum Place {
    /// In a checkout, which has files of it.
    Kept(Kept),
    /// In none, or untracked in one.
    Elsewhere,
    /// In one of which git says nothing: it is somebody else's, or there is no git.
    Unknown,
}

impl Place {
    fn of(directory: &Path) -> Self {
        let answer = git::ask(directory, &["rev-parse", "--show-toplevel", "--show-prefix"]);
        let mut lines = answer.lines();
        let Some(checkout) = lines.next().filter(|path| !path.is_empty()) else {
            let is_there = |above: &Path| above.join(".git").symlink_metadata().is_ok();
            return if directory.ancestors().any(is_there) { Self::Unknown } else { Self::Elsewhere };
        };
        if git::ask(directory, &["ls-files", "--", "."]).is_empty() {
            return Self::Elsewhere;
        }
        Self::Kept(Kept { checkout: checkout.into(), within: lines.next().unwrap_or_default().into() })
    }
}

/// A directory of a checkout.
struct Kept {
    checkout: PathBuf,
    /// Below it.
    within: PathBuf,
}

impl Kept {
    /// Whether both are the same project of one repository.
    fn is_one_with(&self, now: &Self, app: &Name) -> bool {
        // Where the checkout of now has the other directory too, one repository has two projects.
        let is_same =
            self.within == now.within || manifests(&now.checkout.join(&self.within), app).is_empty();
        is_same && (share(&self.remotes(), &now.remotes()) || share(&self.roots(), &now.roots()))
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

fn share(some: &[String], others: &[String]) -> bool {
    some.iter().any(|one| others.contains(one))
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

        /// What lies in the directory is for `shop` and has this, too.
        fn write(&self, path: &str, file: &str, more: &str) {
            let text = format!("[app]\nname = \"shop\"\n{more}");
            std::fs::write(self.0.path().join(path).join(file), text).unwrap();
        }

        fn whose(&self, before: &str, now: &str) -> Whose {
            let at = |path: &str| self.0.path().join(path);
            let loaded = load::load(&at(now).join(FILE)).unwrap();
            let is_whole = loaded.manifest.is_some();
            let manifest = loaded.manifest.or_else(|| load::salvage(&loaded.text)).unwrap();
            whose(&at(before), &at(now), &Known { manifest: Cow::Owned(manifest), is_whole })
        }

        fn is_another(&self, before: &str, now: &str) -> bool {
            self.whose(before, now) == Whose::Another
        }
    }

    #[test]
    fn a_directory_of_another_project_is_another() {
        let ground = Ground::new();
        ground.project("a/shop");
        ground.project("b/shop");
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
    #[test]
    fn what_lies_in_no_checkout_is_told_by_its_manifest() {
        let ground = Ground::new();
        let web = |command: &str| format!("[services.web]\ncommand = {command}\n");
        for directory in ["1", "2", "3"] {
            ground.project(directory);
            ground.write(directory, FILE, &web("[\"serve\", \"shop\"]"));
        }
        assert!(!ground.is_another("1", "2"));
        for other in [
            web("[\"serve\", \"another\"]"),
            web("[\"serve\", \"shop\"]") + "[jobs.migrate]\ncommand = \"migrate\"\n",
            String::new(),
        ] {
            ground.write("2", FILE, &other);
            assert!(ground.is_another("1", "2"), "{other}");
        }
        // It was deployed with --file.
        std::fs::rename(ground.0.path().join("1/windlass.toml"), ground.0.path().join("1/prod.toml"))
            .unwrap();
        assert!(ground.is_another("1", "2"));
        assert!(!ground.is_another("1", "3"));
        // A checkout above that has nothing of them says nothing of them.
        ground.git("", &["init", "-q"]);
        assert!(ground.is_another("1", "2"));
        assert!(!ground.is_another("1", "3"));
    }

    #[test]
    fn where_git_does_not_answer_nothing_is_known() {
        let ground = Ground::new();
        ground.project("a");
        ground.project("b");
        ground.write("b", FILE, "[services.web]\ncommand = \"serve\"\n");
        assert!(ground.is_another("a", "b"));
        // As git refuses to read it, like one that belongs to somebody else.
        std::fs::write(ground.0.path().join("a/.git"), "gitdir: nowhere\n").unwrap();
        assert_eq!((ground.whose("a", "b"), ground.whose("b", "a")), (Whose::Unknown, Whose::Unknown));
    }

    #[test]
    fn what_is_left_of_a_manifest_does_not_say_whose_it_is() {
        let ground = Ground::new();
        ground.project("a");
        ground.project("b");
        assert_eq!(ground.whose("a", "b"), Whose::Own);
        // As a merge leaves it.
        ground.write("a", FILE, "<<<<<<< HEAD\n");
        assert_eq!((ground.whose("a", "b"), ground.whose("b", "a")), (Whose::Unknown, Whose::Unknown));
    }
}
