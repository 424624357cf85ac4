//! A Redis that is somebody else's, spoken to with TLS, whose user changes its own password.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use windlass::resource::{Deed, Exchange, Fault};
use windlass_core::settings::Secret;
use windlass_core::spec::Engine;
use windlass_testkit::ports::free_port;
use windlass_testkit::watchdog::watch_over;

/// Ends with its test.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _gone = self.0.wait();
    }
}

/// The certificate and key of `localhost`, and its authority's certificate, as files.
fn certify(directory: &Path) {
    let mut authority = CertificateParams::new(vec![]).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let names = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = names.signed_by(&key, &authority).unwrap();
    for (name, text) in
        [("ca.pem", authority.pem()), ("cert.pem", certificate.pem()), ("key.pem", key.serialize_pem())]
    {
        std::fs::write(directory.join(name), text).unwrap();
    }
}

fn exchange(from: &str, to: &str) -> Exchange {
    Exchange {
        engine: Engine::Redis,
        setting: "CACHE_URL".to_owned(),
        admin: None,
        user: String::new(),
        old: Secret::new(from),
        new: Secret::new(to),
        timeout: Duration::from_secs(20),
    }
}

// proves: HS-19
#[test]
fn a_user_of_an_encrypted_redis_changes_its_own_password() {
    let directory = tempfile::tempdir().unwrap();
    watch_over(directory.path());
    certify(directory.path());
    let port = free_port();
    let mut command = Command::new("redis-server");
    command.args(["--port", "0", "--tls-port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""]);
    command.args([
        "--tls-cert-file",
        "cert.pem",
        "--tls-key-file",
        "key.pem",
        "--tls-ca-cert-file",
        "ca.pem",
    ]);
    command.args(["--tls-auth-clients", "no", "--requirepass", "Zk31-blau"]).current_dir(directory.path());
    let _server = Server(command.stdout(Stdio::null()).spawn().unwrap());
    let authority = directory.path().join("ca.pem");
    let url = |password: &str| {
        format!("rediss://:{password}@localhost:{port}/0?ssl_ca_certs={}", authority.display())
    };
    let (old, new) = (url("Zk31-blau"), url("Vq3n-rot"));
    let forth = exchange(&old, &new);
    let deadline = Instant::now() + Duration::from_secs(90);
    while let Err(why) = forth.perform(Deed::Rehearse) {
        assert!(Instant::now() < deadline, "{why}");
        std::thread::sleep(Duration::from_millis(20));
    }
    let message = |result: Result<String, Fault>| result.unwrap_err().to_string();
    let refused = message(forth.perform(Deed::Verify));
    assert!(refused.contains("does not sign in to Redis") && refused.contains("WRONGPASS"), "{refused}");
    // Each is done twice, as after a crash.
    for _ in 0..2 {
        let told = forth.perform(Deed::Create).unwrap();
        assert!(
            told.starts_with("Redis forgets this when it is started again: it was started with"),
            "{told}"
        );
    }
    assert_eq!(forth.perform(Deed::Verify).unwrap(), "");
    // Back again, and forth.
    let back = exchange(&new, &old);
    for _ in 0..2 {
        back.perform(Deed::Revoke).unwrap();
        assert!(message(forth.perform(Deed::Verify)).contains("WRONGPASS"));
    }
    forth.perform(Deed::Create).unwrap();
    for _ in 0..2 {
        forth.perform(Deed::Revoke).unwrap();
        assert_eq!(forth.perform(Deed::Verify).unwrap(), "");
        assert!(message(back.perform(Deed::Verify)).contains("WRONGPASS"));
    }
    let [old, new] = [&old, &new].map(|url| url.split('?').next().unwrap());
    let refused = message(exchange(old, new).perform(Deed::Rehearse));
    assert!(refused.contains("UnknownIssuer") && !refused.contains("Zk31-blau"), "{refused}");
}
