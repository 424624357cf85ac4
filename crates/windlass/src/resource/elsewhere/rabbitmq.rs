//! Users of a RabbitMQ, by the HTTP interface of its management plugin.
//!
//! A user has one password, so another one signs in beside it, with the same tags, permissions and
//! limits. Deleting a user closes its connections.

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderValue, Method};
use ring::digest;
use serde_json::{Value, json};
use windlass_core::spec::Encoding;
use windlass_core::store;
use zeroize::Zeroizing;

use super::address::Address;
use super::{Deed, Exchange};
use crate::http_client::{Client, Proxies, Request, credential, is_passing};
use crate::random;
use crate::resource::fault::Fault;
use crate::resource::protocol;
use crate::trouble::Whose;

/// What to do where it is reached, and does not answer as it should.
const WELL: &str = "see that the server is well (rabbitmqctl status; its log says more), and rotate again";

/// More characters of a reason are not shown.
const LONGEST_REASON: usize = 200;

pub(super) fn perform(exchange: &Exchange, deed: Deed) -> Result<String, Fault> {
    let (old, new) = (exchange.goes()?, exchange.comes()?);
    if deed == Deed::Verify {
        return sign_in(exchange, &new);
    }
    let admin = Admin::of(exchange)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime =
        runtime.map_err(|error| Fault::new(format!("no connection can be made: {error}"), "try again"))?;
    match deed {
        Deed::Rehearse => runtime.block_on(admin.rehearse(old.fact("user")))?,
        Deed::Create => {
            runtime.block_on(admin.create(old.fact("user"), new.fact("user"), new.fact("password")))?;
            // Said before anything is started with it.
            sign_in(exchange, &new)?;
        }
        Deed::Revoke | Deed::Verify => runtime.block_on(admin.delete(old.fact("user")))?,
    }
    Ok(String::new())
}

fn sign_in(exchange: &Exchange, new: &Address) -> Result<String, Fault> {
    let authorities = new.authorities(&["cacertfile"]);
    let signed_in = protocol::amqp_sign_in(new.facts(), authorities.as_deref(), exchange.timeout);
    signed_in.map(|()| String::new()).map_err(|why| {
        Fault::new(
            format!(
                "the new value of {} does not sign in to RabbitMQ at {}: {why}",
                exchange.setting,
                new.place()
            ),
            "see that the URL is that of the server which its administrator is asked at",
        )
    })
}

/// Somebody who may change users.
struct Admin {
    client: Client,
    address: store::Address,
    authorization: HeaderValue,
    name: String,
    /// Who is asked where, for messages.
    whom: String,
    setting: String,
}

impl Admin {
    fn of(exchange: &Exchange) -> Result<Self, Fault> {
        let admin = exchange.admin()?;
        let setting = exchange.admin_setting().to_owned();
        let wrong = |what: String| Fault::new(format!("the URL in {setting} {what}"), "correct it there");
        let address = store::Address::parse(admin.fact("url")).map_err(|why| wrong(why.to_owned()))?;
        let account = Zeroizing::new(format!("{}:{}", admin.fact("user"), admin.fact("password")));
        let basic = Zeroizing::new(format!("Basic {}", STANDARD.encode(account.as_bytes())));
        let authorization = credential(&basic, "its password").map_err(|trouble| wrong(trouble.what))?;
        let authorities: Option<PathBuf> = admin.authorities(&["cacertfile"]);
        let name = admin.fact("user").to_owned();
        Ok(Self {
            client: Client::new(authorities, false, Proxies::default(), exchange.timeout),
            whom: format!("RabbitMQ's management at {address}, asked as {name} ({setting})"),
            address,
            authorization,
            name,
            setting,
        })
    }

    /// Whether users can be made and deleted, and the application's is there.
    async fn rehearse(&self, user: &str) -> Result<(), Fault> {
        let own = self.own().await?;
        // A list, or before 3.9 words with commas between them.
        let is_admin = match &own["tags"] {
            Value::String(tags) => tags.split(',').any(|tag| tag.trim() == "administrator"),
            tags => tags.as_array().is_some_and(|tags| tags.iter().any(|tag| tag == "administrator")),
        };
        if !is_admin {
            return Err(self.fault(
                "its user has not the tag administrator",
                format!("rabbitmqctl set_user_tags {} administrator", self.name),
            ));
        }
        if user == self.name {
            return Err(self.fault(
                &format!("the application signs in as the administrator, {user}"),
                format!(
                    "let the application sign in as a user of its own, and name another in {}",
                    self.setting
                ),
            ));
        }
        self.user(user).await.map(drop)
    }

    /// Who is asked as.
    async fn own(&self) -> Result<Value, Fault> {
        self.get("/api/whoami").await?.ok_or_else(|| {
            let help = format!("see that the URL in {} leads to its management, with its path", self.setting);
            self.fault("there is no management of RabbitMQ", help)
        })
    }

    async fn user(&self, user: &str) -> Result<Value, Fault> {
        let found = self.get(&format!("/api/users/{}", encoded(user))).await?;
        found.ok_or_else(|| {
            self.fault(
                &format!("there is no user {user}"),
                "see that the value names the user as the server does".to_owned(),
            )
        })
    }

