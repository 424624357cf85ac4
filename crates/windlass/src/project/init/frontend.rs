//! Parts of a project that Node builds, beside what was recognised.

use serde_json::Value;

use super::files::Files;
use super::sketch::Sketch;

/// Tells of directories that have something to build, and are not built.
pub(super) fn note(files: &Files, sketch: &mut Sketch) {
    for directory in files.directories() {
        let text = files.read(&format!("{directory}/package.json")).unwrap_or_default();
        let package: Value = serde_json::from_str(&text).unwrap_or_default();
        let is_plain = directory.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
        if !package["scripts"]["build"].is_string() || !is_plain {
            continue;
        }
        sketch.note(format!(
            "{directory} is neither built nor served: add \"npm --prefix {directory} ci\" and \"npm --prefix {directory} run \
             build\" to the steps of [build], \"{directory}/node_modules\" to its cache, and a route with the directory that \
             this makes as its files, such as \"{directory}/dist\""
        ));
    }
}
