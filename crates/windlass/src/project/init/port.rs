//! At which port a program listens, by its sources.

use windlass_core::manifest::draft::Section;

use super::sketch::Sketch;

/// Where the proxy listens when nothing else is said.
pub(super) const PROXY: u16 = 8080;

/// Where it listens beside a program that insists on that.
pub(super) const BESIDE: u16 = 8081;

/// Names lead to names; few do so more often.
const DEEPEST: usize = 4;

/// What makes a number of a text.
const MAKERS: [&str; 5] = ["Number", "parseInt", "normalizePort", "as", "number"];

/// How a program comes by its port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Listens {
    /// It is told, by its environment or its command.
    Told,
    /// It insists on this one.
    At(u16),
    /// Nobody knows.
    Unknown,
}

impl Listens {
    /// Writes the port of a service. `variable` is how the program would read `$PORT`.
    pub(super) fn write(self, service: &mut Section, variable: &str) {
        match self {
            Self::Told => service.set("port", "\"auto\"").because("told by $PORT"),
            Self::At(port) => {
                service
                    .set("port", port.to_string())
                    .because(format!("\"auto\" once it listens on {variable}"));
                service.set("strategy", "\"recreate\"").because("old and new cannot share the port")
            }
            Self::Unknown => service.set("port", "\"auto\"").because(format!(
                "have it listen on {variable}, or write the number of its port here, and strategy = \"recreate\""
            )),
        };
    }

    /// What there is to do for a program that is not told.
    pub(super) fn note(self, sketch: &mut Sketch, variable: &str) {
        match self {
            Self::Told => {}
            Self::At(_) => sketch.note_of_services(format!(
                "the sources do not read {variable}: let the server listen on it, so that old and new can run side by side"
            )),
            Self::Unknown => sketch.note_of_services(format!(
                "the sources do not read {variable}, and at which port they listen was not found: let the server listen on it; or write \
                 the number as `port` of services.web, and strategy = \"recreate\""
            )),
        }
    }
}

/// How a program of JavaScript or TypeScript comes by its port: `server.listen(port)`, `serve({ port: 3000 })`.
pub(super) fn of_script(source: &str) -> Listens {
    if super::node::reads(source, "PORT")
        || ["env.PORT", "env?.PORT"].iter().any(|read| words(source, read).next().is_some())
        || ["\"PORT\"", "'PORT'"].iter().any(|name| source.contains(name))
    {
        return Listens::Told;
    }
    let calls = words(source, "listen").chain(words(source, "serve"));
    let port = calls.filter_map(|behind| {
        let argument = expression(behind.strip_prefix('(')?);
        match argument.strip_prefix('{') {
            Some(object) => defined("port", object, source, 0).or_else(|| {
                let is_short = words(object, "port").next().is_some();
                if is_short { defined("port", source, source, 0) } else { None }
            }),
            None => number(argument, source, 0),
        }
    });
    first(port)
}

/// How a program of Rust comes by its port: `bind("0.0.0.0:3000")`, `bind(("127.0.0.1", port))`.
pub(super) fn of_rust(source: &str) -> Listens {
    if source.contains("\"PORT\"") || source.contains("--port") {
        return Listens::Told;
    }
    const HOSTS: [&str; 12] = [
        "\"0.0.0.0",
        "\"127.0.0.1",
        "\"localhost",
        "\"[::]",
        "\"[::1]",
        "\"::",
        "[0, 0, 0, 0]",
        "[127, 0, 0, 1]",
        "[0,0,0,0]",
        "[127,0,0,1]",
        "LOCALHOST",
        "UNSPECIFIED",
    ];
    let mut places: Vec<usize> =
        HOSTS.iter().flat_map(|host| source.match_indices(host).map(|(at, host)| at + host.len())).collect();
    // A line that listens says more than one that may be of somebody else's address.
    let listens = |at: usize| {
        let line = source[..at].rsplit('\n').next().unwrap_or_default();
        ["bind", "run(", "listen", "serve", "SocketAddr"].iter().any(|word| line.contains(word))
    };
    places.sort_by_key(|at| (!listens(*at), *at));
    let ports = places.into_iter().filter(|at| !is_remark(source, *at)).filter_map(|at| {
        let behind = source[at..].trim_start_matches(['"', ' ', '\n', ')']);
        let behind = behind.strip_prefix(".into()").unwrap_or(behind);
        let port = behind.strip_prefix([':', ','])?.trim_start().trim_start_matches('{');
        let named = !port.starts_with('}');
        number(expression(port), source, 0).filter(|_| named)
    });
    first(ports)
}

fn first(mut ports: impl Iterator<Item = u16>) -> Listens {
    ports.next().map_or(Listens::Unknown, Listens::At)
}

/// What stands behind each `word` of the code.
fn words<'s>(source: &'s str, word: &str) -> impl Iterator<Item = &'s str> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
    source.match_indices(word).filter_map(move |(at, word)| {
        let behind = &source[at + word.len()..];
        let is_word = !source[..at].ends_with(is_part) && !behind.starts_with(is_part);
        (is_word && !is_remark(source, at)).then_some(behind)
    })
}

/// Whether what stands here is no code.
fn is_remark(source: &str, at: usize) -> bool {
    let line = source[..at].rsplit('\n').next().unwrap_or_default().trim_start();
    line.starts_with("//") || line.starts_with('*') || line.starts_with("/*")
}

