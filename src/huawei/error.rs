//! What Huawei's clients are told: one table from meaning to status and code for KMS, one for IAM.
//!
//! Codes are those of the contract's section 6; the sentences are ours.

use serde::Serialize;

use crate::dialect::Reply;
use crate::model::action::Action;
use crate::model::error::{Error, ImportFault, TagFault, Unfit, Unrotatable};
use crate::model::ids::Region;
use crate::model::spec::Family;
use crate::model::state::Verdict;

/// Which of the two services a path belongs to: they write their errors differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// Keys, and whatever has no other form.
    Kms,
    /// Tokens and what belongs to them: every path under `/v3`.
    Iam,
}

#[derive(Serialize)]
struct KmsBody {
    error: KmsError,
}

#[derive(Serialize)]
struct KmsError {
    error_code: &'static str,
    error_msg: String,
}

#[derive(Serialize)]
struct IamBody {
    error: IamError,
}

#[derive(Serialize)]
struct IamError {
    code: u16,
    message: String,
    title: &'static str,
}

/// The answer that a refusal becomes.
pub fn render(error: &Error, action: Option<Action>, service: Service) -> Reply {
    let (status, code, words) = kms(error, action);
    let body = match service {
        Service::Kms => Reply::json(
            status,
            &KmsBody {
                error: KmsError {
                    error_code: code,
                    error_msg: words,
                },
            },
        ),
        Service::Iam => Reply::json(
            status,
            &IamBody {
                error: IamError {
                    code: status,
                    message: words,
                    title: title(status),
                },
            },
        ),
    };
    let mut reply = body.unwrap_or_else(|_| Reply::empty(500));
    match error {
        Error::WrongMethod(allowed) => reply = reply.with("Allow", allowed.join(", ")),
        Error::Throttled(wait) => {
            let seconds = wait.as_secs().saturating_add(1);
            reply = reply.with("Retry-After", seconds.to_string());
        }
        Error::Unavailable(_) | Error::Conflict => {
            reply = reply.with("Retry-After", "1".to_owned());
        }
        _ => {}
    }
    if reply.status == 401 {
        reply = reply.with("WWW-Authenticate", "Keystone uri=\"/v3\"".to_owned());
    }
    reply
}

