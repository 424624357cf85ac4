//! The application object of a Python project, and the directory that its module is found from.

use super::files::Files;
use super::packages::Packages;
use crate::project::python::{arguments, end_of_call, statements, stripped};

/// Functions that are called so make an application for a server.
const FACTORIES: [&str; 6] =
    ["create_app", "make_app", "build_app", "get_app", "create_application", "get_application"];

/// An application object, or what makes one.
pub(super) struct Application {
    /// The module, as it is imported from its directory.
    module: String,
    name: String,
    /// Whether the name is a function's that makes it.
    pub(super) is_made: bool,
    pub(super) directory: Option<String>,
    /// What makes it, and what calls that.
    pub(super) source: String,
}

impl Application {
    /// `module:name`
    pub(super) fn path(&self) -> String {
        format!("{}:{}", self.module, self.name)
    }

    /// The same for who calls what makes it: `module:name()`.
    pub(super) fn call(&self) -> String {
        format!("{}{}", self.path(), if self.is_made { "()" } else { "" })
    }
}

/// A function that makes an application.
struct Factory<'a> {
    path: &'a str,
    name: &'a str,
    source: &'a str,
    needs_arguments: bool,
}

/// The first `NAME = constructor(` in the sources; else, where it `may_be_made`, the first `NAME = function(` of a
/// function that makes one, or else such a function that a server can call.
pub(super) fn find(files: &Files, constructor: &str, may_be_made: bool) -> Option<Application> {
    let all: Vec<(&str, String)> = files
        .sources(".py")
        .filter(|(path, _)| !is_test(path))
        .map(|(path, text)| (path, stripped(&text)))
        .collect();
    let located = |path: &str, name: &str, source: String, is_made| {
        let (directory, rest) = match home(files, path, &source) {
            Some(directory) => (Some(directory.to_owned()), &path[directory.len() + 1..]),
            None => (None, path),
        };
        let module = rest.trim_end_matches(".py").trim_end_matches("/__init__").replace('/', ".");
        Application { module, name: name.to_owned(), is_made, directory, source }
    };
    for (path, source) in &all {
        if let Some((name, _)) = calls(source).find(|(_, function)| *function == constructor) {
            return Some(located(path, name, source.clone(), false));
        }
    }
    if !may_be_made {
        return None;
    }
    let factories: Vec<Factory<'_>> =
        all.iter().flat_map(|(path, source)| factories(path, source, constructor)).collect();
    for (path, source) in &all {
        let made = calls(source).find_map(|(name, function)| {
            let knows = |factory: &&Factory<'_>| {
                factory.name == function && (factory.path == *path || source.contains("import"))
            };
            Some((name, factories.iter().find(knows)?))
        });
        if let Some((name, factory)) = made {
            let mut application = located(path, name, source.clone(), false);
            if factory.path != *path {
                application.source.push_str(factory.source);
            }
            return Some(application);
        }
    }
    let factory =
        factories.iter().find(|factory| FACTORIES.contains(&factory.name) && !factory.needs_arguments)?;
    Some(located(factory.path, factory.name, factory.source.to_owned(), true))
}

fn is_test(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    path.split('/').any(|part| part == "tests") || name.starts_with("test_") || name == "conftest.py"
}

/// The names that a module gives to what calls answer, each with the last name of the function.
fn calls(source: &str) -> impl Iterator<Item = (&str, &str)> {
    statements(source).into_iter().filter(|statement| !statement.starts_with([' ', '\t'])).filter_map(
        |statement| {
            let (name, value) = statement.split_once('=')?;
            let name = name.split(':').next().unwrap_or_default().trim();
            let (function, _) = value.trim_start().split_once('(')?;
            let function = function.trim_end().rsplit('.').next().unwrap_or_default();
            (is_identifier(name) && is_identifier(function)).then_some((name, function))
        },
    )
}

/// The functions of a module that call the constructor.
fn factories<'a>(path: &'a str, source: &'a str, constructor: &str) -> Vec<Factory<'a>> {
    let mut found: Vec<(Factory<'a>, bool)> = vec![];
    for statement in statements(source) {
        if let Some((name, rest)) = statement.strip_prefix("def ").and_then(|rest| rest.split_once('(')) {
            let parameters = arguments(&rest[..end_of_call(rest)]);
            let needs = |parameter: &&str| !parameter.contains('=') && !parameter.starts_with(['*', '/']);
            let needs_arguments = parameters.iter().any(needs);
            found.push((Factory { path, name: name.trim(), source, needs_arguments }, false));
        } else if statement.starts_with([' ', '\t'])
            && let Some((_, makes)) = found.last_mut()
        {
            *makes |= calls_function(statement, constructor);
        }
    }
    found.into_iter().filter_map(|(factory, makes)| makes.then_some(factory)).collect()
}

fn calls_function(statement: &str, function: &str) -> bool {
    let starts = statement.match_indices(function);
    starts.into_iter().any(|(at, _)| {
        let is_of_word = |c: char| c.is_alphanumeric() || c == '_';
        statement[at + function.len()..].starts_with('(') && !statement[..at].ends_with(is_of_word)
    })
}

fn is_identifier(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// The directory at the top that the modules of what lies in it are found from: its sources do not name it, and find what
/// lies beside them, or it says by itself what it depends on.
fn home<'p>(files: &Files, path: &'p str, source: &str) -> Option<&'p str> {
    let (top, rest) = path.split_once('/')?;
    if top == "src" {
        return Some(top);
    }
    let imported = imported(source);
    let is_package = |name: &str| imported.iter().any(|imported| imported.split('.').next() == Some(name));
    // `.` alone stands for what lies beside a module of a package.
    if is_package(top) || (is_package("") && !rest.contains('/')) {
        return None;
    }
    let lies_in = |directory: &str| {
        imported.iter().filter_map(|name| name.split('.').next().filter(|name| !name.is_empty())).any(
            |name| {
                let package = format!("{directory}{name}/");
                files.has(&format!("{directory}{name}.py"))
                    || files.ending(".py").any(|path| path.starts_with(&package))
            },
        )
    };
    let is_beside = lies_in(&format!("{top}/")) && !lies_in("");
    (is_beside || Packages::below(files, top).is_some()).then_some(top)
}

