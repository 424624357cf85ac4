//! What `windlass init` proposes is deployed as it stands, for each kind of project that it knows.

use std::process::{Command, Stdio};

use crate::http::get;
use crate::needs::{Need, are_met};
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

#[test]
fn flask() {
    if !are_met("flask", &[Need::Python, Need::PyPi("flask")]) {
        return;
    }
    let place = Place::new("greeter");
    place.write("requirements.txt", "flask\n");
    place.write("app.py", HELLO);
    adopt(&place, "hello from flask");
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
    if !are_met("a_uv_project", &[Need::Python, Need::Uv("flask"), Need::Uv("gunicorn")]) {
        return;
    }
    let place = Place::new("greeter");
    place.write(
        "pyproject.toml",
        "[project]\nname = \"greeter\"\nversion = \"0.1.0\"\nrequires-python = \">=3.11\"\ndependencies = [\"flask\"]\n\n\
         [build-system]\nrequires = [\"uv_build\"]\nbuild-backend = \"uv_build\"\n",
    );
    place.write("src/greeter/__init__.py", HELLO);
    let locked = Command::new("uv").args(["lock", "--quiet"]).current_dir(place.project()).status().unwrap();
    assert!(locked.success());
    adopt(&place, "hello from flask");
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

#[test]
fn fastapi() {
    if !are_met("fastapi", &[Need::Python, Need::PyPi("fastapi")]) {
        return;
    }
    let place = Place::new("api");
    place.write("requirements.txt", "fastapi\n");
    place.write(
        "main.py",
        "from fastapi import FastAPI\n\napp = FastAPI()\n\n\n@app.get(\"/\")\ndef hello():\n    return {\"hello\": \"fastapi\"}\n\n\n\
         @app.get(\"/health\")\ndef health():\n    return {}\n",
    );
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
