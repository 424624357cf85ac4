//! What `windlass init` proposes is deployed as it stands, for each kind of project that it knows.

use std::process::{Command, Stdio};

use crate::http::get;
use crate::needs::{self, Need, are_met};
use crate::place::Place;

/// Has a manifest proposed, checks and deploys it, deploys a change, and takes it down again. Nothing
/// is changed in the proposal but the port of the proxy.
#[track_caller]
fn adopt(place: &Place, page: &str) {
    place.windlass(&["init"]).exits(0);
    place.listen_here();
    place.windlass(&["check"]).exits(0);
    place.windlass(&["deploy"]).exits(0);
    let answer = get(place.port, "/");
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(answer.body.contains(page), "{}", answer.body);
    assert!(place.windlass(&["plan"]).exits(0).out.contains("Nothing to do"));

    // The second build begins with what the first one left in the cache.
    place.write("CHANGES", "something changed\n");
    place.windlass(&["deploy"]).exits(0);
    assert_eq!(get(place.port, "/").status, 200);
    assert_eq!(place.status()["release"]["release"], "r2");
    place.down();
}

const HELLO: &str = "from flask import Flask\n\napp = Flask(__name__)\n\n\n@app.get(\"/\")\ndef hello():\n    return \"hello from flask\"\n";

/// As `poetry new` makes one for an application that is no package.
#[test]
fn a_poetry_project_that_is_no_package() {
    if !are_met("a_poetry_project", &[Need::Python, Need::PyPi("flask")]) {
        return;
    }
    let place = Place::new("greeter");
    place.write(
        "pyproject.toml",
        "[tool.poetry]\nname = \"greeter\"\npackage-mode = false\n\n[tool.poetry.dependencies]\npython = \"^3.11\"\n\
         flask = \"^3.0\"\n\n[build-system]\nrequires = [\"poetry-core\"]\nbuild-backend = \"poetry.core.masonry.api\"\n",
    );
    place.write("src/site_of/web.py", HELLO);
    adopt(&place, "hello from flask");
}

/// As `uv init --package` makes one, with its lock file; uv itself is used for the build.
#[test]
fn a_uv_project() {
    if !are_met("a_uv_project", &[Need::Python, Need::PyPi("flask"), Need::Uv]) {
        return;
    }
    let (mut place, tools) = (Place::new("greeter"), tempfile::tempdir().unwrap());
    let path = std::env::var("PATH").unwrap();
    let path = match needs::uv(tools.path()) {
        Some(directory) => format!("{}:{path}", directory.display()),
        None => path,
    };
    place.set("PATH", Some(&path));
    let index = needs::index();
    if index.is_some() {
        place.set("UV_DEFAULT_INDEX", index.as_deref());
    }
    place.write(
        "pyproject.toml",
        "[project]\nname = \"greeter\"\nversion = \"0.1.0\"\nrequires-python = \">=3.11\"\ndependencies = [\"flask\"]\n\n\
         [build-system]\nrequires = [\"uv_build\"]\nbuild-backend = \"uv_build\"\n",
    );
    place.write("src/greeter/__init__.py", HELLO);
    let mut lock = Command::new("uv");
    lock.args(["lock", "--quiet"]).current_dir(place.project()).env("PATH", &path).stdin(Stdio::null());
    lock.envs(index.map(|index| ("UV_DEFAULT_INDEX", index)));
    let locked = lock.output().unwrap();
    assert!(locked.status.success(), "{}", String::from_utf8_lossy(&locked.stderr));
    adopt(&place, "hello from flask");
}

/// As `pdm init` makes one, with its lock file; and then by pipenv, which goes on with the environment that it finds.
#[test]
fn projects_that_pdm_and_pipenv_have_locked() {
    // Which pip cannot put together with the newest of what it needs.
    let tools = ["pdm", "hishel[httpx2]<2", "pipenv"];
    if !are_met(
        "projects_that_pdm_and_pipenv_have_locked",
        &[Need::Python, Need::PyPi("pdm"), Need::PyPi("flask")],
    ) {
        return;
    }
    let mut place = Place::new("greeter");
    let (project, installed) = (place.project(), tempfile::tempdir().unwrap());
    let run = |program: &std::path::Path, arguments: &[&str]| {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(&project).env("PIPENV_VENV_IN_PROJECT", "1").stdin(Stdio::null());
        let output = command.output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
    };
    let environment = installed.path().join("environment");
    let programs = environment.join("bin");
    run("python3".as_ref(), &["-m", "venv", environment.to_str().unwrap()]);
    run(&programs.join("pip"), &[&["install", "--quiet"], &tools[..]].concat());
    // Not its Python, which the build is not to find.
    for tool in ["pdm", "pipenv"] {
        std::os::unix::fs::symlink(programs.join(tool), installed.path().join(tool)).unwrap();
    }
    place.write(
        "pyproject.toml",
        "[project]\nname = \"greeter\"\nversion = \"0.1.0\"\nrequires-python = \">=3.11\"\ndependencies = [\"flask\"]\n\n\
         [dependency-groups]\ndev = [\"pytest\"]\nprod = [\"gunicorn\"]\n\n\
         [build-system]\nrequires = [\"pdm-backend\"]\nbuild-backend = \"pdm.backend\"\n",
    );
    place.write("src/greeter/__init__.py", HELLO);
    run(&programs.join("pdm"), &["lock", "--quiet"]);
    let path = std::env::var("PATH").unwrap();
    place.set("PATH", Some(&format!("{}:{path}", installed.path().display())));
    let said = place.windlass(&["init"]).exits(0);
    assert!(place.read("windlass.toml").contains("pdm sync --no-editable --group prod"), "{said:?}");
    place.listen_here();
    place.windlass(&["deploy"]).exits(0);
    assert_eq!(get(place.port, "/").body, "hello from flask");
    let has = |package: &str| {
        let mut python = Command::new(place.root().join("current/.venv/bin/python"));
        python.args(["-c", &format!("import {package}")]).stderr(Stdio::null());
        python.status().unwrap().success()
    };
    assert_eq!((has("gunicorn"), has("pytest")), (true, false), "what is for production, and nothing else");

    for file in ["pyproject.toml", "pdm.lock", "windlass.toml"] {
        std::fs::remove_file(place.project().join(file)).unwrap();
    }
    place.write("Pipfile", "[packages]\nflask = \"*\"\ngunicorn = \"*\"\n\n[dev-packages]\npytest = \"*\"\n");
    run(&programs.join("pipenv"), &["lock"]);
    place.write("app.py", &HELLO.replace("flask\"", "pipenv\""));
    std::fs::remove_dir_all(place.project().join("src")).unwrap();
    let said = place.windlass(&["init"]).exits(0);
    assert!(place.read("windlass.toml").contains("pipenv sync"), "{said:?}");
    place.listen_here();
    place.windlass(&["deploy"]).exits(0);
    assert_eq!(get(place.port, "/").body, "hello from pipenv");
    place.down();
}