/// The modules that a source imports, as written.
fn imported(source: &str) -> Vec<&str> {
    let mut found = vec![];
    for statement in statements(source) {
        let statement = statement.trim();
        if let Some((module, _)) = statement.strip_prefix("from ").and_then(|rest| rest.split_once(" import"))
        {
            found.push(module.trim());
        } else if let Some(modules) = statement.strip_prefix("import ") {
            found.extend(modules.split(',').filter_map(|module| module.split_whitespace().next()));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::project::odd;

    /// How the application of these files is named, with the directory that it is found from.
    fn found(constructor: &str, sources: &[(&str, &str)]) -> String {
        let directory = tempfile::tempdir().unwrap();
        for (path, text) in sources {
            let path = directory.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let files = Files::of(directory.path(), |_| false).unwrap();
        let Some(application) = find(&files, constructor, true) else { return "none".to_owned() };
        let directory = application.directory.as_ref().map(|directory| format!(" in {directory}"));
        format!("{}{}", application.call(), directory.unwrap_or_default())
    }

    #[test]
    fn an_application_that_a_module_has_goes_before_what_makes_one() {
        let factory = "def create_app(config_name):\n    app = Flask(__name__)\n    return app\n";
        let without = "def create_app(config: str | None = None, *, debug=False, **more) -> Flask:\n    return flask.Flask(__name__)\n";
        let call =
            "from app import create_app, db\napp = create_app(os.getenv('FLASK_CONFIG') or 'default')\n";
        for (sources, expected) in [
            (&[("app/__init__.py", factory), ("flasky.py", call)][..], "flasky:app"),
            (&[("app/__init__.py", without), ("flasky.py", call)], "flasky:app"),
            (&[("app/__init__.py", factory)], "none"),
            (&[("app/__init__.py", without)], "app:create_app()"),
            (&[("app.py", "app: Flask = flask.Flask(__name__)\n")], "app:app"),
            (
                &[("app.py", factory), ("a.py", "if __name__ == '__main__':\n    app = create_app('x')\n")],
                "none",
            ),
            (&[("app.py", factory), ("test_a.py", call)], "none"),
            (&[("app.py", "def create_app():\n    return NotFlask()\n")], "none"),
            (&[("app.py", "def helper():\n    return Flask('x')\n")], "none"),
            (&[("app.py", "def helper():\n    return Flask('x')\nserver = helper()\n")], "app:server"),
            (&[("app.py", "# app = Flask('x')\n\"\"\"\napp = Flask('x')\n\"\"\"\n")], "none"),
        ] {
            assert_eq!(found("Flask", sources), expected, "{sources:?}");
        }
    }

    #[test]
    fn a_module_is_found_from_where_its_imports_are() {
        let main = |imports: &str| format!("{imports}\napp = FastAPI()\n");
        let beside = main("from routers import users");
        let of_package = main("from backend.routers import users");
        let relative = main("from .routers import users");
        let router = ("backend/routers/users.py", "");
        let list = ("backend/requirements.txt", "fastapi\n");
        for (sources, expected) in [
            (&[("backend/main.py", beside.as_str()), router][..], "main:app in backend"),
            (&[("backend/main.py", &of_package), router, list], "backend.main:app"),
            (&[("backend/main.py", &relative), router, list], "backend.main:app"),
            (&[("backend/main.py", &main("")), list], "main:app in backend"),
            (&[("backend/main.py", &main(""))], "backend.main:app"),
            (&[("backend/app/main.py", &relative), list], "app.main:app in backend"),
            (&[("backend/main.py", &beside), router, ("routers.py", "")], "backend.main:app"),
            (&[("src/api/main.py", &relative)], "api.main:app in src"),
            (&[("main.py", &beside)], "main:app"),
        ] {
            assert_eq!(found("FastAPI", sources), expected, "{sources:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

        #[test]
        fn any_text_is_looked_through(text in odd::text(), more in odd::text()) {
            let source = format!("{text}\ndef create_app({more}\n    Flask()\nA = create_app({text}");
            found("Flask", &[("app/__init__.py", &source), ("b.py", &more), ("requirements.txt", &text)]);
        }
    }
}
