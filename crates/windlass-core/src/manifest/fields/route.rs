//! Where the proxy listens, and which requests go where.

use crate::manifest::format::Format;
use crate::manifest::kind::{Field, Kind, Table};

const ADDRESSES: Kind = Kind::OneOrMany(&Kind::Text(Format::Address));

/// Where the proxy listens.
pub static LISTEN: Table = Table {
    name: "listen",
    header: "[listen]",
    help: "Where the proxy listens.",
    example: "[listen]\nhttp = \"0.0.0.0:80\"\nhttps = \"0.0.0.0:443\"\ntls = [{ certificate = \"/etc/ssl/shop.pem\", key = \"/etc/ssl/shop.key\" }]\nredirect_to_https = true",
    fields: &[
        Field::new("http", ADDRESSES, "Addresses for clear-text HTTP. `[::]` stands for all addresses of this machine, IPv4 and IPv6; `0.0.0.0` for those of IPv4.")
            .absent("`127.0.0.1:8080` where there are routes and no `https`, else none")
            .example(r#""[::]:80""#),
        Field::new("https", ADDRESSES, "Addresses for TLS.").absent("none").example(r#""0.0.0.0:443""#),
        Field::new(
            "tls",
            Kind::List(&Kind::Table(&TLS)),
            "The certificates, chosen by server name; the first is the default.",
        )
        .absent("none"),
        Field::new("redirect_to_https", Kind::Bool, "Whether clear-text requests are redirected to HTTPS.")
            .default("false"),
        Field::new(
            "trusted_proxies",
            Kind::List(&Kind::Text(Format::ProxyNetwork)),
            "Networks of the load balancers, tunnels and proxies that stand before this one. What a request from them says of its client is believed: `X-Forwarded-For` (its last address that is none of these), `X-Forwarded-Proto` and `X-Forwarded-Host`. Name only such as set or remove all three. From all others it is replaced.",
        )
        .absent("none: whoever connects is the client")
        .example(r#"["10.0.0.0/8"]"#),
        Field::new(
            "head_timeout",
            Kind::Text(Format::PositiveSpan),
            "How long a client may take for one request's head, and to begin at all.",
        )
        .default("20s"),
        Field::new(
            "keep_timeout",
            Kind::Text(Format::PositiveSpan),
            "How long a kept HTTP/1 connection may be silent between two requests. Clients that speak HTTP/2 are asked every 30 seconds whether they are there.",
        )
        .default("75s"),
        Field::new(
            "write_timeout",
            Kind::Text(Format::PositiveSpan),
            "How long an HTTP/1 client may take nothing of an answer that is ready for it.",
        )
        .default("60s"),
    ],
};

/// A certificate.
pub static TLS: Table = Table {
    name: "tls",
    header: "listen.tls[]",
    help: "A certificate and its key. They are read from the machine, not from the release.",
    example: "",
    fields: &[
        Field::new("certificate", Kind::Text(Format::AbsolutePath), "The chain, in PEM.")
            .required()
            .example(r#""/etc/ssl/shop.pem""#),
        Field::new("key", Kind::Text(Format::AbsolutePath), "The key, in PEM.")
            .required()
            .example(r#""/etc/ssl/shop.key""#),
    ],
};

/// A route.
pub static ROUTE: Table = Table {
    name: "route",
    header: "[[routes]]",
    help: "Requests with this host and path prefix go to exactly one of `service`, `files`, `redirect`, `health` and `metrics`. The most specific route decides: an exact host before `*.` before none, then the longest path.",
    example: "[[routes]]\nhost = \"shop.example.org\"\nservice = \"web\"\n\n[[routes]]\npath = \"/static\"\nfiles = \"staticfiles\"\ncache_control = \"public, max-age=31536000, immutable\"",
    fields: &[
        Field::new("host", Kind::Text(Format::HostPattern), "The host, or `*.` and a host for all below it.")
            .absent("any")
            .example(r#""example.org""#),
        Field::new("path", Kind::Text(Format::UrlPath), "The prefix of the path, at a `/` boundary.")
            .default("/"),
        Field::new("service", Kind::Text(Format::Name), "To the ready copies of this service.")
            .absent("not to a service")
            .example(r#""web""#),
        Field::new(
            "files",
            Kind::Text(Format::Root),
            "To the files below this directory of the release; `shared:media` for one that releases share.",
        )
        .absent("not to files")
        .example(r#""public""#),
        Field::new(
            "redirect",
            Kind::Text(Format::Target),
            "To this address, with the path of the request after it; without its prefix where `strip_prefix` is set.",
        )
        .absent("no redirect")
        .example(r#""https://www.example.org""#),
        Field::new("health", Kind::True, "To the aggregate health of the application.")
            .absent("not to the health page")
            .example("true"),
        Field::new("metrics", Kind::True, "To the proxy's metrics, for Prometheus.")
            .absent("not to the metrics")
            .example("true"),
        Field::new(
            "fallback",
            Kind::Text(Format::Path),
            "With `files`: the file answered for pages that do not exist, for single-page applications.",
        )
        .absent("404")
        .example(r#""index.html""#),
        Field::new(
            "cache_control",
            Kind::Text(Format::HeaderValue),
            "With `files`: the `Cache-Control` header.",
        )
        .absent("none")
        .example(r#""public, max-age=3600""#),
        Field::new("status", Kind::Integer { min: 301, max: 308 }, "With `redirect`: 301, 302, 307 or 308.")
            .default("308"),
        Field::new("exact", Kind::Bool, "With `redirect`: to this address and no other, whatever stands behind the route's path.")
            .default("false"),
        Field::new(
            "strip_prefix",
            Kind::Bool,
            "Whether the prefix is taken off before the request is handed on.",
        )
        .absent("true with `files`, else false")
        .example("true"),
        Field::new("body_limit", Kind::Text(Format::Size), "The largest body that is accepted.")
            .default("16MiB"),
        Field::new(
            "timeout",
            Kind::Text(Format::PositiveSpan),
            "How long the destination may take to begin its answer.",
        )
        .default("60s"),
        Field::new(
            "idle_timeout",
            Kind::Text(Format::PositiveSpan),
            "How long a connection may be silent, WebSockets and event streams among them.",
        )
        .default("5m"),
        Field::new(
            "headers",
            Kind::Map { key: Format::HeaderName, of: &Kind::Text(Format::HeaderValue) },
            "Headers set on every answer; an empty value removes one.",
        )
        .absent("none")
        .example(r#"{ X-Frame-Options = "DENY" }"#),
        Field::new(
            "security_headers",
            Kind::Bool,
            "Whether the usual security headers are set where the application does not set them itself.",
        )
        .default("true"),
        Field::new(
            "compress",
            Kind::Bool,
            "Whether answers are compressed where the client can read it and the application did not.",
        )
        .default("true"),
        Field::new("rate_limit", Kind::Table(&RATE_LIMIT), "How many requests one client may make.")
            .absent("any number")
            .example(r#"{ requests = 10, per = "1s" }"#),
        Field::new(
            "allow",
            Kind::List(&Kind::Text(Format::Network)),
            "Networks that may make requests; all others are refused.",
        )
        .absent("all")
        .example(r#"["10.0.0.0/8"]"#),
        Field::new(
            "basic_auth",
            Kind::Text(Format::EnvName),
            "The setting that holds `user:password` lines.",
        )
        .absent("no password is asked")
        .example(r#""ADMIN_USERS""#),
        Field::new(
            "hold",
            Kind::Integer { min: 0, max: 1_000_000 },
            "How many requests wait, at the most, while no copy is ready.",
        )
        .default("1000"),
        Field::new("hold_timeout", Kind::Text(Format::Span), "How long they wait.").default("30s"),
    ],
};

/// A rate limit.
pub static RATE_LIMIT: Table = Table {
    name: "rate_limit",
    header: "rate_limit",
    help: "How many requests one client address may make.",
    example: "rate_limit = { requests = 10, per = \"1s\", burst = 20 }",
    fields: &[
        Field::new("requests", Kind::Integer { min: 1, max: 1_000_000_000 }, "This many ...")
            .required()
            .example("10"),
        Field::new("per", Kind::Text(Format::PositiveSpan), "... in this time.").default("1s"),
        Field::new(
            "burst",
            Kind::Integer { min: 0, max: 1_000_000_000 },
            "How many at once beyond the even pace.",
        )
        .absent("as many as `requests`")
        .example("20"),
    ],
};