/// Programs that the build installs are found by a script, and by a line that needs a shell.
#[test]
fn a_procfile_finds_what_the_build_installed() {
    if !are_met("a_procfile", &[Need::Python, Need::PyPi("waitress")]) {
        return;
    }
    let place = Place::new("greeter");
    place.write("requirements.txt", "waitress\n");
    place.write(
        "app.py",
        "def app(environ, start):\n    start('200 OK', [])\n    return [b'hello from waitress']\n",
    );
    place.write("start.sh", "#!/bin/sh\nexec waitress-serve --listen=127.0.0.1:$PORT app:app\n");
    place.write("Procfile", "web: sh start.sh\nrelease: waitress-serve --help > /dev/null && true\n");
    adopt(&place, "hello from waitress");
}

const OF_A_DATABASE: &str = r#"import os

from fastapi import FastAPI
from sqlalchemy import create_engine, text

app = FastAPI()
engine = create_engine(os.environ["DATABASE_URL"])


@app.get("/")
def hello():
    with engine.connect() as connection:
        return {"hello": connection.execute(text("select 'fast' || 'api'")).scalar()}


@app.get("/health")
def health():
    return {}
"#;

#[test]
fn fastapi() {
    if !are_met("fastapi", &[Need::Python, Need::Postgres, Need::PyPi("fastapi"), Need::PyPi("sqlalchemy")]) {
        return;
    }
    let place = Place::new("api");
    place.write("requirements.txt", "fastapi\nsqlalchemy\npg8000\n");
    // Its database is there, with an address as its driver wants it.
    place.write("main.py", OF_A_DATABASE);
    adopt(&place, "{\"hello\":\"fastapi\"}");
}

#[test]
fn django() {
    if !are_met("django", &[Need::Python, Need::PyPi("django==5.2.8")]) {
        return;
    }
    let place = Place::new("shop");
    place.write("requirements.txt", "django==5.2.8\n");
    // As a newcomer does: django-admin makes the project.
    let tools = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| {
        let mut python = Command::new("python3");
        python
            .args(arguments)
            .env("PYTHONPATH", tools.path())
            .current_dir(place.project())
            .stdin(Stdio::null());
        let output = python.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    let to = tools.path().to_str().unwrap();
    run(&["-m", "pip", "install", "--quiet", "--target", to, "-r", "requirements.txt"]);
    run(&["-m", "django", "startproject", "shop", "."]);
    adopt(&place, "The install worked successfully! Congratulations!");
}

#[test]
fn node() {
    if !are_met("node", &[Need::Program("node"), Need::Program("npm")]) {
        return;
    }
    let place = Place::new("pages");
    place.write(
        "package.json",
        r#"{ "name": "pages", "version": "1.0.0", "private": true, "scripts": { "start": "node server.js" } }"#,
    );
    place.write(
        "server.js",
        "const http = require('node:http');\n\
         const server = http.createServer((request, response) => response.end('hello from node'));\n\
         server.listen(process.env.PORT || 3000, '127.0.0.1');\n\
         process.on('SIGTERM', () => server.close(() => process.exit(0)));\n",
    );
    adopt(&place, "hello from node");
}

#[test]
fn a_static_site() {
    let place = Place::new("site");
    place.write("index.html", "<!doctype html><title>site</title><link rel=stylesheet href=/style.css>hello");
    place.write("style.css", "body { color: navy }");
    place.write(".env", "SECRET_KEY=nobody's business\n");
    place.windlass(&["init"]).exits(0);
    place.listen_here();
    place.windlass(&["check"]).exits(0);
    place.windlass(&["deploy"]).exits(0);
    let sheet = get(place.port, "/style.css");
    assert_eq!((sheet.status, sheet.header("content-type")), (200, Some("text/css; charset=utf-8")));
    assert_eq!(get(place.port, "/").status, 200);
    for private in ["/windlass.toml", "/.env", "/.windlass-sealed"] {
        assert_eq!(get(place.port, private).status, 404, "{private}");
    }
    place.down();
}

#[test]
fn rust() {
    if !are_met("rust", &[Need::Program("cargo")]) {
        return;
    }
    let place = Place::of_example("guestbook");
    std::fs::remove_file(place.project().join("windlass.toml")).unwrap();
    adopt(&place, "guestbook");
}
