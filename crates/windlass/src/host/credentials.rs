//! Credentials of private resources that come and go while everything runs.

use std::time::Instant;

use windlass_core::journal::Fault;
use windlass_core::name::Name;
use windlass_core::spec::{Credential, Resource};

use super::identity::Identity;
use super::resources::{blocking, fault};
use super::{Host, in_use};
use crate::resource;

impl Host {
    /// Lets a resource know one more credential.
    pub(super) async fn add_credential(&self, name: &Name, credential: Credential) -> Result<String, Fault> {
        let spec = self.answering(name).await?;
        let place = self.place(name);
        let added = blocking(move || resource::add_credential(&spec, &place, credential)).await?;
        self.secrets_changed(name);
        added.map_err(fault)?;
        Ok(String::new())
    }

    /// Makes a resource forget a credential, once nothing that runs was given it.
    pub(super) async fn revoke_credential(
        &self,
        name: &Name,
        credential: Credential,
    ) -> Result<String, Fault> {
        if !resource::credentials(&self.layout.resource(name)).contains(&credential) {
            return Ok(String::new());
        }
        let spec = self.answering(name).await?;
        if spec.credential() == Some(credential) {
            let message = format!("{credential} of {name} is in force, and stays");
            return Err(Fault::new(message, "please report this"));
        }
        let what = format!("{credential} of {name}");
        let waited = in_use::until_unused(&what, || self.users(name, credential)).await?;
        let place = self.place(name);
        let revoked = blocking(move || resource::revoke_credential(&spec, &place, credential)).await?;
        self.secrets_changed(name);
        revoked.map_err(fault)?;
        Ok(waited)
    }

    /// The resource as the active release has it, once it answers.
    async fn answering(&self, name: &Name) -> Result<Resource, Fault> {
        let active = self.journal.borrow().active().ok().flatten();
        let spec = active.and_then(|mut active| active.release.spec.resources.shift_remove(name));
        let spec = spec.filter(Resource::is_private).ok_or_else(|| {
            Fault::new(format!("the active release has no private resource {name}"), "deploy first")
        })?;
        let prepared = self.prepared(name, &spec).await?;
        self.await_answer(name, &spec, &prepared, Instant::now()).await?;
        Ok(spec)
    }

    /// What runs and was given the credential: instances, as their descriptions say; and every other
    /// process, as its own environment says.
    fn users(&self, name: &Name, credential: Credential) -> Vec<String> {
        let given = |identity: &Identity| {
            let known = identity.resources.get(name).and_then(Resource::credential);
            known == Some(credential) && identity.service.signs_in(name, &self.settings(identity.id.release))
        };
        let instances = Identity::all(&self.layout).unwrap_or_default();
        let mut users: Vec<String> = instances
            .iter()
            .filter(|identity| given(identity) && self.lives(&identity.id))
            .map(|identity| identity.id.to_string())
            .collect();
        let Some(password) = resource::secret_of(&self.layout.resource(name), credential) else {
            return users;
        };
        users.extend(processes_with(password.expose().as_bytes()));
        users
    }
}

/// The processes whose environment holds `secret`, by what Windlass called them or by number.
fn processes_with(secret: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    for (number, environment) in in_use::environments() {
        if !environment.windows(secret.len()).any(|window| window == secret) {
            continue;
        }
        let mut variables = environment.split(|byte| *byte == 0);
        let label = variables.find_map(|variable| variable.strip_prefix(b"WINDLASS_INSTANCE="));
        found.push(match label {
            Some(label) => format!("{} (process {number})", String::from_utf8_lossy(label)),
            None => format!("process {number}"),
        });
    }
    found
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn whoever_was_given_a_secret_is_found() {
        let secret = "a-distinctive-secret-of-this-test";
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .env("URL", format!("x://u:{secret}@h"))
            .env("WINDLASS_INSTANCE", "cron.report")
            .spawn()
            .unwrap();
        let expected = vec![format!("cron.report (process {})", child.id())];
        // Between fork and exec the child's environment is still its parent's.
        let deadline = Instant::now() + Duration::from_secs(20);
        while processes_with(secret.as_bytes()) != expected && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(processes_with(secret.as_bytes()), expected);
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(processes_with(secret.as_bytes()), Vec::<String>::new());
    }
}
