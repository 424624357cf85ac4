//! AWS Secrets Manager.

mod credentials;
mod profile;
mod sign;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderValue, Method};
use serde::Deserialize;
use serde_json::json;
use windlass_core::settings::Secret;
use windlass_core::store::{Address, Edition, Kind, Store};
use zeroize::Zeroizing;

use super::payload::{Payload, Text};
use super::session::{self, Reading, Session};
use super::surroundings::Surroundings;
use crate::http_client::{Answer, Client, Request, credential, is_passing};
use crate::trouble::{Trouble, Whose};
use credentials::Found;
use profile::Profiles;
use sign::Signing;

const MEDIA: &str = "application/x-amz-json-1.1";
const TARGET: &str = "secretsmanager.GetSecretValue";

/// Secrets Manager, and keys for it.
pub(super) struct Aws {
    client: Client,
    /// Where it is, where that does not follow from the region.
    address: Option<Address>,
    region: Option<String>,
    found: Found,
}

impl Aws {
    pub(super) async fn open(store: &Store, client: Client, around: &Surroundings) -> Result<Self, Trouble> {
        let Kind::Aws { region, profile } = &store.kind else { return Err(no_region()) };
        let address =
            session::address(store, around, &["AWS_ENDPOINT_URL_SECRETS_MANAGER", "AWS_ENDPOINT_URL"])?;
        let profiles = Profiles::read(around);
        let name = profile.as_deref().or_else(|| around.get("AWS_PROFILE")).unwrap_or("default");
        let region = region
            .clone()
            .or_else(|| around.first(&["AWS_REGION", "AWS_DEFAULT_REGION"]).map(str::to_owned))
            .or_else(|| profiles.get(name, "region").map(str::to_owned));
        let found = credentials::find(&client, around, &profiles, profile.as_deref(), name).await?;
        Ok(Self { client, address, region, found })
    }

    async fn get(&self, path: &str, edition: Option<&Edition>) -> Result<Payload, Trouble> {
        let region = self.region_of(path)?;
        let address = match &self.address {
            Some(address) => address.clone(),
            None => own_address(region)?,
        };
        let mut wanted = json!({ "SecretId": path });
        match edition {
            Some(Edition::Version(version)) => wanted["VersionId"] = json!(version),
            Some(Edition::Stage(stage)) => wanted["VersionStage"] = json!(stage),
            None => {}
        }
        let request = self.signed(&address, region, wanted.to_string().into_bytes())?;
        let answer = self.client.ask(&request, is_throttled).await?;
        if answer.status == 200 { payload(path, &answer) } else { Err(self.refused(path, &answer)) }
    }

    fn region_of<'a>(&'a self, path: &'a str) -> Result<&'a str, Trouble> {
        // arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME
        let of_arn = path.strip_prefix("arn:").and_then(|rest| rest.split(':').nth(2));
        of_arn.filter(|region| !region.is_empty()).or(self.region.as_deref()).ok_or_else(no_region)
    }

    fn signed<'a>(&self, address: &'a Address, region: &str, body: Vec<u8>) -> Result<Request<'a>, Trouble> {
        let keys = &self.found.keys;
        let time = sign::time(crate::clock::wall_millis());
        let authority = address.authority();
        let mut headers = vec![
            ("content-type", MEDIA),
            ("host", authority.as_str()),
            ("x-amz-date", time.as_str()),
            ("x-amz-target", TARGET),
        ];
        if let Some(session) = &keys.session {
            headers.push(("x-amz-security-token", session.expose()));
        }
        let path = format!("{}/", address.base);
        let signing = Signing {
            method: &Method::POST,
            path: &path,
            query: "",
            headers: &headers,
            body: &body,
            time: &time,
            region,
            service: "secretsmanager",
        };
        let authorization = credential(&signing.authorization(keys), "the signature")?;
        let mut request = Request::post(address, "/", MEDIA, Zeroizing::new(body))
            .header("x-amz-date", credential(&time, "the time")?)
            .header("x-amz-target", HeaderValue::from_static(TARGET))
            .header("authorization", authorization);
        if let Some(session) = &keys.session {
            request =
                request.header("x-amz-security-token", credential(session.expose(), "the session token")?);
        }
        Ok(request)
    }

    fn refused(&self, path: &str, answer: &Answer) -> Trouble {
        let from = self.found.from;
        match code(answer) {
            "ResourceNotFoundException" => Trouble::new(
                Whose::Manifest,
                format!("has nothing at {path}, or not in that version"),
                format!(
                    "is it there, not scheduled for deletion, and in {}?",
                    self.region_of(path).unwrap_or("the region")
                ),
            )
            .absent_if(true),
            "AccessDeniedException" => Trouble::new(
                Whose::Deployer,
                format!("refuses to show {path} (access denied)"),
                format!("allow secretsmanager:GetSecretValue for the credentials from {from}"),
            ),
            "UnrecognizedClientException"
            | "InvalidClientTokenId"
            | "InvalidSignatureException"
            | "SignatureDoesNotMatch"
            | "IncompleteSignature"
            | "MissingAuthenticationToken" => Trouble::new(
                Whose::Deployer,
                format!("refuses the credentials from {from}"),
                "are they complete, of this account, and is this machine's clock right?",
            ),
            "ExpiredTokenException" | "ExpiredToken" | "RequestExpired" => Trouble::new(
                Whose::Deployer,
                format!("says that the credentials from {from} have expired"),
                "get new ones; is this machine's clock right?",
            ),
            "DecryptionFailure" | "KMSAccessDeniedException" => Trouble::new(
                Whose::Deployer,
                format!("cannot decrypt {path}"),
                format!("allow kms:Decrypt with its key for the credentials from {from}"),
            ),
            "InvalidRequestException" | "InvalidParameterException" | "ValidationException" => Trouble::new(
                Whose::Manifest,
                format!("cannot show {path} as it was asked for"),
                "is it scheduled for deletion, and is the version or stage one of its own?",
            ),
            // Not Secrets Manager itself, but what stands before it.
            _ if matches!(answer.status, 401 | 403) => Trouble::new(
                Whose::Deployer,
                format!("refuses to show {path} to the credentials from {from} (HTTP {})", answer.status),
                "are they right and not expired, may they do secretsmanager:GetSecretValue, and is this \
                 machine's clock right?",
            ),
            _ => Trouble::new(
                Whose::Server,
                format!("answers HTTP {} for {path}, which says nothing that is known", answer.status),
                "is its address right, and may the credentials ask it?",
            ),
        }
    }
}

