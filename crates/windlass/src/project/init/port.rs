//! At which port a program listens, by its sources.

mod code;

use windlass_core::manifest::draft::Section;

use super::sketch::Sketch;
use code::{Code, expression};

/// Where the proxy listens when nothing else is said.
pub(super) const PROXY: u16 = 8080;

/// Where it listens beside a program that insists on that.
pub(super) const BESIDE: u16 = 8081;

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

/// How a program of JavaScript or TypeScript comes by its port: `server.listen(port)`, `serve({ port: 3000 })`. What is
/// `started` says more than the `others`.
pub(super) fn of_script(started: &[String], others: &[String]) -> Listens {
    let reads_it = |source: &String| {
        let code = Code::of_script(source);
        super::node::reads(source, "PORT")
            || ["env.PORT", "env?.PORT"].iter().any(|read| code.has(read))
            || ["\"PORT\"", "'PORT'"].iter().any(|name| source.contains(name))
    };
    if started.iter().chain(others).any(reads_it) {
        return Listens::Told;
    }
    let found = |sources: &[String]| agreed(sources.iter().flat_map(|source| in_script(source)));
    found(started).or_else(|| found(others)).unwrap_or(Listens::Unknown)
}

/// Where a file of scripts listens; `None` for each place that is not known.
fn in_script(source: &str) -> Vec<Option<u16>> {
    let mut code = Code::of_script(source);
    let mut found = Vec::new();
    for (_, argument) in code.calls("listen") {
        // Of a function, a socket's path, or of nothing at all.
        if argument.is_empty() || argument.starts_with(['(', '"', '\'', '`']) || argument.contains("=>") {
            continue;
        }
        found.push(match argument.strip_prefix('{') {
            Some(object) => code.property(object, "port"),
            None => of_options(&mut code, &argument),
        });
    }
    for (_, argument) in code.calls("serve") {
        if let Some(object) = argument.strip_prefix('{') {
            found.push(code.property(object, "port"));
        }
    }
    found
}

/// A port, or the name of an object that has it.
fn of_options(code: &mut Code, argument: &str) -> Option<u16> {
    let is_name = argument.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '$');
    if !is_name || argument.starts_with(|c: char| c.is_ascii_digit()) {
        return code.number(argument);
    }
    let value = code.declared(argument)?;
    match value.strip_prefix('{') {
        Some(object) => code.property(object, "port"),
        None => code.number(&value),
    }
}

/// How a program of Rust comes by its port: `bind("0.0.0.0:3000")`, `bind(("127.0.0.1", port))`.
pub(super) fn of_rust(sources: &[String]) -> Listens {
    if sources.iter().any(|source| source.contains("\"PORT\"") || source.contains("--port")) {
        return Listens::Told;
    }
    agreed(sources.iter().flat_map(|source| in_rust(source))).unwrap_or(Listens::Unknown)
}

/// Where a file of Rust listens; `None` for each place that is not known.
fn in_rust(source: &str) -> Vec<Option<u16>> {
    let mut code = Code::of_rust(source);
    let mut found = Vec::new();
    for call in ["bind", "try_bind", "run", "listen"] {
        for (before, argument) in code.calls(call) {
            if before.contains("Udp") || before.contains("Unix") {
                continue;
            }
            let name = argument.trim_start_matches('&');
            let is_name = name.chars().all(|c| c.is_alphanumeric() || c == '_');
            let address = if is_name { code.declared(name) } else { Some(argument) };
            match address.as_deref().and_then(behind_host) {
                Some(port) => found.push(code.number(port)),
                // Values of queries are bound as well.
                None if before.ends_with("TcpListener::") => found.push(None),
                None => {}
            }
        }
    }
    found
}

/// What an address has for its port: `"0.0.0.0:3000"`, `("127.0.0.1", port)`, `([0, 0, 0, 0], PORT)`.
fn behind_host(address: &str) -> Option<&str> {
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
    let at = HOSTS.iter().find_map(|host| Some(address.find(host)? + host.len()))?;
    let behind = address[at..].trim_start_matches(['"', ' ', '\n', ')']);
    let behind = behind.strip_prefix(".into()").unwrap_or(behind);
    let port = behind.strip_prefix([':', ','])?.trim_start();
    let port = port.strip_prefix('{').unwrap_or(port);
    Some(expression(port).split('"').next().unwrap_or_default())
}

