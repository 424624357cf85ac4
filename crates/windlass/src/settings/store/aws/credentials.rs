//! Whose keys are used: the environment's, a profile's, a container's, the machine's.

use http::{HeaderValue, Method};
use serde::Deserialize;
use windlass_core::settings::Secret;
use windlass_core::store::Address;
use zeroize::Zeroizing;

use super::super::payload::Text;
use super::super::session::METADATA;
use super::super::surroundings::Surroundings;
use super::profile::Profiles;
use super::sign::Keys;
use crate::http_client::{Client, Request, credential, is_passing};
use crate::trouble::{Trouble, Whose};

/// Keys, and where they are from.
pub(super) struct Found {
    pub(super) keys: Keys,
    pub(super) from: &'static str,
}

/// Finds keys where AWS's own tools look for them. `asked` is the profile that the manifest names;
/// `name` the one that holds.
pub(super) async fn find(
    client: &Client,
    around: &Surroundings,
    profiles: &Profiles,
    asked: Option<&str>,
    name: &str,
) -> Result<Found, Trouble> {
    if asked.is_none()
        && let Some(keys) = of_environment(around)
    {
        return Ok(Found { keys, from: "the environment" });
    }
    if let Some(keys) = of_profile(profiles, name) {
        return Ok(Found { keys, from: "the profile" });
    }
    if asked.is_some() || around.get("AWS_PROFILE").is_some() {
        return Err(unusable(profiles, name));
    }
    if let Some(keys) = of_container(client, around).await? {
        return Ok(Found { keys, from: "the container" });
    }
    if let Some(keys) = of_machine(client, around).await? {
        return Ok(Found { keys, from: "the machine's role" });
    }
    Err(none())
}

fn none() -> Trouble {
    Trouble::new(
        Whose::Deployer,
        "cannot be asked: there are no AWS credentials",
        "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or give this machine a role",
    )
}

fn unusable(profiles: &Profiles, name: &str) -> Trouble {
    if !profiles.has(name) {
        let what = format!("cannot be asked: there is no AWS profile {name:?}");
        return Trouble::new(
            Whose::Deployer,
            what,
            "name one that stands in ~/.aws/credentials or ~/.aws/config",
        );
    }
    let what = format!("cannot be asked: the AWS profile {name:?} holds no keys of its own");
    let hint = "profiles with sso_session, role_arn or credential_process are not read: run \
                aws configure export-credentials --format env, and set what it prints";
    Trouble::new(Whose::Deployer, what, hint)
}

fn of_environment(around: &Surroundings) -> Option<Keys> {
    Some(Keys {
        id: around.get("AWS_ACCESS_KEY_ID")?.to_owned(),
        secret: Secret::new(around.get("AWS_SECRET_ACCESS_KEY")?),
        session: around.get("AWS_SESSION_TOKEN").map(Secret::new),
    })
}

fn of_profile(profiles: &Profiles, name: &str) -> Option<Keys> {
    let get = |key| profiles.get(name, key);
    Some(Keys {
        id: get("aws_access_key_id")?.to_owned(),
        secret: Secret::new(get("aws_secret_access_key")?),
        session: get("aws_session_token").map(Secret::new),
    })
}

/// The credentials that ECS and EKS serve to a container.
async fn of_container(client: &Client, around: &Surroundings) -> Result<Option<Keys>, Trouble> {
    let full = around.get("AWS_CONTAINER_CREDENTIALS_FULL_URI").map(str::to_owned);
    let relative = around.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    let Some(url) = relative.map(|path| format!("http://169.254.170.2{path}")).or(full) else {
        return Ok(None);
    };
    let wrong = || {
        let what = "cannot be asked: AWS_CONTAINER_CREDENTIALS_FULL_URI is no address";
        Trouble::new(Whose::Deployer, what, "it is set by ECS and EKS: take it away elsewhere")
    };
    let (place, path) = split(&url).ok_or_else(wrong)?;
    let address = Address::parse(&place).map_err(|_| wrong())?;
    let mut request = Request::get(&address, path).patience(METADATA);
    let token = match around.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE") {
        Some(file) => Some(Zeroizing::new(std::fs::read_to_string(file).map_err(|error| {
            let what = format!("cannot be asked: {file} with the container's token cannot be read: {error}");
            Trouble::new(Whose::Deployer, what, "it is set by EKS: is it mounted?")
        })?)),
        None => around.get("AWS_CONTAINER_AUTHORIZATION_TOKEN").map(|token| Zeroizing::new(token.to_owned())),
    };
    if let Some(token) = token {
        request = request.header("authorization", credential(token.trim(), "the container's token")?);
    }
    let answer = client.ask(&request, is_passing).await?;
    keys(answer.status, &answer.body, "the container").map(Some)
}

/// The credentials of the role that an EC2 machine has, by the second version of its protocol only:
/// the first can be reached through a gullible application.
async fn of_machine(client: &Client, around: &Surroundings) -> Result<Option<Keys>, Trouble> {
    if around.get("AWS_EC2_METADATA_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        return Ok(None);
    }
    let place = around.get("AWS_EC2_METADATA_SERVICE_ENDPOINT").unwrap_or("http://169.254.169.254");
    let Ok(address) = Address::parse(place) else { return Ok(None) };
    let ttl = HeaderValue::from_static("21600");
    let request = Request {
        method: Method::PUT,
        ..Request::get(&address, "/latest/api/token")
            .header("x-aws-ec2-metadata-token-ttl-seconds", ttl)
            .patience(METADATA)
    };
    // Whoever does not answer is no EC2 machine.
    let Ok(token) = client.ask(&request, is_passing).await else { return Ok(None) };
    let Some(token) = text(token.status, &token.body) else { return Ok(None) };
    let token = credential(&token, "the machine's token")?;
    let ask = async |path: String| {
        let request =
            Request::get(&address, path).header("x-aws-ec2-metadata-token", token.clone()).patience(METADATA);
        client.ask(&request, is_passing).await
    };
    const ROLES: &str = "/latest/meta-data/iam/security-credentials/";
    let roles = ask(ROLES.to_owned()).await?;
    let Some(roles) = text(roles.status, &roles.body) else { return Ok(None) };
    let Some(role) = roles.lines().next().filter(|role| !role.is_empty()) else { return Ok(None) };
    let answer = ask(format!("{ROLES}{}", super::super::encode::percent(role))).await?;
    keys(answer.status, &answer.body, "the machine's role").map(Some)
}

fn text(status: u16, body: &[u8]) -> Option<Zeroizing<String>> {
    let text = std::str::from_utf8(body).ok()?;
    (status == 200).then(|| Zeroizing::new(text.trim().to_owned()))
}

fn keys(status: u16, body: &[u8], from: &str) -> Result<Keys, Trouble> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Served {
        access_key_id: String,
        secret_access_key: Text,
        token: Option<Text>,
    }
    let served: Option<Served> = (status == 200).then(|| serde_json::from_slice(body).ok()).flatten();
    let served = served.ok_or_else(|| {
        let what = format!("cannot be asked: {from} gives no AWS credentials (HTTP {status})");
        Trouble::new(Whose::Deployer, what, "does it have a role that may read secrets?")
    })?;
    Ok(Keys {
        id: served.access_key_id,
        secret: served.secret_access_key.0,
        session: served.token.map(|token| token.0),
    })
}

/// A URL as address and path.
fn split(url: &str) -> Option<(String, String)> {
    let (scheme, rest) = url.split_once("://")?;
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    Some((format!("{scheme}://{authority}"), format!("/{path}")))
}