/// The table of KMS: status, code, sentence.
fn kms(error: &Error, action: Option<Action>) -> (u16, &'static str, String) {
    let fixed = |status, code, words: &str| (status, code, words.to_owned());
    match error {
        Error::UnknownPath => fixed(404, "APIGW.0101", "there is no such path"),
        Error::WrongMethod(allowed) => (
            405,
            "KMS.0215",
            format!("this path takes {} only", allowed.join(" and ")),
        ),
        Error::BodyTooLarge(limit) => (
            400,
            "KMS.0203",
            format!("the body is larger than {limit} bytes"),
        ),
        Error::BodyTooSlow => fixed(400, "KMS.0214", "the body did not arrive in time"),
        Error::Unreadable(why) => (400, "KMS.0214", why.clone()),
        Error::NotJson(why) => (
            400,
            "KMS.0202",
            format!("the body is not a JSON object: {why}"),
        ),
        Error::Missing(member) => (400, "KMS.0204", format!("{member} is missing or empty")),
        // Spoken by the other dialect only.
        Error::Constraint(why) => (400, "KMS.0308", why.clone()),
        Error::IncompleteSignature(why) => (401, "APIGW.0301", why.clone()),
        Error::NoKeyId(given) => (400, "KMS.0205", format!("key_id {given} is not valid")),
        Error::BadArn(why) => (400, "KMS.0205", why.clone()),
        Error::OtherRegion(region) => (400, "KMS.0205", format!("the key is in {region}")),

        Error::Invalid { member, why } => (
            400,
            code_of_member(member, action),
            format!("{member} {why}"),
        ),

        Error::NoCredential => fixed(
            401,
            "KMS.0301",
            "no credential: send a token in X-Auth-Token, or sign the request",
        ),
        Error::InvalidToken(why) => (401, "KMS.0302", format!("the token is not valid: {why}")),
        Error::ExpiredToken(at) => (
            401,
            "KMS.0303",
            format!("the token expired at {}", at.iso_micros()),
        ),
        Error::BadSignature(why) => (401, "APIGW.0301", why.clone()),
        Error::BadPassword => fixed(401, "KMS.0302", "user and password do not fit"),
        Error::NoSuchScope => fixed(401, "KMS.0302", "the caller has no role in that scope"),
        Error::NeedsProjectScope => fixed(
            403,
            "KMS.0305",
            "the token is for a domain; keys need a token for a project",
        ),
        Error::WrongProject => fixed(
            403,
            "KMS.0321",
            "the project in the URL is not the one that the credential is for",
        ),
        Error::Forbidden(action) => (
            403,
            "KMS.0307",
            match action.permission() {
                Some(permission) => format!("no role of the caller gives {permission}"),
                None => "the caller may not do this".to_owned(),
            },
        ),
        Error::TokenNotFound => fixed(404, "KMS.0302", "there is no such token"),
        Error::NotRevocable => fixed(
            403,
            "KMS.0307",
            "the token was issued elsewhere; it can be revoked only there",
        ),

        Error::KeyNotFound => fixed(404, "KMS.0207", "no key with this id in the project"),
        Error::NotGranted(_) => fixed(
            403,
            "KMS.0306",
            "no grant on this key lets the caller do this",
        ),
        Error::GrantNotFound => fixed(400, "KMS.2501", "the key has no grant with this id"),
        Error::GrantOfAnotherKey => fixed(400, "KMS.2502", "the grant is one of another key"),
        Error::GrantsNothing => fixed(
            400,
            "KMS.2401",
            "operations must hold more than create-grant",
        ),
        Error::GrantQuotaReached => fixed(400, "KMS.2404", "the grant quota of the key is used up"),
        Error::DefaultKey => fixed(
            400,
            "KMS.0211",
            "the key is a default key of a cloud service, which can be used but not changed",
        ),
        Error::WrongState(action, verdict) => wrong_state(*action, *verdict),
        // What Huawei answers for keystores is unpublished but for KMS.8003, hence the generic code.
        Error::NameTaken if action == Some(Action::CreateKeystore) => fixed(
            400,
            "KMS.0308",
            "keystore_alias is taken by another keystore",
        ),
        Error::NameTaken => fixed(
            400,
            "KMS.1104",
            match action {
                Some(Action::CreateAccessPoint) => {
                    "access_point_name is taken by another access point of the key space"
                }
                Some(Action::CreateKeyPolicy) => {
                    "policy_name is taken by another key policy of the key space"
                }
                _ => "key_alias is taken by another key",
            },
        ),
        Error::ReservedName => fixed(
            400,
            "KMS.1101",
            "key_alias must not end in /default, which is kept for keys of services",
        ),
        Error::UsageMismatch { spec, usage } => (
            400,
            "KMS.0308",
            format!("key_usage {usage} does not go with key_spec {spec}"),
        ),
        Error::NotImportable(spec) => (
            400,
            "KMS.0308",
            format!("origin external does not go with key_spec {spec}"),
        ),
        Error::MacNotImportable => fixed(
            400,
            "KMS.0341",
            "origin external does not go with an HMAC key",
        ),
        Error::SpecNotOffered(spec) => (
            400,
            "KMS.1110",
            format!("key_spec {spec} is not offered here"),
        ),
        Error::UnfitKey(unfit) => unfit_key(*unfit),
        Error::UnfitAlgorithm(member, family) => (
            400,
            match (*member, family) {
                ("encryption_algorithm", Family::Symmetric) => "KMS.2105",
                ("encryption_algorithm", _) => "KMS.2106",
                ("signing_algorithm", _) => "KMS.0332",
                _ => "KMS.0308",
            },
            format!("{member} is none that this key has"),
        ),
        Error::DigestLength => fixed(
            400,
            "KMS.0329",
            "message is not as long as a digest of signing_algorithm",
        ),
        Error::PlaintextTooLong(most) => (
            400,
            "KMS.2108",
            format!("plain_text is longer than the {most} bytes that this key can encrypt"),
        ),
        Error::NotWholeBytes(member) => (
            400,
            match action {
                Some(Action::GenerateRandom) => "KMS.1802",
                _ => "KMS.1903",
            },
            format!("{member} must be a multiple of 8"),
        ),
        Error::DataKeyDigest => fixed(
            400,
            "KMS.2103",
            "plain_text does not end in the SHA-256 (SM3 under an SM4 key) of the data key",
        ),
        Error::DataKeyLength => match action {
            Some(Action::DecryptDataKey) => fixed(
                400,
                "KMS.2204",
                "datakey_cipher_length is not the length of the data key",
            ),
            _ => fixed(
                400,
                "KMS.2104",
                "plain_text is not a data key of datakey_plain_length bytes and its digest",
            ),
        },
        // Of what this dialect has no words for.
        Error::SignatureDoesNotHold
        | Error::MacDoesNotHold
        | Error::InvalidMarker
        | Error::MalformedPolicy(_)
        | Error::PolicyTooLarge(_)
        | Error::NoSuchPolicy
        | Error::BadGrantId
        | Error::BadGrantToken
        | Error::DryRun => fixed(400, "KMS.0308", "it does not hold"),
        Error::InvalidCiphertext | Error::IncorrectKey => (
            400,
            match action {
                Some(Action::DecryptDataKey) => "KMS.2203",
                _ => "KMS.2201",
            },
            match action {
                Some(Action::DecryptDatakeyCapsule) => {
                    "datakey_capsule does not open: it was altered, or belongs to another key"
                }
                _ => {
                    "cipher_text does not open: it was altered, or belongs to another key, or was \
                     bound to other additional data"
                }
            }
            .to_owned(),
        ),
        Error::AttestationRefused(why) => (
            400,
            "KMS.3804",
            format!("recipient.attestation_document {why}"),
        ),
        // The vendor answers 500, for its own roots went missing. Here it is how the service was
        // set up, and no retry helps.
        Error::NoEnclaveRoots => fixed(
            400,
            "KMS.3806",
            "no root certificate of enclaves is trusted here; the operator can set enclave_roots",
        ),
        Error::IsReplica(primary) => (
            400,
            "KMS.0308",
            format!("the key is a replica; ask for this in the region of its primary, {primary}"),
        ),
        Error::HasReplicas(regions) => (
            400,
            "KMS.0308",
            format!(
                "the key has replicas, which must go first, or one of which must become the \
                 primary: {}",
                regions
                    .iter()
                    .map(Region::as_str)
                    .collect::<Vec<_>>()
                    .join(", ")
            ),
        ),
        Error::AlreadyInRegion(region) => {
            (400, "KMS.3801", format!("the key is in {region} already"))
        }
        Error::NoReplicaThere(region) => (
            400,
            "KMS.0308",
            format!(
                "primary_region must name a region with an enabled replica of the key, and {region} has none"
            ),
        ),
        Error::Import(fault) => import_fault(*fault),
        Error::CannotRotate(why) => cannot_rotate(*why),
        Error::RotationIsOn => fixed(400, "KMS.2901", "rotation is on already"),
        Error::RotationIsOff => fixed(400, "KMS.0313", "rotation is off"),
        Error::KeystoreNotFound => fixed(400, "KMS.8003", "there is no such keystore"),
        Error::KeystoreKindNotOffered(kind) => (
            400,
            "KMS.0340",
            format!("keystores of type {kind} are not offered here"),
        ),
        Error::KeystoreDisabled => match action {
            Some(Action::CreateKey) => fixed(
                400,
                "KMS.0308",
                "keystore_id names a keystore that is disabled; enable it first",
            ),
            // To whoever uses the key it is a key that is disabled.
            _ => fixed(400, "KMS.0209", "the keystore of the key is disabled"),
        },
        // Another dialect's alone.
        Error::KeystoreState => fixed(400, "KMS.0308", "the keystore must not be in this state"),
        Error::AnotherCluster => fixed(400, "KMS.0308", "the cluster is not the keystore's"),
        Error::KeystoreNotEmpty => fixed(
            400,
            "KMS.0308",
            "keystore_id names a keystore with keys in it, those that wait for their deletion \
             included",
        ),
        Error::ClusterTaken => fixed(
            400,
            "KMS.0308",
            "hsm_cluster_id names a cluster that has a keystore already",
        ),
        Error::NoImportIntoKeystore => fixed(
            400,
            "KMS.0339",
            "origin external does not go with a dedicated keystore, which makes its keys itself",
        ),
        Error::KeyQuotaReached => fixed(
            400,
            "KMS.1105",
            match action {
                Some(Action::CreateAccessPoint) => {
                    "the project has as many access points as it may"
                }
                Some(Action::CreateKeyPolicy) => "the project has as many key policies as it may",
                _ => "the key quota of the project is used up",
            },
        ),
        Error::AccessPointNotFound => fixed(
            404,
            "KMS.0207",
            "no access point with this id in the project",
        ),
        Error::PolicyNotFound => {
            fixed(404, "KMS.0207", "no key policy with this id in the project")
        }
        Error::UnreadableAttestation(why) => {
            (400, "KMS.3804", format!("attestation_document {why}"))
        }
        Error::NotAttested => fixed(
            403,
            "KMS.0306",
            "attestation_document proves no access point that the policy of the capsule allows \
             now",
        ),

        // Tags and aliases.
        Error::UnfitTags(fault, member, why) => {
            (400, code_of_tags(*fault), format!("{member} {why}"))
        }
        Error::TagNotFound => fixed(404, "KMS.0416", "the key has no tag of this key"),
        Error::TooManyTags(most) => (
            400,
            "KMS.0409",
            format!("the key would have more than {most} tags"),
        ),
        Error::AliasNotFound => fixed(
            404,
            "KMS.0207",
            "no such alias in the project, or it is not one of this key",
        ),
        Error::AliasTaken => fixed(400, "KMS.1104", "alias is taken already"),
        // The vendor publishes no code for this quota; this one says that a quota is used up.
        Error::TooManyAliases(most) => (
            400,
            "KMS.1105",
            format!("the key has {most} aliases, and no key may have more"),
        ),

        Error::Throttled(_) => fixed(429, "APIGW.0308", "too many requests; wait a little"),
        Error::Unavailable(_) | Error::Conflict => fixed(
            503,
            "KMS.0104",
            "the service cannot do this right now; try again",
        ),
        Error::Internal(_) => fixed(
            500,
            "KMS.0103",
            "a fault of the service; its log tells more",
        ),
    }
}

