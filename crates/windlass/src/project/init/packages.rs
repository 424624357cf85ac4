//! What the build of a Python project installs, and by what words.

mod flat;
mod groups;
pub(super) mod listed;
mod pipfile;
mod poetry;
mod project;

use toml_edit::{DocumentMut, Item, TableLike, Value};
use windlass_core::spec::Template;

use super::files::Files;

/// Lists of packages, the one that is taken first.
const LISTS: [&str; 4] =
    ["requirements.txt", "requirements/production.txt", "requirements/prod.txt", "requirements/base.txt"];
/// Lists within lists are followed so far.
const DEEPEST: usize = 5;

/// What a project says that it depends on.
pub(super) struct Packages {
    /// Who installs it.
    pub(super) by: Installer,
    /// The lower-case names of what is installed, in one text.
    pub(super) names: String,
    /// Why the project itself is not installed, where it cannot be.
    pub(super) not_built: Option<String>,
    /// The tool that would install what is locked, where it is not installed itself.
    pub(super) lacks: Option<Tool>,
    /// The groups of `pyproject.toml` that production needs beside what the project depends on.
    pub(super) groups: Vec<String>,
    /// An index of packages that the project names, and pip does not know of.
    pub(super) index: Option<String>,
}

/// Who installs a project's packages.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Installer {
    /// pip, which is told these words.
    Pip(Vec<String>),
    /// The project's own tool, which is installed, from its lock file.
    Tool(Tool),
}

/// A tool that has a lock file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tool {
    pub(super) program: &'static str,
    pub(super) lock: &'static str,
}

pub(super) const TOOLS: [Tool; 4] = [
    Tool { program: "uv", lock: "uv.lock" },
    Tool { program: "poetry", lock: "poetry.lock" },
    Tool { program: "pdm", lock: "pdm.lock" },
    Tool { program: "pipenv", lock: "Pipfile.lock" },
];

impl Packages {
    /// `None` where no file says it. pip is always there, so a list for it comes first.
    pub(super) fn of(files: &Files) -> Option<Self> {
        if let Some(list) = LISTS.into_iter().find(|list| files.has(list)) {
            let words = vec!["-r".to_owned(), list.to_owned()];
            let names = listed(files, list, DEEPEST).to_lowercase();
            return Some(Self { names, ..Self::by(Installer::Pip(words)) });
        }
        let locked = TOOLS.into_iter().find(|tool| files.has(tool.lock));
        let (tool, lacks) = match locked {
            Some(Tool { program, .. }) if files.is_installed(program) => (locked, None),
            _ => (None, locked),
        };
        let found = Self::of_pyproject(files).or_else(|| Self::of_pipfile(files))?;
        let by = tool.map_or(found.by, Installer::Tool);
        Some(Self { by, lacks, names: found.names.to_lowercase(), ..found })
    }

    /// The same of a directory that says it for itself. pip installs that: tools look for their files where they are
    /// started.
    pub(super) fn below(files: &Files, directory: &str) -> Option<Self> {
        let found = Self::of(&Files::of(&files.path(directory), |_| false).ok()?)?;
        let Installer::Pip(words) = found.by else { return None };
        let mut before = String::new();
        let words = words.into_iter().map(|word| {
            let is_list = before == "-r";
            before.clone_from(&word);
            match word.as_str() {
                // What has a slash is no package of an index.
                "." => Template::literal(format!("./{directory}")).to_string(),
                list if is_list => Template::literal(format!("{directory}/{list}")).to_string(),
                _ => word,
            }
        });
        Some(Self { by: Installer::Pip(words.collect()), ..found })
    }

    fn by(by: Installer) -> Self {
        Self { by, names: String::new(), not_built: None, lacks: None, groups: vec![], index: None }
    }