    async fn create(&self, old: &str, new: &str, password: &str) -> Result<(), Fault> {
        let tags = &self.user(old).await?["tags"];
        let (was, user) = (encoded(old), encoded(new));
        let made = json!({
            "password_hash": hash(password)?,
            "hashing_algorithm": "rabbit_password_hashing_sha256",
            "tags": tags,
        });
        self.put(&format!("/api/users/{user}"), &made).await?;
        for (kind, rights) in [
            ("permissions", ["configure", "write", "read"]),
            ("topic-permissions", ["exchange", "write", "read"]),
        ] {
            for known in self.list(&format!("/api/users/{was}/{kind}")).await? {
                let vhost = encoded(known["vhost"].as_str().unwrap_or_default());
                let given: serde_json::Map<String, Value> =
                    rights.iter().map(|right| ((*right).to_owned(), known[*right].clone())).collect();
                self.put(&format!("/api/{kind}/{vhost}/{user}"), &Value::Object(given)).await?;
            }
        }
        // Limits came with 3.8.10.
        for known in self.list(&format!("/api/user-limits/{was}")).await? {
            for (limit, value) in known["value"].as_object().into_iter().flatten() {
                let path = format!("/api/user-limits/{user}/{}", encoded(limit));
                self.put(&path, &json!({ "value": value })).await?;
            }
        }
        Ok(())
    }

    async fn delete(&self, user: &str) -> Result<(), Fault> {
        if user == self.name {
            return Err(self.fault(
                &format!("{user} is the administrator"),
                format!("name another in {}", self.setting),
            ));
        }
        // Where there is no management at all, that there is no such user says nothing.
        self.own().await?;
        self.ask(Method::DELETE, &format!("/api/users/{}", encoded(user)), None).await.map(drop)
    }

    async fn list(&self, path: &str) -> Result<Vec<Value>, Fault> {
        let found = self.get(path).await?;
        Ok(found.and_then(|found| found.as_array().cloned()).unwrap_or_default())
    }

    async fn get(&self, path: &str) -> Result<Option<Value>, Fault> {
        self.ask(Method::GET, path, None).await
    }

    async fn put(&self, path: &str, body: &Value) -> Result<(), Fault> {
        self.ask(Method::PUT, path, Some(body)).await.map(drop)
    }

    /// What is answered; `None` where there is no such thing.
    async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Option<Value>, Fault> {
        let body = body.map(Value::to_string).unwrap_or_default();
        let request = Request {
            method: method.clone(),
            body: Zeroizing::new(body.into_bytes()),
            ..Request::get(&self.address, path)
        };
        let request = request
            .header("authorization", self.authorization.clone())
            .header("content-type", HeaderValue::from_static("application/json"));
        let answer = self.client.ask(&request, is_passing).await.map_err(|trouble| {
            let setting = &self.setting;
            let help = match trouble.whose {
                Whose::Server => WELL.to_owned(),
                _ => format!(
                    "see that the management plugin listens there (rabbitmq-plugins enable rabbitmq_management) and that \
                     the URL in {setting} is right: https://, or http:// on this machine; ?cacertfile= names an \
                     authority of your own"
                ),
            };
            Fault::new(format!("{}: it {}", self.whom, trouble.what), help)
        })?;
        let said = reason(&answer.body).map_or_else(String::new, |reason| format!(": {reason}"));
        match answer.status {
            200..=204 => Ok(Some(serde_json::from_slice(&answer.body).unwrap_or_default())),
            404 if method != Method::PUT => Ok(None),
            401 => Err(self.fault(
                &format!("it does not let this user in{said}"),
                format!(
                    "correct the user and the password in {}; the user needs the tag administrator",
                    self.setting
                ),
            )),
            403 => Err(self.fault(
                &format!("it refuses {method} {path} (HTTP 403){said}"),
                format!("rabbitmqctl set_user_tags {} administrator", self.name),
            )),
            status => Err(self.fault(
                &format!("it refuses {method} {path} (HTTP {status}){said}"),
                "the server was reached, and this is its answer: its log may say more; mend it there, and rotate again"
                    .to_owned(),
            )),
        }
    }

    fn fault(&self, what: &str, help: String) -> Fault {
        Fault::new(format!("{}: {what}", self.whom), help)
    }
}

/// Why it refuses, in its own words.
fn reason(body: &[u8]) -> Option<String> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let said = body["reason"].as_str().or_else(|| body["error"].as_str())?;
    let said: String = said.chars().filter(|c| !c.is_control()).take(LONGEST_REASON).collect();
    (!said.is_empty()).then_some(said)
}

fn encoded(part: &str) -> String {
    Encoding::Url.encode(part)
}

/// A password as the server keeps it: a salt, and the hash of both.
fn hash(password: &str) -> Result<String, Fault> {
    let salt: [u8; 4] = random::bytes().map_err(|error| Fault::new(error.to_string(), "try again"))?;
    let hash = digest::digest(&digest::SHA256, &[&salt, password.as_bytes()].concat());
    Ok(STANDARD.encode([&salt, hash.as_ref()].concat()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_told_in_the_servers_words() {
        let said = |body: &str| reason(body.as_bytes());
        assert_eq!(
            said(r#"{"error":"bad_request","reason":"invalid tags\n"}"#).as_deref(),
            Some("invalid tags")
        );
        assert_eq!(said(r#"{"error":"not_authorised"}"#).as_deref(), Some("not_authorised"));
        assert_eq!(said("<html>").or(said("")).or(said(r#"{"reason":7}"#)), None);
        assert_eq!(said(&format!(r#"{{"reason":"{}"}}"#, "x".repeat(999))).map(|text| text.len()), Some(200));
    }
}