/// The contract's table of type checks (section 5.3).
fn unfit_key(unfit: Unfit) -> (u16, &'static str, String) {
    let (code, words) = match unfit {
        Unfit::CurveCannotEncrypt => ("KMS.1114", "an EC key cannot encrypt"),
        Unfit::ForSignatures => ("KMS.0335", "the key is for signatures only"),
        Unfit::ForEncryption => ("KMS.0334", "the key is for encryption only"),
        Unfit::ForMacs => (
            "KMS.0341",
            "the key is for message authentication codes only",
        ),
        Unfit::ForAgreement => ("KMS.0308", "the key is for agreeing on secrets only"),
        Unfit::ForEncapsulation => ("KMS.0308", "the key is for encapsulating secrets only"),
        Unfit::SymmetricCannotSign => ("KMS.1115", "a symmetric key cannot sign"),
        Unfit::NoPublicHalf => ("KMS.0331", "a symmetric key has no public half"),
        Unfit::CannotWrap => ("KMS.0325", "an asymmetric key cannot wrap data keys"),
        Unfit::NotForAgreement => ("KMS.0308", "the key is not for agreeing on secrets"),
        Unfit::NotForEncapsulation => ("KMS.0308", "the key is not for encapsulating secrets"),
        Unfit::OfOneRegion => ("KMS.0308", "the key lives in one region only"),
        Unfit::OfImportedMaterial => (
            "KMS.0308",
            "imported material is not copied to other regions",
        ),
        Unfit::InKeystore => (
            "KMS.0308",
            "the key is in a dedicated keystore, which its material cannot leave",
        ),
        Unfit::NotForMacs => (
            "KMS.0308",
            "the key is not for message authentication codes",
        ),
    };
    (400, code, words.to_owned())
}

