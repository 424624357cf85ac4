//! Azure Key Vault.

use http::HeaderValue;
use serde::Deserialize;
use windlass_core::settings::Secret;
use windlass_core::store::{Address, Edition, Store};
use zeroize::Zeroizing;

use super::encode;
use super::payload::{Payload, Text};
use super::session::{self, METADATA, Reading, Session};
use super::surroundings::Surroundings;
use crate::http_client::{Answer, Client, Request, credential, is_passing};
use crate::trouble::{Trouble, Whose};

const FORM: &str = "application/x-www-form-urlencoded";
/// The version of Key Vault's protocol.
const API: &str = "7.4";
/// The clouds that Azure runs; a vault belongs to the one under whose domain it is.
const CLOUDS: [(&str, &str); 3] = [
    ("vault.azure.net", "https://login.microsoftonline.com"),
    ("vault.azure.cn", "https://login.chinacloudapi.cn"),
    ("vault.usgovcloudapi.net", "https://login.microsoftonline.us"),
];

/// A vault, and a token for it.
pub(super) struct Azure {
    client: Client,
    address: Address,
    authorization: HeaderValue,
}

impl Azure {
    pub(super) async fn open(store: &Store, client: Client, around: &Surroundings) -> Result<Self, Trouble> {
        let address = session::address(store, around, &[])?.ok_or_else(|| {
            let hint = "write address = \"https://NAME.vault.azure.net\" into its table of the manifest";
            Trouble::new(Whose::Manifest, "cannot be asked: nothing says where it is", hint)
        })?;
        let cloud = CLOUDS
            .into_iter()
            .find(|(domain, _)| address.host.strip_suffix(domain).is_some_and(|name| name.ends_with('.')));
        let token = token(&client, around, cloud.unwrap_or(CLOUDS[0])).await?;
        let authorization = credential(&Zeroizing::new(format!("Bearer {}", token.expose())), "the token")?;
        Ok(Self { client, address, authorization })
    }

    async fn get(&self, path: &str, edition: Option<&Edition>) -> Result<Payload, Trouble> {
        let version = match edition {
            Some(Edition::Version(version)) => format!("/{version}"),
            Some(Edition::Stage(_)) | None => String::new(),
        };
        let url = format!("/secrets/{}{version}?api-version={API}", encode::percent(path));
        let request = Request::get(&self.address, url).header("authorization", self.authorization.clone());
        let answer = self.client.ask(&request, is_passing).await?;
        match answer.status {
            200 => payload(path, &answer),
            404 => Err(Trouble::new(
                Whose::Manifest,
                format!("has nothing at {path}{version}"),
                "is it there, and not deleted?",
            )
            .absent_if(is_absence(&answer))),
            401 => Err(Trouble::new(
                Whose::Deployer,
                "refuses the credentials (HTTP 401)",
                "are they of the tenant that the vault belongs to?",
            )),
            403 => Err(Trouble::new(
                Whose::Deployer,
                format!("refuses to show {path} (HTTP 403)"),
                "give whoever asks the role Key Vault Secrets User; is the secret enabled, not expired, and \
                 does the vault's firewall let this machine through?",
            )),
            status => Err(Trouble::new(
                Whose::Server,
                format!("answers HTTP {status} for {path}, which Key Vault does not"),
                "is `address` that of the vault?",
            )),
        }
    }
}

impl Session for Azure {
    fn read<'s>(&'s self, path: &'s str, edition: Option<&'s Edition>) -> Reading<'s> {
        Box::pin(self.get(path, edition))
    }
}

/// Whether it is the vault that says so, and not what stands before it.
fn is_absence(answer: &Answer) -> bool {
    let said: serde_json::Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    said.pointer("/error/code").is_some_and(|code| code == "SecretNotFound")
}

