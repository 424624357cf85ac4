//! Jobs and cron jobs.

use super::{COMMAND, DIRECTORY, OWN_ENV, OWN_LIMITS, USER};
use crate::manifest::format::Format;
use crate::manifest::kind::{Field, Kind, Table, choice};

/// A job.
pub static JOB: Table = Table {
    name: "job",
    header: "[jobs.NAME]",
    help: "What runs once: migrations, seed data, tasks that are run by hand with `windlass run NAME`.",
    example: "[jobs.migrate]\ncommand = [\"python\", \"manage.py\", \"migrate\"]\nwhen = \"before-start\"\nundo = \"compatible\"",
    fields: &[
        COMMAND,
        DIRECTORY,
        USER,
        OWN_ENV,
        Field::new(
            "when",
            Kind::Choice(&[
                choice("before-start", "in every deploy that changes the release, before any new copy starts"),
                choice("after-switch", "in every deploy that changes the release, after the switch and the bake"),
                choice("once", "in the first deploy of the environment, before any copy starts"),
                choice("manual", "only when asked by `windlass run`"),
            ]),
            "When it runs.",
        )
        .default("manual"),
        Field::new(
            "undo",
            Kind::AnyOf(&[
                Kind::Choice(&[
                    choice("compatible", "need not be: the old release works with what it leaves"),
                    choice("irreversible", "cannot be: a deploy that fails after it goes back in code only, and says so"),
                ]),
                Kind::Table(&UNDO),
            ]),
            "How it is undone when the deploy goes back: a word, or `{ command = ... }`.",
        )
        .default("compatible")
        .example(r#"{ command = ["./migrate", "down"] }"#),
        Field::new("timeout", Kind::Text(Format::PositiveSpan), "How long it may take.").default("10m"),
        OWN_LIMITS,
        Field::new(
            "schema",
            Kind::Command,
            "A command that prints one line that identifies the schema it leaves; it is recorded with the release. It also runs before a job that a command undoes, and before that command: where it says the same, nothing is undone.",
        )
        .absent("not recorded")
        .example(r#"["./migrate", "version"]"#),
    ],
};

/// A command that undoes a job.
pub static UNDO: Table = Table {
    name: "undo",
    header: "undo",
    help: "A command that undoes a job.",
    example: "",
    fields: &[Field::new(
        "command",
        Kind::Command,
        "What to run. `$WINDLASS_SCHEMA_BEFORE` is what `schema` said before the job.",
    )
    .required()
    .example(r#"["./migrate", "down"]"#)],
};

/// A cron job.
pub static CRON: Table = Table {
    name: "cron",
    header: "[cron.NAME]",
    help: "What runs by the clock.",
    example: "[cron.cleanup]\ncommand = \"python manage.py clearsessions\"\nschedule = \"0 3 * * *\"\ntime_zone = \"Europe/Berlin\"",
    fields: &[
        COMMAND,
        Field::new(
            "schedule",
            Kind::Text(Format::Schedule),
            "Minute, hour, day of month, month, day of week (with six fields, the first is seconds), or `@daily` and the like.",
        )
        .required()
        .example(r#""0 3 * * *""#),
        Field::new("time_zone", Kind::Text(Format::TimeZone), "An IANA time zone.").default("UTC").example(r#""Europe/Berlin""#),
        Field::new(
            "overlap",
            Kind::Choice(&[
                choice("skip", "the new run is left out"),
                choice("queue", "the new run begins when the other has ended; at most one waits"),
                choice("replace", "the other is stopped"),
                choice("allow", "both run"),
            ]),
            "What happens when it is due while it still runs.",
        )
        .default("skip"),
        Field::new(
            "missed",
            Kind::Choice(&[
                choice("skip", "they are left out"),
                choice("once", "one run makes up for all of them"),
            ]),
            "What happens to runs that were due while nobody watched: the machine was off or asleep, or the host side away.",
        )
        .default("skip"),
        Field::new("timeout", Kind::Text(Format::PositiveSpan), "How long it may take.").default("1h"),
        DIRECTORY,
        USER,
        OWN_ENV,
        OWN_LIMITS,
    ],
};
