//! Roles of a PostgreSQL, by `psql`: it knows every way there is to a server, and all that the URL says
//! of TLS.
//!
//! A role has one password, so another signs in beside it: a member of the role that owns what the
//! application made, which acts as that role from its first statement on. A role that a rotation has
//! made is dropped when it is replaced; the one that was there before is locked and goes on owning.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::address::Address;
use super::{Deed, Exchange, scram};
use crate::programs;
use crate::random;
use crate::resource::fault::Fault;
use crate::resource::locate::locate;
use crate::resource::run::run;
use windlass_core::spec::Engine;
use zeroize::Zeroizing;

/// What libpq calls in its environment what a URL says behind `?`. Anything else there is for the
/// application's own driver.
const PARAMETERS: [(&str, &str); 9] = [
    ("sslmode", "PGSSLMODE"),
    ("sslrootcert", "PGSSLROOTCERT"),
    ("sslcert", "PGSSLCERT"),
    ("sslkey", "PGSSLKEY"),
    ("sslcrl", "PGSSLCRL"),
    ("channel_binding", "PGCHANNELBINDING"),
    ("gssencmode", "PGGSSENCMODE"),
    ("target_session_attrs", "PGTARGETSESSIONATTRS"),
    ("connect_timeout", "PGCONNECT_TIMEOUT"),
];

pub(super) fn perform(exchange: &Exchange, deed: Deed) -> Result<String, Fault> {
    let (old, new) = (exchange.goes()?, exchange.comes()?);
    match deed {
        Deed::Rehearse => {
            let tried = Zeroizing::new(["BEGIN;\n", &create(&old, &new)?, "ROLLBACK;\n"].concat());
            as_admin(exchange, &tried)
        }
        Deed::Create => {
            let told = as_admin(exchange, &create(&old, &new)?)?;
            // Said before anything is started with it.
            sign_in(exchange, &new)?;
            Ok(told)
        }
        Deed::Verify => sign_in(exchange, &new),
        Deed::Revoke => {
            let names = setting("was", old.fact("user"));
            as_admin(exchange, &format!("{names}{}", include_str!("revoke.sql")))
        }
    }
}

/// What lets a server sign somebody in is no less secret than the password to whoever has it.
fn create(old: &Address, new: &Address) -> Result<Zeroizing<String>, Fault> {
    let salt: [u8; 16] = random::bytes().map_err(|error| Fault::new(error.to_string(), "try again"))?;
    let verifier = Zeroizing::new(scram::verifier(new.fact("password"), &salt));
    let verifier = Zeroizing::new(setting("verifier", &verifier));
    let (was, successor) = (setting("was", old.fact("user")), setting("successor", new.fact("user")));
    Ok(Zeroizing::new([&was, &successor, verifier.as_str(), include_str!("create.sql")].concat()))
}

fn setting(name: &str, value: &str) -> String {
    format!("SELECT set_config('windlass.{name}', '{}', false) \\g /dev/null\n", value.replace('\'', "''"))
}

/// Lets the administrator say this, in the application's database unless the URL names another.
fn as_admin(exchange: &Exchange, statements: &str) -> Result<String, Fault> {
    let (admin, old) = (exchange.admin()?, exchange.goes()?);
    let is_named = admin.fact("database") != admin.fact("user");
    let database = if is_named { admin.fact("database") } else { old.fact("database") };
    // Whoever owns the database, or is a role in it, may have put functions of their own before the server's.
    let head = "SET search_path = pg_catalog, pg_temp;\nSET standard_conforming_strings = on;\nSET client_min_messages = warning;\nSET lock_timeout = '10s';\n";
    let statements = Zeroizing::new([head, statements].concat());
    psql(exchange, &admin, database, &statements).map_err(|said| {
        let (place, user, named) = (admin.place(), admin.fact("user"), exchange.admin_setting());
        let asked = Asked { named, user, owner: old.fact("user"), database, setting: &exchange.setting };
        let help = asked.help(&said);
        Fault::new(format!("PostgreSQL at {place}, asked as {user} ({named}): {}", said.text()), help)
    })
}

