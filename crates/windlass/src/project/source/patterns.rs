//! Patterns of the manifest: `files`, `include` and `exclude` mean what the lines of a `.gitignore` do.

use std::path::Path;

use ignore::Error;
use ignore::gitignore::{Gitignore, GitignoreBuilder};

/// Patterns for paths that are relative to the project.
#[derive(Debug)]
pub(super) struct Patterns {
    matcher: Gitignore,
    routes: Vec<Route>,
}

/// Whether what a pattern names can lie in a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reach {
    /// Nothing of it.
    Nothing,
    /// Who knows.
    Possible,
    /// The pattern leads there by name, or names the directory itself.
    Named,
}

/// The directories through which a pattern leads; `None` where these may be any.
#[derive(Debug)]
struct Route(Option<Vec<String>>);

impl Patterns {
    pub(super) fn new<'p>(patterns: impl IntoIterator<Item = &'p str>) -> Result<Self, Error> {
        let mut builder = GitignoreBuilder::new("");
        builder.allow_unclosed_class(false);
        let mut routes = Vec::new();
        for pattern in patterns {
            builder.add_line(None, pattern)?;
            routes.extend(Route::of(pattern));
        }
        Ok(Self { matcher: builder.build()?, routes })
    }

    /// Whether they name a path, or a directory that it lies in. The nearest that is named decides, so that
    /// `!` takes a part out again.
    pub(super) fn name(&self, path: &Path, is_dir: bool) -> bool {
        self.matcher.matched_path_or_any_parents(path, is_dir).is_ignore()
    }

    /// Whether anything that they name can lie in a directory.
    pub(super) fn reach(&self, directory: &Path) -> Reach {
        if self.name(directory, true) {
            return Reach::Named;
        }
        self.routes.iter().map(|route| route.reach(directory)).max().unwrap_or(Reach::Nothing)
    }

    /// Whether one that may name something in a directory leads by name into the one that is `left_out` on the
    /// way there. `*` and `**` name none.
    pub(super) fn lead_into(&self, directory: &Path, left_out: Option<&Path>) -> bool {
        let Some(left_out) = left_out else { return true };
        self.name(left_out, true)
            || self
                .routes
                .iter()
                .any(|route| route.reach(directory) > Reach::Nothing && route.leads_into(left_out))
    }
}

impl Route {
    /// `None` of a line that names nothing: one that takes out again, or a comment.
    fn of(pattern: &str) -> Option<Self> {
        let pattern = pattern.trim_end();
        if pattern.is_empty() || pattern.starts_with(['!', '#']) {
            return None;
        }
        let line = pattern.strip_suffix('/').unwrap_or(pattern);
        Some(Self(
            line.contains('/')
                .then(|| line.strip_prefix('/').unwrap_or(line).split('/').map(str::to_owned).collect()),
        ))
    }

    fn reach(&self, directory: &Path) -> Reach {
        let Self(Some(parts)) = self else { return Reach::Possible };
        let mut reach = Reach::Named;
        let mut parts = parts.iter();
        for name in directory {
            // What lies deeper than the pattern is there for a directory that is named, and this one is not.
            let Some(part) = parts.next() else { return Reach::Nothing };
            if part == "**" || part.contains('{') {
                return Reach::Possible;
            } else if part.contains(['*', '?', '[', '\\']) {
                reach = Reach::Possible;
            } else if part.as_str() != name {
                return Reach::Nothing;
            }
        }
        if parts.next().is_some() { reach } else { Reach::Nothing }
    }

    /// Whether it has a name for a directory that it reaches. One in braces is taken for such.
    fn leads_into(&self, directory: &Path) -> bool {
        let Self(Some(parts)) = self else { return false };
        let Some(own) = directory.file_name() else { return false };
        let names = |part: &String| match part.contains(['*', '?', '[', '\\', '{']) {
            true => !part.trim_matches('*').is_empty(),
            false => part.as_str() == own,
        };
        let depth = directory.components().count();
        match parts.iter().take(depth).position(|part| part == "**" || part.contains('{')) {
            // What follows may be at any depth.
            Some(at) => parts[at..].iter().any(names),
            None => parts.get(depth - 1).is_some_and(names),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_that_is_named_stands_for_all_that_lies_in_it() {
        for pattern in ["app", "app/", "/app", "/app/", "app/*", "app/**"] {
            let patterns = Patterns::new([pattern]).unwrap();
            let named = ["app/main.py", "app/sub/deep/file", "apple/main.py", "main.py"]
                .map(|path| patterns.name(Path::new(path), false));
            assert_eq!(named, [true, true, false, false], "{pattern}");
        }
        let patterns = Patterns::new(["app/", "!app/tests/"]).unwrap();
        assert!(patterns.name(Path::new("app/sub/file"), false));
        assert!(!patterns.name(Path::new("app/tests/sub/file"), false));
        assert!(Patterns::new(["a{b"]).is_err());
    }

    #[test]
    fn only_directories_that_can_hold_a_match_are_entered() {
        use Reach::{Named, Nothing, Possible};
        for (pattern, directory, reach) in [
            ("dist/", "dist", Named),
            ("dist/", "dist/js", Named),
            ("dist/", "other", Possible),
            ("/dist/", "other", Nothing),
            ("/dist/", "dist/js", Named),
            ("a/b/c.js", "a", Named),
            ("a/b/c.js", "a/b", Named),
            ("a/b/c.js", "a/b/d", Nothing),
            ("a/b/c.js", "b", Nothing),
            ("a/*/c.js", "a/b", Possible),
            ("**/c.js", "a", Possible),
            ("a/**", "a", Named),
            ("a/**", "b", Nothing),
            ("{a/b,c/d/e}/x", "c/d/e", Possible),
            ("!dist/", "dist", Nothing),
            ("# a/b", "# a", Nothing),
        ] {
            let patterns = Patterns::new([pattern]).unwrap();
            assert_eq!(patterns.reach(Path::new(directory)), reach, "{pattern} {directory}");
        }
    }

    #[test]
    fn a_directory_that_is_left_out_is_entered_by_its_name_alone() {
        for (pattern, left_out, leads) in [
            ("dist/", "node_modules", false),
            ("*.map", "node_modules", false),
            ("dist/", "packages/dist", true),
            ("*/dist/", "node_modules", false),
            ("**/dist/", "node_modules", false),
            ("web/**/dist/", "web/node_modules", false),
            ("web/**/node_modules/x/dist/", "web/a/node_modules", true),
            ("**/node_modules/x/dist/", "node_modules", true),
            ("packages/*/build/out/", "packages/a/build", true),
            ("build-*/out/", "build-1", true),
            ("/vendor/*/dist/", "vendor", true),
        ] {
            let patterns = Patterns::new([pattern]).unwrap();
            let below = Path::new(left_out);
            assert_eq!(patterns.lead_into(below, Some(below)), leads, "{pattern} {left_out}");
            assert!(patterns.lead_into(below, None));
        }
    }
}
