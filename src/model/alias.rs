//! Aliases: names that stand for a key's id, and can be moved to another key.

use super::ids::{AliasName, DomainId, KeyId, ProjectId, Region};
use super::time::Timestamp;

/// An alias, as one row tells it. Its name is unique in project and region.
///
/// The vendor says "per account and region"; by custom a project is a region of an account. Project
/// and region bound everything else that can be found, so what a project names stays its own (threat
/// model I-19).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alias {
    /// The project that owns it, and its key.
    pub project: ProjectId,
    /// The region of both.
    pub region: Region,
    /// What it is called, without the prefix `alias/`.
    pub name: AliasName,
    /// The key that it stands for.
    pub key: KeyId,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was made or moved last.
    pub updated_at: Timestamp,
}

/// An alias by its full name, which says where it belongs: `kms:<region>:<domain>:alias:<name>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AliasUrn {
    /// The region.
    pub region: Region,
    /// The domain (account).
    pub domain: DomainId,
    /// The alias, without the prefix `alias/`.
    pub name: AliasName,
}

impl AliasUrn {
    /// Reads a URN. `None` when the text has another form.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(5, ':');
        let (service, region, domain, kind, name) = (
            parts.next()?,
            parts.next()?,
            parts.next()?,
            parts.next()?,
            parts.next()?,
        );
        (service == "kms" && kind == "alias").then_some(())?;
        Some(Self {
            region: Region::parse(region).ok()?,
            domain: DomainId::parse(domain).ok()?,
            name: AliasName::parse(name).ok()?,
        })
    }
}

impl std::fmt::Display for AliasUrn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            region,
            domain,
            name,
        } = self;
        write!(f, "kms:{region}:{domain}:alias:{name}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_urn_is_what_it_prints() {
        for good in ["kms:eu-1:a81c5e20:alias:orders", "kms:r:d:alias:a:b/c"] {
            assert_eq!(AliasUrn::parse(good).unwrap().to_string(), good);
        }
        for bad in [
            "orders",
            "kms:eu-1:a81c5e20:alias",
            "kms:eu-1:a81c5e20:alias:",
            "kms:eu-1:a81c5e20:key:orders",
            "kms:EU:a81c5e20:alias:orders",
            "kms:eu-1::alias:orders",
            "arn:eu-1:a81c5e20:alias:orders",
            "kms:eu-1:a81c5e20:alias:a b",
        ] {
            assert_eq!(AliasUrn::parse(bad), None, "{bad}");
        }
    }
}
