//! Azure Key Vault: an application's secret, an app's identity.

use crate::kit::{ask, fault, told, values};
use crate::server::{Reply, Seen, Server};

const TOKEN: &str = "tok-8b1f3c9d";

/// Azure: tokens for whoever proves who they are, and secrets for tokens.
fn answer(seen: &Seen) -> Reply {
    let token = || {
        Reply::Say(200, format!(r#"{{"token_type":"Bearer","expires_in":3599,"access_token":"{TOKEN}"}}"#))
    };
    let error = |status, code: &str| {
        Reply::Say(status, format!(r#"{{"error":{{"code":"{code}","message":"{TOKEN}"}}}}"#))
    };
    match seen.line().as_str() {
        "POST /tenant-1/oauth2/v2.0/token" => {
            let right = seen.header("content-type") == "application/x-www-form-urlencoded"
                && seen.form("grant_type") == "client_credentials"
                && seen.form("client_id") == "client-1"
                && seen.form("client_secret") == "sec-5d7e1a2b+/&="
                && seen.form("scope") == "https://vault.azure.net/.default";
            if right {
                token()
            } else {
                Reply::Say(401, format!(r#"{{"error":"invalid_client","x":"{TOKEN}"}}"#))
            }
        }
        "GET /identity?api-version=2019-08-01&resource=https%3A%2F%2Fvault.azure.net&client_id=client-1"
            if seen.header("x-identity-header") == "sec-5d7e1a2b" =>
        {
            token()
        }
        "GET /identity?api-version=2019-08-01&resource=https%3A%2F%2Fvault.azure.net&client_id=client-1" => {
            error(400, "x")
        }
        _ if seen.header("authorization") != format!("Bearer {TOKEN}") => error(401, "Unauthorized"),
        "GET /secrets/db-password?api-version=7.4" => {
            Reply::Say(200, r#"{"value":"hunter2-value","id":"x"}"#.into())
        }
        "GET /secrets/db-password/0123abcd?api-version=7.4" => Reply::Say(200, r#"{"value":"older"}"#.into()),
        "GET /secrets/disabled?api-version=7.4" => error(403, "Forbidden"),
        "GET /secrets/strange?api-version=7.4" => Reply::Say(200, r#"{"hunter2-value":1}"#.into()),
        "GET /secrets/elsewhere?api-version=7.4" => error(404, "VaultNotFound"),
        "GET /secrets/page?api-version=7.4" => Reply::Say(404, "<html>".into()),
        _ => error(404, "SecretNotFound"),
    }
}

fn store(server: &Server) -> String {
    format!("[stores.azure]\nkind = \"azure\"\naddress = \"http://127.0.0.1:{}\"\n", server.port)
}

#[test]
fn an_application_proves_itself_by_its_secret() {
    let server = Server::start(answer);
    let here = format!("http://127.0.0.1:{}/", server.port);
    let env = [
        ("AZURE_AUTHORITY_HOST", here.as_str()),
        ("AZURE_TENANT_ID", "tenant-1"),
        ("AZURE_CLIENT_ID", "client-1"),
        ("AZURE_CLIENT_SECRET", "sec-5d7e1a2b+/&="),
    ];
    let fetched = ask(&store(&server), &["azure:db-password", "azure:db-password?version=0123abcd"], &env);
    assert_eq!(
        values(&fetched),
        ["azure:db-password=hunter2-value", "azure:db-password?version=0123abcd=older"]
    );
    assert_eq!(server.seen().len(), 3);
}

#[test]
fn an_app_asks_the_service_of_its_identity() {
    let server = Server::start(answer);
    let identity = format!("http://127.0.0.1:{}/identity", server.port);
    let env = [
        ("IDENTITY_ENDPOINT", identity.as_str()),
        ("IDENTITY_HEADER", "sec-5d7e1a2b"),
        ("AZURE_CLIENT_ID", "client-1"),
    ];
    assert_eq!(
        values(&ask(&store(&server), &["azure:db-password"], &env)),
        ["azure:db-password=hunter2-value"]
    );
}

#[test]
fn what_azure_refuses_is_told_with_what_to_do() {
    let server = Server::start(answer);
    let azure = store(&server);
    let here = format!("http://127.0.0.1:{}/", server.port);
    let identity = format!("{here}identity");
    let account = |secret| {
        vec![
            ("AZURE_AUTHORITY_HOST", here.as_str()),
            ("AZURE_TENANT_ID", "tenant-1"),
            ("AZURE_CLIENT_ID", "client-1"),
            ("AZURE_CLIENT_SECRET", secret),
        ]
    };
    let right = account("sec-5d7e1a2b+/&=");
    for (path, absent) in [("nothing", true), ("elsewhere", false), ("page", false)] {
        let fetched = ask(&azure, &[&format!("azure:{path}")], &right);
        assert_eq!(fault(&fetched).absent, absent, "{path}: {fetched:?}");
    }
    for (place, env, expected) in [
        ("azure:nothing", &right, "the store azure has nothing at nothing; is it there, and not deleted?"),
        (
            "azure:disabled",
            &right,
            "the store azure refuses to show disabled (HTTP 403); give whoever asks the role Key Vault Secrets User; \
             is the secret enabled, not expired, and does the vault's firewall let this machine through?",
        ),
        (
            "azure:strange",
            &right,
            "the store azure answers for strange what is no secret of Key Vault; is `address` that of the vault?",
        ),
        (
            "azure:db-password",
            &account("sec-wrong"),
            "the store azure refuses AZURE_CLIENT_ID with AZURE_CLIENT_SECRET (HTTP 401 for a token); has the secret \
             expired, and is AZURE_TENANT_ID its tenant?",
        ),
        (
            "azure:db-password",
            &vec![
                ("IDENTITY_ENDPOINT", identity.as_str()),
                ("IDENTITY_HEADER", "x"),
                ("AZURE_CLIENT_ID", "client-1"),
            ],
            "the store azure cannot be asked: this machine's identity gives no token (HTTP 400); does it have an \
             identity? Which, AZURE_CLIENT_ID says",
        ),
        (
            "azure:db-password",
            &vec![("IDENTITY_ENDPOINT", "http://127.0.0.1:1"), ("IDENTITY_HEADER", "x")],
            "the store azure cannot be asked: there are no Azure credentials; set AZURE_TENANT_ID, AZURE_CLIENT_ID \
             and AZURE_CLIENT_SECRET, or give this machine an identity",
        ),
    ] {
        assert_eq!(told(&ask(&azure, &[place], env), server.port), expected);
    }
}
