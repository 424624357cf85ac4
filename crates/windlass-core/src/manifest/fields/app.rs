//! The manifest itself, the application and its build.

use super::setting::A_SETTING;
use super::{CRON, DEPLOY, ENV, JOB, LISTEN, NOTIFY, PATHS, PATTERNS, RESOURCE, ROUTE, SERVICE, STORE};
use crate::manifest::format::Format;
use crate::manifest::kind::{Field, Kind, Table};

const MAP_NAME: Format = Format::Name;

// A constant cannot hold a reference to a temporary that refers to a static; these have a name.
static A_STORE: Kind = Kind::Table(&STORE);
static A_SERVICE: Kind = Kind::Table(&SERVICE);
static A_JOB: Kind = Kind::Table(&JOB);
static A_CRON: Kind = Kind::Table(&CRON);
static A_RESOURCE: Kind = Kind::Table(&RESOURCE);
static A_ROUTE: Kind = Kind::Table(&ROUTE);
static A_NOTIFY: Kind = Kind::Table(&NOTIFY);
static A_OVERLAY: Kind = Kind::Table(&OVERLAY);

const APP_FIELD: Field = Field::new("app", Kind::Table(&APP), "The application.").required();
const ENV_FIELD: Field = Field::new("env", ENV, "Environment of all services, jobs and crons.")
    .absent("empty")
    .example(r#"{ LANG = "C.UTF-8" }"#);
const SETTINGS_FIELD: Field = Field::new(
    "settings",
    Kind::Map { key: Format::EnvName, of: &A_SETTING },
    "Values that differ between environments, and secrets. They are looked up in the environment, `.env.ENVIRONMENT`, `.env`, `secrets.ENVIRONMENT.enc` and the `[stores]`, checked, and passed on as environment variables.",
)
.absent("none");
const STORES_FIELD: Field = Field::new(
    "stores",
    Kind::Map { key: MAP_NAME, of: &A_STORE },
    "Stores outside of the project that settings can take their values from.",
)
.absent("none");
const BUILD_FIELD: Field = Field::new("build", Kind::Table(&BUILD), "How a release is made from the source.")
    .absent("nothing is built");
const SERVICES_FIELD: Field =
    Field::new("services", Kind::Map { key: MAP_NAME, of: &A_SERVICE }, "What runs all the time.")
        .absent("none");
const JOBS_FIELD: Field =
    Field::new("jobs", Kind::Map { key: MAP_NAME, of: &A_JOB }, "What runs once.").absent("none");
const CRON_FIELD: Field =
    Field::new("cron", Kind::Map { key: MAP_NAME, of: &A_CRON }, "What runs by the clock.").absent("none");
const RESOURCES_FIELD: Field =
    Field::new("resources", Kind::Map { key: MAP_NAME, of: &A_RESOURCE }, "Databases, caches and brokers.")
        .absent("none");
const LISTEN_FIELD: Field = Field::new("listen", Kind::Table(&LISTEN), "Where the proxy listens.")
    .absent("`127.0.0.1:8080`, where there are routes");
const ROUTES_FIELD: Field =
    Field::new("routes", Kind::List(&A_ROUTE), "Which requests go where; the most specific one decides.")
        .absent("all requests go to the one service that listens, where it is the only one");
const DEPLOY_FIELD: Field =
    Field::new("deploy", Kind::Table(&DEPLOY), "How a deploy goes.").absent("as said below");
const NOTIFY_FIELD: Field =
    Field::new("notify", Kind::Map { key: MAP_NAME, of: &A_NOTIFY }, "Who is told when something happens.")
        .absent("nobody");
const ENVIRONMENTS_FIELD: Field = Field::new(
    "environments",
    Kind::Map { key: MAP_NAME, of: &A_OVERLAY },
    "What is different in an environment. The environment `local` always exists.",
)
.absent("only `local`");

/// The whole manifest.
pub static ROOT: Table = Table {
    name: "manifest",
    header: "windlass.toml",
    help: "A manifest says what an application is made of and how it runs. It is TOML. Keys that are not listed here are errors.",
    example: "",
    fields: &[
        APP_FIELD,
        ENV_FIELD,
        SETTINGS_FIELD,
        STORES_FIELD,
        BUILD_FIELD,
        SERVICES_FIELD,
        JOBS_FIELD,
        CRON_FIELD,
        RESOURCES_FIELD,
        LISTEN_FIELD,
        ROUTES_FIELD,
        DEPLOY_FIELD,
        NOTIFY_FIELD,
        ENVIRONMENTS_FIELD,
    ],
};

/// What is different in an environment.
pub static OVERLAY: Table = Table {
    name: "overlay",
    header: "[environments.NAME]",
    help: "Any of the manifest's tables but `app`, laid upon it: tables are merged key by key, everything else (lists too) is replaced. Where a table has one key or another, the one that stands here replaces the other: `http`, `tcp` and `command` of a check, `default`, `value`, `url` and `from` of a setting, and the `url` of a resource what a private one has, not the other way round.",
    example: "[environments.production]\nservices.web.replicas = 4\nlisten.http = \"0.0.0.0:80\"",
    fields: &[
        ENV_FIELD,
        SETTINGS_FIELD,
        STORES_FIELD,
        BUILD_FIELD,
        SERVICES_FIELD,
        JOBS_FIELD,
        CRON_FIELD,
        RESOURCES_FIELD,
        LISTEN_FIELD,
        ROUTES_FIELD,
        DEPLOY_FIELD,
        NOTIFY_FIELD,
    ],
};

/// The application.
pub static APP: Table = Table {
    name: "app",
    header: "[app]",
    help: "The application.",
    example: "[app]\nname = \"shop\"",
    fields: &[
        Field::new(
            "name",
            Kind::Text(Format::Name),
            "Its name: 1 to 40 of a-z, 0-9 and -, beginning with a letter.",
        )
        .required()
        .example(r#""shop""#),
        Field::new(
            "settings_prefix",
            Kind::Text(Format::EnvName),
            "What the names of all settings begin with, so that whoever looks at an environment sees which variables are the application's. One that does not is an error.",
        )
        .absent("any name will do")
        .example(r#""SHOP_""#),
    ],
};

/// The build.
pub static BUILD: Table = Table {
    name: "build",
    header: "[build]",
    help: "How a release is made: the files that no ignore file leaves out are copied, then the steps run in the new release. Steps get the settings as environment variables, and of the environment of whoever deploys what leads out of the machine, where it is set there and in neither the settings nor `[build.env]`. Proxies: `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY`, `NO_PROXY`, `http_proxy`, `https_proxy`, `all_proxy`, `no_proxy`, `CARGO_HTTP_PROXY`. Whom to trust: `SSL_CERT_FILE`, `SSL_CERT_DIR`, `REQUESTS_CA_BUNDLE`, `CURL_CA_BUNDLE`, `GIT_SSL_CAINFO`, `NODE_EXTRA_CA_CERTS`, `CARGO_HTTP_CAINFO`. Where packages come from: `PIP_CERT`, `PIP_CONFIG_FILE`, `PIP_DEFAULT_TIMEOUT`, `PIP_INDEX_URL`, `PIP_EXTRA_INDEX_URL`, `PIP_FIND_LINKS`, `PIP_NO_INDEX`, `PIP_TRUSTED_HOST`, `PIPENV_PYPI_MIRROR`, `PDM_PYPI_URL`, `UV_INDEX`, `UV_DEFAULT_INDEX`, `UV_INDEX_URL`, `UV_EXTRA_INDEX_URL`, `UV_FIND_LINKS`, `UV_NO_INDEX`, `UV_NATIVE_TLS`, `NPM_CONFIG_REGISTRY`, `NPM_CONFIG_CAFILE`, `NPM_CONFIG_USERCONFIG`, `npm_config_registry`, `npm_config_cafile`, `npm_config_userconfig`, `YARN_NPM_REGISTRY_SERVER`, `COREPACK_NPM_REGISTRY`, `GOPROXY`, `GOPRIVATE`, `GOSUMDB`, `RUSTUP_DIST_SERVER`. Services, jobs and crons get none of it: what they need is declared in `[settings]`. Passwords and tokens in these are masked as those of settings are, and kept with the release that is built. A setting, or a variable of `[build.env]`, of the same name in the other case takes their place as well. npm and pip are kept from telling of newer versions of themselves (`npm_config_update_notifier=false`, `PIP_DISABLE_PIP_VERSION_CHECK=1`).",
    example: "[build]\nsteps = [\"npm ci\", { shell = \"npm run build > build.log\", timeout = \"10m\" }]\nshared = [\"media\"]\ncache = [\"node_modules\"]",
    fields: &[
        Field::new(
            "steps",
            Kind::List(&Kind::AnyOf(&[Kind::Command, Kind::Table(&STEP)])),
            "Commands, one after another: as text, a list of words, or a table with `command` or `shell` and a `timeout`.",
        )
        .absent("none")
        .example(r#"["pip install -r requirements.txt"]"#),
        Field::new("exclude", PATTERNS, "Files left out, as patterns of `.gitignore`, beside those that ignore files leave out: `.gitignore`, `.ignore` and `.windlassignore` of the project, and those of git above it, up to the top of its checkout, which leave out nothing that git tracks.")
            .absent("none")
            .example(r#"["docs/"]"#),
        Field::new("include", PATTERNS, "Files taken although an ignore file leaves them out, as patterns of `.gitignore`: a directory stands for all that lies in it, and without a `/` in front of it or within it is meant at any depth. A directory that is left out is looked into only where a pattern has a name for it: `dist/` is not looked for in a `node_modules` that is ignored, and `*` is no name. Settings files, plan files of `windlass plan --out` at the top, and version control's own directories are never taken.").absent("none").example(r#"["/dist/"]"#),
        Field::new("shared", PATHS, "Directories that all releases share: uploads, logs. Where services name a `user`, one for all, it owns them, and gets what root has in them.").absent("none").example(r#"["media"]"#),
        Field::new(
            "cache",
            PATHS,
            "Directories that the next build gets from the last release, so that it has less to do.",
        )
        .absent("none")
        .example(r#"["node_modules"]"#),
        Field::new("env", ENV, "Environment of the steps, beside the settings.").absent("empty").example(r#"{ NODE_ENV = "production" }"#),
    ],
};

/// A step of the build with a time limit.
pub static STEP: Table = Table {
    name: "step",
    header: "build.steps[]",
    help: "One command of the build. Written as text or a list, it has the default time limit.",
    example: "",
    fields: &[
        Field::new("command", Kind::Command, "What to run; this or `shell`.")
            .absent("`shell` must be there")
            .example(r#"["npm", "ci"]"#),
        Field::new("shell", Kind::Text(Format::Any), "A line for `/bin/sh`; this or `command`.")
            .absent("`command` must be there")
            .example(r#""npm ci && npm run build""#),
        Field::new("timeout", Kind::Text(Format::PositiveSpan), "How long it may take.").default("15m"),
    ],
};
