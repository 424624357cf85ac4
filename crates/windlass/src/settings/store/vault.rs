//! HashiCorp Vault and OpenBao: the key-value engine, versions 1 and 2.

use std::time::Duration;

use futures_util::future::LocalBoxFuture;
use http::HeaderValue;
use serde::{Deserialize, Serialize};
use windlass_core::settings::Secret;
use windlass_core::store::{Address, Edition, Kind, Store, VaultAuth};
use zeroize::Zeroizing;

use super::encode;
use super::payload::{Fields, Payload, Text};
use super::session::{self, Reading, Session};
use super::surroundings::Surroundings;
use crate::http_client::{Answer, Client, Patience, Request, credential, is_passing};
use crate::trouble::{Trouble, Whose};
use crate::wiped::to_json;

/// A Vault, and a token for it.
pub(super) struct Vault {
    client: Client,
    address: Address,
    namespace: Option<HeaderValue>,
    token: HeaderValue,
    mount: String,
    version: u8,
    /// Whether the token was made for this session alone.
    is_own: bool,
}

/// How much is done to end a session: it ends by itself as well.
const FAREWELL: Patience =
    Patience { attempts: 1, connect: Duration::from_secs(2), answer: Duration::from_secs(3) };

impl Vault {
    pub(super) async fn open(store: &Store, client: Client, around: &Surroundings) -> Result<Self, Trouble> {
        let Kind::Vault { namespace, mount, version, auth } = &store.kind else {
            return Err(no_address());
        };
        let address = session::address(store, around, &["VAULT_ADDR"])?.ok_or_else(no_address)?;
        let namespace = namespace.as_deref().or_else(|| around.get("VAULT_NAMESPACE"));
        let namespace = namespace.map(|name| credential(name, "the namespace")).transpose()?;
        let role = around.get("VAULT_ROLE_ID").is_some() && around.get("VAULT_TOKEN").is_none();
        let is_own = match auth {
            Some(auth) => *auth == VaultAuth::AppRole,
            None => role,
        };
        let token = match is_own {
            true => log_in(&client, &address, namespace.as_ref(), around).await?,
            false => token(around)?,
        };
        let token = credential(token.expose(), "the token")?;
        Ok(Self { client, address, namespace, token, mount: encode::path(mount), version: *version, is_own })
    }

    /// Gives back a token that was made for this session. One that cannot be ends by its own time.
    async fn give_back(&self) {
        if !self.is_own {
            return;
        }
        let body = Zeroizing::new(b"{}".to_vec());
        let request = Request::post(&self.address, "/v1/auth/token/revoke-self", "application/json", body);
        let request = with(request, self.namespace.as_ref()).header("x-vault-token", self.token.clone());
        let _ = self.client.ask(&request.patience(FAREWELL), |_| false).await;
    }

    async fn get(&self, path: &str, edition: Option<&Edition>) -> Result<Payload, Trouble> {
        let data = if self.version == 2 { "data/" } else { "" };
        let mut url = format!("/v1/{}/{data}{}", self.mount, encode::path(path));
        if let Some(Edition::Version(version)) = edition {
            url.push_str(&format!("?version={version}"));
        }
        let request = with(Request::get(&self.address, url), self.namespace.as_ref());
        let request = request.header("x-vault-token", self.token.clone());
        let answer = self.client.ask(&request, is_passing).await?;
        match answer.status {
            200 => self.fields(path, &answer).map(Payload::Fields),
            404 => Err(Trouble::new(
                Whose::Manifest,
                format!("has nothing at {}/{path}{}", self.mount, spoken(edition)),
                format!(
                    "is it there, not deleted, and is the engine mounted at `mount` ({}) of version {}?",
                    self.mount, self.version
                ),
            )
            .absent_if(is_absence(&answer))),
            403 => Err(Trouble::new(
                Whose::Deployer,
                format!("refuses to show {}/{path} (HTTP 403)", self.mount),
                "the token is wrong or has expired, or its policy does not allow read there",
            )),
            status => Err(strange(&self.address, status)),
        }
    }

    fn fields(&self, path: &str, answer: &Answer) -> Result<Fields, Trouble> {
        #[derive(Deserialize)]
        struct Outer<T> {
            data: T,
        }
        let found = if self.version == 2 {
            serde_json::from_slice::<Outer<Outer<Fields>>>(&answer.body).map(|outer| outer.data.data)
        } else {
            serde_json::from_slice::<Outer<Fields>>(&answer.body).map(|outer| outer.data)
        };
        // The parser's own message might quote what it read.
        found.map_err(|_| {
            let what = format!("answers for {}/{path} what is no secret of the key-value engine", self.mount);
            let hint =
                format!("is `address` that of Vault, and `version` ({}) that of the engine?", self.version);
            Trouble::new(Whose::Server, what, hint)
        })
    }
}

