//! Vault: tokens, AppRole, namespaces, both versions of the key-value engine.

use crate::kit::{ask, ask_in, fault, told, values};
use crate::server::{Reply, Seen, Server};

pub(crate) const TOKEN: &str = "tok-8b1f3c9d";

/// A Vault that knows one token and one role, and holds one secret in each version of the engine.
pub(crate) fn answer(seen: &Seen) -> Reply {
    let errors = |status, text: &str| Reply::Say(status, format!(r#"{{"errors":["{text}"]}}"#));
    if seen.header("x-vault-request") != "true" {
        return errors(412, "missing X-Vault-Request");
    }
    if seen.line() == "POST /v1/auth/approle/login" {
        let body: serde_json::Value = serde_json::from_str(&seen.body).unwrap();
        let right = body == serde_json::json!({ "role_id": "role-77aa", "secret_id": "sec-5d7e1a2b" });
        return if right && seen.header("content-type") == "application/json" {
            Reply::Say(200, format!(r#"{{"auth":{{"client_token":"{TOKEN}","lease_duration":60}}}}"#))
        } else {
            errors(400, "invalid role or secret ID")
        };
    }
    if seen.header("x-vault-token") != TOKEN {
        return errors(403, "permission denied");
    }
    let place = format!("{}{}", seen.header("x-vault-namespace"), seen.target);
    match place.as_str() {
        "/v1/secret/data/shop/db" => Reply::Say(200, secret("hunter2-value")),
        "/v1/secret/data/shop/db?version=1" => Reply::Say(200, secret("older")),
        "/v1/secret/data/a%20b/%C3%A9%3F" => Reply::Say(200, secret("escaped")),
        "team/v1/kv/shop" => Reply::Say(200, r#"{"data":{"password":"first engine","port":5432}}"#.into()),
        "/v1/secret/data/no/engine" => errors(404, "no handler for route"),
        // An engine of version 2 that is asked as if it were of version 1.
        "/v1/secret/data/other/engine" => Reply::Say(
            404,
            r#"{"data":null,"warnings":["Invalid path for a versioned K/V secrets engine."]}"#.into(),
        ),
        "/v1/secret/data/deleted" => {
            Reply::Say(404, r#"{"data":{"data":null,"metadata":{"destroyed":false,"version":2}}}"#.into())
        }
        "/v1/secret/data/a/page" => Reply::Say(404, "<html>".into()),
        _ => Reply::Say(404, r#"{"errors":[]}"#.into()),
    }
}

#[test]
fn only_what_vault_says_is_not_there_may_have_a_default() {
    let server = Server::start(answer);
    for (path, absent) in [
        ("nothing", true),
        ("deleted", true),
        ("no/engine", false),
        ("other/engine", false),
        ("a/page", false),
    ] {
        let fetched = ask(&store(&server), &[&format!("vault:{path}#x")], &[("VAULT_TOKEN", TOKEN)]);
        assert_eq!(fault(&fetched).absent, absent, "{path}: {fetched:?}");
    }
}

fn secret(password: &str) -> String {
    format!(r#"{{"data":{{"data":{{"user":"ada","password":"{password}"}},"metadata":{{"version":2}}}}}}"#)
}

pub(crate) fn store(server: &Server) -> String {
    format!("[stores.vault]\nkind = \"vault\"\naddress = \"http://127.0.0.1:{}\"\n", server.port)
}

// proves: DC-10
#[test]
fn a_path_is_asked_once_for_all_its_fields() {
    let server = Server::start(answer);
    let places = [
        "vault:shop/db#password",
        "vault:shop/db#user",
        "vault:shop/db?version=1#password",
        "vault:a b/é?#password",
    ];
    let fetched = ask(&store(&server), &places, &[("VAULT_TOKEN", TOKEN)]);
    let mut found = values(&fetched);
    found.sort();
    assert_eq!(
        found,
        [
            "vault:a b/é?#password=escaped",
            "vault:shop/db#password=hunter2-value",
            "vault:shop/db#user=ada",
            "vault:shop/db?version=1#password=older",
        ]
    );
    let mut asked: Vec<String> = server.seen().iter().map(Seen::line).collect();
    asked.sort();
    assert_eq!(
        asked,
        [
            "GET /v1/secret/data/a%20b/%C3%A9%3F",
            "GET /v1/secret/data/shop/db",
            "GET /v1/secret/data/shop/db?version=1",
        ]
    );
}

#[test]
fn a_role_logs_in_once_and_reads_the_first_engine_in_a_namespace() {
    let server = Server::start(answer);
    let declared = format!("{}namespace = \"team\"\nmount = \"/kv/\"\nversion = 1\n", store(&server));
    let role = [("VAULT_ROLE_ID", "role-77aa"), ("VAULT_SECRET_ID", "sec-5d7e1a2b")];
    let fetched = ask(&declared, &["vault:shop#password", "vault:shop#port"], &role);
    assert_eq!(values(&fetched), ["vault:shop#password=first engine", "vault:shop#port=5432"]);
    let asked: Vec<String> = server.seen().iter().map(Seen::line).collect();
    let expected = ["POST /v1/auth/approle/login", "GET /v1/kv/shop", "POST /v1/auth/token/revoke-self"];
    assert_eq!(asked, expected, "the token that was made for it is given back");
}

#[test]
fn the_surroundings_say_what_the_manifest_does_not() {
    let server = Server::start(answer);
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join(".vault-token"), format!("{TOKEN}\n")).unwrap();
    let address = format!("http://127.0.0.1:{}/", server.port);
    let env = [("VAULT_ADDR", address.as_str()), ("HOME", home.path().to_str().unwrap())];
    let fetched = ask_in(home.path(), "[stores.vault]\nkind = \"vault\"\n", &["vault:shop/db#user"], &env);
    assert_eq!(values(&fetched), ["vault:shop/db#user=ada"]);
}

#[test]
fn what_vault_refuses_is_told_with_what_to_do() {
    let server = Server::start(answer);
    let vault = store(&server);
    let role = |secret| [("VAULT_ROLE_ID", "role-77aa"), ("VAULT_SECRET_ID", secret)];
    for (declared, place, env, expected) in [
        (
            &vault,
            "vault:shop/db#password",
            vec![("VAULT_TOKEN", "wrong")],
            "the store vault refuses to show secret/shop/db (HTTP 403); the token is wrong or has expired, or its \
             policy does not allow read there",
        ),
        (
            &vault,
            "vault:shop/dbb#password",
            vec![("VAULT_TOKEN", TOKEN)],
            "the store vault has nothing at secret/shop/dbb; is it there, not deleted, and is the engine mounted \
             at `mount` (secret) of version 2?",
        ),
        (
            &vault,
            "vault:shop/db#pasword",
            vec![("VAULT_TOKEN", TOKEN)],
            "the store vault holds at shop/db no field \"pasword\"; there is user, password",
        ),
        (
            &vault,
            "vault:shop/db#password",
            vec![],
            "the store vault cannot be asked: there is no token for it; set VAULT_TOKEN, run vault login, or set \
             VAULT_ROLE_ID and VAULT_SECRET_ID",
        ),
        (
            &vault,
            "vault:shop/db#password",
            vec![("VAULT_TOKEN", "tok-8b1f3c9d\nx")],
            "the store vault cannot be given the token: it holds a line break or another control character; set \
             it again, without what does not belong to it",
        ),
        (
            &vault,
            "vault:shop/db#password",
            role("sec-wrong").to_vec(),
            "the store vault refuses the role's id or its secret id (HTTP 400); make a new secret id, and set \
             VAULT_ROLE_ID and VAULT_SECRET_ID",
        ),
        (
            &format!("{vault}auth = \"approle\"\n"),
            "vault:shop/db#password",
            vec![("VAULT_TOKEN", TOKEN)],
            "the store vault cannot be logged in to: VAULT_ROLE_ID is not set; set VAULT_ROLE_ID and \
             VAULT_SECRET_ID",
        ),
        (
            &"[stores.vault]\nkind = \"vault\"\n".to_owned(),
            "vault:shop/db#password",
            vec![("VAULT_TOKEN", TOKEN)],
            "the store vault cannot be asked: nothing says where it is; write address = \"https://...\" into its \
             table of the manifest, or set VAULT_ADDR",
        ),
        (
            &"[stores.vault]\nkind = \"vault\"\n".to_owned(),
            "vault:shop/db#password",
            vec![("VAULT_TOKEN", TOKEN), ("VAULT_ADDR", "http://vault.example:8200")],
            "the store vault would be asked at http://vault.example:8200 without encryption, for all on the way \
             to read; use https://; where the way there is safe by other means, add insecure = true to its table",
        ),
    ] {
        assert_eq!(told(&ask(declared, &[place], &env), server.port), expected);
    }
}
