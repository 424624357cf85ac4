//! Formats of text: what a duration, a path or a schedule must look like, and what to write instead.

use std::net::IpAddr;

use crate::name::Name;
use crate::policy::cron::Schedule;
use crate::spec::{Statuses, Template};
use crate::store::{Address, Place};
use crate::units::{Bytes, Span};

/// Whether a text can name an environment variable: what a setting's name is, too.
pub(crate) use crate::settings::is_setting_name as is_env_name;

use super::kind::or;
use super::suggest;

/// What a text must look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Anything but nothing.
    Any,
    /// Anything, also nothing.
    AnyOrEmpty,
    /// Text with `{references}`.
    Template,
    /// A length of time.
    Span,
    /// A length of time that is not zero.
    PositiveSpan,
    /// A number of bytes.
    Size,
    /// A number of bytes that is not zero.
    PositiveSize,
    /// A [`Name`].
    Name,
    /// A name of an environment variable.
    EnvName,
    /// A path inside the release.
    Path,
    /// A path inside the release, or `shared:` and one inside the shared directory.
    Root,
    /// A path from the root of the file system.
    AbsolutePath,
    /// A pattern as in `.gitignore`.
    Pattern,
    /// The path of a URL.
    UrlPath,
    /// A network.
    Network,
    /// A network of proxies, which are believed.
    ProxyNetwork,
    /// A cron expression.
    Schedule,
    /// An IANA time zone.
    TimeZone,
    /// A signal.
    Signal,
    /// A host name, or `*.` and one.
    HostPattern,
    /// An address and port to listen on.
    Address,
    /// Where a redirect leads.
    Target,
    /// HTTP statuses.
    Statuses,
    /// Name of an HTTP header.
    HeaderName,
    /// Value of an HTTP header.
    HeaderValue,
    /// An account of the machine.
    User,
    /// Where a store is reached.
    StoreAddress,
    /// A place in a store.
    Place,
    /// What stands before a URL's colon.
    Scheme,
}

/// Why a text is not of a format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misfit {
    /// The code of the fault.
    pub code: &'static str,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
    /// The part of the text that is wrong, where it is a part.
    pub part: Option<String>,
}

fn misfit(code: &'static str, message: impl Into<String>) -> Misfit {
    Misfit { code, message: message.into(), help: None, part: None }
}

impl Misfit {
    fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// Signals that can be named, without `SIG`.
pub const SIGNALS: [&str; 15] = [
    "HUP", "INT", "QUIT", "ABRT", "KILL", "USR1", "USR2", "PIPE", "ALRM", "TERM", "CONT", "TSTP", "TTIN",
    "TTOU", "WINCH",
];

impl Format {
    /// What it is, for messages and the reference.
    #[must_use]
    pub const fn describe(self) -> &'static str {
        match self {
            Self::Any | Self::AnyOrEmpty => "text",
            Self::Template => "text, in which {references} stand for values",
            Self::Span | Self::PositiveSpan => "a length of time such as \"30s\"",
            Self::Size | Self::PositiveSize => "a size such as \"512MiB\"",
            Self::Name => "a name",
            Self::EnvName => "a name of an environment variable",
            Self::Path => "a path inside the release",
            Self::Root => "a directory inside the release, or \"shared:DIR\"",
            Self::AbsolutePath => "an absolute path",
            Self::Pattern => "an ignore pattern",
            Self::UrlPath => "a path that begins with /",
            Self::Network | Self::ProxyNetwork => "a network such as \"10.0.0.0/8\"",
            Self::Schedule => "a cron expression such as \"0 3 * * *\"",
            Self::TimeZone => "a time zone such as \"Europe/Berlin\"",
            Self::Signal => "a signal such as \"TERM\"",
            Self::HostPattern => "a host name, or \"*.\" and one",
            Self::Address => "an address and port such as \"127.0.0.1:8080\"",
            Self::Target => "a URL, or a path",
            Self::Statuses => "a range such as \"200-404\"",
            Self::HeaderName => "a header's name",
            Self::HeaderValue => "a header's value",
            Self::User => "an account",
            Self::StoreAddress => "an address such as \"https://vault.example.org:8200\"",
            Self::Place => "a place in a store such as \"vault:shop/db#password\"",
            Self::Scheme => "a scheme such as \"https\"",
        }
    }

