use proptest::prelude::*;
use windlass_testkit::sample::{name, shop, worker};

use super::*;
use crate::project::odd;

/// The paths that are told of for these files, with what is to be shared for them; variables that the services have.
fn told(files: &[(&str, &str)], shared: &[&str], given: &[&str]) -> String {
    let directory = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = directory.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let mut spec = shop();
    spec.build.shared = shared.iter().map(|&shared| shared.to_owned()).collect();
    let mut web = worker("serve");
    let value = || windlass_core::spec::Template::literal("x");
    web.env = given.iter().map(|name| ((*name).to_owned(), value())).collect();
    spec.services.insert(name("web"), web);
    let words = emptied(&spec, directory.path()).into_iter().map(|why| {
        let path = why.split_once('(').unwrap().1.split_once(')').unwrap().0.to_owned();
        let shared = why.split_once("shared = ").unwrap().1.split_once(']').unwrap().0;
        format!("{path} {shared}]")
    });
    words.collect::<Vec<_>>().join(", ")
}

/// The same for the settings of a Django project.
fn of_settings(settings: &str, shared: &[&str], given: &[&str]) -> String {
    let base = "BASE_DIR = Path(__file__).parent.parent.parent\n";
    let files = [
        ("manage.py", "os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'shop.settings.dev')\n"),
        ("shop/settings/dev.py", "from .base import *\n"),
        ("shop/settings/base.py", &format!("{base}{settings}")),
        (
            "shop/settings/production.py",
            "DATABASES = {'default': {'ENGINE': 'django.db.backends.postgresql'}}",
        ),
    ];
    told(&files, shared, given)
}

fn named(name: &str) -> String {
    format!(
        "DATABASES = {{\n    \"default\": {{\"ENGINE\": \"django.db.backends.sqlite3\", \"NAME\": {name}}},\n}}\n\
         AUTH_PASSWORD_VALIDATORS = [{{\"NAME\": \"django.contrib.auth.Similar\"}}]\n"
    )
}

#[test]
fn a_database_of_django_in_the_release_is_told_of() {
    for (name, shared, expected) in [
        ("BASE_DIR / \"db.sqlite3\"", &[][..], "db.sqlite3 [\"data\"]"),
        ("os.path.join(BASE_DIR, 'db.sqlite3')", &["media"], "db.sqlite3 [\"media\", \"data\"]"),
        ("BASE_DIR / \"data\" / \"db.sqlite3\"", &[], "data/db.sqlite3 [\"data\"]"),
        ("BASE_DIR / \"data\" / \"db.sqlite3\"", &["data"], ""),
        ("os.path.join(BASE_DIR, 'var/data/db.sqlite3')", &["var"], ""),
        ("os.environ.get('DB', BASE_DIR / 'db.sqlite3')", &[], "db.sqlite3 [\"data\"]"),
        ("os.environ.get('GIVEN', BASE_DIR / 'db.sqlite3')", &[], ""),
        ("\"/var/lib/shop/db.sqlite3\"", &[], ""),
        ("BASE_DIR / 'shop/db.sqlite3'", &[], "shop/db.sqlite3 [\"data\"]"),
    ] {
        assert_eq!(of_settings(&named(name), shared, &["GIVEN"]), expected, "{name}");
    }
    let both = format!("{}OTHER = 'django.db.backends.postgresql'\n", named("BASE_DIR / 'db.sqlite3'"));
    assert_eq!(of_settings(&both, &[], &[]), "");
}

#[test]
fn a_default_of_django_counts_where_the_url_is_not_given() {
    for settings in [
        "DATABASES = {'default': dj_database_url.config(default=f'sqlite:///{BASE_DIR}/db.sqlite3')}\n",
        "DATABASES = {'default': env.db('DATABASE_URL', default='sqlite:///db.sqlite3')}\n",
    ] {
        assert_eq!(of_settings(settings, &[], &[]), "db.sqlite3 [\"data\"]", "{settings}");
        assert_eq!(of_settings(settings, &[], &["DATABASE_URL"]), "", "{settings}");
    }
}

