//! Projects that setuptools refuses to install: where nothing says what the packages are, it looks for one
//! at the top, and several are no package to it but an accident.

use toml_edit::{DocumentMut, Item, Value};

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

/// Why it cannot be installed, and what it depends on.
pub(super) struct Refused {
    /// What lies side by side.
    pub(super) top_level: Vec<String>,
    pub(super) dependencies: Vec<String>,
}

/// `None` where it can be installed, or what it depends on is not listed.
pub(super) fn refused(files: &Files) -> Option<Refused> {
    let pyproject: DocumentMut = files.read("pyproject.toml")?.parse().ok()?;
    let project = pyproject.get("project")?;
    let backend = pyproject.get("build-system").and_then(|system| system.get("build-backend"));
    let by_setuptools = backend.and_then(Item::as_str).is_none_or(|name| name.starts_with("setuptools"));
    if !by_setuptools || says_packages(files, &pyproject) || files.has_directory("src") {
        return None;
    }
    let listed = project.get("dependencies").and_then(Item::as_array);
    let is_listed =
        |key: &str| project.get("dynamic").is_none_or(|dynamic| !dynamic.to_string().contains(key));
    let dependencies = listed.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
    let packages = files
        .directories()
        .filter(|name| is_identifier(name) && !NO_PACKAGES.contains(name) && !NOT_KEPT.contains(name));
    let mut top_level: Vec<String> = packages.map(str::to_owned).collect();
    if top_level.is_empty() {
        let modules = files.ending(".py").filter_map(|path| path.strip_suffix(".py"));
        let modules = modules.filter(|name| is_identifier(name) && !NO_MODULES.contains(name));
        top_level = modules.map(str::to_owned).collect();
    }
    (top_level.len() > 1 && is_listed("dependencies")).then_some(Refused { top_level, dependencies })
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