/// Why `psql` did not do it.
enum Said {
    /// The server's own words.
    Server(String),
    /// Those of the client: it is not there, or did not get through.
    Client(String),
}

impl Said {
    fn text(&self) -> &str {
        let (Self::Server(text) | Self::Client(text)) = self;
        text
    }
}

/// Who was asked for what, for the help.
struct Asked<'a> {
    /// The setting with the administrator's URL.
    named: &'a str,
    user: &'a str,
    /// The role that the application signs in as.
    owner: &'a str,
    database: &'a str,
    /// The setting that is rotated.
    setting: &'a str,
}

impl Asked<'_> {
    fn help(&self, said: &Said) -> String {
        let Self { named, user, owner, database, setting } = self;
        let has = |words: &[&str]| words.iter().any(|word| said.text().contains(word));
        match said {
            Said::Client(text) if text.starts_with("cannot run") => {
                "install PostgreSQL's client (Debian, Ubuntu: apt-get install postgresql-client)".to_owned()
            }
            Said::Client(_) if has(&["certificate", "SSL", "TLS"]) => format!(
                "let sslmode and sslrootcert behind the ? of the URL in {named} fit the server's certificate"
            ),
            Said::Client(_) if has(&["did not end within"]) => {
                "it answers too slowly, or something holds it up: see what it is busy with, and rotate again".to_owned()
            }
            Said::Client(_) => {
                format!("see that it runs and can be reached from here, and that the URL in {named} is right")
            }
            Said::Server(_) if has(&["as the administrator"]) => {
                format!("let the application sign in by a role of its own, and name another in {named}")
            }
            Said::Server(_) if has(&["there is no role"]) => {
                format!("see that {setting} and {named} are of the same server: {owner} signs in at the one")
            }
            Said::Server(_) if has(&["standby", "read-only", "recovery"]) => {
                format!("name in {named} the server that takes changes, its primary")
            }
            Said::Server(_) if has(&["is too old"]) => "move to a newer PostgreSQL first".to_owned(),
            Said::Server(_) if has(&["authentication failed", "no password supplied", "pg_hba.conf"]) => format!(
                "correct the user and the password in {named}, or let {user} in from here: pg_hba.conf at the server"
            ),
            Said::Server(_) if has(&["is not permitted to log in"]) => {
                format!("name in {named} a role that may sign in, or let it: ALTER ROLE {user} LOGIN")
            }
            Said::Server(_) if has(&["database"]) && has(&["does not exist"]) => format!(
                "correct the database in {named}; without one there the application's is taken ({database})"
            ),
            Said::Server(_) if has(&["role"]) && has(&["does not exist"]) => {
                format!("correct the user in {named}, or make it: CREATE ROLE {user} LOGIN CREATEROLE")
            }
            Said::Server(_) if has(&["lock timeout", "deadlock"]) => {
                "another transaction holds the roles: rotate again when it has ended".to_owned()
            }
            Said::Server(_) if has(&["too many", "connection slots", "starting up", "shutting down"]) => {
                "it takes nobody else now: rotate again in a while".to_owned()
            }
            Said::Server(_) if has(&["permission denied", "must be", "must have", "only roles with", "Only roles with"]) => {
                format!(
                    "name in {named} a role with CREATEROLE that may grant {owner} (from PostgreSQL 16 on: GRANT {owner} \
                     TO {user} WITH ADMIN OPTION), or a superuser"
                )
            }
            Said::Server(_) => {
                "the server was reached, and this is its answer: its log may say more; mend it there, and rotate again"
                    .to_owned()
            }
        }
    }
}

