//! External stores.

use crate::manifest::format::Format;
use crate::manifest::kind::{Field, Kind, Table, choice};

/// A store of secrets.
pub static STORE: Table = Table {
    name: "store",
    header: "[stores.NAME]",
    help: "A store outside of the project that settings take their values from, as `from = \"NAME:PATH#FIELD\"`. It is asked before a run begins, and only for what neither the environment nor a file of the project has. Its credentials come from the environment of whoever deploys, as the guide says for each kind, never from the manifest.",
    example: "[stores.vault]\nkind = \"vault\"\naddress = \"https://vault.example.org:8200\"\n\n[stores.op]\nkind = \"command\"\ncommand = [\"op\", \"read\", \"{path}\"]\n\n[settings]\nDB_PASSWORD = { from = \"vault:shop/db#password\" }\nSMTP_PASSWORD = { from = \"op:op://Shop/smtp/password\" }",
    fields: &[
        Field::new(
            "kind",
            Kind::Choice(&[
                choice("vault", "HashiCorp Vault or OpenBao"),
                choice("aws", "AWS Secrets Manager"),
                choice("gcp", "Google Cloud Secret Manager"),
                choice("azure", "Azure Key Vault"),
                choice("command", "a program that prints the value, such as `op`, `pass` or `bw`"),
            ]),
            "What it is.",
        )
        .required(),
        Field::new("address", Kind::Text(Format::StoreAddress), "Where it is. Azure needs it.")
            .absent("vault: `$VAULT_ADDR`; aws: `$AWS_ENDPOINT_URL`, or the region's own; gcp: Google's own")
            .example(r#""https://shop.vault.azure.net""#),
        Field::new("namespace", Kind::Text(Format::Any), "For vault: the namespace.")
            .absent("`$VAULT_NAMESPACE`, or none")
            .example(r#""team""#),
        Field::new("mount", Kind::Text(Format::Any), "For vault: where the key-value engine is mounted.")
            .default("secret"),
        Field::new("version", Kind::Integer { min: 1, max: 2 }, "For vault: the key-value engine's version.")
            .default("2"),
        Field::new(
            "auth",
            Kind::Choice(&[
                choice("token", "`$VAULT_TOKEN`, or `~/.vault-token`"),
                choice("approle", "`$VAULT_ROLE_ID` and `$VAULT_SECRET_ID`"),
            ]),
            "For vault: how to log in.",
        )
        .absent("`approle` where `$VAULT_ROLE_ID` is set and `$VAULT_TOKEN` is not, else `token`"),
        Field::new("region", Kind::Text(Format::Any), "For aws: the region.")
            .absent("`$AWS_REGION`, `$AWS_DEFAULT_REGION`, or the profile's")
            .example(r#""eu-central-1""#),
        Field::new("profile", Kind::Text(Format::Any), "For aws: the profile of the shared files.")
            .absent("`$AWS_PROFILE`, or `default`")
            .example(r#""deploy""#),
        Field::new("project", Kind::Text(Format::Any), "For gcp: the project.")
            .absent("`$GOOGLE_CLOUD_PROJECT`, or that of the credentials")
            .example(r#""shop-1234""#),
        Field::new(
            "command",
            Kind::OneOrMany(&Kind::Text(Format::Any)),
            "For command: what to run, as text that is split into words or a list of words; never a shell. `{path}` stands for the path. What it prints is the value, without one line break at the end.",
        )
        .absent("an error for command")
        .example(r#""op read {path}""#),
        Field::new(
            "ca",
            Kind::Text(Format::Any),
            "A file with certificates (PEM) of authorities that are trusted beside the system's, relative to the manifest.",
        )
        .absent("vault: `$VAULT_CACERT`; otherwise the system's")
        .example(r#""deploy/vault-ca.pem""#),
        Field::new("insecure", Kind::Bool, "Whether it may be asked over http://, so that everybody on the way reads the secrets.")
            .default("false"),
        Field::new("timeout", Kind::Text(Format::PositiveSpan), "How long asking it may take, with all attempts.")
            .default("20s"),
    ],
};
