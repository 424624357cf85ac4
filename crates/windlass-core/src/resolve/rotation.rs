//! How settings are exchanged.

use indexmap::IndexMap;

use super::read::{Reader, command};
use crate::manifest::fields::{ROTATE, SETTING};
use crate::spec::{Engine, Env, Rotation, Server};

/// The rotations that are declared; `env` is the environment of their commands.
pub(super) fn rotations(root: Reader<'_>, env: impl Fn() -> Env) -> IndexMap<String, Rotation> {
    let declared = root.entries("settings").filter_map(|(key, node)| {
        let rotate = Reader::new(&SETTING, Some(node)).given("rotate")?;
        let read = Reader::new(&ROTATE, rotate.table().is_some().then_some(rotate));
        let command = |key: &str| read.given(key).and_then(command);
        let mut rotation = Rotation {
            create: command("create"),
            verify: command("verify"),
            revoke: command("revoke"),
            env: Env::default(),
            timeout: read.span("timeout"),
            at: server(read),
        };
        if rotation.commands().next().is_some() {
            rotation.env = env();
        }
        Some((key.clone(), rotation))
    });
    declared.collect()
}

/// The server that Windlass itself tells.
fn server(read: Reader<'_>) -> Option<Server> {
    Some(Server {
        engine: Engine::of(read.text("at")?)?,
        admin: read.owned("admin"),
        user: read.owned("user").unwrap_or_default(),
        url: read.owned("url"),
    })
}
