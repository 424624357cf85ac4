//! Google Cloud's Secret Manager: a service account's signed request, a person's, the machine's own.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use serde_json::{Value, json};

use crate::kit::{ask, ask_in, told, values};
use crate::server::{Reply, Seen, Server};

const TOKEN: &str = "tok-8b1f3c9d";
const ACCOUNT: &str = "deploy@shop.iam.gserviceaccount.com";
/// Made for these tests; opens nothing.
const KEY: &str = include_str!("service-account.pem");
const PUBLIC: &[u8] = include_bytes!("service-account.pub");

/// Google: tokens for whoever proves who they are, and secrets for tokens.
fn answer(seen: &Seen) -> Reply {
    let token = || {
        Reply::Say(200, format!(r#"{{"access_token":"{TOKEN}","expires_in":3599,"token_type":"Bearer"}}"#))
    };
    let error = |status: u16| {
        let word = if status == 404 { "NOT_FOUND" } else { "OTHER" };
        let error = json!({ "code": status, "message": TOKEN, "status": word });
        Reply::Say(status, json!({ "error": error }).to_string())
    };
    match seen.line().as_str() {
        "POST /token" => match seen.form("grant_type").as_str() {
            "urn:ietf:params:oauth:grant-type:jwt-bearer"
                if is_signed(&seen.form("assertion"), seen.header("host")) =>
            {
                token()
            }
            "refresh_token"
                if seen.form("refresh_token") == "sec-5d7e1a2b" && seen.form("client_id") == "person" =>
            {
                token()
            }
            _ => Reply::Say(400, r#"{"error":"invalid_grant"}"#.into()),
        },
        line if line.contains("/secrets/page/") => Reply::Say(404, "<html>".into()),
        line if line.starts_with("GET /computeMetadata/") && seen.header("metadata-flavor") != "Google" => {
            error(403)
        }
        "GET /computeMetadata/v1/instance/service-accounts/default/token" => token(),
        "GET /computeMetadata/v1/project/project-id" => Reply::Say(200, "of-the-machine".into()),
        _ if seen.header("authorization") != format!("Bearer {TOKEN}") => error(401),
        "GET /v1/projects/shop/secrets/db/versions/latest:access"
        | "GET /v1/projects/of-the-machine/secrets/db/versions/3:access" => {
            // CRC-32C of "hunter2-value", counted by other code than ours.
            let data = json!({ "data": "aHVudGVyMi12YWx1ZQ==", "dataCrc32c": CHECKSUM });
            Reply::Say(200, json!({ "name": "x", "payload": data }).to_string())
        }
        "GET /v1/projects/shop/secrets/damaged/versions/latest:access" => {
            let data = json!({ "data": "aHVudGVyMi12YWx1ZQ==", "dataCrc32c": "1" });
            Reply::Say(200, json!({ "payload": data }).to_string())
        }
        "GET /v1/projects/shop/secrets/denied/versions/latest:access" => error(403),
        _ => error(404),
    }
}

const CHECKSUM: &str = "1732737048";

/// Whether this is what RFC 7523 wants, signed with the account's key.
fn is_signed(jwt: &str, host: &str) -> bool {
    let parts: Vec<&str> = jwt.split('.').collect();
    let [header, claims, signature] = parts[..] else { return false };
    let decoded = |part: &str| URL_SAFE_NO_PAD.decode(part).unwrap();
    let read = |part: &str| serde_json::from_slice::<Value>(&decoded(part)).unwrap();
    let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, PUBLIC);
    let (header_of, claims_of) = (read(header), read(claims));
    key.verify(format!("{header}.{claims}").as_bytes(), &decoded(signature)).is_ok()
        && header_of == json!({ "alg": "RS256", "typ": "JWT", "kid": "key-1" })
        && claims_of["iss"] == ACCOUNT
        && claims_of["aud"] == format!("http://{host}/token")
        && claims_of["scope"] == "https://www.googleapis.com/auth/cloud-platform"
        && claims_of["exp"].as_i64().unwrap() - claims_of["iat"].as_i64().unwrap() == 3600
}

fn store(server: &Server, more: &str) -> String {
    format!("[stores.gcp]\nkind = \"gcp\"\naddress = \"http://127.0.0.1:{}\"\n{more}", server.port)
}

fn account(server: &Server) -> Value {
    json!({
        "type": "service_account", "project_id": "shop", "private_key_id": "key-1", "private_key": KEY,
        "client_email": ACCOUNT, "token_uri": format!("http://127.0.0.1:{}/token", server.port),
    })
}

/// Asks with these credentials in a file.
fn ask_as(credentials: &Value, declared: &str, place: &str) -> windlass::settings::store::Fetched {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("key.json");
    std::fs::write(&path, credentials.to_string()).unwrap();
    ask_in(
        directory.path(),
        declared,
        &[place],
        &[("GOOGLE_APPLICATION_CREDENTIALS", path.to_str().unwrap())],
    )
}

#[test]
fn a_service_account_signs_for_its_token() {
    let server = Server::start(answer);
    let fetched = ask_as(&account(&server), &store(&server, ""), "gcp:db");
    assert_eq!(values(&fetched), ["gcp:db=hunter2-value"]);
    let fetched =
        ask_as(&account(&server), &store(&server, "project = \"else\"\n"), "gcp:projects/shop/secrets/db");
    assert_eq!(values(&fetched), ["gcp:projects/shop/secrets/db=hunter2-value"]);
}

#[test]
fn a_person_who_logged_in_refreshes_their_token() {
    let server = Server::start(answer);
    let person = json!({
        "type": "authorized_user", "client_id": "person", "client_secret": "sec-5d7e1a2b",
        "refresh_token": "sec-5d7e1a2b", "quota_project_id": "shop",
        "token_uri": format!("http://127.0.0.1:{}/token", server.port),
    });
    assert_eq!(values(&ask_as(&person, &store(&server, ""), "gcp:db")), ["gcp:db=hunter2-value"]);
}

#[test]
fn a_machine_of_googles_asks_its_metadata() {
    let server = Server::start(answer);
    let host = format!("127.0.0.1:{}", server.port);
    let fetched = ask(&store(&server, ""), &["gcp:db?version=3"], &[("GCE_METADATA_HOST", &host)]);
    assert_eq!(values(&fetched), ["gcp:db?version=3=hunter2-value"]);
}

#[test]
fn what_google_refuses_is_told_with_what_to_do() {
    let server = Server::start(answer);
    let gcp = store(&server, "");
    let right = account(&server);
    let mut other = right.clone();
    other["private_key_id"] = json!("key-2");
    let mut broken = right.clone();
    broken["private_key"] = json!("hunter2-value");
    let federated = json!({ "type": "external_account" });
    for (credentials, place, expected) in [
        (
            &right,
            "gcp:nothing",
            "the store gcp has nothing at projects/shop/secrets/nothing in version latest; is the project right, and \
             is there a version of it?",
        ),
        (
            &right,
            "gcp:denied",
            "the store gcp refuses to show projects/shop/secrets/denied (HTTP 403); give the account the role \
             roles/secretmanager.secretAccessor on it, and enable the API",
        ),
        (
            &right,
            "gcp:damaged",
            "the store gcp answers for damaged what was damaged on the way: its checksum is another; is its address \
             that of Secret Manager? Try again",
        ),
        (
            &other,
            "gcp:db",
            "the store gcp refuses the credentials in KEY (HTTP 400 for a token); are they revoked or deleted, and is \
             this machine's clock right?",
        ),
        (
            &broken,
            "gcp:db",
            "the store gcp cannot be asked: the credentials in KEY hold no private key that can be read; set \
             GOOGLE_APPLICATION_CREDENTIALS to a service account's key file, or run gcloud auth \
             application-default login",
        ),
        (
            &federated,
            "gcp:db",
            "the store gcp cannot be asked: the credentials in KEY are of a type other than service_account and \
             authorized_user; set GOOGLE_APPLICATION_CREDENTIALS to a service account's key file, or run gcloud auth \
             application-default login",
        ),
    ] {
        let said = told(&ask_as(credentials, &gcp, place), server.port);
        let said: Vec<&str> =
            said.split(' ').map(|word| if word.ends_with("/key.json") { "KEY" } else { word }).collect();
        assert_eq!(said.join(" "), expected);
    }
    // Nobody serves metadata there.
    let nobody = ask(&gcp, &["gcp:db"], &[("GCE_METADATA_HOST", "127.0.0.1:1")]);
    assert_eq!(
        told(&nobody, server.port),
        "the store gcp cannot be asked: there are no Google credentials; set GOOGLE_APPLICATION_CREDENTIALS to a \
         service account's key file, or run gcloud auth application-default login"
    );
}
