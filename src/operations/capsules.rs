//! Capsules: data keys that open for nobody but the workloads that a policy allows.

use super::ciphers::{SYMMETRIC_DEFAULT, fault, open_bound, seal_bound};
use super::{access_points, fit, key_policies};
use crate::crypto::algorithm::{EncryptionAlgorithm, MessageType, SigningAlgorithm};
use crate::crypto::blob::Header;
use crate::crypto::capsule::{self, Policy};
use crate::crypto::material::MaterialKind;
use crate::crypto::secret::Secret;
use crate::crypto::{CryptoError, asymmetric};
use crate::kms::Context;
use crate::limits::ATTESTATION_AHEAD;
use crate::model::error::{Error, Result};
use crate::model::ids::PolicyId;
use crate::model::key::{Key, KeyRef};
use crate::model::keyspace::{AccessPoint, AccessPointKind, Rules};
use crate::model::policy::Fact;
use crate::model::time::Timestamp;
use crate::outside::OutsideError;
use crate::outside::workload::ServiceToken;

/// The policy of a new capsule.
#[derive(Clone, Debug)]
pub enum NewPolicy {
    /// One that is kept here: what it says when the capsule is opened counts.
    Named(PolicyId),
    /// One that goes into the capsule and never changes.
    Own(Rules),
}

/// A data key on its way to whoever asked.
pub enum Delivery {
    /// In the clear.
    Plain(Secret),
    /// Under the recipient's public key (RSA OAEP with SHA-256).
    Encrypted(Vec<u8>),
}

/// How a workload proves what it is.
pub enum Attestation {
    /// A document that a cloud's servers get from their metadata service.
    Machine,
    /// A service account token of a cluster.
    Cluster(String),
    /// A signature by the private key that was made with an access point.
    Custom {
        /// The public half of that key: SubjectPublicKeyInfo, DER.
        public_key: Vec<u8>,
        /// What is signed.
        message: Vec<u8>,
        /// The signature: ECDSA with SHA-256, DER.
        signature: Vec<u8>,
        /// Until when it counts.
        expires_at: Timestamp,
    },
}

/// A new data key of so many bytes, in a capsule.
///
/// # Errors
/// [`Error::UnfitKey`]; [`Error::Invalid`] when there is no such policy, the recipient's key is not
/// one of RSA, or a policy of its own would never let anybody open it.
pub async fn create(
    cx: &mut Context,
    key: &KeyRef,
    bytes: usize,
    policy: &NewPolicy,
    recipient: Option<&[u8]>,
) -> Result<(Key, Delivery, Vec<u8>)> {
    cx.asked()
        .tell(Fact::EncryptionAlgorithm, SYMMETRIC_DEFAULT);
    let key = cx.key(key).await?;
    fit::must_wrap(&key)?;
    let recipient = Recipient::read(recipient)?;
    let mut capsule = match policy {
        NewPolicy::Named(id) => {
            cx.note(format!("key policy {id}"));
            if key_policies::named(cx, id).await?.is_none() {
                return Err(Error::invalid(
                    "policy_id",
                    "names no key policy of the project",
                ));
            }
            cx.kms()
                .policy_accesses()
                .note(&key.project, &key.region, id, cx.now());
            capsule::begin(Policy::Id(id.as_str()))
        }
        NewPolicy::Own(rules) => {
            if rules.are_hopeless_at(now(cx)) {
                return Err(Error::invalid(
                    "key_policy",
                    "lets nobody open the capsule, ever: it must name an access point, and its \
                     end_time must be in the future",
                ));
            }
            key_policies::must_name_access_points(cx, "key_policy", rules, None).await?;
            capsule::begin(Policy::Rules(&rules.to_text()))
        }
    }
    .map_err(fault)?;
    let data_key = Secret::random(cx.env().entropy(), bytes);
    let context = capsule::bound_to(&capsule);
    let blob = seal_bound(cx, &key, &context, data_key.expose()).await?;
    capsule.extend(blob);
    let delivery = deliver(cx, data_key, recipient)?;
    Ok((key, delivery, capsule))
}

/// Opens a capsule for a workload that proves to be an access point that the capsule's policy
/// allows now. Gives also who that is: the id of the server, of the cluster or of the access point.
///
/// # Errors
/// [`Error::InvalidCiphertext`] when the capsule does not open under this key;
/// [`Error::UnreadableAttestation`]; [`Error::Invalid`] when the attestation has ended or is for
/// too far ahead; [`Error::NotAttested`] for everything else that is wrong with it.
pub async fn decrypt(
    cx: &mut Context,
    key: &KeyRef,
    capsule: &[u8],
    attestation: &Attestation,
    recipient: Option<&[u8]>,
) -> Result<(Key, String, Delivery)> {
    cx.asked()
        .tell(Fact::EncryptionAlgorithm, SYMMETRIC_DEFAULT);
    let key = cx.key(key).await?;
    fit::must_wrap(&key)?;
    let recipient = Recipient::read(recipient)?;
    let invalid = |_: CryptoError| Error::InvalidCiphertext;
    let (beginning, policy, blob) = capsule::split(capsule).map_err(invalid)?;
    let header = Header::parse(blob).map_err(invalid)?;
    if header.key_id() != key.id.as_str() {
        return Err(Error::InvalidCiphertext);
    }
    // The policy is to be believed only once this has opened.
    let context = capsule::bound_to(beginning);
    let data_key = open_bound(cx, &key, &header, &context, blob).await?;
    let (rules, named) = match policy {
        Policy::Rules(text) => {
            let rules = Rules::parse_text(text)
                .ok_or_else(|| Error::Internal("a capsule holds no rules".into()))?;
            (Some(rules), None)
        }
        Policy::Id(id) => {
            let id = PolicyId::parse(id).map_err(|_| Error::Internal("policy id".into()))?;
            let found = key_policies::named(cx, &id).await?;
            (found.map(|policy| policy.rules), Some(id))
        }
    };
    let point = match rules {
        Some(rules) => attested(cx, &rules, attestation).await?,
        None => return not_attested(cx, "the policy of the capsule is gone"),
    };
    if let Some(id) = &named {
        cx.kms()
            .policy_accesses()
            .note(&key.project, &key.region, id, cx.now());
    }
    let instance = match &point.kind {
        AccessPointKind::Server(id) | AccessPointKind::Cluster { id, .. } => id.to_string(),
        AccessPointKind::Custom { .. } => point.id.to_string(),
    };
    let delivery = deliver(cx, data_key, recipient)?;
    Ok((key, instance, delivery))
}