fn payload(path: &str, answer: &Answer) -> Result<Payload, Trouble> {
    #[derive(Deserialize)]
    struct Shown {
        value: Text,
    }
    let shown: Shown = serde_json::from_slice(&answer.body).map_err(|_| {
        let what = format!("answers for {path} what is no secret of Key Vault");
        Trouble::new(Whose::Server, what, "is `address` that of the vault?")
    })?;
    Ok(Payload::Text(shown.value.0))
}

async fn token(
    client: &Client,
    around: &Surroundings,
    (domain, authority): (&str, &str),
) -> Result<Secret, Trouble> {
    let account = ["AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET"].map(|name| around.get(name));
    if let [Some(tenant), Some(id), Some(secret)] = account {
        let authority = around.get("AZURE_AUTHORITY_HOST").unwrap_or(authority);
        return of_client(client, authority, domain, [tenant, id, secret]).await;
    }
    of_machine(client, around, domain, account[1]).await
}

/// A token for an application that proves itself by a secret.
async fn of_client(
    client: &Client,
    authority: &str,
    domain: &str,
    [tenant, id, secret]: [&str; 3],
) -> Result<Secret, Trouble> {
    let address = Address::parse(authority).map_err(|why| {
        let what = format!("cannot be asked: AZURE_AUTHORITY_HOST {why}");
        Trouble::new(Whose::Deployer, what, "write it like https://login.microsoftonline.com")
    })?;
    let scope = format!("https://{domain}/.default");
    let body = encode::form(&[
        ("grant_type", "client_credentials"),
        ("client_id", id),
        ("client_secret", secret),
        ("scope", &scope),
    ]);
    let path = format!("/{}/oauth2/v2.0/token", encode::percent(tenant));
    let answer = client.ask(&Request::post(&address, path, FORM, body), is_passing).await?;
    granted(&answer).ok_or_else(|| {
        let what =
            format!("refuses AZURE_CLIENT_ID with AZURE_CLIENT_SECRET (HTTP {} for a token)", answer.status);
        Trouble::new(Whose::Deployer, what, "has the secret expired, and is AZURE_TENANT_ID its tenant?")
    })
}

/// A token for the identity that a machine or an app of Azure's has.
async fn of_machine(
    client: &Client,
    around: &Surroundings,
    domain: &str,
    id: Option<&str>,
) -> Result<Secret, Trouble> {
    let none = || {
        Trouble::new(
            Whose::Deployer,
            "cannot be asked: there are no Azure credentials",
            "set AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET, or give this machine an identity",
        )
    };
    let resource = encode::percent(&format!("https://{domain}"));
    let id = id.map(|id| format!("&client_id={}", encode::percent(id))).unwrap_or_default();
    // An app finds its own service; a machine's is always at the same place.
    let (place, version, header) = match (around.get("IDENTITY_ENDPOINT"), around.get("IDENTITY_HEADER")) {
        (Some(place), Some(header)) => {
            (place, "2019-08-01", ("x-identity-header", credential(header, "IDENTITY_HEADER")?))
        }
        _ => (
            "http://169.254.169.254/metadata/identity/oauth2/token",
            "2018-02-01",
            ("metadata", HeaderValue::from_static("true")),
        ),
    };
    let address = Address::parse(place).map_err(|_| none())?;
    let query = format!("?api-version={version}&resource={resource}{id}");
    let request = Request::get(&address, query).header(header.0, header.1).patience(METADATA);
    match client.ask(&request, is_passing).await {
        Ok(answer) => granted(&answer).ok_or_else(|| {
            let what =
                format!("cannot be asked: this machine's identity gives no token (HTTP {})", answer.status);
            Trouble::new(Whose::Deployer, what, "does it have an identity? Which, AZURE_CLIENT_ID says")
        }),
        Err(_) => Err(none()),
    }
}

fn granted(answer: &Answer) -> Option<Secret> {
    #[derive(Deserialize)]
    struct Granted {
        access_token: Text,
    }
    let granted: Granted =
        (answer.status == 200).then(|| serde_json::from_slice(&answer.body).ok()).flatten()?;
    Some(granted.access_token.0)
}
