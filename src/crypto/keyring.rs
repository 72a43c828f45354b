//! The keys between the root and the material (threat model 5.1).
//!
//! A project has one key per epoch, the deployment has one; both are sealed by the root and give
//! labelled subkeys, so that no key has two uses.

use super::CryptoError;
use super::kdf::subkey;
use super::root::Root;
use super::sealed::Context;
use super::secret::{Secret, assert_not_impl};
use crate::env::Entropy;

/// What a sealed token is, so that one kind is never taken for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenKind {
    /// Goes with the public key that wraps imported material.
    Import,
    /// Says where the next page of a list begins.
    Page,
}

/// The key of one project in one epoch: what is sealed for the project hangs on it.
pub struct ProjectKey {
    key: Secret,
    wrap: Secret,
    row: Secret,
    check: Secret,
    import: Secret,
    page: Secret,
}

assert_not_impl!(ProjectKey: std::fmt::Debug, Clone);

impl ProjectKey {
    /// A new key of 32 unpredictable bytes.
    pub fn generate(entropy: &dyn Entropy) -> Self {
        Self::from_secret(Secret::random(entropy, 32))
    }

    /// The key with these 32 bytes.
    pub fn from_secret(key: Secret) -> Self {
        Self {
            wrap: subkey(&key, "wrap", b""),
            row: subkey(&key, "row", b""),
            check: subkey(&key, "kcv", b""),
            import: subkey(&key, "import", b""),
            page: subkey(&key, "page", b""),
            key,
        }
    }

    /// The key sealed by `root`, for this deployment, project and epoch only.
    pub fn seal_under(
        &self,
        root: &Root,
        deployment_id: &str,
        project_id: &str,
        epoch: i64,
        entropy: &dyn Entropy,
    ) -> Vec<u8> {
        let context = Self::context(deployment_id, project_id, epoch);
        root.seal(self.key.expose(), &context, entropy)
    }

    /// Opens what [`Self::seal_under`] made with the same root and the same names.
    pub fn open_under(
        root: &Root,
        deployment_id: &str,
        project_id: &str,
        epoch: i64,
        sealed: &[u8],
    ) -> Result<Self, CryptoError> {
        let context = Self::context(deployment_id, project_id, epoch);
        whole_key(root.open(sealed, &context)?).map(Self::from_secret)
    }

    /// Seals material, private keys and secrets of access keys.
    pub fn wrap(&self) -> &Secret {
        &self.wrap
    }

    /// Makes row seals.
    pub fn row(&self) -> &Secret {
        &self.row
    }

    /// Makes the check values of imported material.
    pub fn check(&self) -> &Secret {
        &self.check
    }

    /// Seals tokens of one kind.
    pub fn token(&self, kind: TokenKind) -> &Secret {
        match kind {
            TokenKind::Import => &self.import,
            TokenKind::Page => &self.page,
        }
    }

    fn context(deployment_id: &str, project_id: &str, epoch: i64) -> Context {
        Context::new("project_keys.sealed")
            .with("deployment", deployment_id)
            .with("project", project_id)
            .with_number("epoch", epoch)
    }
}

/// The key of the deployment: what belongs to no project hangs on it.
pub struct DeploymentKey {
    key: Secret,
    wrap: Secret,
    row: Secret,
    audit: Secret,
    import: Secret,
    page: Secret,
}

assert_not_impl!(DeploymentKey: std::fmt::Debug, Clone);

impl DeploymentKey {
    /// A new key of 32 unpredictable bytes.
    pub fn generate(entropy: &dyn Entropy) -> Self {
        Self::from_secret(Secret::random(entropy, 32))
    }

    /// The key with these 32 bytes.
    pub fn from_secret(key: Secret) -> Self {
        Self {
            wrap: subkey(&key, "wrap", b""),
            row: subkey(&key, "row", b""),
            audit: subkey(&key, "audit", b""),
            import: subkey(&key, "import", b""),
            page: subkey(&key, "page", b""),
            key,
        }
    }

    /// The key sealed by `root`, for this deployment only.
    pub fn seal_under(&self, root: &Root, deployment_id: &str, entropy: &dyn Entropy) -> Vec<u8> {
        root.seal(self.key.expose(), &Self::context(deployment_id), entropy)
    }

