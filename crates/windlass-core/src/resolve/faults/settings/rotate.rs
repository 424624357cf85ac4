//! Rotations that cannot be: of what is no secret, or of what is kept or put together elsewhere.

use super::Of;
use crate::diag::Diag;

pub(super) fn find(of: &Of<'_>, diags: &mut Vec<Diag>) {
    if of.setting.rotate.is_none() {
        return;
    }
    diags.extend(kept_elsewhere(of).or_else(|| no_secret(of)));
    diags.extend(length(of));
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
    let length = u64::from(of.setting.rotate.filter(|_| of.scene.typed(&typed))?);
    let bounds = &of.setting.bounds;
    let help = match (bounds.min_length, bounds.max_length) {
        (Some(min), _) if length < min => format!("it needs at least {min}"),
        (_, Some(max)) if length > max => format!("it may have at most {max}"),
        _ => return None,
    };
    let message = format!("a made-up value of {} would have {length} characters", of.key);
    Some(Diag::error("bad-rotation", of.scene.span(&typed), message).help(help))
}
