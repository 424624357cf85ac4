//! Credentials of private resources that come and go while everything runs.

use std::time::Instant;

use windlass_core::journal::Fault;
use windlass_core::name::Name;
use windlass_core::resolve::signs_in;
use windlass_core::spec::{Credential, Resource};

use crate::host::Host;
use crate::host::resource::lifecycle::fault;
use crate::host::settings::in_use::{self, Given};
use crate::resource;

impl Host {
    /// Lets a resource know one more credential.
    pub(in crate::host) async fn add_credential(
        &self,
        name: &Name,
        credential: Credential,
    ) -> Result<String, Fault> {
        let spec = self.answering(name).await?;
        let place = self.place(name);
        let added = self.uninterrupted(move || resource::add_credential(&spec, &place, credential)).await?;
        self.secrets_changed(name);
        added.map_err(fault)?;
        Ok(String::new())
    }

    /// Makes a resource forget a credential, once nothing that runs was given it.
    pub(in crate::host) async fn revoke_credential(
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
        let waited = in_use::until_unused(&what, || self.signed_in(name, credential)).await?;
        let place = self.place(name);
        let revoked =
            self.uninterrupted(move || resource::revoke_credential(&spec, &place, credential)).await?;
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

    /// What runs and was given the credential.
    fn signed_in(&self, name: &Name, credential: Credential) -> Vec<String> {
        let password = resource::secret_of(&self.layout.resource(name), credential);
        let holds = |value: &[u8]| {
            let password = password.as_ref().map_or(&[][..], |password| password.expose().as_bytes());
            !password.is_empty() && value.windows(password.len()).any(|window| window == password)
        };
        let is_this = |resource: Option<&Resource>| {
            resource.and_then(Resource::credential).is_some_and(|known| known == credential)
        };
        self.users(&Given {
            wanted: &|reference| signs_in(reference) == Some(name.as_str()),
            by_instance: &|identity| is_this(identity.resources.get(name)),
            by_release: &|release| {
                let row = self.journal.borrow().release(release).ok().flatten();
                is_this(row.and_then(|mut row| row.spec.resources.shift_remove(name)).as_ref())
            },
            holds: &holds,
            is_unmistakable: true,
        })
    }
}