    fn of_pyproject(files: &Files) -> Option<Self> {
        let pyproject: Option<DocumentMut> = files.read("pyproject.toml").and_then(|text| text.parse().ok());
        let by_name = pyproject.as_ref().and_then(|pyproject| {
            let why = project::why_not_built(files, pyproject)?;
            Some((project::listed(pyproject)?, why))
        });
        let groups = pyproject.as_ref().map(groups::for_production).unwrap_or_default();
        let (of_itself, mut names, not_built) = match by_name {
            Some((listed, why)) => (listed.clone(), listed.join("\n"), Some(why)),
            // Where nothing else is said, the groups say all.
            None => match of_project(files) {
                Some(names) => (vec![".".to_owned()], names, None),
                None => (vec![], String::new(), None),
            },
        };
        let of_groups = groups.iter().flat_map(|(_, listed)| listed.clone());
        let words: Vec<String> = of_itself.into_iter().chain(of_groups).collect();
        for (_, listed) in &groups {
            names = format!("{names}\n{}", listed.join("\n"));
        }
        if words.is_empty() && not_built.is_none() {
            return None;
        }
        let words = words.iter().map(|word| Template::literal(word.as_str()).to_string()).collect();
        let groups = groups.into_iter().map(|(name, _)| name).collect();
        Some(Self { names, not_built, groups, ..Self::by(Installer::Pip(words)) })
    }

    fn of_pipfile(files: &Files) -> Option<Self> {
        let pipfile: DocumentMut = files.read("Pipfile")?.parse().ok()?;
        let listed = pipfile::requirements(&pipfile)?;
        let words = listed.iter().map(|word| Template::literal(word.as_str()).to_string()).collect();
        let index = pipfile::other_index(&pipfile);
        Some(Self { names: listed.join("\n"), index, ..Self::by(Installer::Pip(words)) })
    }
}

/// The packages of a list, and of those that it names.
fn listed(files: &Files, list: &str, depth: usize) -> String {
    let mut names = String::new();
    for line in files.read(list).unwrap_or_default().lines() {
        let line = line.split(" #").next().unwrap_or_default().trim();
        let other = ["-r", "--requirement"]
            .into_iter()
            .find_map(|option| Some(line.strip_prefix(option)?.trim_start_matches(['=', ' ']).trim()));
        if let Some(other) = other.filter(|_| depth > 0) {
            let directory = list.rsplit_once('/').map_or("", |(directory, _)| directory);
            names.push_str(&listed(files, &below(directory, other), depth - 1));
        } else if matches!(line.trim_start_matches("-e").trim(), "." | "./") {
            names.push_str(&of_project(files).unwrap_or_default());
        } else if !line.starts_with(['#', '-']) {
            names.push_str(line);
            names.push('\n');
        }
    }
    names
}

