//! Who is told when something happens.

use crate::manifest::format::Format;
use crate::manifest::kind::{Field, Kind, Table, choice};

const OCCASION: Kind = Kind::Choice(&[
    choice("deployed", "a deploy, a rollback, a restart or a change of scale is in force"),
    choice("failed", "such a run failed before it changed anything"),
    choice("rolled-back", "it failed, and everything is as it was"),
    choice("needs-person", "it left something that needs a person"),
    choice("crash-loop", "a service ended too often and was given up, until it is tried again"),
    choice(
        "unhealthy",
        "a copy was restarted because its liveness check failed, or was not ready for longer than its `start_period`",
    ),
    choice("cron-failed", "a cron job failed"),
    choice("certificate", "a certificate expires soon, or cannot be used"),
]);

/// An address that is told.
pub static NOTIFY: Table = Table {
    name: "notify",
    header: "[notify.NAME]",
    help: "An address that gets an HTTP POST when something happens. The host side sends it, tries again a few times, and says in its log what it could not deliver; a deploy neither waits for it nor fails by it. Redirects are not followed. No log lines and no values of secret settings are sent.",
    example: "[settings]\nCHAT_WEBHOOK = { secret = true }\n\n[notify.team]\nurl = \"{settings.CHAT_WEBHOOK}\"\nformat = \"slack\"\non = [\"deployed\", \"rolled-back\", \"crash-loop\"]",
    fields: &[
        Field::new(
            "url",
            Kind::Text(Format::Template),
            "The `http://` or `https://` address. Usually a setting: whoever knows it can write there.",
        )
        .required()
        .example(r#""{settings.CHAT_WEBHOOK}""#),
        Field::new("on", Kind::List(&OCCASION), "What it is told of.")
            .absent("everything but `\"deployed\"`")
            .example(r#"["rolled-back", "crash-loop"]"#),
        Field::new(
            "format",
            Kind::Choice(&[
                choice("json", "a document with a field for each fact"),
                choice("slack", "`{\"text\": ...}`, as Slack, Mattermost and Rocket.Chat take it"),
            ]),
            "The form of the body.",
        )
        .default("json"),
    ],
};
