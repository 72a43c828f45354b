//! The words that name things, and what each of them looks like.
//!
//! Every id is text with one canonical form. Whatever differs from it (capitals, spaces, dots) is
//! refused, never repaired (threat model I-20), and a value of one of these types is proof that
//! the check was made: there is no other way to build one.

use std::fmt;
use std::sync::LazyLock;

use regex::Regex;

/// Text that is not of the form that its type asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub &'static str);

macro_rules! words {
    ($($(#[$doc:meta])* $name:ident = $pattern:literal, $form:literal;)*) => {$(
        $(#[$doc])*
        #[doc = concat!("\n\nForm: `", $pattern, "`.")]
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// What the text must look like, for people.
            pub const FORM: &'static str = $form;

            /// Checks the form and keeps the text.
            ///
            /// # Errors
            /// [`Malformed`] when the text has another form.
            pub fn parse(text: impl Into<String>) -> Result<Self, Malformed> {
                static PATTERN: LazyLock<Regex> =
                    LazyLock::new(|| Regex::new($pattern).expect("the pattern is a literal"));
                let text = text.into();
                if PATTERN.is_match(&text) { Ok(Self(text)) } else { Err(Malformed($form)) }
            }

            /// The text itself.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.serialize_str(&self.0)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                Self::parse(String::deserialize(from)?).map_err(serde::de::Error::custom)
            }
        }
    )*};
}

words! {
    /// The id of a customer master key: a UUID, or `mrk-` and 32 hexadecimal digits for a
    /// multi-region key. Huawei's pattern allows any lower-case letter in the UUID, so a
    /// well-formed id that cannot exist is "not found", not "malformed".
    KeyId = r"\A(?:[0-9a-z]{8}-[0-9a-z]{4}-[0-9a-z]{4}-[0-9a-z]{4}-[0-9a-z]{12}|mrk-[0-9a-f]{32})\z",
        "must be a lower-case UUID (8-4-4-4-12) or mrk- and 32 hexadecimal digits";

    /// The name of a key, which Huawei calls `key_alias`.
    KeyName = r"\A[a-zA-Z0-9:/_-]{1,255}\z",
        "must be 1 to 255 letters, digits or : / _ -";

    /// What an alias is called, without its prefix `alias/`.
    AliasName = r"\A[a-zA-Z0-9:/_-]{1,255}\z",
        "must be 1 to 255 letters, digits or : / _ -";

    /// A cloud service that has a key of its own, as the name of that key begins.
    ServiceName = r"\A[a-z0-9-]{1,32}\z", "must be 1 to 32 lower-case letters, digits or -";

    /// What keys are filed under: `0` is the default one.
    EnterpriseProject = r"\A(?:0|[0-9a-z]{8}-[0-9a-z]{4}-[0-9a-z]{4}-[0-9a-z]{4}-[0-9a-z]{12})\z",
        "must be 0 or the lower-case UUID of an enterprise project";

    /// A grant.
    GrantId = r"\A[0-9a-f]{64}\z", "must be 64 lower-case hexadecimal digits";

    /// What a grant is called.
    GrantName = r"\A[a-zA-Z0-9:/_-]{1,255}\z",
        "must be 1 to 255 letters, digits or : / _ -";

    /// Where the material of keys is kept: `0` is what is built in.
    KeystoreId = r"\A(?:0|[0-9a-z]{8}-[0-9a-z]{4}-[0-9a-z]{4}-[0-9a-z]{4}-[0-9a-z]{12})\z",
        "must be 0 or the lower-case UUID of a keystore";

    /// What a keystore is called, which Huawei calls `keystore_alias`.
    KeystoreName = r"\A[a-zA-Z0-9:/_-]{1,255}\z",
        "must be 1 to 255 letters, digits or : / _ -";

    /// A cluster of hardware security modules, which the operator's settings describe.
    HsmClusterId = r"\A[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\z",
        "must be a lower-case UUID (8-4-4-4-12)";

    /// A project: the tenant that owns keys.
    ProjectId = r"\A[0-9a-f]{32}\z", "must be 32 lower-case hexadecimal digits";

    /// A domain (an account): it owns users and projects.
    DomainId = r"\A[a-zA-Z0-9_-]{1,64}\z", "must be 1 to 64 letters, digits or _ -";

    /// A user. Outside issuers choose their own, within this form.
    UserId = r"\A[a-zA-Z0-9_.:@|-]{1,255}\z",
        "must be 1 to 255 letters, digits or _ . : @ | -";

    /// The twelve digits by which AWS's clients know a project.
    AccountId = r"\A[0-9]{12}\z", "must be 12 digits";

    /// A region: a name that the deployment serves.
    Region = r"\A[a-z0-9-]{1,32}\z", "must be 1 to 32 lower-case letters, digits or -";

    /// The public half of an access key (AK).
    AccessKeyId = r"\A[A-Z0-9]{16,32}\z", "must be 16 to 32 capital letters or digits";

    /// One imported material of a key, under the same id however often it is imported again.
    MaterialId = r"\A[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\z",
        "must be a lower-case UUID (8-4-4-4-12)";

    /// What access points and key policies are filed under. No call makes one: it is a name that
    /// its users agree on.
    KeyspaceId = r"\A[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\z",
        "must be a lower-case UUID (8-4-4-4-12)";

    /// An access point: a workload that may open capsules.
    AccessPointId = r"\A[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\z",
        "must be a lower-case UUID (8-4-4-4-12)";

    /// A policy that says who may open capsules.
    PolicyId = r"\A[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\z",
        "must be a lower-case UUID (8-4-4-4-12)";

    /// What people call an access point or a key policy.
    KeyspaceName = r"\A[a-zA-Z0-9:/_-]{1,255}\z",
        "must be 1 to 255 letters, digits or : / _ -";

    /// A server or cluster of the cloud around kmsd, by the id that it has there.
    WorkloadId = r"\A[a-zA-Z0-9_.-]{1,64}\z", "must be 1 to 64 letters, digits or _ . -";

    /// What people call a domain, project or user.
    DisplayName = r"\A[^\x00-\x1F\x7F]{1,64}\z", "must be 1 to 64 printable characters";
}

