//! Credentials that come and go while the server runs.

use std::time::Duration;

use windlass::resource::{
    Facts, Place, add_credential, after_start, credentials, prepare, ready, revoke_credential, secrets,
};
use windlass_core::name::ReleaseId;
use windlass_core::spec::{Credential, Engine, Resource};

use crate::SHORT;
use crate::server::{Server, assert_private, client, directory, place, resource, sql};

const FIRST: Credential = Credential::FIRST;
const SECOND: Credential = Credential::of(ReleaseId(7));
const THIRD: Credential = Credential::of(ReleaseId(12));

fn facts(wanted: &Resource, place: &Place, credential: Credential) -> Facts {
    prepare(&wanted.clone().with_credential(credential), place).unwrap().facts
}

/// Revokes `old`, with `new` in force.
fn revoke(wanted: &Resource, place: &Place, old: Credential, new: Credential) {
    let wanted = wanted.clone().with_credential(new);
    revoke_credential(&wanted, place, old).unwrap();
    revoke_credential(&wanted, place, old).unwrap();
}

// proves: HS-19
#[test]
fn postgres_knows_two_roles_with_the_same_rights_and_forgets_one() {
    let dir = directory();
    let place = place(dir.path(), "db");
    let wanted = resource(Engine::Postgres, "shop", &[]);
    let mut server = Server::start(prepare(&wanted, &place).unwrap());
    server.await_ready();
    after_start(&server.prepared).unwrap();
    let first = facts(&wanted, &place, FIRST);
    sql(&first, "CREATE TABLE orders AS SELECT 1 AS n").unwrap();

    add_credential(&wanted, &place, SECOND).unwrap();
    add_credential(&wanted, &place, SECOND).unwrap();
    let second = facts(&wanted, &place, SECOND);
    assert_eq!(second["user"], "shop_r7");
    assert_ne!(first["password"], second["password"]);
    // Both do all that a migration does, to what either has made.
    sql(&second, "ALTER TABLE orders ADD COLUMN paid bool; CREATE TABLE bills(n int)").unwrap();
    sql(&first, "DROP TABLE bills; INSERT INTO orders VALUES (2)").unwrap();
    assert_eq!(sql(&second, "SELECT current_user, session_user"), Ok("shop|shop_r7".into()));
    // A pooler that resets its sessions loses the role that they began with.
    sql(&second, "DISCARD ALL").unwrap();
    let reset = client(
        "psql",
        &["-XAtq", "-c", "DISCARD ALL", "-c", "CREATE TABLE pooled(n int)", &second["url"]],
        &[],
    );
    assert_eq!(reset, Ok(String::new()));

    // The end of the first closes what is signed in with it.
    let session = std::thread::spawn({
        let first = first.clone();
        move || sql(&first, "SELECT pg_sleep(60)")
    });
    let sleeps = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%'";
    while sql(&second, sleeps) != Ok("1".into()) {
        assert!(!session.is_finished());
    }
    revoke(&wanted, &place, FIRST, SECOND);
    assert!(session.join().unwrap().is_err());
    assert!(sql(&first, "SELECT 1").unwrap_err().contains("password authentication failed"));
    assert_eq!(sql(&second, "SELECT sum(n) FROM orders"), Ok("3".into()));
    let gone = prepare(&wanted, &place).unwrap_err();
    assert!(gone.message.starts_with("the first credential is not one"), "{gone}");

    // So it stays after a start, and the next exchange removes the role wholly.
    assert_eq!(server.stop(), Some(0));
    let now = wanted.clone().with_credential(SECOND);
    let mut server = Server::start(prepare(&now, &place).unwrap());
    server.await_ready();
    after_start(&server.prepared).unwrap();
    assert!(sql(&first, "SELECT 1").is_err());
    add_credential(&now, &place, THIRD).unwrap();
    let third = facts(&wanted, &place, THIRD);
    revoke(&wanted, &place, SECOND, THIRD);
    assert!(sql(&second, "SELECT 1").is_err());
    let owners = "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'";
    assert_eq!(sql(&third, owners), Ok("shop".into()));
    let roles = "SELECT string_agg(rolname || rolcanlogin, ' ' ORDER BY rolname) FROM pg_roles WHERE rolname LIKE 'shop%'";
    assert_eq!(sql(&third, roles), Ok("shopfalse shop_r12true".into()));
    assert_eq!(credentials(&place.directory), [THIRD]);

    let log = std::fs::read_to_string(&server.log).unwrap();
    let masked = secrets(&place.directory).unwrap();
    for facts in [&first, &second, &third] {
        assert_private(&place.directory, &facts["password"]);
        assert!(!log.contains(&facts["password"]));
        assert!(masked.iter().any(|secret| secret.expose() == facts["password"]), "masked for ever");
    }
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn a_long_name_of_a_database_leaves_room_for_its_accounts() {
    let dir = directory();
    let place = place(dir.path(), "db");
    let wanted = resource(Engine::Postgres, &"é".repeat(31), &[]);
    let mut server = Server::start(prepare(&wanted, &place).unwrap());
    server.await_ready();
    after_start(&server.prepared).unwrap();
    add_credential(&wanted, &place, SECOND).unwrap();
    let second = facts(&wanted, &place, SECOND);
    assert_eq!(sql(&second, "SELECT session_user = current_user"), Ok("f".into()));
    revoke(&wanted, &place, FIRST, SECOND);
    assert_eq!(sql(&second, "SELECT current_user = current_database()"), Ok("t".into()));
}

// proves: HS-19
#[test]
fn redis_knows_two_passwords_and_forgets_one() {
    let dir = directory();
    let place = place(dir.path(), "cache");
    let wanted = resource(Engine::Redis, "0", &[]);
    let mut server = Server::start(prepare(&wanted, &place).unwrap());
    server.await_ready();
    let first = facts(&wanted, &place, FIRST);
    add_credential(&wanted, &place, SECOND).unwrap();
    let second = facts(&wanted, &place, SECOND);
    let ping = |facts: &Facts| ready(Engine::Redis, facts, SHORT);
    assert_eq!((ping(&first), ping(&second)), (Ok(()), Ok(())));
    // It was not started again for that, and would not be.
    let now = wanted.clone().with_credential(SECOND);
    assert_eq!(prepare(&now, &place).unwrap().fingerprint, server.prepared.fingerprint);
    assert!(server.child.try_wait().unwrap().is_none());

    // A crash between the two ends of an exchange: both still hold.
    server.signal("KILL");
    server.child.wait().unwrap();
    let mut server = Server::start(prepare(&now, &place).unwrap());
    server.await_ready();
    assert_eq!((ping(&first), ping(&second)), (Ok(()), Ok(())));
    revoke(&wanted, &place, FIRST, SECOND);
    assert!(ping(&first).unwrap_err().reason.contains("WRONGPASS"));
    assert_eq!(ping(&second), Ok(()));
    assert_eq!(server.stop(), Some(0));
    let mut server = Server::start(prepare(&now, &place).unwrap());
    server.await_ready();
    assert!(ping(&first).is_err() && ping(&second).is_ok());
    for facts in [&first, &second] {
        assert_private(&place.directory, &facts["password"]);
        assert!(!std::fs::read_to_string(&server.log).unwrap().contains(&facts["password"]));
    }
    assert_eq!(server.stop(), Some(0));
}

// proves: HS-19
#[test]
fn rabbitmq_knows_two_users_and_forgets_one() {
    let dir = directory();
    let place = place(dir.path(), "mq");
    let wanted = resource(Engine::Rabbitmq, "shop", &[]);
    let mut server = Server::start(prepare(&wanted, &place).unwrap());
    server.await_ready();
    let first = facts(&wanted, &place, FIRST);
    add_credential(&wanted, &place, SECOND).unwrap();
    let second = facts(&wanted, &place, SECOND);
    assert_eq!((second["user"].as_str(), second["vhost"].as_str()), ("shop_r7", "shop"));
    // Its control program is a second Erlang, which a busy machine takes a while for.
    let open = |facts: &Facts| ready(Engine::Rabbitmq, facts, Duration::from_secs(60));
    assert_eq!((open(&first), open(&second)), (Ok(()), Ok(())));
    revoke(&wanted, &place, FIRST, SECOND);
    assert!(open(&first).unwrap_err().reason.contains("ACCESS_REFUSED"));
    assert_eq!(open(&second), Ok(()));
    for facts in [&first, &second] {
        assert_private(&place.directory, &facts["password"]);
        assert!(!std::fs::read_to_string(&server.log).unwrap().contains(&facts["password"]));
    }
    assert_eq!(server.stop(), Some(0));
}