    /// All that is wrong with `text`: every reference in it can be wrong.
    #[must_use]
    pub fn misfits(self, text: &str) -> Vec<Misfit> {
        match self.check(text) {
            Ok(()) => vec![],
            Err(_) if self == Self::Template && !text.contains('\0') => templates(text).collect(),
            Err(misfit) => vec![misfit],
        }
    }

    /// Checks `text`.
    ///
    /// # Errors
    /// [`Misfit`], with what to write instead where that is known.
    pub fn check(self, text: &str) -> Result<(), Misfit> {
        if text.contains('\0') {
            return Err(misfit("bad-text", "text with a NUL character cannot be handed to a process"));
        }
        match self {
            Self::AnyOrEmpty => Ok(()),
            Self::Any | Self::Pattern if text.is_empty() => Err(misfit("empty", "this must not be empty")),
            Self::Any => Ok(()),
            Self::Pattern => pattern(text),
            Self::Template => templates(text).next().map_or(Ok(()), Err),
            Self::Span => text.parse::<Span>().map(drop).map_err(|message| misfit("bad-duration", message)),
            Self::PositiveSpan => match text.parse::<Span>() {
                Err(message) => Err(misfit("bad-duration", message)),
                Ok(Span::ZERO) => Err(misfit("bad-duration", "this length of time must not be zero")),
                Ok(_) => Ok(()),
            },
            Self::Size => text.parse::<Bytes>().map(drop).map_err(|message| misfit("bad-size", message)),
            Self::PositiveSize => match text.parse::<Bytes>() {
                Err(message) => Err(misfit("bad-size", message)),
                Ok(Bytes(0)) => Err(misfit("bad-size", "this size must not be zero")
                    .help("leave it out where there is no limit")),
                Ok(_) => Ok(()),
            },
            Self::Name => name(text),
            Self::EnvName => env_name(text),
            Self::Path => path(text),
            Self::Root => path(text.strip_prefix("shared:").unwrap_or(text)),
            Self::AbsolutePath if text.starts_with('/') => Ok(()),
            Self::AbsolutePath => Err(misfit("bad-path", format!("{text:?} is not an absolute path"))
                .help("write the whole path, beginning with /")),
            Self::UrlPath => url_path(text),
            Self::Network => network(text),
            Self::ProxyNetwork => proxy_network(text),
            Self::Schedule => schedule(text),
            Self::TimeZone => time_zone(text),
            Self::Signal => signal(text),
            Self::HostPattern => host(text),
            Self::Address => address(text),
            Self::Target => target(text),
            Self::Statuses => text.parse::<Statuses>().map(drop).map_err(|message| {
                misfit("bad-value", message)
                    .help("write a status such as 200, or a range such as \"200-404\"")
            }),
            Self::HeaderName => header_name(text),
            Self::HeaderValue => header_value(text),
            Self::User => user(text),
            Self::StoreAddress => store_address(text),
            Self::Place => place(text),
            Self::Scheme => scheme(text),
        }
    }
}

fn store_address(text: &str) -> Result<(), Misfit> {
    Address::parse(text).map(drop).map_err(|what| {
        misfit("bad-address", format!("{:?} {what}", crate::diag::masked(text)))
            .help("write it like \"https://vault.example.org:8200\"")
    })
}

fn place(text: &str) -> Result<(), Misfit> {
    Place::parse(text).map(drop).map_err(|(message, help)| misfit("bad-place", message).help(help))
}

