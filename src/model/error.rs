//! What can go wrong, by meaning. How a refusal looks on the wire is each dialect's own business:
//! each has one exhaustive `match`, so a new meaning does not compile until both have answered.

use std::time::Duration;

use super::action::Action;
use super::ids::Region;
use super::spec::Family;
use super::state::Verdict;
use super::time::Timestamp;

/// Why a call was not carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// No route has this path.
    UnknownPath,
    /// The path exists, with other methods: those that are allowed.
    WrongMethod(Vec<&'static str>),
    /// The body is larger than this many bytes.
    BodyTooLarge(usize),
    /// The body did not arrive in time.
    BodyTooSlow,
    /// The request cannot be read at all: the reason.
    Unreadable(String),
    /// The body is not a JSON object: the reason.
    NotJson(String),
    /// A mandatory member is missing or empty.
    Missing(String),
    /// Members break the rules of their dialect's model: the whole sentence.
    Constraint(String),
    /// A member breaks its rule.
    Invalid {
        /// Which one.
        member: String,
        /// Why, completing "*member* …".
        why: String,
    },

    /// There is no credential.
    NoCredential,
    /// The token is not one that we can accept: the reason, which tells an attacker nothing.
    InvalidToken(&'static str),
    /// The token ended at this moment.
    ExpiredToken(Timestamp),
    /// The signature is not complete: what is missing.
    IncompleteSignature(String),
    /// The signature does not hold: the reason.
    BadSignature(String),
    /// User and password do not fit, or the user may not sign in.
    BadPassword,
    /// The credential is for a domain; keys need a project.
    NeedsProjectScope,
    /// The project in the URL is not the credential's.
    WrongProject,
    /// No role of the caller reaches this action.
    Forbidden(Action),
    /// The requested scope is not one of the caller's, or does not exist.
    NoSuchScope,
    /// The token asked about is unknown, expired or revoked.
    TokenNotFound,
    /// The token was issued elsewhere, and only there can it be revoked.
    NotRevocable,

    /// No such key in the caller's project.
    KeyNotFound,
    /// What names a key is none of the forms that an id has: the text.
    NoKeyId(String),
    /// What names a key is an ARN, and none that this call takes: why.
    BadArn(String),
    /// What names a key is an ARN of another region: which.
    OtherRegion(String),
    /// A grant on the key names the caller, but none that does covers this action.
    NotGranted(Action),
    /// The key has no such grant, or none that the caller may know of.
    GrantNotFound,
    /// A key's policy cannot be read, or would lock its writer out: why.
    MalformedPolicy(String),
    /// A key's policy is longer than it may be.
    PolicyTooLarge(usize),
    /// No policy of a key is called so.
    NoSuchPolicy,
    /// No grant could have such an id.
    BadGrantId,
    /// A grant token is not one that kmsd gave.
    BadGrantToken,
    /// The grant is one of another key.
    GrantOfAnotherKey,
    /// A grant would open nothing but granting.
    GrantsNothing,
    /// The key has as many grants as it may.
    GrantQuotaReached,
    /// The key belongs to a cloud service and cannot be changed.
    DefaultKey,
    /// The key's state does not allow the action.
    WrongState(Action, Verdict),
    /// Another key has this name.
    NameTaken,
    /// The name is kept for keys of services.
    ReservedName,
    /// The spec cannot have this usage.
    UsageMismatch {
        /// The key's spec.
        spec: &'static str,
        /// The usage that was asked for.
        usage: &'static str,
    },
    /// Keys of this spec cannot be imported.
    NotImportable(&'static str),
    /// Keys for authentication codes cannot be imported.
    MacNotImportable,
    /// kmsd cannot make material of this spec.
    SpecNotOffered(&'static str),
    /// The key is not of the kind that the action needs: why.
    UnfitKey(Unfit),
    /// The key does not know the algorithm: the member that names it.
    UnfitAlgorithm(&'static str, Family),
    /// The digest, or representative, is not as long as the algorithm's.
    DigestLength,
    /// The plaintext is longer than the key can take: so many bytes.
    PlaintextTooLong(usize),
    /// A length in bits that is no whole number of bytes: the member.
    NotWholeBytes(&'static str),
    /// A data key and its digest do not fit.
    DataKeyDigest,
    /// A data key and its stated length do not fit.
    DataKeyLength,
    /// A ciphertext does not open: it was altered, or is another key's, or was bound to another
    /// context. Which of them is nobody's business (threat model I-28).
    InvalidCiphertext,
    /// The attestation document of an enclave is not believed: why, completing "the document …".
    AttestationRefused(&'static str),
    /// The operator trusts no enclave, so that no attestation document can be believed.
    NoEnclaveRoots,
    /// The key is a replica, and only its primary, in this region, can do that.
    IsReplica(Region),
    /// The key has replicas in these regions, which keep it from leaving.
    HasReplicas(Vec<Region>),
    /// The key is in that region already.
    AlreadyInRegion(Region),
    /// The key has no replica in that region, or not one that is enabled.
    NoReplicaThere(Region),
    /// The signature does not hold, where that is an error.
    SignatureDoesNotHold,
    /// The authentication code does not hold, where that is an error.
    MacDoesNotHold,
    /// The key that the caller names is not the one that the ciphertext names.
    IncorrectKey,
    /// The marker of a page is not one that this list gave.
    InvalidMarker,
    /// It would have been done, had it been meant.
    DryRun,
    /// Material cannot be imported or dropped: why.
    Import(ImportFault),
    /// The key's material cannot be renewed: why.
    CannotRotate(Unrotatable),
    /// Rotation by plan is on already.
    RotationIsOn,
    /// Rotation by plan is off.
    RotationIsOff,
    /// There is no such keystore.
    KeystoreNotFound,
    /// This deployment has no keystores of that kind: which.
    KeystoreKindNotOffered(&'static str),
    /// The keystore is disabled.
    KeystoreDisabled,
    /// There are keys in the keystore.
    KeystoreNotEmpty,
    /// The keystore is enabled, or is disabled, and must not be.
    KeystoreState,
    /// The cluster is not the keystore's.
    AnotherCluster,
    /// The cluster has a keystore already.
    ClusterTaken,
    /// The material of keys in that keystore is made there; none can be imported.
    NoImportIntoKeystore,
    /// The project has as many keys as it may.
    KeyQuotaReached,

    /// Tags, or a search by them, break a rule: which one, the member, and why, completing
    /// "*member* …".
    UnfitTags(TagFault, String, &'static str),
    /// The key has no tag of this key.
    TagNotFound,
    /// The key would have more tags than it may: so many.
    TooManyTags(usize),
    /// No such alias in the caller's project, or not one of the key that was named with it.
    AliasNotFound,
    /// Another alias has this name.
    AliasTaken,
    /// The key has as many aliases as it may: so many.
    TooManyAliases(usize),
    /// No such access point in the caller's project.
    AccessPointNotFound,
    /// No such policy of capsules in the caller's project.
    PolicyNotFound,
    /// The attestation cannot be read: why, completing "*attestation_document* …".
    UnreadableAttestation(&'static str),
    /// The attestation proves nobody whom the policy of the capsule lets in now. Which check failed
    /// stands in the audit record alone.
    NotAttested,

    /// Too many requests; try again after this.
    Throttled(Duration),
    /// Something that kmsd needs does not answer: what, for the log.
    Unavailable(String),
    /// Others changed the same thing at the same time, again and again.
    Conflict,
    /// A fault of ours: the chain of causes, for the log only.
    Internal(String),
}

/// Why a key cannot do what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// Its curve cannot encrypt.
    CurveCannotEncrypt,
    /// It is for signatures only.
    ForSignatures,
    /// It is for encryption only.
    ForEncryption,
    /// It is for message authentication codes only.
    ForMacs,
    /// It is for agreeing on secrets only.
    ForAgreement,
    /// It is for encapsulating secrets only.
    ForEncapsulation,
    /// It is symmetric and cannot sign.
    SymmetricCannotSign,
    /// It is symmetric and has no public half.
    NoPublicHalf,
    /// It is asymmetric and cannot wrap data keys.
    CannotWrap,
    /// It is not for message authentication codes.
    NotForMacs,
    /// It is not for agreeing on secrets.
    NotForAgreement,
    /// It is not for encapsulating secrets.
    NotForEncapsulation,
    /// It is in a dedicated keystore, which its material cannot leave.
    InKeystore,
    /// Its material is the customer's, and is not copied.
    OfImportedMaterial,
    /// It was made to live in one region only.
    OfOneRegion,
}

/// Which rule of tags is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TagFault {
    /// The characters or the type of a tag's key.
    Key,
    /// A tag's key begins as those do that are not the customer's to give.
    Reserved,
    /// The length of a tag's key.
    KeyTooLong,
    /// The characters or the type of a tag's value.
    Value,
    /// The length of a tag's value.
    ValueTooLong,
    /// A list of tags without tags.
    Empty,
    /// The number of tags in a list.
    ListSize,
    /// What a list of tags is made of: something else than tags, or the same key twice.
    List,
    /// The number of values of one key that are searched for.
    TooManyValues,
    /// What a search by tags is made of.
    Search,
    /// The name of a field that is searched.
    MatchKey,
    /// What is searched for in a field.
    MatchValue,
    /// What a search by fields is made of.
    Matches,
    /// A page is asked for where keys are only counted.
    PageOfCount,
}

/// Why material cannot be imported or dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImportFault {
    /// kmsd made the key's material.
    NotExternal,
    /// The key has its material, and keys of its kind have one only.
    HasMaterial,
    /// One material waits for its rotation already.
    OneWaits,
    /// This very material is there.
    IsThere,
    /// The key has had as many materials as it may.
    TooMany,
    /// The key is a copy; its material comes from the original.
    OnReplica,
    /// The token is over.
    TokenExpired,
    /// The token is none of ours for this project and region, or was altered.
    TokenInvalid,
    /// The token is for another key.
    TokenOfAnotherKey,
    /// The material's time would be over already.
    ExpiryPassed,
    /// Imported private keys stay: they neither expire nor are dropped.
    Stays,
    /// What came does not open with the private half of the pair that was handed out.
    DoesNotUnwrap,
    /// The material is not of this length in bytes.
    WrongLength(usize),
    /// It is not what was imported before.
    Differs,
    /// The private key is missing.
    NoPrivateKey,
    /// The private key is none, or none of the key's spec.
    BadPrivateKey,
    /// The temporary key is not of this length in bytes.
    TemporaryKeyLength(usize),
    /// The key never had the material that is named.
    NoSuchMaterial,
}

/// Why a key's material cannot be renewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unrotatable {
    /// It is imported.
    External,
    /// It is imported, and nothing further was imported that could become current.
    NothingWaits,
    /// kmsd made it, and only imported material is renewed on demand.
    NotExternal,
    /// The key is an RSA key.
    Rsa,
    /// The key is asymmetric, but no RSA key.
    Asymmetric,
    /// The key is for message authentication codes.
    Mac,
    /// It is in a keystore of its own.
    InKeystore,
    /// The key is a copy, which follows its original.
    Replica,
    /// It was renewed on demand as often as it may be.
    OftenEnough,
    /// Its plan renews it within minutes.
    PlanIsNear,
}

/// The result of a verb.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// The meaning in a word, for audit records and metrics. Stored, so it never changes.
    pub const fn name(&self) -> &'static str {
        match self {
            Error::UnknownPath => "unknown-path",
            Error::WrongMethod(_) => "wrong-method",
            Error::BodyTooLarge(_) => "body-too-large",
            Error::BodyTooSlow => "body-too-slow",
            Error::Unreadable(_) => "unreadable",
            Error::NotJson(_) => "not-json",
            Error::Missing(_) => "missing-member",
            Error::Invalid { .. } | Error::Constraint(_) => "invalid-member",
            Error::NoCredential => "no-credential",
            Error::InvalidToken(_) => "invalid-token",
            Error::ExpiredToken(_) => "expired-token",
            Error::IncompleteSignature(_) => "incomplete-signature",
            Error::BadSignature(_) => "bad-signature",
            Error::BadPassword => "bad-password",
            Error::NeedsProjectScope => "needs-project-scope",
            Error::WrongProject => "wrong-project",
            Error::Forbidden(_) => "forbidden",
            Error::NoSuchScope => "no-such-scope",
            Error::TokenNotFound => "token-not-found",
            Error::NotRevocable => "not-revocable",
            Error::KeyNotFound => "key-not-found",
            Error::NoKeyId(_) => "no-key-id",
            Error::BadArn(_) => "bad-arn",
            Error::OtherRegion(_) => "other-region",
            Error::NotGranted(_) => "not-granted",
            Error::GrantNotFound => "grant-not-found",
            Error::MalformedPolicy(_) => "malformed-policy",
            Error::PolicyTooLarge(_) => "policy-too-large",
            Error::NoSuchPolicy => "no-such-policy",
            Error::BadGrantId => "bad-grant-id",
            Error::BadGrantToken => "bad-grant-token",
            Error::GrantOfAnotherKey => "grant-of-another-key",
            Error::GrantsNothing => "grants-nothing",
            Error::GrantQuotaReached => "grant-quota-reached",
            Error::DefaultKey => "default-key",
            Error::WrongState(..) => "wrong-state",
            Error::NameTaken => "name-taken",
            Error::ReservedName => "reserved-name",
            Error::UsageMismatch { .. } => "usage-mismatch",
            Error::NotImportable(_) | Error::MacNotImportable => "not-importable",
            Error::SpecNotOffered(_) => "spec-not-offered",
            Error::UnfitKey(_) => "unfit-key",
            Error::UnfitAlgorithm(..) => "unfit-algorithm",
            Error::DigestLength => "digest-length",
            Error::PlaintextTooLong(_) => "plaintext-too-long",
            Error::NotWholeBytes(_) => "not-whole-bytes",
            Error::DataKeyDigest => "data-key-digest",
            Error::DataKeyLength => "data-key-length",
            Error::InvalidCiphertext => "invalid-ciphertext",
            Error::AttestationRefused(_) => "attestation-refused",
            Error::NoEnclaveRoots => "no-enclave-roots",
            Error::IsReplica(_) => "is-replica",
            Error::HasReplicas(_) => "has-replicas",
            Error::AlreadyInRegion(_) => "already-in-region",
            Error::NoReplicaThere(_) => "no-replica-there",
            Error::SignatureDoesNotHold => "signature-does-not-hold",
            Error::MacDoesNotHold => "mac-does-not-hold",
            Error::IncorrectKey => "incorrect-key",
            Error::InvalidMarker => "invalid-marker",
            Error::DryRun => "dry-run",
            Error::Import(fault) => fault.name(),
            Error::CannotRotate(_) => "cannot-rotate",
            Error::RotationIsOn => "rotation-is-on",
            Error::RotationIsOff => "rotation-is-off",
            Error::KeystoreNotFound => "keystore-not-found",
            Error::KeystoreKindNotOffered(_) => "keystore-kind-not-offered",
            Error::KeystoreDisabled => "keystore-disabled",
            Error::KeystoreNotEmpty => "keystore-not-empty",
            Error::KeystoreState => "keystore-state",
            Error::AnotherCluster => "another-cluster",
            Error::ClusterTaken => "cluster-taken",
            Error::NoImportIntoKeystore => "no-import-into-keystore",
            Error::KeyQuotaReached => "key-quota-reached",
            Error::UnfitTags(..) => "unfit-tags",
            Error::TagNotFound => "tag-not-found",
            Error::TooManyTags(_) => "too-many-tags",
            Error::AliasNotFound => "alias-not-found",
            Error::AliasTaken => "alias-taken",
            Error::TooManyAliases(_) => "too-many-aliases",
            Error::AccessPointNotFound => "access-point-not-found",
            Error::PolicyNotFound => "policy-not-found",
            Error::UnreadableAttestation(_) => "unreadable-attestation",
            Error::NotAttested => "not-attested",
            Error::Throttled(_) => "throttled",
            Error::Unavailable(_) => "unavailable",
            Error::Conflict => "conflict",
            Error::Internal(_) => "internal",
        }
    }

    /// A member that breaks its rule.
    pub fn invalid(member: impl Into<String>, why: impl Into<String>) -> Self {
        Error::Invalid {
            member: member.into(),
            why: why.into(),
        }
    }

    /// Whether somebody tried a secret that did not fit: what guessing looks like.
    pub const fn is_guess(&self) -> bool {
        matches!(self, Error::BadSignature(_) | Error::BadPassword)
    }

    /// Whether it is about who the caller is: nobody was authenticated.
    pub const fn is_refused_credential(&self) -> bool {
        matches!(
            self,
            Error::NoCredential
                | Error::InvalidToken(_)
                | Error::ExpiredToken(_)
                | Error::IncompleteSignature(_)
                | Error::BadSignature(_)
                | Error::BadPassword
                | Error::NoSuchScope
        )
    }
}

impl ImportFault {
    /// The meaning in a word. Stored, so it never changes.
    const fn name(self) -> &'static str {
        match self {
            ImportFault::NotExternal => "not-external",
            ImportFault::HasMaterial
            | ImportFault::OneWaits
            | ImportFault::IsThere
            | ImportFault::TooMany => "takes-no-material",
            ImportFault::OnReplica => "import-on-replica",
            ImportFault::TokenExpired => "import-token-expired",
            ImportFault::TokenInvalid => "import-token-invalid",
            ImportFault::TokenOfAnotherKey => "import-token-of-another-key",
            ImportFault::ExpiryPassed => "expiry-passed",
            ImportFault::Stays => "material-stays",
            ImportFault::DoesNotUnwrap
            | ImportFault::WrongLength(_)
            | ImportFault::NoPrivateKey
            | ImportFault::BadPrivateKey
            | ImportFault::TemporaryKeyLength(_) => "bad-material",
            ImportFault::Differs => "material-differs",
            ImportFault::NoSuchMaterial => "no-such-material",
        }
    }
}
