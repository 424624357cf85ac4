//! What the application needs in a server that runs: its accounts, its database, its extensions.
//!
//! The role that is called as the database owns it and all that is in it, whoever signs in. The first
//! credential is that role itself. Every other is a role of its own that is a member of it and acts
//! as it from the first statement on, so that what one made another can change.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use windlass_core::settings::{Growing, Secret};
use zeroize::Zeroizing;

use super::{ADMIN, EXTENSIONS, environment};
use crate::resource::fault::Fault;
use crate::resource::identity::Identity;
use crate::resource::locate::Programs;
use crate::resource::place::Place;
use crate::resource::run::run;
use crate::resource::{Private, files};

/// What is made in a server that runs.
#[derive(Debug, Clone)]
pub(in crate::resource) struct Setup {
    psql: PathBuf,
    directory: PathBuf,
    port: u16,
    /// The database, and the role that owns it.
    owner: String,
    /// Roles that may sign in, with their passwords.
    roles: Vec<(String, Secret)>,
    /// Roles that may not any more.
    revoked: Vec<String>,
    extensions: Vec<String>,
}

impl Setup {
    pub(super) fn new(
        programs: &Programs,
        place: &Place,
        private: &Private<'_>,
        identity: &Identity,
        port: u16,
    ) -> Result<Self, Fault> {
        let account = format!("127.0.0.1:{port}:*:{ADMIN}:");
        let passwords = Zeroizing::new([account.as_str(), identity.admin.expose(), "\n"].concat());
        files::private_file(&place.directory.join("admin.pgpass"), passwords.as_bytes(), None)?;
        let beside = programs.directory.join("psql");
        let extensions = private.options.get(EXTENSIONS).map_or("", String::as_str).split(',');
        Ok(Self {
            psql: if beside.exists() { beside } else { PathBuf::from("psql") },
            directory: place.directory.clone(),
            port,
            owner: private.database.to_owned(),
            roles: identity
                .accounts
                .iter()
                .map(|(credential, password)| (private.user(*credential), password.clone()))
                .collect(),
            revoked: identity.revoked.iter().map(|(credential, _)| private.user(*credential)).collect(),
            extensions: extensions
                .map(str::trim)
                .filter(|name| !name.is_empty())
                .map(ToOwned::to_owned)
                .collect(),
        })
    }

    /// Makes the accounts, the database and the extensions, where they are not there, and takes away
    /// the accounts that are revoked.
    pub(in crate::resource) fn perform(&self) -> Result<(), Fault> {
        let (owner, name) = (identifier(&self.owner), literal(&self.owner));
        // Passwords come into it.
        let mut made = Growing::default();
        made.push_str(QUIET);
        made.push_str(&create_role(&self.owner));
        if !self.roles.iter().any(|(role, _)| *role == self.owner) {
            made.push_str(&format!("ALTER ROLE {owner} NOLOGIN PASSWORD NULL;\n"));
        }
        for (role, password) in &self.roles {
            let role = role.as_str();
            if role != self.owner {
                made.push_str(&create_role(role));
                made.push_str(&format!(
                    "GRANT {owner} TO {0};\nALTER ROLE {0} INHERIT;\nALTER ROLE {0} SET role = {name};\n",
                    identifier(role)
                ));
            }
            made.push_str(&format!("ALTER ROLE {} LOGIN PASSWORD ", identifier(role)));
            made.push_str(&quoted(password));
            made.push_str(";\n");
        }
        made.push_str(&format!(
            "SELECT format('CREATE DATABASE %I OWNER %I', {name}, {name}) WHERE NOT EXISTS \
             (SELECT FROM pg_database WHERE datname = {name}) \\gexec\n"
        ));
        self.psql("postgres", &made.finish())?;
        let mut inside: String = self
            .extensions
            .iter()
            .map(|extension| format!("CREATE EXTENSION IF NOT EXISTS {};\n", identifier(extension)))
            .collect();
        inside.extend(self.revoked.iter().map(|role| self.revocation(role)));
        if inside.is_empty() { Ok(()) } else { self.psql(&self.owner, &format!("{QUIET}{inside}")) }
    }

    /// Ends what is signed in as `role`, which nothing can do again; and removes it, with all that it
    /// owns given to the owner of the database, unless it is the owner itself.
    fn revocation(&self, role: &str) -> String {
        let (quoted, name, owner) = (identifier(role), literal(role), literal(&self.owner));
        let when_there = format!("WHERE EXISTS (SELECT FROM pg_roles WHERE rolname = {name}) \\gexec\n");
        let mut text = format!(
            "SELECT format('ALTER ROLE %I NOLOGIN PASSWORD NULL', {name}) {when_there}\
             SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = {name} \\g /dev/null\n"
        );
        if role != self.owner {
            text += &format!(
                "SELECT format('REASSIGN OWNED BY %I TO %I', {name}, {owner}) {when_there}\
                 SELECT format('DROP OWNED BY %I', {name}) {when_there}\
                 DROP ROLE IF EXISTS {quoted};\n"
            );
        }
        text
    }

    fn psql(&self, database: &str, statements: &str) -> Result<(), Fault> {
        let mut command = Command::new(&self.psql);
        command
            .args(["--no-psqlrc", "--quiet", "--no-password", "--set", "ON_ERROR_STOP=1", "--file", "-"])
            .current_dir(&self.directory)
            .env_clear()
            .envs(environment())
            .env("PGHOST", "127.0.0.1")
            .env("PGPORT", self.port.to_string())
            .env("PGUSER", ADMIN)
            .env("PGDATABASE", database)
            .env("PGPASSFILE", self.directory.join("admin.pgpass"))
            .env("PGCONNECT_TIMEOUT", "10")
            .env("PGSSLMODE", "disable")
            .stdin(Stdio::piped());
        run(&mut command, Some(statements), Duration::from_secs(60)).map(|_| ())
    }
}

/// What is said first: a statement that fails is logged with its text, unless it is told not to.
const QUIET: &str = "SET log_min_error_statement = panic; SET log_statement = 'none'; \
                     SET log_min_duration_statement = -1;\nSET standard_conforming_strings = on;\n\
                     SET client_min_messages = warning;\n";

fn create_role(role: &str) -> String {
    let name = literal(role);
    format!(
        "SELECT format('CREATE ROLE %I', {name}) WHERE NOT EXISTS \
         (SELECT FROM pg_roles WHERE rolname = {name}) \\gexec\n"
    )
}

fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A password as a literal.
fn quoted(password: &Secret) -> Zeroizing<String> {
    let mut quoted = Growing::with_capacity(password.expose().len() + 2);
    quoted.push('\'');
    for (at, part) in password.expose().split('\'').enumerate() {
        quoted.push_str(if at == 0 { "" } else { "''" });
        quoted.push_str(part);
    }
    quoted.push('\'');
    quoted.finish()
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
