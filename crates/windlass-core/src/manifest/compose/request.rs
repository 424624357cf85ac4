//! A health check that is curl or wget asking the service itself: what of it a check by HTTP can say.

use crate::manifest::{Format, words};
use crate::units::Span;

use super::quantity::duration;

/// A GET request to a port of the machine itself.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) port: u16,
    pub(super) path: String,
    /// Its `Host` header.
    pub(super) host: Option<String>,
    /// How long the answer may take.
    pub(super) timeout: Option<Span>,
}

/// The options of a program: those that change nothing here, alone and with a value.
struct Options {
    alone: &'static str,
    alone_long: &'static [&'static str],
    with_value: &'static str,
    with_value_long: &'static [&'static str],
    /// How long it may take.
    timeout: (char, &'static str),
    /// A header. `-` where there is no short option.
    header: (char, &'static str),
}

const CURL: Options = Options {
    alone: "fsSLkqvigIN46",
    alone_long: &[
        "fail",
        "fail-with-body",
        "silent",
        "show-error",
        "location",
        "insecure",
        "no-progress-meter",
        "verbose",
        "include",
        "head",
        "globoff",
        "ipv4",
        "ipv6",
    ],
    with_value: "ow",
    with_value_long: &["output", "write-out", "noproxy"],
    timeout: ('m', "max-time"),
    header: ('H', "header"),
};

const WGET: Options = Options {
    alone: "qSv46",
    alone_long: &[
        "spider",
        "quiet",
        "no-verbose",
        "no-check-certificate",
        "server-response",
        "no-proxy",
        "verbose",
    ],
    with_value: "OoYt",
    with_value_long: &["output-document", "output-file", "tries"],
    timeout: ('T', "timeout"),
    header: ('-', "header"),
};

impl Request {
    /// The request that the words make; `None` where they do more than a check by HTTP can say, which is
    /// a command then.
    pub(super) fn of(argv: &[String]) -> Option<Self> {
        let words = match argv {
            [sh, option, line] if sh == "sh" && option == "-c" => of_line(line)?,
            _ => argv.to_vec(),
        };
        let (program, rest) = words.split_first()?;
        let options = match program.rsplit('/').next()? {
            "curl" => &CURL,
            "wget" => &WGET,
            _ => return None,
        };
        let mut request = Self { port: 0, path: String::new(), host: None, timeout: None };
        let mut url = None;
        let mut rest = rest.iter();
        while let Some(word) = rest.next() {
            if let Some(long) = word.strip_prefix("--") {
                let (name, value) = match long.split_once('=') {
                    Some((name, value)) => (name, Some(value)),
                    None => (long, None),
                };
                if options.alone_long.contains(&name) && value.is_none() {
                    continue;
                }
                let value = value.or_else(|| rest.next().map(String::as_str))?;
                if options.with_value_long.contains(&name) {
                    continue;
                }
                request.take(name == options.timeout.1, name == options.header.1, value)?;
            } else if word == "-nv" && program.ends_with("wget") {
                // Two letters, and one option.
            } else if let Some(cluster) = word.strip_prefix('-').filter(|cluster| !cluster.is_empty()) {
                let Some((at, option)) = cluster.char_indices().find(|(_, c)| !options.alone.contains(*c))
                else {
                    continue;
                };
                let attached = &cluster[at + option.len_utf8()..];
                let value = match attached {
                    "" => rest.next()?.as_str(),
                    attached => attached,
                };
                if options.with_value.contains(option) {
                    continue;
                }
                request.take(option == options.timeout.0, option == options.header.0, value)?;
            } else if url.replace(word).is_some() {
                return None;
            }
        }
        (request.port, request.path) = place(url?)?;
        Some(request)
    }

    /// Takes the value of an option, if it is one of these.
    fn take(&mut self, is_timeout: bool, is_header: bool, value: &str) -> Option<()> {
        if is_timeout {
            self.timeout = Some(duration(value).filter(|span| !span.is_zero())?);
        } else if is_header {
            let (name, host) = value.split_once(':')?;
            let host = host.trim();
            let is_pattern = !host.starts_with('*') && Format::HostPattern.check(host).is_ok();
            let is_usable = name.eq_ignore_ascii_case("host") && is_pattern;
            self.host = is_usable.then(|| host.to_owned());
            self.host.as_ref()?;
        } else {
            return None;
        }
        Some(())
    }
}

/// The words of a line for the shell, where it is one command that fails by failing.
fn of_line(line: &str) -> Option<Vec<String>> {
    let (command, otherwise) = line.split_once("||").unwrap_or((line, "exit 1"));
    let code = otherwise.trim().strip_prefix("exit").map(str::trim);
    let fails = otherwise.trim() == "false"
        || code.is_some_and(|code| code.is_empty() || code.parse::<u8>().is_ok_and(|code| code > 0));
    words::split(command.trim()).ok().filter(|_| fails)
}

/// The port and the path of a URL that leads to the machine itself.
fn place(url: &str) -> Option<(u16, String)> {
    let rest = url.strip_prefix("http://").unwrap_or(url);
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (host, asked) = match authority.rsplit_once(':').filter(|(_, port)| !port.ends_with(']')) {
        Some((host, port)) => (host, port.parse().ok()?),
        None => (authority, 80),
    };
    let here = matches!(host, "localhost" | "127.0.0.1" | "0.0.0.0" | "[::1]");
    let path = format!("/{path}");
    let plain = Format::UrlPath.check(&path).is_ok() && !path.contains('$');
    (here && plain).then_some((asked, path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> Option<String> {
        let argv = ["sh".to_owned(), "-c".to_owned(), line.to_owned()];
        Request::of(&argv).filter(|request| request.port == 8000).map(|request| {
            let timeout = request.timeout.map(|span| format!(" within {span}")).unwrap_or_default();
            format!("{}{}{timeout}", request.host.unwrap_or_default(), request.path)
        })
    }

    #[test]
    fn what_a_request_can_say_is_one() {
        for (line, request) in [
            ("curl -f http://localhost:8000/up", "/up"),
            ("curl -fsSo /dev/null localhost:8000 || exit 1", "/"),
            ("/usr/bin/curl --fail --max-time 3 http://127.0.0.1:8000/ || false", "/ within 3s"),
            ("curl -H 'Host: shop.example.org' -m2 -f http://[::1]:8000/up", "shop.example.org/up within 2s"),
            ("wget -nv -t1 --spider --header='host: a.example' http://localhost:8000/up", "a.example/up"),
            ("wget -qO- --timeout 5 http://localhost:8000/up || exit 1", "/up within 5s"),
        ] {
            assert_eq!(of(line).as_deref(), Some(request), "{line}");
        }
    }

    #[test]
    fn what_does_more_stays_a_command() {
        for line in [
            "curl -f http://localhost:9000/up",
            "curl -f https://localhost:8000/up",
            "curl -f http://db:8000/up",
            "curl -f http://localhost:8000/a http://localhost:8000/b",
            "curl -X POST http://localhost:8000/up",
            "curl -H 'X-Forwarded-Proto: https' http://localhost:8000/up",
            "curl -H 'Host: *.example.org' http://localhost:8000/up",
            "curl -s http://localhost:8000/up | grep ok",
            "curl -f http://localhost:8000/up || curl -f http://localhost:8000/",
            "curl -f http://localhost:8000/up || exit 0",
            "wget --post-data=a http://localhost:8000/up",
            "nc -z localhost 8000",
            "curl",
        ] {
            assert_eq!(of(line), None, "{line}");
        }
    }
}
