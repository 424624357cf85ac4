//! A project as its `pyproject.toml` describes it: what it depends on, and whether pip can install it.

use toml_edit::{DocumentMut, Item, TableLike, Value};

use super::{flat, poetry};
use crate::project::init::files::Files;

/// What takes a version from git, which a release is without.
const VERSIONS_OF_GIT: [&str; 5] =
    ["setuptools-scm", "setuptools_scm", "hatch-vcs", "poetry-dynamic-versioning", "versioningit"];

/// The requirements, as pip takes them. `None` where they are not listed there.
pub(super) fn listed(pyproject: &DocumentMut) -> Option<Vec<String>> {
    let project = pyproject.get("project");
    if let Some(listed) = project.and_then(|project| project.get("dependencies")?.as_array()) {
        return Some(listed.iter().filter_map(Value::as_str).map(str::to_owned).collect());
    }
    let keyed = tool(pyproject, "poetry").and_then(|poetry| poetry.get("dependencies")?.as_table_like());
    if let Some(keyed) = keyed {
        return Some(keyed.iter().flat_map(|(name, item)| poetry::requirements(name, item)).collect());
    }
    let elsewhere = |project: &Item| {
        let dynamic = project.get("dynamic").and_then(Item::as_array);
        dynamic.into_iter().flatten().any(|key| key.as_str() == Some("dependencies"))
    };
    project.is_some_and(|project| !elsewhere(project)).then(Vec::new)
}

/// Why pip cannot install the project itself, where it cannot.
pub(super) fn why_not_built(files: &Files, pyproject: &DocumentMut) -> Option<String> {
    let is_false = |name: &str, key: &str| {
        tool(pyproject, name).and_then(|tool| tool.get(key)?.as_bool()) == Some(false)
    };
    for (name, key) in [("poetry", "package-mode"), ("uv", "package"), ("pdm", "distribution")] {
        if is_false(name, key) {
            return Some(format!("{key} is false in [tool.{name}]"));
        }
    }
    let system = pyproject.get("build-system");
    let requires = system.and_then(|system| system.get("requires")).map(Item::to_string).unwrap_or_default();
    // What only stands in `requires` is not asked where the version is written down.
    let is_written = pyproject.get("project").is_some_and(|project| project.get("version").is_some());
    let of_git = VERSIONS_OF_GIT.iter().find(|name| requires.contains(*name) && !is_written);
    if let Some(name) = of_git {
        return Some(format!("{name} takes its version from git, which a release is without"));
    }
    let backend = system.and_then(|system| system.get("build-backend")?.as_str()).unwrap_or("setuptools");
    if backend.starts_with("setuptools") {
        let described = pyproject.contains_key("project") || files.has("setup.py") || files.has("setup.cfg");
        if !described {
            return Some("it has no [build-system] that says who builds it".to_owned());
        }
        let several = flat::several(files, pyproject)?;
        return Some(format!(
            "setuptools does not install one with several packages at its top ({}) unless [tool.setuptools] names them",
            several.join(", ")
        ));
    }
    let places = modules(pyproject, backend)?;
    let is_there = |place: &String| {
        files.has(&format!("{place}/__init__.py"))
            || files.has(&format!("{place}.py"))
            || (backend.starts_with("poetry") && files.has_directory(place))
            // Within another package, whichever that is.
            || (backend.starts_with("hatchling")
                && files.ending(&format!("/{place}/__init__.py")).any(|path| path.split('/').count() == 3))
    };
    (!places.iter().any(is_there)).then(|| {
        let by = backend.split(['.', '_']).next().unwrap_or(backend);
        let first = places.first().map_or("", String::as_str);
        format!("{by} looks for a package that is called as the project, {first}/__init__.py, and is told of no other")
    })
}

/// Where the backend looks for the project's only package. `None` where it is told, or finds it by itself.
fn modules(pyproject: &DocumentMut, backend: &str) -> Option<Vec<String>> {
    let told = |name: &str| tool(pyproject, name).and_then(Item::as_table_like);
    let has = |table: Option<&dyn TableLike>, keys: &[&str]| {
        table.is_some_and(|table| keys.iter().any(|key| table.contains_key(key)))
    };
    let below = |item: Option<&dyn TableLike>, key: &str| -> Option<Item> { item?.get(key).cloned() };
    let mut roots = vec!["", "src/"];
    let is_told = match backend.split('.').next()? {
        "poetry" => has(told("poetry"), &["packages"]),
        "hatchling" => {
            let keys = ["packages", "include", "only-include", "force-include", "bypass-selection"];
            let build = below(told("hatch"), "build");
            let build = build.as_ref().and_then(Item::as_table_like);
            let targets = below(build, "targets");
            let wheel = below(targets.as_ref().and_then(Item::as_table_like), "wheel");
            has(build, &keys) || has(wheel.as_ref().and_then(Item::as_table_like), &keys)
        }
        "flit_core" => has(told("flit"), &["module"]),
        "uv_build" => {
            roots = vec!["src/"];
            let build = below(told("uv"), "build-backend");
            has(build.as_ref().and_then(Item::as_table_like), &["module-name", "module-root", "namespace"])
        }
        _ => true,
    };
    let named = |item: Option<&Item>| item?.get("name")?.as_str().map(str::to_owned);
    let name = named(pyproject.get("project")).or_else(|| named(tool(pyproject, "poetry")))?;
    let module = name.replace(['-', '.'], "_");
    (!is_told).then(|| {
        let names = [module.to_lowercase(), module];
        names.iter().flat_map(|name| roots.iter().map(move |root| format!("{root}{name}"))).collect()
    })
}

fn tool<'a>(pyproject: &'a DocumentMut, name: &str) -> Option<&'a Item> {
    pyproject.get("tool")?.get(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_pip_can_build_is_not_called_unbuildable() {
        for (requires, project, path, is_built) in [
            ("hatchling", "", "my_shop/__init__.py", true),
            ("hatchling", "", "company/my_shop/__init__.py", true),
            ("hatchling", "", "a/company/my_shop/__init__.py", false),
            ("hatchling", "", "my_shop/main.py", false),
            ("poetry.core", "", "my_shop/main.py", true),
            ("poetry.core", "", "other/__init__.py", false),
            ("hatchling hatch-vcs", "dynamic = ['version']", "my_shop/__init__.py", false),
            ("hatchling hatch-vcs", "version = '1'", "my_shop/__init__.py", true),
        ] {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
            let backend = requires.split(' ').next().unwrap();
            let text = format!(
                "[build-system]\nrequires = ['{requires}']\nbuild-backend = '{backend}.x'\n[project]\nname = 'my-shop'\n{project}\n"
            );
            let files = Files::of(directory.path(), |_| false).unwrap();
            let why = why_not_built(&files, &text.parse().unwrap());
            assert_eq!(why.is_none(), is_built, "{text}{why:?}");
        }
    }
}
