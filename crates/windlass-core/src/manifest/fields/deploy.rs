//! How a deploy goes.

use super::service::STATUSES;
use crate::manifest::format::Format;
use crate::manifest::kind::{Field, Kind, Table};

/// How a deploy goes.
pub static DEPLOY: Table = Table {
    name: "deploy",
    header: "[deploy]",
    help: "How a deploy goes.",
    example: "[deploy]\nbake = \"30s\"\nsmoke = [{ service = \"web\", path = \"/\", contains = \"Shop\" }]",
    fields: &[
        Field::new(
            "keep",
            Kind::Integer { min: 2, max: 100 },
            "How many releases stay on the machine, the active one among them.",
        )
        .default("5"),
        Field::new(
            "bake",
            Kind::Text(Format::Span),
            "How long the new release is watched while the old one is still warm; `\"0s\"`: not at all.",
        )
        .default("3s"),
        Field::new(
            "max_error_rate",
            Kind::Number { min: 0.0, max: 1.0 },
            "The share of failed answers (5xx or none) above which a baking release goes back.",
        )
        .default("0.05"),
        Field::new(
            "max_p95_ratio",
            Kind::Number { min: 1.0, max: f64::MAX },
            "How many times the old release's p95 the new one's may be, throughout the second half of the bake, before \
             it goes back; less than 100 ms more never counts, and a machine too busy for the old one as well excuses it.",
        )
        .default("3.0"),
        Field::new(
            "min_requests",
            Kind::Integer { min: 1, max: i64::MAX },
            "How many requests must have been answered before either threshold judges.",
        )
        .default("20"),
        Field::new(
            "drain",
            Kind::Text(Format::Span),
            "How long requests in flight and open connections get after the switch.",
        )
        .default("30s"),
        Field::new(
            "min_free_disk",
            Kind::Text(Format::Size),
            "Free disk that must be there before a deploy begins.",
        )
        .default("200MiB"),
        Field::new(
            "smoke",
            Kind::List(&Kind::Table(&SMOKE)),
            "Requests that the new release must answer as said before it gets any other.",
        )
        .absent("none"),
    ],
};

/// A smoke test.
pub static SMOKE: Table = Table {
    name: "smoke",
    header: "deploy.smoke[]",
    help: "A request that the new release must answer as said.",
    example: "smoke = [{ service = \"web\", path = \"/login\", status = 200, contains = \"Password\", timeout = \"5s\" }]",
    fields: &[
        Field::new("service", Kind::Text(Format::Name), "The service that is asked, directly.")
            .required()
            .example(r#""web""#),
        Field::new("path", Kind::Text(Format::UrlPath), "The path.").default("/"),
        Field::new("status", STATUSES, "The status that is right, or a range.").default("200"),
        Field::new("contains", Kind::Text(Format::Any), "Text that the body must contain.")
            .absent("any body")
            .example(r#""Password""#),
        Field::new("timeout", Kind::Text(Format::PositiveSpan), "How long the answer may take.")
            .default("5s"),
    ],
};