fn templates(text: &str) -> impl Iterator<Item = Misfit> {
    Template::unknown(text).into_iter().map(|unknown| {
        let known = ["port", "replica", "release", "app", "environment", "shared"];
        let meant = suggest::nearest(&unknown.reference, known);
        Misfit {
            code: "unknown-reference",
            message: format!("{{{}}} stands for nothing", unknown.reference),
            help: Some(match meant {
                _ if unknown.reference.contains('|') => {
                    "|url, |json, |host and |schema may stand behind a reference".to_owned()
                }
                Some(meant) => format!("did you mean {{{meant}}}? {{{{{}}}}} is the text itself", unknown.reference),
                None => format!(
                    "use {{port}}, {{replica}}, {{release}}, {{app}}, {{environment}}, {{shared}}, {{settings.KEY}} \
                     or {{resources.NAME.FACT}}; {{{{{}}}}} is the text itself",
                    unknown.reference
                ),
            }),
            part: Some(format!("{{{}}}", unknown.reference)),
        }
    })
}

fn name(text: &str) -> Result<(), Misfit> {
    Name::new(text).map(drop).map_err(|refused| {
        let fault = misfit("bad-name", refused.to_string());
        match refused.suggestion {
            Some(suggestion) => fault.help(format!("such as {suggestion:?}")),
            None => fault,
        }
    })
}

/// What Windlass itself says in the environment variable `key` of every process, or of some: by these
/// it knows its processes again, so that nobody else may set them.
pub(crate) fn own_variable(key: &str) -> Option<&'static str> {
    match key {
        "WINDLASS_APP" => Some("the application's name"),
        "WINDLASS_ENVIRONMENT" => Some("the environment's name"),
        "WINDLASS_RELEASE" => Some("the release"),
        "WINDLASS_INSTANCE" => Some("the copy"),
        "WINDLASS_SHARED" => Some("the directory that releases share"),
        "WINDLASS_PROCESS" | "WINDLASS_PROBE" => Some("the process, to know it again"),
        "WINDLASS_SCHEMA_BEFORE" => Some("the schema before the job, for what undoes it"),
        "WINDLASS_PID" => Some("the worker, for `stop.quiet.idle`"),
        _ if key.starts_with("WINDLASS_KEEPER_") => Some("where its keeper is"),
        _ => None,
    }
}

fn env_name(text: &str) -> Result<(), Misfit> {
    if is_env_name(text) {
        return Ok(());
    }
    let mut made: String =
        text.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect();
    if made.starts_with(|c: char| c.is_ascii_digit()) {
        made.insert(0, '_');
    }
    let fault = misfit("bad-name", format!("{text:?} cannot be the name of an environment variable"));
    Err(if made.is_empty() {
        fault
    } else {
        fault.help(format!("use letters, digits and _, such as {made}"))
    })
}

fn path(text: &str) -> Result<(), Misfit> {
    if text.starts_with('/') {
        return Err(misfit(
            "bad-path",
            format!("{text:?} is an absolute path; it must lie inside the release"),
        )
        .help(format!(
            "write it relative to the folder of windlass.toml, such as {:?}",
            text.trim_matches('/')
        )));
    }
    if text.split('/').any(|part| part == "..") {
        return Err(misfit("bad-path", format!("{text:?} leads out of the release"))
            .help("paths may not contain \"..\""));
    }
    if text.is_empty() {
        return Err(misfit("bad-path", "this path is empty").help("\".\" is the release itself"));
    }
    Ok(())
}

/// A line of an ignore file, read as the one who looks for its files will.
fn pattern(text: &str) -> Result<(), Misfit> {
    let glob = text.trim_start_matches('!');
    globset::GlobBuilder::new(glob).backslash_escape(true).build().map(drop).map_err(|error| {
        misfit("bad-pattern", format!("{text:?} is not an ignore pattern: {}", error.kind()))
            .help("a character that stands for itself goes into brackets, such as [{]")
    })
}

fn url_path(text: &str) -> Result<(), Misfit> {
    if !text.starts_with('/') {
        return Err(misfit("bad-path", format!("{text:?} does not begin with /"))
            .help(format!("write {:?}", format!("/{text}"))));
    }
    if let Some(c) = text.chars().find(|c| c.is_whitespace() || c.is_control() || matches!(c, '#' | '*')) {
        return Err(misfit("bad-path", format!("{text:?} contains {c:?}, which a request's path cannot"))
            .help("a route's path is a prefix; write it without patterns"));
    }
    Ok(())
}