/// The text up to the end of the expression that it begins with.
fn expression(text: &str) -> &str {
    let text = text.trim_start();
    let mut depth = 0_usize;
    for (at, c) in text.char_indices() {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' if depth == 0 => return &text[..at],
            ')' | ']' | '}' => depth -= 1,
            ',' | ';' | '\n' if depth == 0 && at > 0 => return &text[..at],
            _ => {}
        }
    }
    text
}

/// The number that a name was given in `part`, which may be by way of another name of `source`.
fn defined(name: &str, part: &str, source: &str, depth: usize) -> Option<u16> {
    words(part, name).find_map(|behind| {
        let behind = behind.trim_start();
        let value = match behind.strip_prefix(':') {
            // A type, and then the value; or else the value itself.
            Some(rest) => match expression(rest).split_once('=') {
                Some((_, value)) => value,
                None => rest,
            },
            None => behind.strip_prefix('=')?,
        };
        if value.starts_with(['=', '>']) {
            return None;
        }
        number(expression(value), source, depth + 1)
    })
}

/// The port that an expression stands for: a number, one that stands in for a variable that is not set, or a name's.
fn number(expression: &str, source: &str, depth: usize) -> Option<u16> {
    // One of two, and who knows which.
    if depth > DEEPEST || expression.contains(" ? ") {
        return None;
    }
    // That is the base of a number.
    let expression = expression.replace(", 10)", ")");
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '-');
    let parts = expression.split(|c: char| !is_part(c)).filter(|part| !part.is_empty());
    let of_part = |part: &str| part.trim_end_matches("_u16").trim_end_matches("u16").parse::<u16>().ok();
    if let Some(port) = parts.clone().find_map(of_part) {
        return Some(port).filter(|port| *port > 0);
    }
    let mut parts = parts.filter(|part| !MAKERS.contains(part));
    let (Some(name), None) = (parts.next(), parts.next()) else { return None };
    let name = name.rsplit('.').next().unwrap_or(name);
    if name.is_empty() { None } else { defined(name, source, source, depth) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Listens::{At, Told, Unknown};

    #[test]
    fn the_port_of_a_script_is_found_where_it_is_written() {
        for (source, expected) in [
            ("const port = 3000;\nserver.listen(port, hostname, () => {});", At(3000)),
            ("const port = 3000\napp.listen(port, () => {})", At(3000)),
            ("var PORT = 8080;\napp.listen(PORT);", At(8080)),
            ("const port: number = 4000;\napp.listen(port)", At(4000)),
            ("app.listen(\n  3000,\n)", At(3000)),
            ("fastify.listen({ port: 3000, host: '0.0.0.0' })", At(3000)),
            ("const port = 5000;\nfastify.listen({ port }, cb)", At(5000)),
            ("serve({ fetch: app.fetch, port: 3100 })", At(3100)),
            ("const config = { port: 7000 };\napp.listen(config.port)", At(7000)),
            ("const port = parseInt(process.env.APP_PORT || '3000', 10);\napp.listen(port)", At(3000)),
            ("const A = 3001; const port = A;\napp.listen(port)", At(3001)),
            ("if (port === 9) {}\nconst port = 3000;\napp.listen(port)", At(3000)),
            ("// app.listen(1)\napp.listen(2000)", At(2000)),
            ("const port = process.env.PORT || 3000;\napp.listen(port)", Told),
            ("const { PORT } = process.env;\napp.listen(PORT)", Told),
            ("app.listen(env.int('PORT', 1337))", Told),
            ("import { PORT } from './config';\nexport const PORT = 3000;\napp.listen(PORT)", At(3000)),
            ("const port = process.env.APP_PORT || \"3000\";\napp.listen(Number(port))", At(3000)),
            ("const p = '3000'; app.listen(parseInt(p, 10))", At(3000)),
            ("const port = process.env.PORTAL ? 1 : 2;\napp.listen(port)", Unknown),
            ("app.listen('/run/app.sock')", Unknown),
            ("const a = b;\nconst b = a;\napp.listen(a)", Unknown),
            ("element.addEventListener('x', 3000); listener(3000)", Unknown),
            ("app.listen(", Unknown),
        ] {
            assert_eq!(of_script(source), expected, "{source}");
        }
    }

    #[test]
    fn the_port_of_a_program_of_rust_is_found_where_it_is_written() {
        for (source, expected) in [
            ("HttpServer::new(f).bind((\"127.0.0.1\", 8080))?", At(8080)),
            ("TcpListener::bind(\"0.0.0.0:3000\").await", At(3000)),
            ("warp::serve(routes).run(([127, 0, 0, 1], 3030)).await", At(3030)),
            ("const PORT: u16 = 4000;\nserver.bind((\"0.0.0.0\", PORT))", At(4000)),
            ("let port = 3000;\nTcpListener::bind(format!(\"127.0.0.1:{port}\"))", At(3000)),
            ("let a = SocketAddr::from((Ipv4Addr::LOCALHOST, 5000_u16));", At(5000)),
            ("Client::open(\"127.0.0.1:6379\");\nx.bind(\"[::]:9000\")", At(9000)),
            ("bind((\"127.0.0.1\", env::var(\"PORT\")))", Told),
            ("bind(format!(\"127.0.0.1:{}\", port))", Unknown),
            ("fn main() {}", Unknown),
            ("bind(\"0.0.0.0:0\")", Unknown),
        ] {
            assert_eq!(of_rust(source), expected, "{source}");
        }
    }
}
