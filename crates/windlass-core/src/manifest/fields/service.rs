//! Services.

use super::{COMMAND, DIRECTORY, NAMES, OWN_ENV, OWN_LIMITS, PATTERNS, USER};
use crate::manifest::format::Format;
use crate::manifest::kind::{Field, Kind, Table, choice};

const CHECK_KIND: Kind = Kind::AnyOf(&[Kind::Text(Format::UrlPath), Kind::Table(&CHECK)]);
const ONE_UP: Kind = Kind::Integer { min: 1, max: 1000 };
const PORT: Kind = Kind::AnyOf(&[
    Kind::Choice(&[choice("auto", "a free one, chosen for each copy")]),
    Kind::Integer { min: 1, max: 65535 },
]);

/// A service.
pub static SERVICE: Table = Table {
    name: "service",
    header: "[services.NAME]",
    help: "A web server, a worker, a scheduler: a process that runs all the time. It is told its port by `$PORT` and `{port}`.",
    example: "[services.web]\ncommand = \"gunicorn shop.wsgi --bind 127.0.0.1:{port}\"\nport = \"auto\"\nreadiness = \"/health\"\nneeds = [\"db\"]",
    fields: &[
        COMMAND,
        Field::new("port", PORT, "The port it listens on: `\"auto\"`, or a number.").absent("it does not listen").example(r#""auto""#),
        Field::new("replicas", Kind::Integer { min: 0, max: 1000 }, "How many copies run.").default("1").example("4"),
        Field::new(
            "singleton",
            Kind::Bool,
            "Whether two copies must never run at the same time, not even during a deploy: schedulers.",
        )
        .default("false"),
        DIRECTORY,
        USER,
        OWN_ENV,
        Field::new("needs", NAMES, "Services and resources that must be ready before it starts. Resources that `env` refers to are added by themselves.")
            .absent("none")
            .example(r#"["db"]"#),
        Field::new("files", PATTERNS, "The files of the source that it sees, as patterns of `.gitignore`: a directory stands for all that lies in it. A release that differs in none of them leaves it running.")
            .absent("all files")
            .example(r#"["worker/"]"#),
        Field::new("startup", CHECK_KIND, "Must succeed once before the other checks begin. Text is the path of an HTTP check.").absent("none").example(r#"{ tcp = true }"#),
        Field::new("readiness", CHECK_KIND, "Whether a copy gets requests; a deploy waits for it.")
            .absent("ready when it ran for `settle`")
            .example(r#""/health""#),
        Field::new("liveness", CHECK_KIND, "Whether a copy has to be restarted.").absent("none").example(r#"{ http = "/alive", interval = "30s" }"#),
        Field::new("settle", Kind::Text(Format::Span), "Without a readiness check: how long it must run without a restart before it counts as ready.").default("2s"),
        Field::new("stop", Kind::Table(&STOP), "How it is stopped.").absent("as said below").example(r#"{ grace = "60s" }"#),
        Field::new("restart", Kind::Table(&RESTART), "What happens when it ends by itself, or is not alive any more.").absent("as said below").example(r#"{ when = "on-failure" }"#),
        OWN_LIMITS,
        Field::new(
            "strategy",
            Kind::AnyOf(&[
                Kind::Choice(&[
                    choice("blue-green", "all new copies start beside the old ones, then the traffic switches at once"),
                    choice("recreate", "the old ones stop, then the new ones start; requests are held meanwhile"),
                ]),
                Kind::Table(&STRATEGY),
            ]),
            "In which order old copies give way to new ones.",
        )
        .absent("`\"blue-green\"`; `\"recreate\"` for a singleton")
        .example(r#"{ rolling = { max_surge = 1 } }"#),
    ],
};

/// A status, or a range of them.
pub(super) const STATUSES: Kind =
    Kind::AnyOf(&[Kind::Integer { min: 100, max: 599 }, Kind::Text(Format::Statuses)]);

/// A health check.
pub static CHECK: Table = Table {
    name: "check",
    header: "startup, readiness, liveness",
    help: "A health check asks by exactly one of `http`, `tcp` and `command`. Those of readiness and liveness are asked as long as a copy runs: give a command that costs something, such as `celery inspect ping`, `interval = \"30s\"` and a `timeout`.",
    example: "readiness = { http = \"/health\", interval = \"1s\", start_period = \"90s\" }",
    fields: &[
        Field::new("http", Kind::Text(Format::UrlPath), "The path of a GET request to the copy's port; 200 to 399 is healthy.").absent("not by HTTP").example(r#""/health""#),
        Field::new("status", STATUSES, "The only status that is healthy, or a range.").absent("200 to 399").example(r#""200-404""#),
        Field::new("host", Kind::Text(Format::HostPattern), "The `Host` header of the request.").absent("the address").example(r#""example.org""#),
        Field::new("tcp", Kind::True, "Whether the port accepts a connection.").absent("not by TCP").example("true"),
        Field::new("command", Kind::Command, "A command that ends with exit code 0.").absent("not by a command").example(r#"["./healthy"]"#),
        Field::new("interval", Kind::Text(Format::PositiveSpan), "How often it is asked.").default("5s"),
        Field::new("timeout", Kind::Text(Format::PositiveSpan), "How long one answer may take.").default("5s"),
        Field::new(
            "start_period",
            Kind::Text(Format::Span),
            "How long after the start failures do not count; a startup or readiness check that has not succeeded by its end has failed. Where there is a startup check, that of the readiness check begins when it has passed.",
        )
        .default("60s"),
        Field::new("healthy_after", ONE_UP, "How many successes in a row make it healthy.").default("1"),
        Field::new("unhealthy_after", ONE_UP, "How many failures in a row make it unhealthy.").default("3"),
    ],
};

/// How a process is stopped.
pub static STOP: Table = Table {
    name: "stop",
    header: "stop",
    help: "How a process is stopped: the quiet signal and its wait, where there is one, then the signal, then the grace, then it is killed with all its descendants.",
    example: "stop = { signal = \"TERM\", grace = \"30s\", quiet = { signal = \"TSTP\", wait = \"10s\" } }",
    fields: &[
        Field::new("signal", Kind::Text(Format::Signal), "The signal that asks it to end.").default("TERM"),
        Field::new("grace", Kind::Text(Format::Span), "How long it has.").default("30s"),
        Field::new("quiet", Kind::Table(&QUIET), "How a worker is told to take no more work.")
            .absent("it is not told"),
    ],
};

/// How a worker is told to take no more work.
pub static QUIET: Table = Table {
    name: "quiet",
    header: "stop.quiet",
    help: "How a worker is told to take no more work before it is stopped.",
    example: "",
    fields: &[
        Field::new("signal", Kind::Text(Format::Signal), "The signal.").required().example(r#""TSTP""#),
        Field::new(
            "wait",
            Kind::Text(Format::Span),
            "How long it may go on with what it holds; it is stopped earlier when it ends by itself or is `idle`.",
        )
        .default("10s"),
        Field::new(
            "idle",
            Kind::Command,
            "Asked every second meanwhile: exit code 0 says that it holds no work. It has the service's environment, and the worker's process id as `$WINDLASS_PID`.",
        )
        .absent("the whole wait, unless it ends")
        .example(r#"{ shell = "ps -o args= -p $WINDLASS_PID | grep -q '0 of .* busy'" }"#),
    ],
};

/// What happens when a process ends by itself.
pub static RESTART: Table = Table {
    name: "restart",
    header: "restart",
    help: "What happens when a process ends by itself.",
    example: "restart = { when = \"always\", limit = 5, window = \"60s\" }",
    fields: &[
        Field::new(
            "when",
            Kind::Choice(&[
                choice("always", "however it ended"),
                choice("on-failure", "when it ended with a code other than 0, or by a signal"),
                choice("never", "not at all"),
            ]),
            "When it is started again.",
        )
        .default("always"),
        Field::new(
            "backoff",
            Kind::Text(Format::Span),
            "How long to wait before the first restart; doubled for each further one.",
        )
        .default("1s"),
        Field::new("backoff_max", Kind::Text(Format::Span), "The longest wait.").default("30s"),
        Field::new(
            "limit",
            Kind::Integer { min: 1, max: 1000 },
            "How many restarts within `window` make a crash loop: it is given up. What a deploy starts is not restarted before it is ready: its first end fails the deploy.",
        )
        .default("5"),
        Field::new(
            "window",
            Kind::Text(Format::PositiveSpan),
            "See `limit`. A process that ran this long counts as well again.",
        )
        .default("60s"),
        Field::new(
            "again",
            Kind::Text(Format::Span),
            "After which pause a copy of the active release that was given up is tried again; doubled for each further try, up to 10 minutes. It is tried at once when a resource that it needs answers again. `\"0s\"`: never.",
        )
        .default("1m"),
    ],
};

/// What a process may use.
pub static LIMITS: Table = Table {
    name: "limits",
    header: "limits",
    help: "What a process and its descendants may use.",
    example: "limits = { cpu = 1.5, memory = \"512MiB\", files = 4096, processes = 100 }",
    fields: &[
        Field::new("cpu", Kind::Number { min: 0.01, max: 1024.0 }, "Processors.")
            .absent("no limit")
            .example("1.5"),
        Field::new("memory", Kind::Text(Format::PositiveSize), "Memory.")
            .absent("no limit")
            .example(r#""512MiB""#),
        Field::new("files", Kind::Integer { min: 16, max: 10_000_000 }, "Open files.")
            .absent("no limit")
            .example("4096"),
        Field::new("processes", Kind::Integer { min: 1, max: 1_000_000 }, "Processes and threads.")
            .absent("no limit")
            .example("100"),
    ],
};

/// A strategy that has options.
pub static STRATEGY: Table = Table {
    name: "strategy",
    header: "strategy",
    help: "A few copies at a time.",
    example: "",
    fields: &[Field::new("rolling", Kind::Table(&ROLLING), "A few copies at a time.")
        .required()
        .example("{ max_surge = 1 }")],
};

/// A few copies at a time.
pub static ROLLING: Table = Table {
    name: "rolling",
    header: "strategy.rolling",
    help: "How many copies are exchanged at a time.",
    example: "strategy = { rolling = { max_surge = 1, max_unavailable = 0 } }",
    fields: &[
        Field::new(
            "max_surge",
            Kind::Integer { min: 0, max: 1000 },
            "How many copies there may be beyond the replicas.",
        )
        .default("1"),
        Field::new(
            "max_unavailable",
            Kind::Integer { min: 0, max: 1000 },
            "How many copies fewer than the replicas may be ready.",
        )
        .default("0"),
    ],
};
