//! AWS Signature Version 4: pure, and small enough to be ours (the published crate brings 32 others).

use http::Method;
use ring::{digest, hmac};
use windlass_core::settings::Secret;

use super::super::encode::percent;

/// Who signs.
pub(super) struct Keys {
    pub(super) id: String,
    pub(super) secret: Secret,
    pub(super) session: Option<Secret>,
}

/// What is signed.
pub(super) struct Signing<'a> {
    pub(super) method: &'a Method,
    /// The path, as it is sent.
    pub(super) path: &'a str,
    /// The query, as it is sent.
    pub(super) query: &'a str,
    /// The headers that are signed, names in lower case.
    pub(super) headers: &'a [(&'a str, &'a str)],
    pub(super) body: &'a [u8],
    /// As `20150830T123600Z`.
    pub(super) time: &'a str,
    pub(super) region: &'a str,
    pub(super) service: &'a str,
}

/// `time` as AWS writes it, from milliseconds since 1970.
pub(super) fn time(millis: i64) -> String {
    let at = jiff::Timestamp::from_millisecond(millis).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    at.strftime("%Y%m%dT%H%M%SZ").to_string()
}

impl Signing<'_> {
    /// The value of the header `authorization`.
    pub(super) fn authorization(&self, keys: &Keys) -> String {
        let (scope, names) = (self.scope(), self.names());
        let signature = hex(self.sign(keys).as_ref());
        format!(
            "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={signature}",
            keys.id
        )
    }

    fn date(&self) -> &str {
        self.time.split('T').next().unwrap_or_default()
    }

    fn scope(&self) -> String {
        format!("{}/{}/{}/aws4_request", self.date(), self.region, self.service)
    }

    fn sorted(&self) -> Vec<(&str, String)> {
        let words = |value: &str| value.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
        let mut headers: Vec<(&str, String)> =
            self.headers.iter().map(|(name, value)| (*name, words(value))).collect();
        headers.sort_by_key(|(name, _)| *name);
        headers
    }

    fn names(&self) -> String {
        self.sorted().iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";")
    }

    /// The request in the one form in which both sides hash it.
    fn canonical(&self) -> String {
        let path: Vec<String> = self.path.split('/').map(percent).collect();
        let mut query: Vec<&str> = self.query.split('&').filter(|pair| !pair.is_empty()).collect();
        query.sort_unstable();
        let headers: String = self.sorted().iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
        format!(
            "{}\n{}\n{}\n{headers}\n{}\n{}",
            self.method,
            path.join("/"),
            query.join("&"),
            self.names(),
            hex(digest::digest(&digest::SHA256, self.body).as_ref())
        )
    }

    fn sign(&self, keys: &Keys) -> hmac::Tag {
        let canonical = digest::digest(&digest::SHA256, self.canonical().as_bytes());
        let text = format!("AWS4-HMAC-SHA256\n{}\n{}\n{}", self.time, self.scope(), hex(canonical.as_ref()));
        let first = zeroize::Zeroizing::new(format!("AWS4{}", keys.secret.expose()));
        let mut key = hmac::Key::new(hmac::HMAC_SHA256, first.as_bytes());
        for part in [self.date(), self.region, self.service, "aws4_request"] {
            key = hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&key, part.as_bytes()).as_ref());
        }
        hmac::sign(&key, text.as_bytes())
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> Keys {
        Keys {
            id: "AKIDEXAMPLE".into(),
            secret: Secret::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
            session: None,
        }
    }

    /// Of AWS's published test suite for Signature Version 4, those requests whose shape occurs here.
    #[test]
    fn signatures_are_those_of_the_published_vectors() {
        let date = ("x-amz-date", "20150830T123600Z");
        let host = ("host", "example.amazonaws.com");
        let form = ("content-type", "application/x-www-form-urlencoded");
        for (name, method, query, headers, body, signature) in [
            (
                "get-vanilla",
                Method::GET,
                "",
                vec![host, date],
                "",
                "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
            ),
            (
                "get-vanilla-query-order-key-case",
                Method::GET,
                "Param2=value2&Param1=value1",
                vec![host, date],
                "",
                "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
            ),
            (
                "get-header-value-trim",
                Method::GET,
                "",
                vec![host, ("my-header1", " value1"), ("my-header2", " \"a   b   c\""), date],
                "",
                "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
            ),
            (
                "post-vanilla",
                Method::POST,
                "",
                vec![host, date],
                "",
                "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
            ),
            (
                "post-header-key-sort",
                Method::POST,
                "",
                vec![host, ("my-header1", "value1"), date],
                "",
                "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c",
            ),
            (
                "post-x-www-form-urlencoded",
                Method::POST,
                "",
                vec![form, host, date],
                "Param1=value1",
                "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
            ),
        ] {
            let signing = Signing {
                method: &method,
                path: "/",
                query,
                headers: &headers,
                body: body.as_bytes(),
                time: "20150830T123600Z",
                region: "us-east-1",
                service: "service",
            };
            assert_eq!(hex(signing.sign(&keys()).as_ref()), signature, "{name}");
        }
    }

    #[test]
    fn the_header_names_key_scope_and_what_is_signed() {
        let signing = Signing {
            method: &Method::GET,
            path: "/",
            query: "",
            headers: &[("x-amz-date", "20150830T123600Z"), ("host", "example.amazonaws.com")],
            body: b"",
            time: "20150830T123600Z",
            region: "us-east-1",
            service: "service",
        };
        assert_eq!(
            signing.authorization(&keys()),
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
             SignedHeaders=host;x-amz-date, \
             Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
        );
        assert_eq!(time(1_440_938_160_000), "20150830T123600Z");
    }
}