/// The access point that the attestation proves, if the rules let it in now. What the client is told
/// does not say which check failed; the audit record does.
async fn attested(
    cx: &mut Context,
    rules: &Rules,
    attestation: &Attestation,
) -> Result<AccessPoint> {
    let now = now(cx);
    match attestation {
        Attestation::Machine => {
            return Err(Error::UnreadableAttestation(
                "holds an ecs_signature, which only the metadata service of the vendor's cloud \
                 could vouch for; use an access point of type 2 or 3",
            ));
        }
        Attestation::Custom { expires_at, .. } => {
            if *expires_at <= now || *expires_at > now.plus(ATTESTATION_AHEAD) {
                return Err(Error::invalid(
                    "attestation_document.expire_time",
                    format!(
                        "must be in the future, by at most {} minutes",
                        ATTESTATION_AHEAD.as_secs() / 60
                    ),
                ));
            }
        }
        Attestation::Cluster(_) => {}
    }
    let token = match attestation {
        Attestation::Cluster(token) => Some(ServiceToken::read(token).map_err(|_| {
            Error::UnreadableAttestation("holds a service_token that is no signed JWT")
        })?),
        Attestation::Machine | Attestation::Custom { .. } => None,
    };
    if !rules.are_valid_at(now) {
        return not_attested(cx, "the policy is not valid at this time");
    }
    let points = access_points::named(cx, &rules.access_points).await?;
    let claimed = points
        .into_iter()
        .find(|point| match (&point.kind, attestation) {
            (
                AccessPointKind::Custom { public_key, .. },
                Attestation::Custom {
                    public_key: given, ..
                },
            ) => public_key == given,
            (AccessPointKind::Cluster { .. }, Attestation::Cluster(_)) => token
                .as_ref()
                .is_some_and(|token| token.is_meant_for(point.id.as_str())),
            _ => false,
        });
    let Some(point) = claimed else {
        return not_attested(cx, "the policy allows no such access point");
    };
    let id = &point.id;
    if !point.enabled {
        return not_attested(cx, &format!("access point {id} is disabled"));
    }
    match (&point.kind, attestation, token) {
        (
            AccessPointKind::Custom { public_key, .. },
            Attestation::Custom {
                message, signature, ..
            },
            _,
        ) => {
            let holds = asymmetric::verify_with_public(
                access_points::KEY_KIND,
                public_key,
                SigningAlgorithm::EcdsaSha256,
                MessageType::Raw,
                message,
                signature,
            )
            .map_err(fault)?;
            if !holds {
                return not_attested(cx, &format!("access point {id}: the signature is wrong"));
            }
            cx.note(format!("access point {id}"));
        }
        (AccessPointKind::Cluster { public_key, .. }, _, Some(token)) => {
            match token.check(public_key, now) {
                Ok(account) => cx.note(format!("access point {id}, service account {account}")),
                Err(error) => {
                    let why = match error {
                        OutsideError::Refused(why) => why,
                        OutsideError::Expired(_) => "it has expired",
                        OutsideError::Unavailable(_) => "it cannot be checked",
                    };
                    return not_attested(cx, &format!("access point {id}: the token: {why}"));
                }
            }
        }
        _ => return not_attested(cx, "the policy allows no such access point"),
    }
    Ok(point)
}

/// Refuses, with the reason in the audit record alone.
fn not_attested<T>(cx: &mut Context, why: &str) -> Result<T> {
    cx.note(why);
    Err(Error::NotAttested)
}

/// The time by which attestations and policies are judged: a clock that was set back revives none.
fn now(cx: &Context) -> Timestamp {
    cx.now().max(cx.kms().deadline_now())
}

/// The public key of whom the data key is for, if it is one of RSA.
struct Recipient<'a> {
    kind: MaterialKind,
    public_key: &'a [u8],
}

impl<'a> Recipient<'a> {
    fn read(public_key: Option<&'a [u8]>) -> Result<Option<Self>> {
        let Some(public_key) = public_key else {
            return Ok(None);
        };
        match asymmetric::kind_of_public(public_key) {
            Ok(kind @ (MaterialKind::Rsa2048 | MaterialKind::Rsa3072 | MaterialKind::Rsa4096)) => {
                Ok(Some(Self { kind, public_key }))
            }
            _ => Err(Error::invalid(
                "public_key",
                "must be a public key of RSA with 2048, 3072 or 4096 bits",
            )),
        }
    }
}

fn deliver(cx: &Context, data_key: Secret, recipient: Option<Recipient<'_>>) -> Result<Delivery> {
    match recipient {
        None => Ok(Delivery::Plain(data_key)),
        Some(Recipient { kind, public_key }) => asymmetric::encrypt_with_public(
            kind,
            public_key,
            EncryptionAlgorithm::RsaOaepSha256,
            data_key.expose(),
            cx.env().entropy(),
        )
        .map(Delivery::Encrypted)
        .map_err(fault),
    }
}
