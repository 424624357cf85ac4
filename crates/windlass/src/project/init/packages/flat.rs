//! Projects that setuptools refuses to install: where nothing says what the packages are, it looks for one
//! at the top, and several are no package to it but an accident.

use toml_edit::DocumentMut;

use crate::project::init::files::Files;

/// Directories that it does not take for packages.
const NO_PACKAGES: [&str; 29] = [
    "ci",
    "bin",
    "debian",
    "doc",
    "docs",
    "documentation",
    "manpages",
    "news",
    "newsfragments",
    "changelog",
    "test",
    "tests",
    "unit_test",
    "unit_tests",
    "example",
    "examples",
    "scripts",
    "tools",
    "util",
    "utils",
    "python",
    "build",
    "benchmark",
    "benchmarks",
    "exercise",
    "exercises",
    "htmlcov",
    "tasks",
    "fabfile",
];
/// Modules that it does not take for such.
const NO_MODULES: [&str; 14] = [
    "setup", "conftest", "test", "tests", "example", "examples", "build", "toxfile", "noxfile", "pavement",
    "dodo", "tasks", "fabfile", "manage",
];
/// What the release does not have, as no version control keeps it.
const NOT_KEPT: [&str; 7] = ["node_modules", "target", "venv", "env", "dist", "__pycache__", "site-packages"];

/// What lies side by side where it refuses. `None` where it can be installed.
pub(super) fn several(files: &Files, pyproject: &DocumentMut) -> Option<Vec<String>> {
    if says_packages(files, pyproject) || files.has_directory("src") {
        return None;
    }
    let packages = files
        .directories()
        .filter(|name| is_identifier(name) && !NO_PACKAGES.contains(name) && !NOT_KEPT.contains(name));
    let mut top_level: Vec<String> = packages.map(str::to_owned).collect();
    if top_level.is_empty() {
        let modules = files.ending(".py").filter_map(|path| path.strip_suffix(".py"));
        let modules = modules.filter(|name| is_identifier(name) && !NO_MODULES.contains(name));
        top_level = modules.map(str::to_owned).collect();
    }
    (top_level.len() > 1).then_some(top_level)
}

/// Whether somebody says what the packages are.
fn says_packages(files: &Files, pyproject: &DocumentMut) -> bool {
    let setuptools = pyproject.get("tool").and_then(|tool| tool.get("setuptools"));
    let keys = ["packages", "py-modules", "package-dir", "ext-modules"];
    let configured = setuptools.is_some_and(|told| keys.iter().any(|key| told.get(key).is_some()));
    let says = |file: &str| {
        let text = files.read(file).unwrap_or_default();
        ["packages", "py_modules", "package_dir"].iter().any(|key| text.contains(key))
    };
    configured || says("setup.cfg") || says("setup.py")
}

fn is_identifier(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit() || c == '_')
        && name.chars().all(|c| c.is_alphanumeric() || c == '_')
}
