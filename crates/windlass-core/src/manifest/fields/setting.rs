//! What is declared of a setting.

use super::TEMPLATE;
use crate::manifest::format::Format;
use crate::manifest::kind::{Choice, Field, Kind, Table, choice};
use crate::settings;

static TEXT: Kind = Kind::Text(Format::Any);
static NAME: Kind = Kind::Text(Format::Name);
static OF_QUERY: Kind = TEMPLATE;
static SCHEME: Kind = Kind::Text(Format::Scheme);

const ANY_NUMBER: Kind = Kind::Number { min: f64::MIN, max: f64::MAX };
const PLAIN: Kind = Kind::AnyOf(&[Kind::Text(Format::AnyOrEmpty), Kind::Bool, ANY_NUMBER]);
const LENGTH: Kind = Kind::Integer { min: 0, max: i64::MAX };
const BOUND: Kind = Kind::AnyOf(&[Kind::Text(Format::Any), ANY_NUMBER]);

/// The types' words, as the manifest takes them.
static TYPES: [Choice; settings::Kind::ALL.len()] = {
    let mut words = [settings::Kind::ALL[0].1; settings::Kind::ALL.len()];
    let mut at = 0;
    while at < words.len() {
        words[at] = settings::Kind::ALL[at].1;
        at += 1;
    }
    words
};

/// A setting: its table, or only its default.
pub(super) static A_SETTING: Kind =
    Kind::AnyOf(&[Kind::Table(&SETTING), Kind::Text(Format::AnyOrEmpty), Kind::Bool, ANY_NUMBER]);