/// What is known of where a program listens: `None` where it does nowhere. Port 0 is any, such as tests take.
fn agreed(mut places: impl Iterator<Item = Option<u16>>) -> Option<Listens> {
    let mut places = places.by_ref().filter(|port| *port != Some(0));
    let first = places.next()?;
    let agree = places.all(|port| port == first);
    Some(first.filter(|_| agree).map_or(Listens::Unknown, Listens::At))
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
            ("let port = 3000;\nport = settings.port;\napp.listen(port)", Unknown),
            ("let port = 3000;\nport++;\napp.listen(port)", Unknown),
            (
                "new Pool({ port: 5432 }); const { port } = require('./settings.json'); app.listen(port)",
                Unknown,
            ),
            ("const redis = { host: 'r', port: 6379 };\napp.listen(settings.port)", Unknown),
            ("const opts = { backlog: 511, port: cfg.port };\napp.listen(opts)", Unknown),
            ("const opts = { backlog: 511, port: 3000 };\napp.listen(opts)", At(3000)),
            ("const opts = { port: 3000, ...more };\napp.listen(opts)", Unknown),
            ("app.listen({ backlog: 511, port: cfg.port })", Unknown),
            ("app.listen(cfg.port || 3000)", Unknown),
            ("app.listen(isDev?3000:4000)", Unknown),
            ("/*\n app.listen(9)\n*/", Unknown),
            ("const url = 'http://a'; app.listen(3000)", At(3000)),
            ("app.listen(3000); metrics.listen(9090)", Unknown),
            ("app.use(serve('public')); app.listen(3000)", At(3000)),
            ("const port = process.env.PORTAL ? 1 : 2;\napp.listen(port)", Unknown),
            ("app.listen('/run/app.sock')", Unknown),
            ("const a = b;\nconst b = a;\napp.listen(a)", Unknown),
            ("element.addEventListener('x', 3000); listener(3000)", Unknown),
            ("app.listen(", Unknown),
        ] {
            assert_eq!(of_script(&[], &[source.to_owned()]), expected, "{source}");
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
            ("let a = SocketAddr::from((Ipv4Addr::LOCALHOST, 5000_u16));\nServer::bind(&a)", At(5000)),
            ("let a: SocketAddr = \"0.0.0.0:3000\".parse()?;\nTcpListener::bind(a).await?", At(3000)),
            ("Client::connect(\"127.0.0.1:6379\");\nTcpListener::bind(settings.address)", Unknown),
            ("UdpSocket::bind(\"0.0.0.0:5353\")", Unknown),
            ("query(\"select 1\").bind(id);\nTcpListener::bind(\"0.0.0.0:3000\")", At(3000)),
            ("// bind(\"0.0.0.0:1\")\n/* bind(\"0.0.0.0:2\") */", Unknown),
            ("Client::open(\"127.0.0.1:6379\");\nx.bind(\"[::]:9000\")", At(9000)),
            ("bind((\"127.0.0.1\", env::var(\"PORT\")))", Told),
            ("bind(format!(\"127.0.0.1:{}\", port))", Unknown),
            ("fn main() {}", Unknown),
            ("bind(\"0.0.0.0:0\")", Unknown),
        ] {
            assert_eq!(of_rust(&[source.to_owned()]), expected, "{source}");
        }
    }

    #[test]
    fn a_name_is_looked_for_in_its_own_file_and_what_is_started_says_more() {
        let own = |source: &str| vec![source.to_owned()];
        let classes = "class C { constructor(options) { this.port = options.port; } }\n".repeat(30);
        for (started, others, expected) in [
            ("app.listen(options.port)", classes.as_str(), Unknown),
            ("app.listen(port)", "const port = 5432;", Unknown),
            ("app.listen(3000)", "mock.listen(4000)", At(3000)),
            ("require('./app')", "app.listen(3000)", At(3000)),
            ("require('./app')", "app.listen(env.PORT)", Told),
        ] {
            assert_eq!(of_script(&own(started), &own(others)), expected, "{started} {others}");
        }
    }

    #[test]
    fn no_name_is_looked_for_twice() {
        let mut code = Code::of_script("const a = 1;");
        assert_eq!(code.declared("a").as_deref(), Some("1"));
        assert_eq!(code.declared("a"), None);
        // Nor are many: a generated file has thousands.
        for name in 0..100 {
            code.declared(&format!("n{name}"));
        }
        let mut many: String = (0..100).map(|name| format!("const n{name} = n{};\n", name + 1)).collect();
        many.push_str("const n100 = 3000;\napp.listen(n0)");
        assert_eq!(of_script(&[], &[many]), Unknown);
    }
}