impl Session for Aws {
    fn read<'s>(&'s self, path: &'s str, edition: Option<&'s Edition>) -> Reading<'s> {
        Box::pin(self.get(path, edition))
    }
}

fn payload(path: &str, answer: &Answer) -> Result<Payload, Trouble> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Shown {
        secret_string: Option<Text>,
        secret_binary: Option<Text>,
    }
    let strange = |why: &str| {
        let what = format!("answers for {path} {why}");
        Trouble::new(Whose::Server, what, "is its address that of Secrets Manager?")
    };
    let shown: Shown =
        serde_json::from_slice(&answer.body).map_err(|_| strange("what is no secret of Secrets Manager"))?;
    match (shown.secret_string, shown.secret_binary) {
        (Some(text), _) => Ok(Payload::Text(text.0)),
        (None, Some(encoded)) => {
            let bytes = STANDARD.decode(encoded.0.expose()).map_err(|_| strange("what is no base64"))?;
            let text = String::from_utf8(bytes).map_err(|_| {
                Trouble::new(
                    Whose::Server,
                    format!("holds at {path} bytes that are no text"),
                    "a setting is a text: store it as SecretString, such as its base64",
                )
            })?;
            Ok(Payload::Text(Secret::new(text)))
        }
        (None, None) => Err(strange("without a value")),
    }
}

/// AWS tells of too many requests with 400.
fn is_throttled(answer: &Answer) -> bool {
    is_passing(answer) || matches!(code(answer), "ThrottlingException" | "Throttling")
}

/// What an answer that is no success says, if it is one of the words that are known: nothing else
/// of it may reach a message.
fn code(answer: &Answer) -> &'static str {
    const KNOWN: [&str; 19] = [
        "ResourceNotFoundException",
        "AccessDeniedException",
        "UnrecognizedClientException",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "SignatureDoesNotMatch",
        "IncompleteSignature",
        "MissingAuthenticationToken",
        "ExpiredTokenException",
        "ExpiredToken",
        "RequestExpired",
        "DecryptionFailure",
        "KMSAccessDeniedException",
        "InvalidRequestException",
        "InvalidParameterException",
        "ValidationException",
        "ThrottlingException",
        "Throttling",
        "AccessDenied",
    ];
    #[derive(Deserialize)]
    struct Refusal {
        #[serde(rename = "__type", alias = "code")]
        code: String,
    }
    if answer.status < 400 {
        return "";
    }
    let Ok(refusal) = serde_json::from_slice::<Refusal>(&answer.body) else { return "" };
    let said = refusal.code.rsplit('#').next().unwrap_or_default();
    match KNOWN.into_iter().find(|known| *known == said) {
        Some("AccessDenied") => "AccessDeniedException",
        known => known.unwrap_or_default(),
    }
}

fn no_region() -> Trouble {
    let hint = "write region = \"eu-central-1\" into its table of the manifest, or set AWS_REGION";
    Trouble::new(Whose::Manifest, "cannot be asked: nothing says in which region it is", hint)
}

fn own_address(region: &str) -> Result<Address, Trouble> {
    let domain = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
    Address::parse(&format!("https://secretsmanager.{region}.{domain}")).map_err(|_| {
        let what = format!("cannot be asked: {region:?} is no region");
        Trouble::new(Whose::Manifest, what, "write it like eu-central-1")
    })
}
