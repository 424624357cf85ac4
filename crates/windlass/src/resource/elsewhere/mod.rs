//! Accounts at servers that are somebody else's: one is made beside the other, tried, and taken away.
//!
//! ```text
//!             PostgreSQL                        Redis                     RabbitMQ
//! create      another role, member of the old   a second password         another user, with the same rights
//! verify      sign in                           sign in                   sign in
//! revoke      lock the old role, or drop it     remove the old password   delete the old user
//! ```
//!
//! Each may be done again, to the same end: whoever dies in the middle does it once more. What is asked
//! before anything changes, [`Deed::Rehearse`], is answered by the server itself, which tries what will be
//! done and takes it back where it can.

mod address;
mod postgres;
mod rabbitmq;
mod redis;
mod scram;

use std::time::Duration;

use windlass_core::settings::Secret;
use windlass_core::spec::Engine;

use super::fault::Fault;
use address::Address;

/// Two values by which an application signs in to a server, and who may tell it of them.
pub struct Exchange {
    /// What the server is.
    pub engine: Engine,
    /// The setting, for messages.
    pub setting: String,
    /// The setting with the administrator's URL, and that; `None` where the account changes itself.
    pub admin: Option<(String, Secret)>,
    /// The account, where the values are passwords alone.
    pub user: String,
    /// The value that goes.
    pub old: Secret,
    /// The value that stays.
    pub new: Secret,
    /// How long each question to the server may take.
    pub timeout: Duration,
}

/// What is done at the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// Look whether all the others can be done, and change nothing.
    Rehearse,
    /// Let the new value sign in, beside the old one.
    Create,
    /// Sign in with the new value.
    Verify,
    /// Let the old value sign in no more.
    Revoke,
}

impl Exchange {
    /// Does it. What is worth telling about it, else nothing.
    ///
    /// # Errors
    /// A [`Fault`] that shows neither of the values.
    pub fn perform(&self, deed: Deed) -> Result<String, Fault> {
        if deed == Deed::Revoke && self.is_in_force_again()? {
            return Ok("it is in force again".to_owned());
        }
        match self.engine {
            Engine::Postgres => postgres::perform(self, deed),
            Engine::Redis => redis::perform(self, deed),
            Engine::Rabbitmq => rabbitmq::perform(self, deed),
        }
    }

    /// Whether the account that goes is the one that stays. What an earlier rotation could not revoke may
    /// have come into force again since, by hand, or at another server.
    fn is_in_force_again(&self) -> Result<bool, Fault> {
        let (old, new) = (self.goes()?, self.comes()?);
        let is_same = |fact| old.fact(fact) == new.fact(fact);
        // Of Redis it is a password that goes: an account has several.
        Ok(if self.engine == Engine::Redis { is_same("password") } else { is_same("user") })
    }

    /// All that must not be shown: the values, and the passwords in them.
    #[must_use]
    pub fn secrets(&self) -> Vec<Secret> {
        let admin = self.admin.as_ref().map(|(_, url)| url);
        let whole = admin.into_iter().chain([&self.old, &self.new]).cloned();
        let addresses = [self.admin(), self.goes(), self.comes()].into_iter().flatten();
        let passwords = addresses.map(|address| Secret::new(address.fact("password")));
        whole.chain(passwords).collect()
    }

    /// The administrator.
    fn admin(&self) -> Result<Address, Fault> {
        let (setting, url) = self.admin.as_ref().map_or((&self.setting, &self.old), |(key, url)| (key, url));
        match self.engine {
            Engine::Rabbitmq => Address::of_management(setting, url.expose()),
            engine => Address::parse(engine, setting, url.expose()),
        }
    }

    /// The setting with the administrator's URL.
    fn admin_setting(&self) -> &str {
        self.admin.as_ref().map_or(&self.setting, |(setting, _)| setting)
    }

    /// Where, and as whom, the old value signs in.
    fn goes(&self) -> Result<Address, Fault> {
        self.account(&self.old)
    }

    /// The same of the new one.
    fn comes(&self) -> Result<Address, Fault> {
        self.account(&self.new)
    }

    /// Where, and as whom, the application signs in with a value: where its administrator does, if the
    /// value is a password alone.
    fn account(&self, value: &Secret) -> Result<Address, Fault> {
        let value = value.expose();
        if self.engine == Engine::Redis && !value.contains("://") {
            let user = if self.user.is_empty() { "default" } else { &self.user };
            return Ok(self.admin()?.of_account(user, value));
        }
        Address::parse(self.engine, &self.setting, value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // proves: HS-19
    #[test]
    fn an_account_that_is_in_force_again_is_not_revoked() {
        let of = |engine, old: &str, new: &str| Exchange {
            engine,
            setting: "URL".to_owned(),
            admin: Some(("ADMIN".to_owned(), Secret::new("http://boss:nothing@127.0.0.1:1/"))),
            user: String::new(),
            old: Secret::new(old),
            new: Secret::new(new),
            timeout: Duration::from_secs(1),
        };
        for (engine, old, new) in [
            (Engine::Postgres, "postgres://shop:old@h/shop", "postgres://shop:by-hand@elsewhere/shop"),
            (Engine::Rabbitmq, "amqp://shop:old@h/", "amqp://shop:by-hand@elsewhere/"),
            (Engine::Redis, "redis://:one@h/0", "redis://:one@elsewhere/1"),
        ] {
            // Nobody listens there: it is not even asked.
            let said = of(engine, old, new).perform(Deed::Revoke).map_err(|fault| fault.message);
            assert_eq!(said.as_deref(), Ok("it is in force again"));
        }
        let gone = of(Engine::Rabbitmq, "amqp://shop:old@h/", "amqp://shop_r1:new@h/");
        assert!(gone.perform(Deed::Revoke).is_err());
    }
}
