//! AWS Secrets Manager: whose keys are used, and what is refused. That the signatures are right is
//! shown by AWS's own vectors (beside the code) and by moto (`tests/real`), which checks them.

use crate::kit::{ask, ask_in, told, values};
use crate::server::{Reply, Seen, Server};

const ID: &str = "AKIA55XYZ";
const KEY: &str = "wJal-secret-key";
const SESSION: &str = "tok-8b1f3c9d";

/// Secrets Manager, and what serves a machine or a container its keys.
fn answer(seen: &Seen) -> Reply {
    let refused = |code: &str| Reply::Say(400, format!(r#"{{"__type":"{code}","Message":"{KEY}"}}"#));
    let keys = format!(r#"{{"AccessKeyId":"{ID}","SecretAccessKey":"{KEY}","Token":"{SESSION}"}}"#);
    match seen.line().as_str() {
        "PUT /latest/api/token" if seen.header("x-aws-ec2-metadata-token-ttl-seconds") == "21600" => {
            Reply::Say(200, "machine-token".into())
        }
        line if line.starts_with("GET /latest/")
            && seen.header("x-aws-ec2-metadata-token") != "machine-token" =>
        {
            Reply::Say(401, String::new())
        }
        "GET /latest/meta-data/iam/security-credentials/" => Reply::Say(200, "shop role\n".into()),
        "GET /latest/meta-data/iam/security-credentials/shop%20role" => Reply::Say(200, keys),
        "GET /container" if seen.header("authorization") == "container-token" => Reply::Say(200, keys),
        "POST /" => {
            let authorization = seen.header("authorization");
            if !authorization.starts_with(&format!("AWS4-HMAC-SHA256 Credential={ID}/"))
                || !authorization.contains("/eu-central-1/secretsmanager/aws4_request, ")
                || seen.header("x-amz-target") != "secretsmanager.GetSecretValue"
                || seen.header("content-type") != "application/x-amz-json-1.1"
            {
                return refused("UnrecognizedClientException");
            }
            let signed = "SignedHeaders=content-type;host;x-amz-date;x-amz-security-token;x-amz-target,";
            let with_session = !seen.header("x-amz-security-token").is_empty();
            if with_session
                && (seen.header("x-amz-security-token") != SESSION || !authorization.contains(signed))
            {
                return refused("ExpiredTokenException");
            }
            match seen.body.as_str() {
                r#"{"SecretId":"shop/db"}"# => {
                    Reply::Say(200, r#"{"SecretString":"{\"password\":\"hunter2-value\"}"}"#.into())
                }
                r#"{"SecretId":"shop/db","VersionStage":"AWSPREVIOUS"}"# => {
                    Reply::Say(200, r#"{"SecretString":"older"}"#.into())
                }
                r#"{"SecretId":"binary"}"# => Reply::Say(200, r#"{"SecretBinary":"aGVsbG8="}"#.into()),
                r#"{"SecretId":"bytes"}"# => Reply::Say(200, r#"{"SecretBinary":"/w=="}"#.into()),
                r#"{"SecretId":"denied"}"# => refused("AccessDeniedException"),
                r#"{"SecretId":"strange"}"# => refused(KEY),
                _ => refused("com.amazonaws.secretsmanager#ResourceNotFoundException"),
            }
        }
        _ => Reply::Say(404, String::new()),
    }
}

fn store(server: &Server, more: &str) -> String {
    format!("[stores.aws]\nkind = \"aws\"\naddress = \"http://127.0.0.1:{}\"\n{more}", server.port)
}

const REGION: &str = "region = \"eu-central-1\"\n";

#[test]
fn the_whole_text_or_a_field_of_it() {
    let server = Server::start(answer);
    let env = [("AWS_ACCESS_KEY_ID", ID), ("AWS_SECRET_ACCESS_KEY", KEY)];
    let places = ["aws:shop/db#password", "aws:shop/db", "aws:shop/db?stage=AWSPREVIOUS", "aws:binary"];
    assert_eq!(
        values(&ask(&store(&server, REGION), &places, &env)),
        [
            "aws:shop/db#password=hunter2-value",
            "aws:shop/db={\"password\":\"hunter2-value\"}",
            "aws:shop/db?stage=AWSPREVIOUS=older",
            "aws:binary=hello",
        ]
    );
    assert_eq!(server.seen().len(), 3);
}

#[test]
fn keys_are_found_where_awss_own_tools_find_them() {
    let server = Server::start(answer);
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join(".aws")).unwrap();
    std::fs::write(home.path().join(".aws/config"), "[profile deploy]\nregion = eu-central-1\n").unwrap();
    std::fs::write(
        home.path().join(".aws/credentials"),
        format!("[deploy]\naws_access_key_id = {ID}\naws_secret_access_key = {KEY}\naws_session_token = {SESSION}\n"),
    )
    .unwrap();
    let here = format!("http://127.0.0.1:{}", server.port);
    let container = format!("{here}/container");
    let home = home.path();
    let at_home = ("HOME", home.to_str().unwrap());
    for (manifest, env) in [
        (
            store(&server, "profile = \"deploy\"\n"),
            vec![at_home, ("AWS_ACCESS_KEY_ID", "other"), ("AWS_SECRET_ACCESS_KEY", "x")],
        ),
        (store(&server, ""), vec![at_home, ("AWS_PROFILE", "deploy")]),
        (
            store(&server, REGION),
            vec![
                ("AWS_CONTAINER_CREDENTIALS_FULL_URI", container.as_str()),
                ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "container-token"),
            ],
        ),
        (store(&server, REGION), vec![("AWS_EC2_METADATA_SERVICE_ENDPOINT", here.as_str())]),
        (
            "[stores.aws]\nkind = \"aws\"\n".to_owned(),
            vec![
                ("AWS_ENDPOINT_URL", here.as_str()),
                ("AWS_REGION", "eu-central-1"),
                ("AWS_ACCESS_KEY_ID", ID),
                ("AWS_SECRET_ACCESS_KEY", KEY),
                ("AWS_SESSION_TOKEN", SESSION),
            ],
        ),
    ] {
        assert_eq!(
            values(&ask_in(home, &manifest, &["aws:shop/db#password"], &env)),
            ["aws:shop/db#password=hunter2-value"]
        );
    }
}

#[test]
fn what_aws_refuses_is_told_with_what_to_do() {
    let server = Server::start(answer);
    let aws = store(&server, REGION);
    let keys = vec![("AWS_ACCESS_KEY_ID", ID), ("AWS_SECRET_ACCESS_KEY", KEY)];
    let nothing = vec![("AWS_EC2_METADATA_DISABLED", "true")];
    for (declared, place, env, expected) in [
        (
            &aws,
            "aws:shop/dbb",
            keys.clone(),
            "the store aws has nothing at shop/dbb, or not in that version; is it there, not scheduled for deletion, \
             and in eu-central-1?",
        ),
        (
            &aws,
            "aws:denied",
            keys.clone(),
            "the store aws refuses to show denied (access denied); allow secretsmanager:GetSecretValue for the \
             credentials from the environment",
        ),
        (
            &aws,
            "aws:shop/db",
            vec![("AWS_ACCESS_KEY_ID", "other"), ("AWS_SECRET_ACCESS_KEY", KEY)],
            "the store aws refuses the credentials from the environment; are they complete, of this account, and is \
             this machine's clock right?",
        ),
        (
            &aws,
            "aws:shop/db",
            [keys.clone(), vec![("AWS_SESSION_TOKEN", "old")]].concat(),
            "the store aws says that the credentials from the environment have expired; get new ones; is this \
             machine's clock right?",
        ),
        (
            &aws,
            "aws:bytes",
            keys.clone(),
            "the store aws holds at bytes bytes that are no text; a setting is a text: store it as SecretString, such \
             as its base64",
        ),
        (
            &aws,
            "aws:strange",
            keys.clone(),
            "the store aws answers HTTP 400 for strange, which says nothing that is known; is its address right, and \
             may the credentials ask it?",
        ),
        (
            &aws,
            "aws:shop/db",
            nothing.clone(),
            "the store aws cannot be asked: there are no AWS credentials; set AWS_ACCESS_KEY_ID and \
             AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or give this machine a role",
        ),
        (
            &aws,
            "aws:shop/db",
            [nothing.clone(), vec![("AWS_PROFILE", "deploy")]].concat(),
            "the store aws cannot be asked: there is no AWS profile \"deploy\"; name one that stands in \
             ~/.aws/credentials or ~/.aws/config",
        ),
        (
            &store(&server, ""),
            "aws:shop/db",
            keys,
            "the store aws cannot be asked: nothing says in which region it is; write region = \"eu-central-1\" into \
             its table of the manifest, or set AWS_REGION",
        ),
    ] {
        assert_eq!(told(&ask(declared, &[place], &env), server.port), expected);
    }
}
