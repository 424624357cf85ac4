//! Passwords of a user of Redis, who may have several.

use ring::digest;

use super::address::Address;
use super::{Deed, Exchange};
use crate::resource::fault::Fault;
use crate::resource::protocol::redis::{Reply, Session};
use crate::resource::protocol::{self, NotReady};

pub(super) fn perform(exchange: &Exchange, deed: Deed) -> Result<String, Fault> {
    let (old, new) = (exchange.goes()?, exchange.comes()?);
    if deed == Deed::Verify {
        return sign_in(exchange, &new);
    }
    let mut admin = Admin::of(exchange, &old)?;
    match deed {
        Deed::Rehearse => admin.rehearse(&old),
        Deed::Create => {
            admin.change(&format!(">{}", new.fact("password")))?;
            let kept = admin.keep();
            // Said before anything is started with it.
            sign_in(exchange, &new)?;
            Ok(kept)
        }
        Deed::Revoke | Deed::Verify => {
            if !admin.passwords()?.contains(&hash(old.fact("password"))) {
                return Ok(String::new());
            }
            admin.change(&format!("<{}", old.fact("password")))?;
            Ok(admin.keep())
        }
    }
}

fn sign_in(exchange: &Exchange, new: &Address) -> Result<String, Fault> {
    session(exchange, new).map(|_| String::new()).map_err(|why| {
        Fault::new(
            format!(
                "the new value of {} does not sign in to Redis at {}: {why}",
                exchange.setting,
                new.place()
            ),
            "see that the URL is that of the server which its administrator is asked at",
        )
    })
}

fn session(exchange: &Exchange, at: &Address) -> Result<Session, NotReady> {
    // As redis-py and others name it, and as redis-cli does.
    let authorities = at.authorities(&["ssl_ca_certs", "cacert"]);
    protocol::redis_session(at.facts(), authorities.as_deref(), exchange.timeout)
}

/// Somebody who may change users.
struct Admin {
    session: Session,
    /// The application's user.
    user: String,
    /// Who is asked where, for messages.
    whom: String,
    setting: String,
}

impl Admin {
    fn of(exchange: &Exchange, old: &Address) -> Result<Self, Fault> {
        let admin = exchange.admin()?;
        let setting = exchange.admin_setting().to_owned();
        let whom = format!("Redis at {}, asked as {} ({setting})", admin.place(), name(&admin));
        let mut opened = session(exchange, &admin);
        if admin.place() == old.place() && name(&admin) == name(old) {
            // It exchanges its own password, so which of the two is good depends on how far this came.
            for other in [exchange.goes()?, exchange.comes()?] {
                opened = opened.or_else(|why| session(exchange, &other).map_err(|_| why));
            }
        }
        let session = opened.map_err(|why| {
            Fault::new(
                format!("{whom}: {why}"),
                format!(
                    "see that it runs and can be reached from here, and that the URL in {setting} is right"
                ),
            )
        })?;
        Ok(Self { session, user: name(old).to_owned(), whom, setting })
    }

    fn ask(&mut self, words: &[&str]) -> Result<Reply, Fault> {
        self.session.ask(words).map_err(|why| {
            let help = if why.reason.contains("unknown command") {
                "users come with Redis 6; where a provider has taken ACL away, exchange the password by its own means, \
                 as commands of `rotate`"
                    .to_owned()
            } else {
                format!("name in {} a user who may +acl, +config and +info", self.setting)
            };
            Fault::new(format!("{}: {why}", self.whom), help)
        })
    }

    /// What is known of the application's user: words, of which those behind `passwords` are hashes.
    fn known(&mut self) -> Result<Reply, Fault> {
        let user = self.user.clone();
        self.ask(&["ACL", "GETUSER", &user])
    }

    fn passwords(&mut self) -> Result<Vec<String>, Fault> {
        Ok(self.known()?.texts().into_iter().map(str::to_owned).collect())
    }

    fn change(&mut self, rule: &str) -> Result<(), Fault> {
        let user = self.user.clone();
        self.ask(&["ACL", "SETUSER", &user, rule]).map(drop)
    }

    /// Whether the password could be exchanged: no rule at all is one that changes nothing.
    fn rehearse(&mut self, old: &Address) -> Result<String, Fault> {
        let (user, whom) = (self.user.clone(), self.whom.clone());
        let known = self.known()?;
        let wrong = |what: String, help: &str| Err(Fault::new(format!("{whom}: {what}"), help));
        if known == Reply::Nothing {
            return wrong(
                format!("there is no user {user}"),
                "see that the value names the user as the server does",
            );
        }
        if known.texts().contains(&"nopass") {
            let help = "give it a password (ACL SETUSER ... resetpass >...), and rotate that then";
            return wrong(format!("the user {user} is let in with any password"), help);
        }
        if !known.texts().contains(&hash(old.fact("password")).as_str()) {
            return wrong(
                format!("the value that is in force is no password of the user {user}"),
                "put the right one into the file, and deploy; or see that the administrator's URL is that of the same server",
            );
        }
        self.ask(&["ACL", "SETUSER", &user]).map(|_| String::new())
    }

    /// Has the server write down its users for its next start. Why it cannot, where it cannot: it is
    /// right until then, so that is no failure.
    fn keep(&mut self) -> String {
        let mut kept = || -> Result<(), String> {
            let mut ask = |words: &[&str]| self.session.ask(words).map_err(|why| why.reason);
            let file = ask(&["CONFIG", "GET", "aclfile"])?;
            if file.texts().get(1).is_some_and(|path| !path.is_empty()) {
                return ask(&["ACL", "SAVE"]).map(drop);
            }
            let about = ask(&["INFO", "server"])?;
            let file = about.texts().concat();
            let file = file.lines().find_map(|line| line.strip_prefix("config_file:")).unwrap_or_default();
            match file.trim() {
                "" => Err("it was started with neither a configuration file nor an aclfile".to_owned()),
                _ => ask(&["CONFIG", "REWRITE"]).map(drop),
            }
        };
        kept().err().map_or_else(String::new, |why| {
            format!(
                "Redis forgets this when it is started again: {why}; put the passwords of {} there yourself",
                self.user
            )
        })
    }
}

fn name(address: &Address) -> &str {
    match address.fact("user") {
        "" => "default",
        user => user,
    }
}

/// A password as the server keeps it.
fn hash(password: &str) -> String {
    let hash = digest::digest(&digest::SHA256, password.as_bytes());
    hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
