//! Every table and key of the manifest, with its type, default, meaning and an example.

mod app;
mod deploy;
mod job;
mod notify;
mod resource;
mod route;
mod service;
mod setting;
mod store;

pub use app::{APP, BUILD, OVERLAY, ROOT, STEP};
pub use deploy::{DEPLOY, SMOKE};
pub use job::{CRON, JOB, UNDO};
pub use notify::NOTIFY;
pub use resource::RESOURCE;
pub use route::{LISTEN, RATE_LIMIT, ROUTE, TLS};
pub use service::{CHECK, LIMITS, QUIET, RESTART, ROLLING, SERVICE, STOP, STRATEGY};
pub use setting::{ROTATE, SETTING, URL};
pub use store::STORE;

use super::format::Format;
use super::kind::{Field, Kind};

const TEMPLATE: Kind = Kind::Text(Format::Template);
const NAMES: Kind = Kind::List(&Kind::Text(Format::Name));
const PATTERNS: Kind = Kind::List(&Kind::Text(Format::Pattern));
const PATHS: Kind = Kind::List(&Kind::Text(Format::Path));
const ENV: Kind = Kind::Map { key: Format::EnvName, of: &TEMPLATE };

const COMMAND: Field = Field::new(
    "command",
    Kind::Command,
    "What to run. Text is split into words by the rules of quoting and never given to a shell; a list is the words themselves; `{ shell = \"...\" }` is a line for `/bin/sh`.",
)
.required()
.example(r#""gunicorn shop.wsgi --bind 127.0.0.1:{port}""#);
const DIRECTORY: Field =
    Field::new("directory", Kind::Text(Format::Path), "Where it runs, relative to the release.")
        .absent("the release itself")
        .example(r#""backend""#);
const USER: Field = Field::new(
    "user",
    Kind::Text(Format::User),
    "The account it runs as, where Windlass itself runs as root.",
)
.absent("the account of Windlass")
.example(r#""www-data""#);
const OWN_ENV: Field = Field::new("env", ENV, "Its environment, beside that of `[env]` and the settings.")
    .absent("empty")
    .example(r#"{ DATABASE_URL = "{resources.db.url}" }"#);
const OWN_LIMITS: Field = Field::new("limits", Kind::Table(&LIMITS), "What it may use.")
    .absent("no limits")
    .example(r#"{ memory = "512MiB" }"#);