fn sign_in(exchange: &Exchange, new: &Address) -> Result<String, Fault> {
    psql(exchange, new, new.fact("database"), "SELECT 1 \\g /dev/null\n").map(drop).map_err(|said| {
        let (place, user) = (new.place(), new.fact("user"));
        let help = match &said {
            Said::Server(_) => format!(
                "let {user} in as the old role is: in pg_hba.conf +ROLE means all its members; a pooler must know it too"
            ),
            Said::Client(_) => {
                format!("see that {} leads to the server that its administrator is asked at, and from here", exchange.setting)
            }
        };
        Fault::new(
            format!("the new value of {} does not sign in to PostgreSQL at {place}: {}", exchange.setting, said.text()),
            help,
        )
    })?;
    Ok(String::new())
}

/// Says this to a server. What it warned of; what went wrong in its own words.
fn psql(exchange: &Exchange, at: &Address, database: &str, statements: &str) -> Result<String, Said> {
    match run(&mut client(at, database), Some(statements), exchange.timeout) {
        Ok(printed) => Ok(lines_of(&printed, &["WARNING:"])),
        Err(fault) => {
            let said = lines_of(&fault.help, &["ERROR:", "FATAL:", "DETAIL:"]);
            Err(match said.is_empty() {
                true => Said::Client(format!("{}; {}", fault.message, fault.help)),
                false => Said::Server(said),
            })
        }
    }
}

/// The client of a server, which reads statements. No password is an argument of it.
fn client(at: &Address, database: &str) -> Command {
    let mut command = Command::new(program());
    command
        .args(["--no-psqlrc", "--quiet", "--no-password", "--set", "ON_ERROR_STOP=1", "--file", "-"])
        .env_clear()
        .env("PATH", programs::USUAL)
        .env("LC_ALL", "C.UTF-8")
        .env("PGAPPNAME", "windlass")
        .env("PGCONNECT_TIMEOUT", "10")
        .env("PGHOST", at.fact("host"))
        .env("PGPORT", at.fact("port"))
        .env("PGUSER", at.fact("user"))
        .env("PGDATABASE", database);
    // Where the password may come from a file of the account that runs this.
    if let Some(home) = std::env::var_os("HOME") {
        command.env("HOME", home);
    }
    if !at.fact("password").is_empty() {
        command.env("PGPASSWORD", at.fact("password"));
    }
    for (name, variable) in PARAMETERS {
        if let Some(value) = at.query(name) {
            command.env(variable, value);
        }
    }
    command.stdin(Stdio::piped());
    command
}

/// What the server said after one of these words, each on a line of its own.
fn lines_of(printed: &str, words: &[&str]) -> String {
    let said = printed.lines().filter_map(|line| {
        let rest = words.iter().find_map(|word| line.split_once(word).map(|(_, rest)| rest))?;
        Some(rest.trim())
    });
    said.collect::<Vec<_>>().join("; ")
}

fn program() -> PathBuf {
    let beside = locate(Engine::Postgres, None).ok().map(|programs| programs.directory.join("psql"));
    beside.filter(|path| programs::is_program(path)).unwrap_or_else(|| PathBuf::from("psql"))
}

#[cfg(test)]
mod tests {
    use super::*;

    // proves: HS-19
    #[test]
    fn a_password_is_no_argument() {
        let url = "postgresql://boss:Zk31-blau@db.internal:6432/?sslmode=verify-full&pool_size=5";
        let command = client(&Address::parse(Engine::Postgres, "ADMIN", url).unwrap(), "shop");
        let arguments: Vec<_> = command.get_args().map(|word| word.to_string_lossy().into_owned()).collect();
        assert_eq!(arguments.join(" "), "--no-psqlrc --quiet --no-password --set ON_ERROR_STOP=1 --file -");
        let told = |name: &str| {
            let found = command.get_envs().find(|(known, _)| *known == name);
            found.and_then(|(_, value)| value).map(|value| value.to_string_lossy().into_owned())
        };
        for (name, value) in [
            ("PGUSER", "boss"),
            ("PGPASSWORD", "Zk31-blau"),
            ("PGHOST", "db.internal"),
            ("PGPORT", "6432"),
            ("PGDATABASE", "shop"),
            ("PGSSLMODE", "verify-full"),
        ] {
            assert_eq!(told(name).as_deref(), Some(value), "{name}");
        }
    }