fn network(text: &str) -> Result<(), Misfit> {
    let wrong = || {
        misfit("bad-network", format!("{text:?} is not a network"))
            .help("write an address and the length of its prefix, such as \"10.0.0.0/8\" or \"::1/128\"")
    };
    let (address, length) = match text.split_once('/') {
        None => (text, None),
        Some((address, length)) => (address, Some(length.parse::<u32>().map_err(|_| wrong())?)),
    };
    let (bits, width) = match address.parse::<IpAddr>().map_err(|_| wrong())? {
        IpAddr::V4(address) => (u128::from(address.to_bits()) << 96, 32),
        IpAddr::V6(address) => (address.to_bits(), 128),
    };
    let length = length.unwrap_or(width);
    if length > width {
        return Err(wrong());
    }
    // Clients of IPv4 are called by their own addresses, however they came.
    let mapped = if length >= 96 && width == 128 {
        std::net::Ipv6Addr::from_bits(bits).to_ipv4_mapped()
    } else {
        None
    };
    if let Some(address) = mapped {
        return Err(misfit(
            "bad-network",
            format!("{text:?} is a network of IPv4 written as one of IPv6, and no client is in it"),
        )
        .help(format!("write \"{address}/{}\"", length - 96)));
    }
    let kept = if length == 0 { 0 } else { bits & (u128::MAX << (128 - length)) };
    if kept == bits {
        return Ok(());
    }
    let base = if width == 32 {
        // The upper 32 bits were shifted there above, so nothing is lost.
        #[allow(clippy::cast_possible_truncation)]
        IpAddr::from(std::net::Ipv4Addr::from_bits((kept >> 96) as u32))
    } else {
        IpAddr::from(std::net::Ipv6Addr::from_bits(kept))
    };
    Err(misfit("bad-network", format!("{text:?} has bits set beyond its prefix"))
        .help(format!("write \"{base}/{length}\"")))
}

fn proxy_network(text: &str) -> Result<(), Misfit> {
    network(text)?;
    if text.split_once('/').is_some_and(|(_, length)| length.parse() == Ok(0)) {
        return Err(misfit(
            "bad-network",
            format!("{text:?} trusts everybody, and whoever asks could be whoever they like"),
        )
        .help("name the networks of the proxies alone, such as \"10.0.0.0/8\""));
    }
    Ok(())
}

fn schedule(text: &str) -> Result<(), Misfit> {
    match Schedule::parse(text, jiff::tz::TimeZone::UTC) {
        Ok(schedule) if schedule.is_ever_due() => Ok(()),
        Ok(_) => Err(misfit("bad-schedule", format!("{text:?} is never due: no month of it has such a day"))
            .help("see the day of the month, the month and the day of the week")),
        Err(wrong) => Err(Misfit {
            part: wrong.part,
            ..misfit("bad-schedule", format!("{text:?} is not a cron expression: {}", wrong.reason))
                .help(wrong.help)
        }),
    }
}

fn time_zone(text: &str) -> Result<(), Misfit> {
    let zones = jiff::tz::TimeZoneDatabase::bundled();
    if zones.get(text).is_ok() {
        return Ok(());
    }
    let fault = misfit("bad-time-zone", format!("{text:?} is not a time zone"));
    let names: Vec<String> = zones.available().map(|name| name.to_string()).collect();
    let meant = suggest::nearest(text, names.iter().map(String::as_str)).or_else(|| {
        let place = text.rsplit('/').next().unwrap_or_default();
        names
            .iter()
            .map(String::as_str)
            .find(|name| name.rsplit('/').next().is_some_and(|last| last.eq_ignore_ascii_case(place)))
    });
    Err(match meant {
        Some(meant) => fault.help(format!("did you mean {meant:?}?")),
        None => fault.help("use an IANA name such as \"UTC\" or \"Europe/Berlin\""),
    })
}

