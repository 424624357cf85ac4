//! Who asks: a service account's key, a person who logged in, or the machine's own account.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderValue;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use serde::Deserialize;
use serde_json::json;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use windlass_core::settings::Secret;
use zeroize::Zeroizing;

use super::super::encode;
use super::super::payload::Text;
use super::super::session::METADATA;
use super::super::surroundings::Surroundings;
use super::google;
use crate::http_client::{Client, Request, is_passing};
use crate::trouble::{Trouble, Whose};

const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
const TOKENS: &str = "https://oauth2.googleapis.com/token";
const FORM: &str = "application/x-www-form-urlencoded";
/// How long a signed request for a token holds, in seconds; Google allows no more.
const LIFE: i64 = 3600;

/// A token, and the project that it belongs to where that is known.
pub(super) struct Found {
    pub(super) token: Secret,
    pub(super) project: Option<String>,
}

/// The file that Google's libraries find as well.
#[derive(Deserialize)]
struct File {
    #[serde(rename = "type")]
    kind: String,
    project_id: Option<String>,
    quota_project_id: Option<String>,
    client_email: Option<String>,
    private_key: Option<Text>,
    private_key_id: Option<String>,
    token_uri: Option<String>,
    client_id: Option<String>,
    client_secret: Option<Text>,
    refresh_token: Option<Text>,
}

pub(super) async fn find(client: &Client, around: &Surroundings) -> Result<Found, Trouble> {
    let named = around.get("GOOGLE_APPLICATION_CREDENTIALS").map(std::path::PathBuf::from);
    let usual = around.at_home(".config/gcloud/application_default_credentials.json");
    let path = match (named, usual) {
        (Some(path), _) => path,
        (None, Some(path)) if path.is_file() => path,
        _ => return of_machine(client, around).await,
    };
    let unusable = |why: String| {
        let what = format!("cannot be asked: the credentials in {} {why}", path.display());
        let hint = "set GOOGLE_APPLICATION_CREDENTIALS to a service account's key file, or run \
                    gcloud auth application-default login";
        Trouble::new(Whose::Deployer, what, hint)
    };
    let text = std::fs::read(&path).map_err(|error| unusable(format!("cannot be read: {error}")))?;
    let text = Zeroizing::new(text);
    let file: File =
        serde_json::from_slice(&text).map_err(|_| unusable("are no JSON file of Google's".to_owned()))?;
    let tokens = google(file.token_uri.as_deref().unwrap_or(TOKENS))?;
    let body = match file.kind.as_str() {
        "service_account" => {
            let jwt = signed(&file).map_err(|why| unusable(why.to_owned()))?;
            encode::form(&[
                ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
                ("assertion", &jwt),
            ])
        }
        "authorized_user" => {
            let part = |part: Option<&'_ Text>| part.map(|text| text.0.clone());
            let parts = (part(file.client_secret.as_ref()), part(file.refresh_token.as_ref()));
            let ((Some(secret), Some(refresh)), Some(id)) = (parts, &file.client_id) else {
                return Err(unusable("lack client_id, client_secret or refresh_token".to_owned()));
            };
            encode::form(&[
                ("grant_type", "refresh_token"),
                ("client_id", id),
                ("client_secret", secret.expose()),
                ("refresh_token", refresh.expose()),
            ])
        }
        _ => return Err(unusable("are of a type other than service_account and authorized_user".to_owned())),
    };
    let request = Request::post(&tokens, "", FORM, body);
    let answer = client.ask(&request, is_passing).await?;
    let token = (answer.status == 200).then(|| token(&answer.body)).flatten();
    let token = token.ok_or_else(|| {
        let what =
            format!("refuses the credentials in {} (HTTP {} for a token)", path.display(), answer.status);
        Trouble::new(Whose::Deployer, what, "are they revoked or deleted, and is this machine's clock right?")
    })?;
    Ok(Found { token, project: file.project_id.or(file.quota_project_id) })
}

fn token(body: &[u8]) -> Option<Secret> {
    #[derive(Deserialize)]
    struct Granted {
        access_token: Text,
    }
    let granted: Granted = serde_json::from_slice(body).ok()?;
    Some(granted.access_token.0)
}

/// A request for a token, signed with the account's key (RFC 7523, RS256).
fn signed(file: &File) -> Result<Zeroizing<String>, &'static str> {
    let email = file.client_email.as_deref().ok_or("lack client_email")?;
    let pem = file.private_key.as_ref().ok_or("lack private_key")?.0.expose();
    let now = crate::clock::wall_millis() / 1000;
    let header = json!({ "alg": "RS256", "typ": "JWT", "kid": file.private_key_id });
    let claims = json!({
        "iss": email,
        "scope": SCOPE,
        "aud": file.token_uri.as_deref().unwrap_or(TOKENS),
        "iat": now,
        "exp": now + LIFE,
    });
    let encoded = |part: &serde_json::Value| URL_SAFE_NO_PAD.encode(part.to_string());
    let text = format!("{}.{}", encoded(&header), encoded(&claims));
    let key = match PrivateKeyDer::from_pem_slice(pem.as_bytes()) {
        Ok(PrivateKeyDer::Pkcs8(der)) => RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()),
        Ok(PrivateKeyDer::Pkcs1(der)) => RsaKeyPair::from_der(der.secret_pkcs1_der()),
        _ => return Err("hold no private key that can be read"),
    };
    let key = key.map_err(|_| "hold a private key that is no RSA key of 2048 bits or more")?;
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature)
        .map_err(|_| "hold a private key that does not sign")?;
    Ok(Zeroizing::new(format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))))
}

/// The account that a machine of Google's has.
async fn of_machine(client: &Client, around: &Surroundings) -> Result<Found, Trouble> {
    let host = around.get("GCE_METADATA_HOST").unwrap_or("metadata.google.internal");
    let address = google(&format!("http://{host}"))?;
    let ask = async |path: &str| {
        let flavor = HeaderValue::from_static("Google");
        let request = Request::get(&address, path).header("metadata-flavor", flavor).patience(METADATA);
        client.ask(&request, is_passing).await
    };
    let answer = ask("/computeMetadata/v1/instance/service-accounts/default/token").await;
    let granted = answer.ok().filter(|answer| answer.status == 200).and_then(|answer| token(&answer.body));
    let token = granted.ok_or_else(|| {
        Trouble::new(
            Whose::Deployer,
            "cannot be asked: there are no Google credentials",
            "set GOOGLE_APPLICATION_CREDENTIALS to a service account's key file, or run \
             gcloud auth application-default login",
        )
    })?;
    let project = ask("/computeMetadata/v1/project/project-id").await.ok();
    let project = project
        .filter(|answer| answer.status == 200)
        .and_then(|answer| String::from_utf8(answer.body.to_vec()).ok())
        .map(|project| project.trim().to_owned());
    Ok(Found { token, project })
}