    // proves: HS-19
    #[test]
    fn what_a_server_holds_is_no_statement() {
        let old = Address::parse(Engine::Postgres, "URL", "postgres://a'b%22%24windlass%24:x@h/d").unwrap();
        let new = Address::parse(Engine::Postgres, "URL", "postgres://next:Zk31-blau@h/d").unwrap();
        let statements = create(&old, &new).unwrap();
        assert!(statements.starts_with(
            "SELECT set_config('windlass.was', 'a''b\"$windlass$', false) \\g /dev/null\n\
             SELECT set_config('windlass.successor', 'next', false) \\g /dev/null\n\
             SELECT set_config('windlass.verifier', 'SCRAM-SHA-256$4096:"
        ));
        assert!(!statements.contains("Zk31-blau"));
    }

    #[test]
    fn the_help_fits_what_was_said() {
        let asked = Asked { named: "ADMIN", user: "boss", owner: "till", database: "till", setting: "URL" };
        let server = |text: &str| Said::Server(text.to_owned());
        let client = |text: &str| Said::Client(text.to_owned());
        for (said, help) in [
            (client("cannot run psql: No such file"), "install PostgreSQL's client"),
            (
                client("psql failed (exit status: 2); it said: Connection refused"),
                "see that it runs and can be reached",
            ),
            (
                client("psql failed; it said: SSL error: certificate verify failed"),
                "let sslmode and sslrootcert",
            ),
            (
                client("psql did not end within 5s and was killed; it said: ; try again"),
                "it answers too slowly",
            ),
            (
                server("password authentication failed for user \"boss\""),
                "correct the user and the password in ADMIN",
            ),
            (
                server("no pg_hba.conf entry for host \"10.0.0.1\""),
                "correct the user and the password in ADMIN",
            ),
            (server("role \"boss\" is not permitted to log in"), "name in ADMIN a role that may sign in"),
            (server("database \"tlil\" does not exist"), "correct the database in ADMIN"),
            (server("role \"boss\" does not exist"), "correct the user in ADMIN"),
            (server("there is no role till"), "see that URL and ADMIN are of the same server"),
            (server("permission denied to create role"), "name in ADMIN a role with CREATEROLE"),
            (server("must be superuser to alter superuser roles"), "name in ADMIN a role with CREATEROLE"),
            (
                server("it is a standby, which takes no changes"),
                "name in ADMIN the server that takes changes",
            ),
            (server("canceling statement due to lock timeout"), "another transaction holds the roles"),
            (server("sorry, too many clients already"), "it takes nobody else now"),
            (
                server("the application signs in as the administrator, till"),
                "let the application sign in by a role",
            ),
            (
                server("could not extend file: No space left on device"),
                "the server was reached, and this is its answer",
            ),
        ] {
            assert!(asked.help(&said).starts_with(help), "{}: {}", said.text(), asked.help(&said));
        }
    }

    #[test]
    fn what_a_server_says_is_found() {
        let printed = "psql:<stdin>:4: ERROR:  permission denied to create role\n\
                       DETAIL:  Only roles with the CREATEROLE attribute may create roles.\nCONTEXT:  SQL statement";
        assert_eq!(
            lines_of(printed, &["ERROR:", "DETAIL:"]),
            "permission denied to create role; Only roles with the CREATEROLE attribute may create roles."
        );
        assert_eq!(lines_of("psql:<stdin>:4: WARNING:  a is set", &["WARNING:"]), "a is set");
    }
}
