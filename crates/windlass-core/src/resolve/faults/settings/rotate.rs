//! Rotations that cannot be: of what is no secret, of what is kept or put together elsewhere, or at a
//! server that nobody could tell.

use super::Of;
use crate::diag::Diag;
use crate::manifest::{Node, nearest};
use crate::resolve::setting_of;
use crate::settings::Kind;
use crate::spec::{Engine, Template};

pub(super) fn find(of: &Of<'_>, diags: &mut Vec<Diag>) {
    if of.setting.rotate.is_none() {
        return;
    }
    diags.extend(kept_elsewhere(of).or_else(|| no_secret(of)));
    diags.extend(length(of));
    match of.setting.rotate.and_then(|made_up| made_up.at) {
        Some(engine) => at_server(of, engine, diags),
        None => diags.extend(without_server(of)),
    }
    for command in ["create", "verify", "revoke"] {
        let path = ["settings", of.key, "rotate", command];
        if of.scene.typed(&[path.as_slice(), &["shell"]].concat()) {
            let message = format!("`{command}` of {} is run without a shell", of.key);
            diags.push(Diag::error("bad-rotation", of.scene.span(&path), message).help(
                "write the words of a command; a shell would put the values into arguments, which everybody \
                 on the machine can read: do it in a script that takes NEW_VALUE from its environment",
            ));
        }
    }
}

fn kept_elsewhere(of: &Of<'_>) -> Option<Diag> {
    let (why, help) = match () {
        () if of.setting.from.is_some() => (
            "is kept in a store",
            "take `rotate` away and exchange it there; the next deploy asks the store for the new value",
        ),
        () if of.setting.composed.is_some() => {
            ("is put together from others", "write `rotate` at the secret that is a part of it")
        }
        () => return None,
    };
    let message = format!("{} {why}, so Windlass has no value of it to exchange", of.key);
    Some(Diag::error("bad-rotation", of.span("rotate"), message).help(help))
}

fn no_secret(of: &Of<'_>) -> Option<Diag> {
    (!of.setting.secret).then(|| {
        let message = format!("{} is no secret, and only those are rotated", of.key);
        Diag::error("bad-rotation", of.span("rotate"), message)
            .help("add secret = true, or take `rotate` away")
    })
}

fn length(of: &Of<'_>) -> Option<Diag> {
    let typed = ["settings", of.key, "rotate", "length"];
    let length = u64::from(of.setting.rotate.filter(|_| of.scene.typed(&typed))?.length);
    let bounds = &of.setting.bounds;
    let help = match (bounds.min_length, bounds.max_length) {
        (Some(min), _) if length < min => format!("it needs at least {min}"),
        (_, Some(max)) if length > max => format!("it may have at most {max}"),
        _ => return None,
    };
    let message = format!("a made-up value of {} would have {length} characters", of.key);
    Some(Diag::error("bad-rotation", of.scene.span(&typed), message).help(help))
}

fn typed<'a>(of: &Of<'a>, key: &str) -> Option<&'a Node> {
    of.node.at(&["rotate", key])
}

fn bad(of: &Of<'_>, key: &str, message: String) -> Diag {
    Diag::error("bad-rotation", of.scene.span(&["settings", of.key, "rotate", key]), message)
}

/// What only Windlass itself needs to know.
fn without_server(of: &Of<'_>) -> Option<Diag> {
    // One that was refused is reported already.
    let key = ["admin", "user", "url"]
        .into_iter()
        .find(|key| typed(of, key).is_some() && typed(of, "at").is_none())?;
    let message = format!("`{key}` of {} is for a server, and no `at` says which", of.key);
    Some(
        bad(of, key, message)
            .help("add at = \"postgres\", \"redis\" or \"rabbitmq\"; commands find it in a setting"),
    )
}

fn at_server(of: &Of<'_>, engine: Engine, diags: &mut Vec<Diag>) {
    let (key, name) = (of.key, engine.name());
    for command in ["create", "verify", "revoke"].into_iter().filter(|command| typed(of, command).is_some()) {
        let message = format!("{key} has both `at` and `{command}`");
        diags.push(bad(of, command, message).help(format!(
            "take `{command}` away, and Windlass tells {name} itself; or take `at` away, and commands do it all"
        )));
    }
    diags.extend(admin(of, engine));
    let is_url = of.setting.kind == Kind::Url;
    let has_user = typed(of, "user").is_some();
    if !is_url && engine != Engine::Redis {
        if has_user && typed(of, "url").is_some() {
            diags.extend(account(of, name).or_else(|| address(of, name)));
        } else {
            let message = format!("{key} is no URL, and {name} knows one password for an account");
            diags.push(bad(of, "at", message).help(format!(
                "so that old and new copies can sign in at the same time another account takes over, whose name is \
                 exchanged with {key}: say which setting has the name, user = \"NAME\", and which is the URL put \
                 together from both, url = \"NAME\"; or make {key} the whole URL, with type = \"url\""
            )));
        }
    } else if typed(of, "url").is_some() {
        let message = format!("{key} needs no other setting for its URL");
        diags.push(bad(of, "url", message).help("take `url` away"));
    }
    if has_user && is_url {
        let message = format!("the URL of {key} names its user already");
        diags.push(bad(of, "user", message).help("take `user` away"));
    }
}

