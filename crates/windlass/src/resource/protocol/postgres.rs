//! PostgreSQL's start of a session, as far as it tells whether the server takes sessions at all.

use super::NotReady;
use super::wire::Wire;

/// Version 3.0 of the protocol.
const VERSION: u32 = 3 << 16;

pub(super) fn ask(wire: &mut Wire, user: &str, database: &str) -> Result<(), NotReady> {
    let mut body = VERSION.to_be_bytes().to_vec();
    for (name, value) in [("user", user), ("database", database), ("application_name", "windlass")] {
        for text in [name, value] {
            body.extend_from_slice(text.as_bytes());
            body.push(0);
        }
    }
    body.push(0);
    let length = u32::try_from(body.len() + 4).map_err(|_| NotReady::new("the user's name is too long"))?;
    wire.send(&[&length.to_be_bytes(), body.as_slice()].concat())?;
    let [kind] = wire.array()?;
    if !matches!(kind, b'R' | b'E') {
        return Err(NotReady::new("what answers there is not PostgreSQL"));
    }
    // Read to its end, or the server would log a broken connection.
    let length = u32::from_be_bytes(wire.array()?) as usize;
    let message = wire.read(length.saturating_sub(4))?;
    // When it asks for the password, it takes sessions.
    if kind == b'R' { Ok(()) } else { refused(&message) }
}

/// Reads an error. Like pg_isready, takes one that is about the account for an answer of a server
/// that serves.
fn refused(fields: &[u8]) -> Result<(), NotReady> {
    let field = |kind: u8| {
        let field = fields.split(|&b| b == 0).find(|field| field.first() == Some(&kind))?;
        Some(String::from_utf8_lossy(&field[1..]).into_owned())
    };
    match field(b'C').as_deref() {
        // cannot_connect_now; too_many_connections; the classes "insufficient resources",
        // "operator intervention", "system error" and "internal error".
        Some(code) if ["53", "57", "58", "XX"].iter().any(|class| code.starts_with(class)) => {
            let message = field(b'M').unwrap_or_default();
            Err(NotReady::new(message.escape_debug().to_string()))
        }
        Some(_) => Ok(()),
        None => Err(NotReady::new("what answers there is not PostgreSQL")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_starts_is_told_from_one_that_refuses_an_account() {
        let starting = refused(b"SFATAL\0C57P03\0Mthe database system is starting up\0\0");
        assert_eq!(starting, Err(NotReady::new("the database system is starting up")));
        assert_eq!(refused(b"SFATAL\0C28P01\0Mpassword authentication failed\0\0"), Ok(()));
        assert!(refused(b"HTTP/1.1 400").is_err());
    }
}
