//! What follows a value by which an application signs in to a server.
//!
//! ```text
//! postgresql://shop:old@db.internal/shop         ->  postgresql://shop_r5e0c91d2:new@db.internal/shop
//! redis://shop:old@cache.internal/0, or old      ->  redis://shop:new@cache.internal/0, or new
//! ```
//!
//! A role of PostgreSQL and a user of RabbitMQ have one password, so another account takes over. Redis
//! knows several passwords for a user, who stays.

use zeroize::Zeroizing;

use crate::spec::{Encoding, Engine};

/// What marks an account as one that took over: `_r` and eight hexadecimal digits.
const MARK: usize = 10;

/// The longest name of an account, percent-encoded: PostgreSQL takes 63 bytes with the mark.
const LONGEST: usize = 63 - MARK;

/// Why nothing can follow a value. It shows nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoSuccessor {
    /// It is no URL with a user and a password.
    NoAccount,
    /// The user's name leaves no room for the mark.
    LongName,
}

impl std::fmt::Display for NoSuccessor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoAccount => {
                f.write_str("is no URL with a user and a password, scheme://user:password@host")
            }
            Self::LongName => {
                write!(
                    f,
                    "names a user of more than {LONGEST} characters, so that nothing can be added to it"
                )
            }
        }
    }
}

/// The value that follows `old`, with another password; and, where an account has but one, with another
/// account, which `mark` (eight hexadecimal digits) tells from those before it.
///
/// # Errors
/// A [`NoSuccessor`], when there is no account in it.
pub fn successor(engine: Engine, old: &str, password: &str, mark: &str) -> Result<String, NoSuccessor> {
    let mut password = Zeroizing::new(Encoding::Url.encode(password));
    let Some((scheme, rest)) = old.split_once("://") else {
        return if engine == Engine::Redis {
            Ok(std::mem::take(&mut *password))
        } else {
            Err(NoSuccessor::NoAccount)
        };
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, behind) = rest.split_at(end);
    let (account, host) = authority.rsplit_once('@').ok_or(NoSuccessor::NoAccount)?;
    let (user, old) = account.split_once(':').ok_or(NoSuccessor::NoAccount)?;
    if old.is_empty() {
        return Err(NoSuccessor::NoAccount);
    }
    let user = match engine {
        Engine::Redis => user.to_owned(),
        Engine::Postgres | Engine::Rabbitmq => next_account(user, mark)?,
    };
    // Of one piece: a text that grows would leave copies.
    Ok([scheme, "://", &user, ":", &password, "@", host, behind].concat())
}

/// The name of the account that takes over from `user`, by itself or percent-encoded.
///
/// # Errors
/// A [`NoSuccessor`], when there is none, or no room for the mark.
pub fn next_account(user: &str, mark: &str) -> Result<String, NoSuccessor> {
    let is_mark = |text: &str| {
        let digits = text.strip_prefix("_r").unwrap_or_default();
        digits.len() == MARK - 2 && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    };
    let base = match user.len().checked_sub(MARK).and_then(|at| user.split_at_checked(at)) {
        Some((base, end)) if !base.is_empty() && is_mark(end) => base,
        _ => user,
    };
    match base.len() {
        0 => Err(NoSuccessor::NoAccount),
        1..=LONGEST => Ok(format!("{base}_r{mark}")),
        _ => Err(NoSuccessor::LongName),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(engine: Engine, old: &str) -> Result<String, NoSuccessor> {
        successor(engine, old, "new", "5e0c91d2")
    }

    // proves: HS-19
    #[test]
    fn another_account_takes_over_where_one_has_one_password() {
        for (old, new) in [
            ("postgresql://shop:old@db/shop", "postgresql://shop_r5e0c91d2:new@db/shop"),
            ("postgres://shop_r00c0ffee:o@db:6543", "postgres://shop_r5e0c91d2:new@db:6543"),
            (
                "p+psycopg://a%40b:o@[::1]/d?sslmode=require",
                "p+psycopg://a%40b_r5e0c91d2:new@[::1]/d?sslmode=require",
            ),
            // What only looks like it keeps its name.
            ("postgres://shop_readwrite:o@db", "postgres://shop_readwrite_r5e0c91d2:new@db"),
            ("postgres://_r00c0ffee:o@db", "postgres://_r00c0ffee_r5e0c91d2:new@db"),
        ] {
            assert_eq!(next(Engine::Postgres, old).as_deref(), Ok(new));
        }
        let rabbit = next(Engine::Rabbitmq, "amqp://shop:o@mq/%2F").unwrap();
        assert_eq!(rabbit, "amqp://shop_r5e0c91d2:new@mq/%2F");
    }

    // proves: HS-19
    #[test]
    fn a_user_of_redis_gets_a_second_password() {
        for (old, new) in [
            ("old", "new"),
            ("redis://:old@cache:6379/0", "redis://:new@cache:6379/0"),
            ("rediss://shop:o:l@d@cache?x=1", "rediss://shop:new@cache?x=1"),
        ] {
            assert_eq!(next(Engine::Redis, old).as_deref(), Ok(new));
        }
    }

    #[test]
    fn what_has_no_account_has_no_successor() {
        for old in
            ["old", "postgres://db/shop", "postgres://shop@db", "postgres://shop:@db", "postgres://:o@db"]
        {
            assert_eq!(next(Engine::Postgres, old), Err(NoSuccessor::NoAccount), "{old}");
        }
        let long = format!("postgres://{}:old@db", "x".repeat(54));
        assert_eq!(next(Engine::Postgres, &long), Err(NoSuccessor::LongName));
    }
}