#[test]
fn databases_that_sources_name_by_url_are_told_of() {
    let here = "basedir = os.path.abspath(os.path.dirname(__file__))\n";
    for (source, expected) in [
        ("name = 'database.db'\nurl = f\"sqlite:///{name}\"\n", "database.db [\"data\"]"),
        ("engine = create_engine(\"sqlite:///./app/test.db\", echo=True)\n", "app/test.db [\"app\"]"),
        ("engine = create_async_engine('sqlite+aiosqlite:///x.db?timeout=3')\n", "x.db [\"data\"]"),
        ("X = os.getenv('DATABASE_URL', 'sqlite:///./data/x.db')\n", "data/x.db [\"data\"]"),
        (
            "class Config:\n    URI = os.environ.get('D') or \\\n        'sqlite:///' + os.path.join(basedir, 'app.db')\n",
            "app.db [\"data\"]",
        ),
        ("class Settings(BaseSettings):\n    database_url: str = 'sqlite:///x.db'\n", "x.db [\"data\"]"),
        ("configure(database={'url': \"sqlite:///x.db\"}, a=b)\n", "x.db [\"data\"]"),
        ("make(engine(make_url('sqlite:///x.db')))\n", "x.db [\"data\"]"),
        ("A = os.getenv('GIVEN', 'sqlite:///x.db')\n", ""),
        ("class Settings(BaseSettings):\n    given: str = 'sqlite:///x.db'\n", ""),
        ("A = 'sqlite:////var/lib/x.db'\nB = 'sqlite://'\nC = 'sqlite:///:memory:'\n", ""),
        ("# 'sqlite:///x.db'\n", ""),
        ("A = unknown('sqlite:///', x)\nB = 'sqlite:///' + y\n", ""),
    ] {
        assert_eq!(told(&[("main.py", &format!("{here}{source}"))], &[], &["GIVEN"]), expected, "{source}");
    }
    assert_eq!(told(&[("tests/test_a.py", "A = 'sqlite:///x.db'\n")], &[], &[]), "");
}

#[test]
fn flask_has_what_is_relative_in_its_instance() {
    let source = "from flask_sqlalchemy import SQLAlchemy\napp.config[\"SQLALCHEMY_DATABASE_URI\"] = \"sqlite:///project.db\"\n";
    assert_eq!(told(&[("app.py", source)], &[], &[]), "instance/project.db [\"instance\"]");
    assert_eq!(told(&[("app.py", source)], &["instance"], &[]), "");
    let source = "import flask_sqlalchemy, os\nURI = 'sqlite:///' + os.path.join(os.path.dirname(__file__), 'app.db')\n";
    assert_eq!(told(&[("app.py", source)], &[], &[]), "app.db [\"data\"]");
    let source = "import sqlite3\napp = Flask(__name__)\napp.config.from_mapping(DATABASE=os.path.join(app.instance_path, 'shop.sqlite'))\n";
    assert_eq!(told(&[("shop/__init__.py", source)], &[], &[]), "instance/shop.sqlite [\"instance\"]");
    assert_eq!(told(&[("src/app.py", source)], &[], &[]), "src/instance/shop.sqlite [\"src/instance\"]");
}

#[test]
fn a_file_of_prisma_is_relative_to_its_schema() {
    let schema = |url: &str| format!("datasource db {{\n  provider = \"sqlite\"\n  url      = {url}\n}}\n");
    let written = schema("\"file:./dev.db\"");
    assert_eq!(told(&[("prisma/schema.prisma", &written)], &[], &[]), "prisma/dev.db [\"data\"]");
    let above = schema("\"file:../data/dev.db?connection_limit=1\"");
    assert_eq!(told(&[("prisma/schema.prisma", &above)], &[], &[]), "data/dev.db [\"data\"]");
    let read = schema("env(\"DATABASE_URL\")");
    let files = [("prisma/schema.prisma", read.as_str()), (".env", "DATABASE_URL=\"file:./dev.db\"\n")];
    assert_eq!(told(&files, &[], &["DATABASE_URL"]), "prisma/dev.db [\"data\"]");
    assert_eq!(told(&files, &[], &[]), "", "nobody gets it");
}

#[test]
fn a_value_that_is_given_is_told_of() {
    let files = [(".env", "DATABASE_URL=sqlite:///./x.db\nOTHER=sqlite:///y.db\n"), ("main.py", "")];
    assert_eq!(told(&files, &[], &["DATABASE_URL"]), "x.db [\"data\"]");
    assert_eq!(told(&[], &[], &[]), "");
}

#[test]
fn it_is_said_who_says_so_and_what_to_write() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("main.py"), "A = 'sqlite:///shop.db'\n").unwrap();
    assert_eq!(
        emptied(&shop(), directory.path()),
        [
            "main.py has the database, SQLite, inside the release (shop.db), so that every release begins with an empty one: \
          let it be data/shop.db, and write shared = [\"data\"] in [build], or use PostgreSQL ([resources.db])"
        ]
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_looked_through(text in odd::text(), schema in odd::text()) {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("a.py"), format!("A = {text}:///'\n{text}")).unwrap();
        std::fs::write(directory.path().join("schema.prisma"), format!("url = \"file:{schema}")).unwrap();
        std::fs::write(directory.path().join(".env"), format!("A='sqlite:///{schema}\n{text}")).unwrap();
        let _ = emptied(&shop(), directory.path());
    }
}

#[test]
fn brackets_within_brackets_are_followed_so_far() {
    for opening in ["(", "f(", "{'a': "] {
        for middle in ["'sqlite:///x.db'", "[], 'sqlite:///x.db'"] {
            let source = format!("A = {}{middle}\n", opening.repeat(4000));
            assert_eq!(told(&[("app.py", &source)], &[], &[]), "", "{opening}");
        }
    }
}