/// What the contract's sections 4.5 and 5.3 tell of imports.
fn import_fault(fault: ImportFault) -> (u16, &'static str, String) {
    use ImportFault as F;
    let (code, words) = match fault {
        F::NotExternal => ("KMS.0309", "the key's origin is kms, not external"),
        F::HasMaterial => ("KMS.0310", "the key has its material and takes no other"),
        F::OneWaits => (
            "KMS.0310",
            "a material waits for rotate-on-demand already; one may wait at a time",
        ),
        F::IsThere => ("KMS.0310", "this material is there already"),
        F::TooMany => ("KMS.0310", "the key has had as many materials as it may"),
        F::OnReplica => (
            "KMS.1404",
            "the key is a replica; its material is that of the key in the primary region",
        ),
        F::TokenExpired => ("KMS.2601", "import_token is over; get parameters again"),
        F::ExpiryPassed => ("KMS.2602", "expiration_time is not in the future"),
        F::TokenOfAnotherKey => ("KMS.2603", "import_token is for another key"),
        F::WrongLength(len) => {
            return (
                400,
                "KMS.2604",
                format!("the material must be {len} bytes long"),
            );
        }
        F::TokenInvalid => ("KMS.2605", "import_token is not valid"),
        F::Differs => ("KMS.2606", "the material is not what was imported before"),
        F::NoSuchMaterial => ("KMS.2606", "the key never had this material"),
        F::NoPrivateKey => (
            "KMS.2608",
            "encrypted_privatekey is missing, which an asymmetric key needs",
        ),
        F::BadPrivateKey => (
            "KMS.2609",
            "encrypted_privatekey is no private key of the key's spec (PKCS#8, DER) wrapped under \
             the temporary key",
        ),
        F::TemporaryKeyLength(len) => {
            return (
                400,
                "KMS.2610",
                format!("the temporary key must be {len} bytes long"),
            );
        }
        F::DoesNotUnwrap => (
            "KMS.0311",
            "encrypted_key_material does not open: it was not wrapped under the public key that \
             came with import_token, with the algorithm that was asked for",
        ),
        F::Stays => (
            "KMS.2702",
            "an imported private key cannot be dropped; delete the key instead",
        ),
    };
    (400, code, words.to_owned())
}

