//! Whether two releases run the same code.

use crate::spec::{Credential, Spec};

/// Whether two specifications are the same but for what `scale` and `secrets rotate` change: how many copies
/// there are, and what is signed in with. Releases of one tree of which this is so differ in nothing that a
/// rollback would take back.
#[must_use]
pub fn same_but_for_scale_and_rotation(one: &Spec, other: &Spec) -> bool {
    let rotated = |name: &String| one.revoked.contains_key(name) || other.revoked.contains_key(name);
    let plain = |spec: &Spec| {
        let mut spec = spec.clone();
        for service in spec.services.values_mut() {
            service.replicas = 0;
        }
        for resource in spec.resources.values_mut() {
            *resource = resource.clone().with_credential(Credential::FIRST);
        }
        for (name, setting) in &mut spec.settings {
            // Which value is masked is judged anew by each version of Windlass, and no code.
            (setting.secret, setting.separator) = (false, None);
            // What a setting is put together from is compared for itself.
            if rotated(name) || setting.composed.is_some() {
                setting.fingerprint.clear();
            }
        }
        spec.revoked.clear();
        spec.sealed = None;
        spec
    };
    plain(one) == plain(other)
}
