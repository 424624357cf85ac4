//! Directories whose files routes serve, and the files that they fall back to.

use std::fmt;
use std::path::Path;

use windlass_core::spec::{Destination, Spec, When};

/// What a route serves, and is not there.
#[derive(Debug, PartialEq, Eq)]
pub struct Absent {
    /// The route, by host and path.
    pub route: String,
    /// The directory, relative to the release.
    pub root: String,
    /// The file in it that is answered for paths that do not exist; `None` where the directory itself is
    /// not there.
    pub fallback: Option<String>,
}

impl Absent {
    /// The key of the route that names it.
    #[must_use]
    pub fn key(&self) -> &'static str {
        if self.fallback.is_some() { "fallback" } else { "files" }
    }
}

impl fmt::Display for Absent {
    /// What the route wants: "the route / serves the files of "dist"".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { route, root, fallback } = self;
        match fallback {
            None => {
                write!(f, "the route {route} serves the files of {root:?}, and there is no such directory")
            }
            Some(file) => write!(
                f,
                "the route {route} answers with {file:?} of {root:?} where there is no such path, and there is no such file"
            ),
        }
    }
}

/// What `spec` serves of a release and is not in `tree`. What releases share may come at any time.
#[must_use]
pub fn absent(spec: &Spec, tree: &Path) -> Vec<Absent> {
    let shared = |root: &str| {
        let within = |directory: &String| {
            root.strip_prefix(directory.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        root.starts_with("shared:") || spec.build.shared.iter().any(within)
    };
    let missing = spec.routes.iter().filter_map(|route| {
        let Destination::Files { root, fallback, .. } = &route.to else { return None };
        let directory = tree.join(root);
        let fallback = match fallback {
            _ if shared(root) => return None,
            _ if !directory.is_dir() => None,
            Some(file) if !shared(&format!("{root}/{file}")) && !directory.join(file).is_file() => {
                Some(file.clone())
            }
            _ => return None,
        };
        let route = format!("{}{}", route.host.as_deref().unwrap_or_default(), route.path);
        Some(Absent { route, root: root.clone(), fallback })
    });
    missing.collect()
}

/// Whether something that runs before requests come may still make files: what it will make nobody
/// knows.
#[must_use]
pub fn may_be_made(spec: &Spec) -> bool {
    !spec.build.steps.is_empty() || spec.jobs.values().any(|job| job.when == When::BeforeStart)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_and_fallbacks_that_a_release_lacks_are_found() {
        let manifest = "[app]\nname = \"shop\"\n[build]\nshared = [\"media\"]\n\
             [[routes]]\npath = \"/\"\nfiles = \"dist\"\nfallback = \"index.html\"\n\
             [[routes]]\npath = \"/admin\"\nfiles = \"dist\"\nfallback = \"admin/index.html\"\n\
             [[routes]]\npath = \"/docs\"\nfiles = \"docs\"\nfallback = \"index.html\"\n\
             [[routes]]\npath = \"/sub\"\nfiles = \"dist\"\nfallback = \"sub\"\n\
             [[routes]]\npath = \"/media\"\nfiles = \"shared:media\"\nfallback = \"none.png\"\n";
        let (manifest, diags) = windlass_core::manifest::load(manifest);
        assert_eq!(diags, []);
        let spec = windlass_core::resolve::resolve(&manifest.unwrap(), "local", &Default::default()).unwrap();
        let tree = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(tree.path().join("dist/sub")).unwrap();
        std::fs::write(tree.path().join("dist/index.html"), "x").unwrap();
        let mut told: Vec<String> = absent(&spec, tree.path()).iter().map(ToString::to_string).collect();
        told.sort();
        assert_eq!(
            told,
            [
                "the route /admin answers with \"admin/index.html\" of \"dist\" where there is no such path, and there is no such file",
                "the route /docs serves the files of \"docs\", and there is no such directory",
                "the route /sub answers with \"sub\" of \"dist\" where there is no such path, and there is no such file",
            ]
        );
    }
}