/// What the contract's section 5.3 tells of rotation.
fn cannot_rotate(why: Unrotatable) -> (u16, &'static str, String) {
    let (code, words) = match why {
        Unrotatable::External => ("KMS.0312", "imported material is not rotated"),
        Unrotatable::NothingWaits => (
            "KMS.0312",
            "no further material was imported that the key could rotate to",
        ),
        Unrotatable::NotExternal => (
            "KMS.0309",
            "the key's origin is kms, not external; rotate it by plan",
        ),
        Unrotatable::Rsa => ("KMS.0324", "an RSA key is not rotated"),
        Unrotatable::Asymmetric => ("KMS.0325", "an asymmetric key is not rotated"),
        Unrotatable::Mac => ("KMS.0341", "an HMAC key is not rotated"),
        Unrotatable::InKeystore => ("KMS.0338", "a key in a keystore is not rotated"),
        Unrotatable::Replica => (
            "KMS.0308",
            "the key is a replica, which rotates with the key in the primary region",
        ),
        Unrotatable::OftenEnough => (
            "KMS.0308",
            "the key was rotated on demand as often as it may be",
        ),
        Unrotatable::PlanIsNear => ("KMS.0308", "the key is about to be rotated by its plan"),
    };
    (400, code, words.to_owned())
}