impl Session for Vault {
    fn read<'s>(&'s self, path: &'s str, edition: Option<&'s Edition>) -> Reading<'s> {
        Box::pin(self.get(path, edition))
    }

    fn close(&self) -> LocalBoxFuture<'_, ()> {
        Box::pin(self.give_back())
    }
}

fn spoken(edition: Option<&Edition>) -> String {
    match edition {
        Some(Edition::Version(version) | Edition::Stage(version)) => format!(" in version {version}"),
        None => String::new(),
    }
}

fn with<'a>(request: Request<'a>, namespace: Option<&HeaderValue>) -> Request<'a> {
    // Without this header Vault's agents refuse, so that no web page can ask through a browser.
    let request = request.header("x-vault-request", HeaderValue::from_static("true"));
    match namespace {
        Some(namespace) => request.header("x-vault-namespace", namespace.clone()),
        None => request,
    }
}

/// Whether Vault found nothing at a path. Where there is no such engine, or one of the other version is
/// asked, it says so among errors or warnings; a version that was deleted is told of by its metadata.
fn is_absence(answer: &Answer) -> bool {
    let said: serde_json::Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let errors = said.get("errors").and_then(serde_json::Value::as_array);
    let is_deleted = || said.pointer("/data/metadata").is_some_and(serde_json::Value::is_object);
    errors.map_or_else(is_deleted, Vec::is_empty)
}

fn no_address() -> Trouble {
    let hint = "write address = \"https://...\" into its table of the manifest, or set VAULT_ADDR";
    Trouble::new(Whose::Manifest, "cannot be asked: nothing says where it is", hint)
}

fn strange(address: &Address, status: u16) -> Trouble {
    let what = format!("answers HTTP {status} at {address}, which Vault does not");
    Trouble::new(Whose::Server, what, "is `address` that of Vault, and are `namespace` and `mount` right?")
}

/// The token of whoever deploys.
fn token(around: &Surroundings) -> Result<Secret, Trouble> {
    if let Some(token) = around.get("VAULT_TOKEN") {
        return Ok(Secret::new(token));
    }
    let kept = around.at_home(".vault-token").and_then(|path| std::fs::read_to_string(path).ok());
    let kept = kept.map(Zeroizing::new).filter(|text| !text.trim().is_empty());
    kept.map(|text| Secret::new(text.trim())).ok_or_else(|| {
        let what = "cannot be asked: there is no token for it";
        Trouble::new(
            Whose::Deployer,
            what,
            "set VAULT_TOKEN, run vault login, or set VAULT_ROLE_ID and VAULT_SECRET_ID",
        )
    })
}

/// Who logs in.
#[derive(Serialize)]
struct Role<'a> {
    role_id: &'a str,
    secret_id: &'a str,
}

async fn log_in(
    client: &Client,
    address: &Address,
    namespace: Option<&HeaderValue>,
    around: &Surroundings,
) -> Result<Secret, Trouble> {
    let needed = |name: &'static str| {
        around.get(name).ok_or_else(|| {
            let what = format!("cannot be logged in to: {name} is not set");
            Trouble::new(Whose::Deployer, what, "set VAULT_ROLE_ID and VAULT_SECRET_ID")
        })
    };
    let role = Role { role_id: needed("VAULT_ROLE_ID")?, secret_id: needed("VAULT_SECRET_ID")? };
    // Two texts are always JSON.
    let body = to_json(&role).unwrap_or_default();
    let request = with(Request::post(address, "/v1/auth/approle/login", "application/json", body), namespace);
    let answer = client.ask(&request, is_passing).await?;
    match answer.status {
        200 => {
            #[derive(Deserialize)]
            struct LoggedIn {
                auth: Auth,
            }
            #[derive(Deserialize)]
            struct Auth {
                client_token: Text,
            }
            let logged_in: LoggedIn =
                serde_json::from_slice(&answer.body).map_err(|_| strange(address, answer.status))?;
            Ok(logged_in.auth.client_token.0)
        }
        400 | 401 | 403 => Err(Trouble::new(
            Whose::Deployer,
            format!("refuses the role's id or its secret id (HTTP {})", answer.status),
            "make a new secret id, and set VAULT_ROLE_ID and VAULT_SECRET_ID",
        )),
        404 => Err(Trouble::new(
            Whose::Manifest,
            "has no AppRole login at auth/approle",
            "enable it there, or log in with a token: auth = \"token\"",
        )),
        status => Err(strange(address, status)),
    }
}
