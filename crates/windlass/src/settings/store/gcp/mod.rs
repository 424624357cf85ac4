//! Google Cloud's Secret Manager.

mod checksum;
mod token;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use serde::Deserialize;
use windlass_core::settings::Secret;
use windlass_core::store::{Address, Edition, Kind, Store};
use zeroize::Zeroizing;

use super::payload::{Payload, Text};
use super::session::{self, Reading, Session};
use super::surroundings::Surroundings;
use crate::http_client::{Answer, Client, Request, credential, is_passing};
use crate::trouble::{Trouble, Whose};

/// Secret Manager, and a token for it.
pub(super) struct Gcp {
    client: Client,
    address: Address,
    project: Option<String>,
    authorization: HeaderValue,
}

impl Gcp {
    pub(super) async fn open(store: &Store, client: Client, around: &Surroundings) -> Result<Self, Trouble> {
        let Kind::Gcp { project } = &store.kind else { return Err(no_project()) };
        let address = match session::address(store, around, &[])? {
            Some(address) => address,
            None => google("https://secretmanager.googleapis.com")?,
        };
        let found = token::find(&client, around).await?;
        let project = project
            .clone()
            .or_else(|| around.first(&["GOOGLE_CLOUD_PROJECT", "GCLOUD_PROJECT"]).map(str::to_owned))
            .or(found.project);
        let authorization =
            credential(&Zeroizing::new(format!("Bearer {}", found.token.expose())), "the token")?;
        Ok(Self { client, address, project, authorization })
    }

    async fn get(&self, path: &str, edition: Option<&Edition>) -> Result<Payload, Trouble> {
        let name = match (&self.project, path.starts_with("projects/")) {
            (_, true) => path.to_owned(),
            (Some(project), false) => format!("projects/{project}/secrets/{path}"),
            (None, false) => return Err(no_project()),
        };
        let version = match edition {
            Some(Edition::Version(version)) => version,
            Some(Edition::Stage(_)) | None => "latest",
        };
        let url = format!("/v1/{}/versions/{version}:access", super::encode::path(&name));
        let request = Request::get(&self.address, url).header("authorization", self.authorization.clone());
        let answer = self.client.ask(&request, is_passing).await?;
        match answer.status {
            200 => payload(path, &answer),
            404 => Err(Trouble::new(
                Whose::Manifest,
                format!("has nothing at {name} in version {version}"),
                "is the project right, and is there a version of it?",
            )
            .absent_if(is_absence(&answer))),
            400 => Err(Trouble::new(
                Whose::Manifest,
                format!("cannot show {name} in version {version} (HTTP 400)"),
                "is that version enabled, and not destroyed?",
            )),
            401 => Err(Trouble::new(
                Whose::Deployer,
                "refuses the credentials (HTTP 401)",
                "are they of this account and not revoked, and is this machine's clock right?",
            )),
            403 => Err(Trouble::new(
                Whose::Deployer,
                format!("refuses to show {name} (HTTP 403)"),
                "give the account the role roles/secretmanager.secretAccessor on it, and enable the API",
            )),
            status => Err(Trouble::new(
                Whose::Server,
                format!("answers HTTP {status} for {name}, which Secret Manager does not"),
                "is its address right?",
            )),
        }
    }
}

impl Session for Gcp {
    fn read<'s>(&'s self, path: &'s str, edition: Option<&'s Edition>) -> Reading<'s> {
        Box::pin(self.get(path, edition))
    }
}

/// Whether it is Secret Manager that says so, and not what stands before it.
fn is_absence(answer: &Answer) -> bool {
    let said: serde_json::Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    said.pointer("/error/status").is_some_and(|status| status == "NOT_FOUND")
}

fn payload(path: &str, answer: &Answer) -> Result<Payload, Trouble> {
    #[derive(Deserialize)]
    struct Shown {
        payload: Data,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Data {
        data: Option<Text>,
        /// A number, which JSON in Google's style writes as text.
        data_crc32c: Option<String>,
    }
    let strange = |why: &str| {
        let what = format!("answers for {path} {why}");
        Trouble::new(Whose::Server, what, "is its address that of Secret Manager? Try again")
    };
    let shown: Shown =
        serde_json::from_slice(&answer.body).map_err(|_| strange("what is no secret of Secret Manager"))?;
    // An empty value is left out.
    let data = shown.payload.data.map(|data| data.0).unwrap_or_default();
    let bytes = STANDARD.decode(data.expose()).map_err(|_| strange("what is no base64"))?;
    let bytes = Zeroizing::new(bytes);
    if let Some(wanted) = shown.payload.data_crc32c
        && wanted != checksum::crc32c(&bytes).to_string()
    {
        return Err(strange("what was damaged on the way: its checksum is another").passing());
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| {
        let what = format!("holds at {path} bytes that are no text");
        Trouble::new(Whose::Server, what, "a setting is a text: store its base64 instead")
    })?;
    Ok(Payload::Text(Secret::new(text)))
}

fn no_project() -> Trouble {
    let hint = "write project = \"...\" into its table of the manifest, or set GOOGLE_CLOUD_PROJECT";
    Trouble::new(Whose::Manifest, "cannot be asked: nothing says in which project it is", hint)
}

/// An address of Google's own.
fn google(text: &str) -> Result<Address, Trouble> {
    Address::parse(text).map_err(|why| {
        Trouble::new(Whose::Deployer, format!("cannot be asked: {text:?} {why}"), "set it to an address")
    })
}
