//! What the application needs in a server that runs: its account, its database, its extensions.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use windlass_core::settings::Secret;

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
    user: String,
    password: Secret,
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
        let passwords = format!("127.0.0.1:{port}:*:{ADMIN}:{}\n", identity.admin.expose());
        files::private_file(&place.directory.join("admin.pgpass"), passwords.as_bytes(), None)?;
        let beside = programs.directory.join("psql");
        let extensions = private.options.get(EXTENSIONS).map_or("", String::as_str).split(',');
        Ok(Self {
            psql: if beside.exists() { beside } else { PathBuf::from("psql") },
            directory: place.directory.clone(),
            port,
            user: private.database.to_owned(),
            password: identity.password.clone(),
            extensions: extensions
                .map(str::trim)
                .filter(|name| !name.is_empty())
                .map(ToOwned::to_owned)
                .collect(),
        })
    }

    /// Makes the account, the database and the extensions, where they are not there.
    pub(in crate::resource) fn perform(&self) -> Result<(), Fault> {
        let (role, name, password) =
            (identifier(&self.user), literal(&self.user), literal(self.password.expose()));
        // A statement that fails is logged with its text, unless it is told not to.
        let made = format!(
            "SET log_min_error_statement = panic; SET log_statement = 'none'; SET log_min_duration_statement = -1;\n\
             SET standard_conforming_strings = on;\n\
             SELECT format('CREATE ROLE %I LOGIN', {name}) WHERE NOT EXISTS \
             (SELECT FROM pg_roles WHERE rolname = {name}) \\gexec\n\
             ALTER ROLE {role} LOGIN PASSWORD {password};\n\
             SELECT format('CREATE DATABASE %I OWNER %I', {name}, {name}) WHERE NOT EXISTS \
             (SELECT FROM pg_database WHERE datname = {name}) \\gexec\n"
        );
        self.psql("postgres", &made)?;
        let extensions: String = self
            .extensions
            .iter()
            .map(|extension| format!("CREATE EXTENSION IF NOT EXISTS {};\n", identifier(extension)))
            .collect();
        if extensions.is_empty() { Ok(()) } else { self.psql(&self.user, &extensions) }
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

fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
