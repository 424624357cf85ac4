//! Where paths of the image are in the project.

use super::file::BuildStage;
use crate::project::init::files::Files;

/// What was copied where.
pub(super) struct Paths {
    /// Directories of the image, and of the project; the first that fits holds.
    pairs: Vec<(String, String)>,
    /// The directory that the program runs in, in the project.
    pub(super) directory: Option<String>,
}

impl Paths {
    pub(super) fn of(stage: &BuildStage, files: &Files) -> Self {
        let (mut whole, mut single) = (Vec::new(), Vec::new());
        for (source, target) in &stage.copies {
            let source = source.trim_start_matches("./").trim_matches('/').trim_end_matches("/.");
            let source = if source == "." { "" } else { source };
            let directory = target.trim_end_matches('/').to_owned();
            if source.is_empty() || files.has_directory(source) {
                // `COPY src ./src`: what is beside it in the image is beside it in the project.
                if let Some(above) = directory.strip_suffix(&format!("/{source}")) {
                    single.push((above.to_owned(), String::new()));
                }
                whole.push((directory, source.to_owned()));
            } else if target.ends_with('/') && (files.has(source) || source.contains('*')) {
                let above = source.rsplit_once('/').map_or("", |(above, _)| above);
                single.push((directory, above.to_owned()));
            }
        }
        whole.sort_by_key(|(directory, _)| std::cmp::Reverse(directory.len()));
        let mut pairs = [whole, single].concat();
        if pairs.is_empty() {
            // All of it was made in another stage, which mostly has the project where this one works,
            // or above it.
            let end = stage.directory().unwrap_or_default();
            let is_above = |directory: &&String| {
                let below = end.strip_prefix(directory.as_str()).and_then(|below| below.strip_prefix('/'));
                below.is_some_and(|below| files.has_directory(below))
            };
            let root = stage.directories.iter().find(is_above).map_or(end, String::as_str);
            pairs.push((root.to_owned(), String::new()));
        }
        pairs.retain(|(directory, _)| !directory.is_empty() && directory != "/");
        let mut paths = Self { pairs, directory: None };
        paths.directory = stage.directory().and_then(|directory| paths.inside(directory));
        paths
    }

    /// The path in the project, empty for the project itself.
    pub(super) fn inside(&self, path: &str) -> Option<String> {
        self.pairs.iter().find_map(|(directory, source)| {
            let rest = path.strip_prefix(directory.as_str())?;
            let rest = if rest.is_empty() { rest } else { rest.strip_prefix('/')? };
            Some(
                [source.as_str(), rest]
                    .into_iter()
                    .filter(|part| !part.is_empty())
                    .collect::<Vec<_>>()
                    .join("/"),
            )
        })
    }

    /// The path from the directory that the program runs in.
    pub(super) fn seen_from_it(&self, path: &str) -> Option<String> {
        let path = self.inside(path)?;
        let directory = self.directory.as_deref().unwrap_or_default();
        if path == directory {
            return Some(".".to_owned());
        }
        if directory.is_empty() {
            return Some(path);
        }
        if let Some(rest) = path.strip_prefix(&format!("{directory}/")) {
            return Some(rest.to_owned());
        }
        let up = "../".repeat(directory.split('/').count());
        Some(format!("{up}{path}").trim_end_matches('/').to_owned())
    }
}