/// The setting with the account's name: it is exchanged as well, and by this rotation alone.
fn account(of: &Of<'_>, server: &str) -> Option<Diag> {
    let name = typed(of, "user")?.text()?;
    let Some(setting) = of.scene.declared.get(name) else { return unknown(of, "user", name) };
    let others = of.scene.declared.iter().filter(|(key, _)| key.as_str() != of.key);
    let other = others.into_iter().find(|(_, other)| other.account.as_deref() == Some(name));
    let why = match other {
        _ if name == of.key => "is the password itself".to_owned(),
        _ if setting.composed.is_some() => "is put together from others".to_owned(),
        _ if setting.from.is_some() => "is kept in a store".to_owned(),
        _ if setting.rotate.is_some() => "is rotated by itself".to_owned(),
        Some((other, _)) => format!("is exchanged with {other}"),
        None => return None,
    };
    Some(bad(of, "user", format!("{name} {why}, and cannot be exchanged with {}", of.key)).help(format!(
        "name the setting whose value in .env or the encrypted file is the name of the account in {server}"
    )))
}

/// The setting that an application signs in by, of which both are parts.
fn address(of: &Of<'_>, server: &str) -> Option<Diag> {
    let (name, user) = (typed(of, "url")?.text()?, typed(of, "user")?.text()?);
    let Some(setting) = of.scene.declared.get(name) else { return unknown(of, "url", name) };
    let references = setting.composed.iter().flat_map(Template::references);
    let parts: Vec<&str> = references.filter_map(setting_of).collect();
    let lacks = [user, of.key].into_iter().find(|part| !parts.contains(part))?;
    Some(bad(of, "url", format!("{name} is not put together from {lacks}")).help(format!(
        "name the setting that is the URL of {server}, with user = \"{{settings.{user}}}\" and password = \
         \"{{settings.{}}}\" in its `url`; one that nobody else needs may have services = []",
        of.key
    )))
}

fn unknown(of: &Of<'_>, key: &str, name: &str) -> Option<Diag> {
    if of.scene.is_misnamed(&["settings"], name) {
        return None;
    }
    let diag = bad(of, key, format!("there is no setting {name}"));
    let others = of.scene.declared.keys().map(String::as_str).filter(|other| *other != of.key);
    Some(match nearest(name, others) {
        Some(meant) if meant != name => diag.label(format!("did you mean {meant}?")),
        _ => diag.help(format!("declare it: {name} = {{}}")),
    })
}

fn admin(of: &Of<'_>, engine: Engine) -> Option<Diag> {
    let example = match engine {
        Engine::Rabbitmq => "https://admin:...@host:15671",
        Engine::Redis => "redis://admin:...@host:6379",
        Engine::Postgres => "postgresql://admin:...@host:5432",
    };
    let Some(named) = typed(of, "admin") else {
        // A user of Redis may be allowed to change its own passwords.
        if engine == Engine::Redis && of.setting.kind == Kind::Url {
            return None;
        }
        let message = format!("{} does not say who makes its accounts in {}", of.key, engine.name());
        return Some(bad(of, "at", message).help(format!(
            "add admin = \"NAME\", a setting with the URL of an administrator ({example}), and declare it: NAME = {{}}"
        )));
    };
    let name = named.text()?;
    let message = match of.scene.declared.get(name) {
        Some(_) if name != of.key => return None,
        Some(_) => format!("{} would make its own successor", of.key),
        None if of.scene.is_misnamed(&["settings"], name) => return None,
        None => format!("there is no setting {name}"),
    };
    let diag = bad(of, "admin", message);
    let others = of.scene.declared.keys().map(String::as_str).filter(|other| *other != of.key);
    Some(match nearest(name, others) {
        Some(meant) if meant != name => diag.label(format!("did you mean {meant}?")),
        _ => {
            diag.help(format!("declare a setting for the URL of an administrator ({example}), and name that"))
        }
    })
}