    /// Opens what [`Self::seal_under`] made with the same root and deployment.
    pub fn open_under(
        root: &Root,
        deployment_id: &str,
        sealed: &[u8],
    ) -> Result<Self, CryptoError> {
        whole_key(root.open(sealed, &Self::context(deployment_id))?).map(Self::from_secret)
    }

    /// Seals secrets that belong to no project, such as the keys that sign our tokens.
    pub fn wrap(&self) -> &Secret {
        &self.wrap
    }

    /// Makes the seals of rows that belong to no project.
    pub fn row(&self) -> &Secret {
        &self.row
    }

    /// Chains audit records and signs the heads of the chains.
    pub fn audit(&self) -> &Secret {
        &self.audit
    }

    /// Seals tokens of one kind.
    pub fn token(&self, kind: TokenKind) -> &Secret {
        match kind {
            TokenKind::Import => &self.import,
            TokenKind::Page => &self.page,
        }
    }

    fn context(deployment_id: &str) -> Context {
        Context::new("deployment.sealed").with("deployment", deployment_id)
    }
}

fn whole_key(key: Secret) -> Result<Secret, CryptoError> {
    match key.expose().len() {
        32 => Ok(key),
        _ => Err(CryptoError::Invalid),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::testing::{Seeded, every_bit_flipped};

    fn root(byte: u8) -> Root {
        Root::from_secret(Secret::from_slice(&[byte; 32]))
    }

    #[test]
    fn project_keys_open_in_their_place_only() {
        let entropy = Seeded::new(10);
        let key = ProjectKey::generate(&entropy);
        let sealed = key.seal_under(&root(1), "d1", "p1", 1, &entropy);
        let opened = ProjectKey::open_under(&root(1), "d1", "p1", 1, &sealed)
            .ok()
            .unwrap();
        assert!(opened.wrap().eq_ct(key.wrap()));
        assert!(
            opened
                .token(TokenKind::Page)
                .eq_ct(key.token(TokenKind::Page))
        );
        for (root_byte, deployment, project, epoch) in [
            (2, "d1", "p1", 1),
            (1, "d2", "p1", 1),
            (1, "d1", "p2", 1),
            (1, "d1", "p1", 2),
        ] {
            let opened =
                ProjectKey::open_under(&root(root_byte), deployment, project, epoch, &sealed);
            assert_eq!(opened.err(), Some(CryptoError::Invalid));
        }
        every_bit_flipped(&sealed, |changed| {
            let opened = ProjectKey::open_under(&root(1), "d1", "p1", 1, changed);
            assert_eq!(opened.err(), Some(CryptoError::Invalid));
        });
    }

    #[test]
    fn deployment_keys_open_in_their_place_only() {
        let entropy = Seeded::new(11);
        let key = DeploymentKey::generate(&entropy);
        let sealed = key.seal_under(&root(1), "d1", &entropy);
        let opened = DeploymentKey::open_under(&root(1), "d1", &sealed)
            .ok()
            .unwrap();
        assert!(opened.audit().eq_ct(key.audit()));
        assert!(DeploymentKey::open_under(&root(2), "d1", &sealed).is_err());
        assert!(DeploymentKey::open_under(&root(1), "d2", &sealed).is_err());
        // A project's key is not the deployment's, even under the same names.
        assert!(ProjectKey::open_under(&root(1), "d1", "d1", 0, &sealed).is_err());
    }

    #[test]
    fn a_key_of_another_length_is_refused() {
        let sealed = root(1).seal(&[1; 31], &DeploymentKey::context("d1"), &Seeded::new(12));
        assert!(DeploymentKey::open_under(&root(1), "d1", &sealed).is_err());
    }

    #[test]
    fn every_label_has_its_own_key() {
        let project = ProjectKey::from_secret(Secret::from_slice(&[1; 32]));
        let keys = [
            &project.key,
            project.wrap(),
            project.row(),
            project.check(),
            project.token(TokenKind::Import),
            project.token(TokenKind::Page),
        ];
        for (at, one) in keys.iter().enumerate() {
            for other in &keys[at + 1..] {
                assert!(!one.eq_ct(other));
            }
        }
    }
}