fn signal(text: &str) -> Result<(), Misfit> {
    let bare = text.strip_prefix("SIG").unwrap_or(text);
    if SIGNALS.contains(&bare) {
        return Ok(());
    }
    let fault = misfit("bad-signal", format!("{text:?} is not a signal"));
    Err(match suggest::nearest(bare.trim_start_matches("sig"), SIGNALS) {
        Some(meant) => fault.help(format!("did you mean {meant:?}?")),
        None => fault.help(format!("use {}", or(&SIGNALS.map(str::to_owned)))),
    })
}

fn host(text: &str) -> Result<(), Misfit> {
    let bare = text.strip_prefix("*.").unwrap_or(text);
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_'))
    };
    if bare.len() <= 253 && bare.split('.').all(label) {
        return Ok(());
    }
    let fault = misfit("bad-host", format!("{text:?} is not a host name"));
    let stripped = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).unwrap_or(text);
    let stripped = stripped.split(['/', ':']).next().unwrap_or_default().to_ascii_lowercase();
    Err(if stripped != text && !stripped.is_empty() && stripped.split('.').all(label) {
        fault.help(format!("write {stripped:?}"))
    } else {
        fault.help("write it in lower case without scheme, port and path, such as \"example.org\" or \"*.example.org\"")
    })
}

fn address(text: &str) -> Result<(), Misfit> {
    if text.parse::<std::net::SocketAddr>().is_ok_and(|address| address.port() != 0) {
        return Ok(());
    }
    let fault = misfit("bad-address", format!("{text:?} is not an address to listen on"));
    let port = text.rsplit(':').next().unwrap_or_default();
    Err(match port.parse::<u16>() {
        Ok(1..) if text.starts_with("localhost:") => fault.help(format!("write \"127.0.0.1:{port}\"")),
        Ok(1..) => fault.help(format!(
            "write \"0.0.0.0:{port}\" for all of this machine's addresses, or \"127.0.0.1:{port}\""
        )),
        _ => fault.help("write an address and a port, such as \"0.0.0.0:80\" or \"[::]:80\""),
    })
}

fn target(text: &str) -> Result<(), Misfit> {
    let valid = text.starts_with("https://") || text.starts_with("http://") || text.starts_with('/');
    if valid && !text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Ok(());
    }
    Err(misfit("bad-target", format!("{text:?} is nowhere a redirect can lead"))
        .help("write a URL such as \"https://example.org\", or a path such as \"/new\""))
}

fn header_name(text: &str) -> Result<(), Misfit> {
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    if !text.is_empty() && text.bytes().all(token) {
        return match text.to_ascii_lowercase().as_str() {
            "connection" | "content-length" | "transfer-encoding" | "upgrade" | "keep-alive" | "te"
            | "trailer" => Err(misfit(
                "bad-header",
                format!("{text} belongs to the connection; the proxy sets it itself"),
            )),
            _ => Ok(()),
        };
    }
    Err(misfit("bad-header", format!("{text:?} is not a header's name")).help("use letters, digits and -"))
}

fn header_value(text: &str) -> Result<(), Misfit> {
    if text.chars().any(|c| c.is_control() && c != '\t') {
        return Err(misfit(
            "bad-header",
            "a header's value cannot contain line breaks or control characters",
        ));
    }
    Ok(())
}

fn scheme(text: &str) -> Result<(), Misfit> {
    let letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.');
    if text.starts_with(|c: char| c.is_ascii_lowercase()) && text.bytes().all(letter) {
        return Ok(());
    }
    let fault = misfit("bad-scheme", format!("{text:?} is not a scheme of URLs"));
    let bare = text.split(':').next().unwrap_or_default().to_lowercase();
    Err(match !bare.is_empty() && bare != text && scheme(&bare).is_ok() {
        true => fault.help(format!("write {bare:?}")),
        false => fault.help("write what stands before the colon, such as \"https\""),
    })
}

fn user(text: &str) -> Result<(), Misfit> {
    let valid = text.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_'));
    if valid && text.len() <= 32 {
        return Ok(());
    }
    Err(misfit("bad-user", format!("{text:?} is not the name of an account")))
}