/// `path` as seen from `directory`.
fn below(directory: &str, path: &str) -> String {
    let mut parts: Vec<&str> = directory.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// What the project itself depends on, where pip can install it. Groups that are for development or to be
/// asked for are not installed with it.
fn of_project(files: &Files) -> Option<String> {
    let setup = files.has("setup.py");
    let read = |file: &str| files.read(file).unwrap_or_default();
    let text = read("pyproject.toml");
    let whole = format!("{text}\n{}\n{}", read("setup.cfg"), read("setup.py"));
    let Ok(pyproject) = text.parse::<DocumentMut>() else {
        let says = setup || text.contains("[project]") || text.contains("[tool.poetry]");
        return says.then_some(whole);
    };
    let poetry = pyproject.get("tool").and_then(|tool| tool.get("poetry"));
    let is_package = |poetry: &&Item| poetry.get("package-mode").and_then(Item::as_bool) != Some(false);
    let poetry = poetry.filter(is_package);
    let project = pyproject.get("project");
    let configured = pyproject.contains_key("build-system") && files.has("setup.cfg");
    if project.is_none() && poetry.is_none() && !setup && !configured {
        return None;
    }
    if project.is_some_and(|project| project.get("dynamic").is_some()) {
        return Some(whole);
    }
    let listed = project.and_then(|project| project.get("dependencies")?.as_array());
    let listed = listed.into_iter().flatten().filter_map(Value::as_str);
    let keyed = poetry.and_then(|poetry| poetry.get("dependencies")?.as_table_like());
    let optional = |item: &Item| item.get("optional").and_then(Item::as_bool) == Some(true);
    let keyed = keyed.into_iter().flat_map(TableLike::iter).filter(|(_, item)| !optional(item));
    let mut names: Vec<String> = listed.chain(keyed.map(|(key, _)| key)).map(str::to_owned).collect();
    if setup || configured {
        names.extend([read("setup.cfg"), read("setup.py")]);
    }
    Some(names.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project::init::python::depends_on;

    /// The words for pip, and which of these packages are installed.
    fn packages(written: &[(&str, &str)]) -> Option<(String, Vec<&'static str>)> {
        let directory = tempfile::tempdir().unwrap();
        for (path, text) in written {
            let path = directory.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let packages = Packages::of(&Files::of(directory.path(), |_| false).unwrap())?;
        let known = ["django", "gunicorn", "uvicorn", "celery"];
        let installed = known.into_iter().filter(|name| depends_on(&packages.names, name)).collect();
        let Installer::Pip(words) = packages.by else { panic!("no tool is installed") };
        Some((words.join(" "), installed))
    }

    #[test]
    fn lists_are_read_with_what_they_name() {
        let base =
            ("requirements/base.txt", "Django==5.2  # not gunicorn\n-c limits.txt\nuvicorn[standard]\n");
        let local = ("requirements/local.txt", "-r base.txt\ngunicorn\n");
        assert_eq!(
            packages(&[base, local]),
            Some(("-r requirements/base.txt".to_owned(), vec!["django", "uvicorn"]))
        );
        let production =
            ("requirements/production.txt", "-r ./base.txt\n--requirement=../more.txt\n# celery\n");
        assert_eq!(
            packages(&[base, production, ("more.txt", "gunicorn\n-r requirements/production.txt")]),
            Some(("-r requirements/production.txt".to_owned(), vec!["django", "gunicorn", "uvicorn"]))
        );
    }

    #[test]
    fn what_setuptools_would_refuse_is_installed_by_name() {
        let project = "[project]\nname = \"shop\"\ndependencies = [\"Django>=5\", \"uvicorn[standard]; python_version >= '3'\"]\n";
        let words = |more: &str, paths: &[&str]| {
            let text = format!("{project}{more}");
            let sources = paths.iter().map(|path| (*path, "x = 1\n"));
            let written: Vec<_> = [("pyproject.toml", text.as_str())].into_iter().chain(sources).collect();
            packages(&written).unwrap().0
        };
        let listed = "Django>=5 uvicorn[standard]; python_version >= '3'";
        let several = ["app/main.py", "alembic/env.py", "static/site.css"];
        assert_eq!(words("", &several), listed);
        assert_eq!(words("", &["app/main.py", "migrations/env.py"]), listed);
        assert_eq!(words("", &["main.py", "config.py"]), listed);
        assert_eq!(words("[build-system]\nbuild-backend = \"setuptools.build_meta\"\n", &several), listed);
        // What setuptools does not take for a part of the program.
        assert_eq!(words("", &["app/main.py", "tests/a.py", "docs/a.md", "not-a-name/x", "setup.py"]), ".");
        assert_eq!(words("", &["main.py", "manage.py", "conftest.py"]), ".");
        assert_eq!(words("", &["src/shop/main.py", "alembic/env.py", "static/a"]), ".");
        assert_eq!(words("[tool.setuptools]\npackages = [\"app\"]\n", &several), ".");
        assert_eq!(words("[tool.setuptools.packages.find]\ninclude = [\"app*\"]\n", &several), ".");
        let by_hatch = "[build-system]\nbuild-backend = \"hatchling.build\"\n";
        assert_eq!(words(by_hatch, &several), listed);
        assert_eq!(words(by_hatch, &["src/shop/__init__.py", "alembic/env.py"]), ".");
    }

    #[test]
    fn what_no_backend_can_build_is_installed_by_name() {
        let project = "[project]\nname = \"my-shop\"\ndependencies = [\"django\"]\n";
        let poetry = "[tool.poetry]\nname = \"my-shop\"\n[tool.poetry.dependencies]\npython = \"^3.11\"\ndjango = \"^5.2\"\n";
        let words = |head: &str, more: &str, paths: &[&str]| {
            let text = format!("{head}{more}");
            let sources = paths.iter().map(|path| (*path, "x = 1\n"));
            let written: Vec<_> = [("pyproject.toml", text.as_str())].into_iter().chain(sources).collect();
            packages(&written).unwrap().0
        };
        let system =
            |backend: &str| format!("[build-system]\nrequires = []\nbuild-backend = \"{backend}\"\n");
        let (named, other) = (["my_shop/__init__.py"], ["shop/__init__.py"]);
        let below_src = ["src/my_shop/__init__.py"];
        for backend in ["hatchling.build", "poetry.core.masonry.api", "flit_core.buildapi"] {
            assert_eq!(words(project, &system(backend), &named), ".", "{backend}");
            assert_eq!(words(project, &system(backend), &below_src), ".", "{backend}");
            assert_eq!(words(project, &system(backend), &other), "django", "{backend}");
        }
        assert_eq!(words(project, &system("uv_build"), &below_src), ".");
        assert_eq!(words(project, &system("uv_build"), &named), "django");
        for told in [
            format!("{}[tool.uv.build-backend]\nmodule-root = \"\"\n", system("uv_build")),
            format!("{}[tool.hatch.build.targets.wheel]\npackages = [\"shop\"]\n", system("hatchling.build")),
            format!(
                "{}[tool.poetry]\npackages = [{{ include = \"shop\" }}]\n",
                system("poetry.core.masonry.api")
            ),
            // These two find it.
            system("pdm.backend"),
            system("setuptools.build_meta"),
        ] {
            assert_eq!(words(project, &told, &other), ".", "{told}");
        }
        assert_eq!(words(poetry, &system("poetry.core.masonry.api"), &named), ".");
        assert_eq!(words(poetry, &system("poetry.core.masonry.api"), &other), "django>=5.2,<6");
        assert_eq!(words(poetry, "", &other), "django>=5.2,<6");
        assert_eq!(words(project, "[tool.poetry]\npackage-mode = false\n", &named), "django");
        assert_eq!(words(project, "[tool.uv]\npackage = false\n", &named), "django");
        let of_git = "[build-system]\nrequires = [\"hatchling\", \"hatch-vcs\"]\nbuild-backend = \"hatchling.build\"\n";
        assert_eq!(words(project, of_git, &named), "django");
    }

    #[test]
    fn a_lock_file_is_for_its_own_tool_where_that_is_installed() {
        let directory = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
        write("pyproject.toml", "[project]\nname = \"shop\"\ndependencies = [\"django\"]\n");
        write("uv.lock", "");
        let by = |is_installed| Packages::of(&Files::of(directory.path(), is_installed).unwrap()).unwrap().by;
        let pip = Installer::Pip(vec![".".to_owned()]);
        assert_eq!(by(|program| program == "uv"), Installer::Tool(TOOLS[0]));
        assert_eq!(by(|program| program == "poetry"), pip);
        write("requirements.txt", "django\n");
        assert_ne!(by(|program| program == "uv"), Installer::Tool(TOOLS[0]));
    }

    #[test]
    fn a_directory_may_say_it_for_itself() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(directory.path().join("backend/shop")).unwrap();
        let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
        let words = || {
            let files = Files::of(directory.path(), |_| true).unwrap();
            assert!(Packages::of(&files).is_none());
            Packages::below(&files, "backend").map(|packages| match packages.by {
                Installer::Pip(words) => words.join(" "),
                Installer::Tool(tool) => tool.program.to_owned(),
            })
        };
        assert_eq!(words(), None);
        write("backend/shop/__init__.py", "");
        write("backend/pyproject.toml", "[project]\nname = \"shop\"\ndependencies = [\"django\"]\n");
        write("backend/uv.lock", "");
        assert_eq!(words().unwrap(), "./backend");
        write("backend/requirements.txt", "django\n");
        assert_eq!(words().unwrap(), "-r backend/requirements.txt");
    }

    #[test]
    fn a_project_is_installed_only_where_it_is_one() {
        let project = |text| packages(&[("pyproject.toml", text)]);
        assert_eq!(project("[tool.ruff]\nline-length = 80\n"), None);
        assert_eq!(project("[tool.poetry]\npackage-mode = false\n"), None);
        assert_eq!(
            project(
                "[project]\ndependencies = [\"django\"]\n[project.optional-dependencies]\nx = [\"gunicorn\"]\n"
            ),
            Some((".".to_owned(), vec!["django"]))
        );
        assert_eq!(
            project(
                "[tool.poetry.dependencies]\ndjango = \"5\"\ncelery = { version = \"5\", optional = true }\n\
                 [tool.poetry.group.dev.dependencies]\nuvicorn = \"1\"\n"
            ),
            Some(("django==5".to_owned(), vec!["django"]))
        );
        assert_eq!(
            packages(&[("setup.py", "setup(install_requires=['celery'])")]),
            Some((".".to_owned(), vec!["celery"]))
        );
    }
}