/// The codes that the contract keeps for single members; every other is the generic one.
fn code_of_member(member: &str, action: Option<Action>) -> &'static str {
    match (member, action) {
        ("key_id" | "source_key_id" | "destination_key_id" | "target_key_id", _) => "KMS.0205",
        ("sequence", _) => "KMS.0206",
        ("key_alias", _) => "KMS.1101",
        ("key_description", _) => "KMS.1103",
        ("key_spec", Some(Action::CreateKey)) => "KMS.1110",
        ("key_spec", Some(Action::GenerateDataKey | Action::GenerateDataKeyWithoutPlaintext)) => {
            "KMS.1902"
        }
        ("datakey_length", Some(Action::GenerateDataKeyWithoutPlaintext)) => "KMS.2001",
        ("datakey_length", _) => "KMS.1901",
        ("random_data_length", _) => "KMS.1801",
        ("plain_text", Some(Action::EncryptDataKey)) => "KMS.2101",
        ("datakey_plain_length", _) => "KMS.2102",
        ("cipher_text" | "datakey_capsule", _) => "KMS.2201",
        ("datakey_cipher_length", _) => "KMS.2202",
        ("encryption_context", _) => "KMS.0208",
        ("pending_days", _) => "KMS.1401",
        ("grantee_principal" | "retiring_principal", _) => "KMS.2402",
        ("grant_id", _) => "KMS.2501",
        ("action", Some(Action::ChangeTags | Action::ListKeysByTags)) => "KMS.0404",
        ("offset", Some(Action::ListKeysByTags)) => "KMS.0417",
        // An alias is named by the rules of keys' names, so it has their codes too.
        ("alias", _) => "KMS.1101",
        (item, Some(Action::DeleteAliases)) if item.starts_with("aliases[") => "KMS.1101",
        ("import_token", _) => "KMS.2605",
        ("encrypted_privatekey", _) => "KMS.2609",
        ("rotation_interval", _) => "KMS.3001",
        ("limit", _) => "KMS.1601",
        ("marker", _) => "KMS.1602",
        ("offset", _) => "KMS.1603",
        _ => "KMS.0308",
    }
}

/// The codes that the contract keeps for tags (section 6.4).
fn code_of_tags(fault: TagFault) -> &'static str {
    match fault {
        TagFault::Empty => "KMS.0401",
        TagFault::MatchValue => "KMS.0402",
        TagFault::MatchKey => "KMS.0403",
        TagFault::Value => "KMS.0405",
        TagFault::Key | TagFault::Reserved => "KMS.0406",
        TagFault::ListSize => "KMS.0407",
        TagFault::ValueTooLong => "KMS.0410",
        TagFault::KeyTooLong => "KMS.0411",
        TagFault::List => "KMS.0412",
        TagFault::TooManyValues => "KMS.0413",
        TagFault::Search => "KMS.0414",
        TagFault::Matches => "KMS.0415",
        TagFault::PageOfCount => "KMS.0418",
    }
}

/// The contract's table of operation by state (section 5.2), where the cell is a code.
fn wrong_state(action: Action, verdict: Verdict) -> (u16, &'static str, String) {
    let words = match verdict {
        Verdict::Allow | Verdict::AllowLeaving => "it may be done",
        Verdict::AlreadyThere => "it is in that state already",
        Verdict::IsDisabled => "it is disabled",
        Verdict::IsLeaving => "it is scheduled for deletion",
        Verdict::NotLeaving => "no deletion is scheduled",
        Verdict::NeedsMaterial => "it waits for its material to be imported",
    };
    let code = match (action, verdict) {
        (Action::EnableKey, _) => "KMS.1201",
        (Action::DisableKey, _) => "KMS.1301",
        (Action::ScheduleKeyDeletion, _) => "KMS.1402",
        (Action::CancelKeyDeletion, _) => "KMS.1501",
        (Action::GetImportParameters | Action::ImportKeyMaterial, _) => "KMS.0310",
        (Action::DeleteKeyMaterial, _) => "KMS.2701",
        (
            Action::EnableKeyRotation | Action::UpdateRotationInterval | Action::DisableKeyRotation,
            Verdict::NeedsMaterial,
        ) => "KMS.0312",
        (_, Verdict::IsDisabled) => "KMS.0209",
        (_, Verdict::IsLeaving) => "KMS.0210",
        _ => "KMS.1301",
    };
    (
        400,
        code,
        format!("the key's state does not allow this: {words}"),
    )
}

/// What HTTP calls a status.
fn title(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        _ => "Error",
    }
}