/// A setting.
pub static SETTING: Table = Table {
    name: "setting",
    header: "[settings]",
    help: "Each key declares a setting. Its value comes from the environment variable of that name, then `.env.ENVIRONMENT`, then `.env`, then the encrypted file `secrets.ENVIRONMENT.enc`, then the store that it names, then what the manifest says: `value`, `url` or `default`. A setting that must have a value and has none, and a value that is not what was declared, are errors, told before anything changes. Every setting, declared or only found in those files, is passed as an environment variable to all services, jobs, crons and build steps, unless `services` restricts it. `{settings.KEY}` stands for its value, in `env` only where it is secret.\n\nText, a number, `true` or `false` instead of the table is the default: `LOG_LEVEL = \"info\"`. In an environment it replaces the default, and what else is declared still holds.",
    example: "[settings]\nLOG_LEVEL = \"info\"\nSECRET_KEY = { secret = true, min_length = 32, help = \"Signs the sessions.\" }\nWORKERS = { type = \"integer\", default = 4, min = 1, max = 64, services = [\"web\"] }\nDB_PASSWORD = { secret = true }\nDATABASE_URL = { url = { scheme = \"postgresql\", user = \"shop\", password = \"{settings.DB_PASSWORD}\", host = \"db.internal\", port = 5432, name = \"shop\" } }\n\n[environments.production]\nsettings.LOG_LEVEL = \"warning\"",
    fields: &[
        Field::new("type", Kind::Choice(&TYPES), "What its value must be.")
            .absent("what the default is: text is a `string`, a whole number an `integer`, another one a `number`, `true` and `false` are `boolean`")
            .example(r#""port""#),
        Field::new("required", Kind::Bool, "Whether there must be a value, and one that is not empty.")
            .absent("`true`, unless it has a default"),
        Field::new("default", PLAIN, "The value where none is found. Not for secrets.")
            .absent("it must be found")
            .example("8000"),
        Field::new("value", TEMPLATE, "What it is put together from, where none is found. `{settings.KEY}` and `{resources.NAME.FACT}` stand for values; `|url`, `|json`, `|host` and `|schema` behind a reference encode what is put in: `{settings.KEY|url}`. What is put together from a secret is a secret.")
            .absent("it is not put together")
            .example(r#""{settings.DB_HOST}:{settings.DB_PORT}""#),
        Field::new("url", Kind::Table(&URL), "A URL that it is put together from, where none is found; everything in it is encoded as it must be.")
            .absent("it is not put together"),
        Field::new("from", Kind::Text(Format::Place), "Where in which of the `[stores]` its value is, as `NAME:PATH` or `NAME:PATH#FIELD`; `?version=` or `?stage=` before the `#` asks for another than the newest. The store is asked only where no higher layer has a value. Such a setting is secret, unless it says `secret = false`. A `default` beside it holds where the store says that it has no such value; a store that cannot be asked is an error all the same.")
            .absent("no store is asked")
            .example(r#""vault:shop/db#password""#),
        Field::new("min", BOUND, "The least value: of an integer, number, port, duration (`\"1s\"`) or bytes (`\"1MiB\"`).")
            .absent("no limit")
            .example("1"),
        Field::new("max", BOUND, "The greatest value.").absent("no limit").example("64"),
        Field::new("min_length", LENGTH, "The fewest characters of a string, or items of a list.")
            .absent("no limit")
            .example("32"),
        Field::new("max_length", LENGTH, "The most characters of a string, or items of a list.")
            .absent("no limit")
            .example("200"),
        Field::new("pattern", Kind::Text(Format::Any), "A regular expression that matches the whole value, or each item of a list. For string, list, url, host, path and email.")
            .absent("anything matches")
            .example(r#""[A-Z]{2}-[0-9]+""#),
        Field::new("values", Kind::List(&TEXT), "The words that it may be; what `enum` needs. Of a list, what each item may be.")
            .absent("anything")
            .example(r#"["debug", "info", "warning"]"#),
        Field::new("schemes", Kind::List(&SCHEME), "The schemes that a URL may have.")
            .absent("any")
            .example(r#"["redis", "rediss"]"#),
        Field::new("separator", Kind::Text(Format::Any), "What stands between the items of a list.")
            .default(",")
            .example(r#"":""#),
        Field::new(
            "secret",
            Kind::Bool,
            "Whether its value is masked wherever it would be shown, and refused in commands. A URL with a password in it is, unless this says `false`.",
        )
        .default("false"),
        Field::new(
            "services",
            Kind::List(&NAME),
            "The services, jobs and crons that get it (`build` for the build steps, `rotate` for the commands of rotations).",
        )
        .absent("all")
        .example(r#"["web", "build"]"#),
        Field::new("file", Kind::Bool, "Whether processes find it in a file that only they can read, and `KEY_FILE` in their environment says where, instead of `KEY`. `{settings.KEY.file}` stands for the file's path.")
            .default("false"),
        Field::new("rotate", Kind::AnyOf(&[Kind::Choice(&[choice("generate", "a new value is made up, and nothing has to hear of it")]), Kind::Table(&ROTATE)]), "How `windlass secrets rotate KEY` exchanges its value. For a secret that stands in `.env`, `.env.ENVIRONMENT` or the encrypted file.")
            .absent("it is not exchanged by Windlass")
            .example(r#""generate""#),
        Field::new("help", Kind::Text(Format::Any), "What it is for, in a sentence.")
            .absent("nothing is said")
            .example(r#""Signs the sessions.""#),
        Field::new("category", Kind::Text(Format::Any), "The heading under which it is listed.")
            .absent("none")
            .example(r#""Database""#),
    ],
};

/// How a setting's value is exchanged.
pub static ROTATE: Table = Table {
    name: "rotate",
    header: "[settings.KEY.rotate]",
    help: "How `windlass secrets rotate KEY` exchanges the value of a secret. Its commands run on the host, in the release's directory, without a shell, with what `[env]` says and the settings that are not restricted by `services`, or that name `rotate` there. They find both values in their environment, as `OLD_VALUE` and `NEW_VALUE`, never in their arguments. Each may be run again after a crash, so that doing it twice must be doing it once.\n\nWhat is known to a PostgreSQL, a Redis or a RabbitMQ needs no commands: `rotate = { at = \"postgres\", admin = \"DB_ADMIN_URL\" }` of a URL, and of a password `rotate = { at = \"postgres\", admin = \"DB_ADMIN_URL\", user = \"DB_USER\", url = \"DATABASE_URL\" }`.",
    example: "[settings.DB_PASSWORD]\nsecret = true\n\n[settings.DB_PASSWORD.rotate]\nlength = 40\ncreate = [\"python\", \"rotate.py\", \"create\"]\nverify = [\"python\", \"rotate.py\", \"verify\"]\nrevoke = [\"python\", \"rotate.py\", \"revoke\"]",
    fields: &[
        Field::new("length", Kind::Integer { min: 8, max: 4096 }, "How many letters and digits a value has that is made up.")
            .absent("32, or as near to it as `min_length` and `max_length` allow")
            .example("40"),
        Field::new("create", Kind::Command, "Adds the new value at its source, so that both are good. Its environment is that of the release that runs, so that it can sign in with the old one.")
            .absent("the source need not be told, or knows it already")
            .example(r#"["python", "rotate.py", "create"]"#),
        Field::new("verify", Kind::Command, "Says by exit code 0 that the new value is good. Run when all new copies are ready, before they get requests.")
            .absent("that the new copies are ready is enough")
            .example(r#"["python", "rotate.py", "verify"]"#),
        Field::new("revoke", Kind::Command, "Takes `OLD_VALUE` away at its source: after the commit, when nothing that runs was given it. To undo `create` it is run with the two exchanged.")
            .absent("the old value stays good")
            .example(r#"["python", "rotate.py", "revoke"]"#),
        Field::new("timeout", Kind::Text(Format::PositiveSpan), "How long each of them may take.")
            .default("60s"),
        Field::new(
            "at",
            Kind::Choice(&[
                choice("postgres", "a role of PostgreSQL"),
                choice("redis", "a user of Redis"),
                choice("rabbitmq", "a user of RabbitMQ"),
            ]),
            "The server that knows the value, and is not Windlass's own. Windlass tells it itself, instead of commands. The value is the URL that the application signs in by; or, with `user`, the password alone.",
        )
        .absent("the commands tell the source")
        .example(r#""postgres""#),
        Field::new("admin", Kind::Text(Format::Any), "The setting with the URL of whoever may make and remove accounts there. Of RabbitMQ that is the URL of its management: `https://admin:...@mq.internal:15671`. It is a secret, and no service gets it unless its `services` says so.")
            .absent("a user of Redis whose URL the value is changes its own passwords; all others need it")
            .example(r#""DB_ADMIN_URL""#),
        Field::new("user", Kind::Text(Format::Any), "Whose password the value is, where it is no URL: with `redis` a user's name; with the others, where another account takes over, the setting with its name, which is exchanged together with the value.")
            .absent("of Redis `default`; the value is the URL")
            .example(r#""DB_USER""#),
        Field::new("url", Kind::Text(Format::Any), "The setting with the URL that is put together from the value and `user`: by that the server is found, and signed in to.")
            .absent("the value is the URL; of Redis, its server is the administrator's")
            .example(r#""DATABASE_URL""#),
    ],
};

/// A URL by its parts.
pub static URL: Table = Table {
    name: "url",
    header: "[settings.KEY.url]",
    help: "A URL by its parts. References may stand in all of them; text and what is put in are percent-encoded where they have to be, and an IPv6 address gets its brackets.",
    example: "[settings.DATABASE_URL.url]\nscheme = \"postgresql+{settings.DB_DRIVER}\"\nuser = \"{settings.DB_USER}\"\npassword = \"{settings.DB_PASSWORD}\"\nhost = \"{settings.DB_HOST}\"\nport = \"{settings.DB_PORT}\"\nname = \"{settings.DB_NAME}\"\nschema = \"{settings.DB_SCHEMA}\"\nquery = { sslmode = \"require\" }",
    fields: &[
        Field::new("scheme", TEMPLATE, "What stands before `://`.").required().example(r#""postgresql""#),
        Field::new("user", TEMPLATE, "The user.").absent("none").example(r#""{settings.DB_USER}""#),
        Field::new("password", TEMPLATE, "The password.")
            .absent("none")
            .example(r#""{settings.DB_PASSWORD}""#),
        Field::new("host", TEMPLATE, "The host, an address, or the directory of a unix socket (`{resources.db.socket}`).")
            .absent("none, as for SQLite")
            .example(r#""db.internal""#),
        Field::new("port", Kind::AnyOf(&[TEMPLATE, Kind::Integer { min: 1, max: 65535 }]), "The port.")
            .absent("none")
            .example("5432"),
        Field::new(
            "name",
            TEMPLATE,
            "What stands after the host and a `/`: the name of a database, a number, a virtual host.",
        )
        .absent("none")
        .example(r#""shop""#),
        Field::new("schema", TEMPLATE, "The schema of PostgreSQL in which the program works, or several with commas between them, each as it is called (`Shop` is not `shop`): written as `options=-csearch_path%3D...`, quoted where it must be. Only with a `scheme` that begins with `postgresql` or `postgres`.")
        .absent("what the server or the role says")
        .example(r#""shop""#),
        Field::new("query", Kind::Map { key: Format::Any, of: &OF_QUERY }, "What stands after `?`.")
            .absent("none")
            .example(r#"{ sslmode = "require" }"#),
    ],
};