impl MaterialId {
    /// A new random id (UUID version 4, RFC 9562) from 16 random bytes.
    pub fn from_random(bytes: [u8; 16]) -> Self {
        Self(
            uuid::Builder::from_random_bytes(bytes)
                .into_uuid()
                .to_string(),
        )
    }
}

macro_rules! random_uuids {
    ($($name:ident),+) => {$(
        impl $name {
            /// A new random id (UUID version 4, RFC 9562) from 16 random bytes.
            pub fn from_random(bytes: [u8; 16]) -> Self {
                Self(
                    uuid::Builder::from_random_bytes(bytes)
                        .into_uuid()
                        .to_string(),
                )
            }
        }
    )+};
}

random_uuids!(AccessPointId, PolicyId);

impl KeyId {
    /// A new random id (UUID version 4, RFC 9562) from 16 random bytes.
    pub fn from_random(bytes: [u8; 16]) -> Self {
        Self(
            uuid::Builder::from_random_bytes(bytes)
                .into_uuid()
                .to_string(),
        )
    }
}

impl GrantId {
    /// A new random id.
    pub fn from_random(bytes: [u8; 32]) -> Self {
        Self(hex::encode(bytes))
    }
}

impl KeystoreId {
    /// The keystore that is built in: material sealed in the database.
    pub fn built_in() -> Self {
        Self("0".to_owned())
    }

    /// Whether it is the one that is built in.
    pub fn is_built_in(&self) -> bool {
        self.0 == "0"
    }

    /// A new random id (UUID version 4, RFC 9562) from 16 random bytes.
    pub fn from_random(bytes: [u8; 16]) -> Self {
        Self(
            uuid::Builder::from_random_bytes(bytes)
                .into_uuid()
                .to_string(),
        )
    }
}

impl KeyName {
    /// The name of a key that nobody named: its id.
    pub fn of_unnamed(id: &KeyId) -> Self {
        Self(id.0.clone())
    }
}

impl ProjectId {
    /// A new random id.
    pub fn from_random(bytes: [u8; 16]) -> Self {
        Self(hex::encode(bytes))
    }
}

impl DomainId {
    /// A new random id.
    pub fn from_random(bytes: [u8; 16]) -> Self {
        Self(hex::encode(bytes))
    }
}

impl UserId {
    /// A new random id.
    pub fn from_random(bytes: [u8; 16]) -> Self {
        Self(hex::encode(bytes))
    }
}

impl AccountId {
    /// A new random id. Twelve digits hold less than 16 bytes do; the store refuses a second of
    /// the same.
    pub fn from_random(bytes: [u8; 8]) -> Self {
        Self(format!(
            "{:012}",
            u64::from_be_bytes(bytes) % 1_000_000_000_000
        ))
    }
}

impl AccessKeyId {
    /// A new random id: `KMSD` and 16 characters of RFC 4648's base 32.
    pub fn from_random(bytes: [u8; 16]) -> Self {
        const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
        let mut id = String::from("KMSD");
        id.extend(
            bytes
                .iter()
                .map(|byte| char::from(ALPHABET[usize::from(byte & 31)])),
        );
        Self(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_id_has_one_form() {
        for good in [
            "0d0466b0-e727-4d9c-b35d-f84bb474a37f",
            "zzzzzzzz-zzzz-zzzz-zzzz-zzzzzzzzzzzz",
            "mrk-0123456789abcdef0123456789abcdef",
        ] {
            assert!(KeyId::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "0D0466B0-E727-4D9C-B35D-F84BB474A37F",
            "0d0466b0e7274d9cb35df84bb474a37f",
            " 0d0466b0-e727-4d9c-b35d-f84bb474a37f",
            "0d0466b0-e727-4d9c-b35d-f84bb474a37f\n",
            "mrk-0123456789ABCDEF0123456789abcdef",
            "alias/orders",
        ] {
            assert!(KeyId::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn new_ids_have_the_form_that_is_asked_for() {
        for byte in [0, 1, 0x5a, 0xff] {
            assert!(KeyId::parse(KeyId::from_random([byte; 16]).as_str()).is_ok());
            assert!(GrantId::parse(GrantId::from_random([byte; 32]).as_str()).is_ok());
            assert!(ProjectId::parse(ProjectId::from_random([byte; 16]).as_str()).is_ok());
            assert!(AccountId::parse(AccountId::from_random([byte; 8]).as_str()).is_ok());
            assert!(AccessKeyId::parse(AccessKeyId::from_random([byte; 16]).as_str()).is_ok());
        }
    }
}
