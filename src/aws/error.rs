//! What AWS's clients are told: one table from meaning to error type, status and text.
//!
//! Types and texts are those of the contract's sections 1.4 to 1.8. Every client error is 400 on
//! the wire; SDKs decide by the type, and retry what is 5xx or throttled.

use serde::Serialize;

use super::keys::spec_name;
use super::naming::{alias_arn, key_arn, user_arn};
use super::reference::models;
use super::wire::MEDIA_TYPE;
use crate::dialect::{Body, Reply};
use crate::kms::Context;
use crate::model::action::Action;
use crate::model::error::{Error, ImportFault, TagFault, Unfit, Unrotatable};
use crate::model::ids::KeyId;
use crate::model::spec::{KeySpec, KeyUsage};
use crate::model::state::Verdict;
use crate::operations::ciphers::SYMMETRIC_DEFAULT;

/// What a refusal is about, for its text.
#[derive(Clone, Debug, Default)]
pub struct Subject {
    /// The key's ARN, or the ARN that what was asked for would have.
    pub arn: String,
    /// Spec and usage of the key, when it was found.
    pub kind: Option<(KeySpec, KeyUsage)>,
    /// The algorithm that the request names, if any.
    pub algorithm: Option<String>,
    /// The id of the grant that it names, if any.
    pub grant: Option<String>,
    /// The ARN of who asks.
    pub caller: String,
    /// The ARN of the alias that the call is about, if it is about one.
    pub alias: String,
    /// What the call is called here.
    pub operation: &'static str,
}

impl Subject {
    /// Of a call, at its end.
    pub fn of(cx: &Context, operation: &'static str) -> Self {
        let Some(project) = cx.caller().project() else {
            return Self::default();
        };
        let named = cx.key_named();
        let owner = cx.owner().unwrap_or(project);
        let arn = match KeyId::parse(named) {
            Ok(id) => key_arn(cx.region(), owner, &id),
            // An alias.
            Err(_) => format!("arn:aws:kms:{}:{}:{named}", cx.region(), project.account),
        };
        Self {
            arn,
            caller: user_arn(&project.account, cx.caller().user_name.as_str()),
            alias: cx
                .alias_named()
                .map(|name| alias_arn(cx.region(), project, name))
                .unwrap_or_default(),
            operation,
            kind: cx.key_kind(),
            algorithm: None,
            grant: None,
        }
    }
}

impl Subject {
    fn algorithm(&self) -> &str {
        self.algorithm.as_deref().unwrap_or(SYMMETRIC_DEFAULT)
    }

    fn spec(&self) -> &'static str {
        self.kind.map_or("", |(spec, _)| spec_name(spec))
    }
}

#[derive(Serialize)]
struct ErrorBody<'e> {
    #[serde(rename = "__type")]
    kind: &'e str,
    /// Errors of the front door spell it with a capital.
    #[serde(skip_serializing_if = "Option::is_none", rename = "Message")]
    front: Option<&'e str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'e str>,
}

/// The answer that a refusal becomes.
pub fn render(error: &Error, action: Option<Action>, subject: &Subject, request_id: &str) -> Reply {
    let Told { status, kind, text } = tell(error, action, subject);
    let text = (!text.is_empty()).then_some(text.as_str());
    let is_front = kind == "AccessDeniedException";
    let body = serde_json::to_vec(&ErrorBody {
        kind,
        front: text.filter(|_| is_front),
        message: text.filter(|_| !is_front),
    })
    .unwrap_or_default();
    let mut reply = Reply {
        status,
        headers: Vec::new(),
        body: Body::Other(MEDIA_TYPE, body.into()),
    };
    if let Error::Throttled(wait) = error {
        let seconds = wait.as_secs().saturating_add(1);
        reply = reply.with("Retry-After", seconds.to_string());
    }
    with_headers(reply, request_id)
}

/// The headers that every answer has (contract, section 1.3).
pub fn with_headers(reply: Reply, request_id: &str) -> Reply {
    reply
        .with("x-amzn-RequestId", as_uuid(request_id))
        .with(
            "Cache-Control",
            "no-cache, no-store, must-revalidate, private".to_owned(),
        )
        .with("Pragma", "no-cache".to_owned())
        .with("Expires", "0".to_owned())
}

/// The request's id in the form of a UUID.
pub(super) fn as_uuid(id: &str) -> String {
    uuid::Uuid::parse_str(id).map_or_else(|_| id.to_owned(), |id| id.to_string())
}

struct Told {
    status: u16,
    kind: &'static str,
    text: String,
}

/// The table.
#[expect(clippy::too_many_lines, reason = "one table")]
fn tell(error: &Error, action: Option<Action>, subject: &Subject) -> Told {
    let arn = &subject.arn;
    let refused = |kind, text: String| Told {
        status: 400,
        kind,
        text,
    };
    let fixed = |kind, text: &str| refused(kind, text.to_owned());
    let validation = |text: String| refused("ValidationException", text);
    match error {
        Error::UnknownPath | Error::WrongMethod(_) => {
            refused("UnknownOperationException", String::new())
        }
        Error::BodyTooLarge(limit) => refused(
            "RequestEntityTooLargeException",
            format!("the body is larger than {limit} bytes"),
        ),
        Error::BodyTooSlow | Error::Unreadable(_) | Error::NotJson(_) => refused(
            "SerializationException",
            match error {
                Error::Unreadable(why) | Error::NotJson(why) => why.clone(),
                _ => "the body did not arrive in time".to_owned(),
            },
        ),
        Error::Constraint(text) => validation(text.clone()),
        Error::Invalid { member, .. } if member == "hsm_ca_cert" => {
            refused("IncorrectTrustAnchorException", String::new())
        }
        Error::Invalid { member, .. } if member == "hsm_cluster_id" => {
            refused("CloudHsmClusterNotFoundException", String::new())
        }
        Error::Missing(member) => validation(format!("{} is required.", member_name(member))),
        Error::Invalid { member, why } => validation(format!("{} {why}", member_name(member))),
        Error::NotWholeBytes(member) => {
            validation(format!("{} must be whole bytes", member_name(member)))
        }

        Error::NoCredential => fixed(
            "MissingAuthenticationTokenException",
            "Missing Authentication Token",
        ),
        Error::IncompleteSignature(why) => refused("IncompleteSignatureException", why.clone()),
        Error::BadSignature(why) => refused("InvalidSignatureException", why.clone()),
        Error::InvalidToken(_) | Error::BadPassword | Error::NoSuchScope | Error::TokenNotFound => {
            fixed(
                "UnrecognizedClientException",
                "The security token included in the request is invalid.",
            )
        }
        Error::ExpiredToken(_) => fixed(
            "ExpiredTokenException",
            "The security token included in the request is expired",
        ),
        Error::Forbidden(_) => refused("AccessDeniedException", denied(subject)),
        Error::NeedsProjectScope | Error::WrongProject | Error::NotRevocable => {
            refused("AccessDeniedException", denied(subject))
        }

        Error::KeyNotFound if arn.contains(":alias/") => {
            refused("NotFoundException", format!("Alias {arn} is not found."))
        }
        Error::KeyNotFound => refused("NotFoundException", format!("Key '{arn}' does not exist")),
        Error::NoKeyId(given) => refused("NotFoundException", format!("Invalid keyId '{given}'")),
        Error::OtherRegion(region) => refused("NotFoundException", format!("Invalid arn {region}")),
        // Where AWS's model has no error for it, what is no ARN of a key names none.
        Error::BadArn(why) => match models(subject.operation, "InvalidArnException") {
            true => refused("InvalidArnException", why.clone()),
            false => refused("NotFoundException", why.clone()),
        },
        // A key without material is one whose material is imported: it cannot have a plan.
        Error::WrongState(
            Action::EnableKeyRotation | Action::DisableKeyRotation,
            Verdict::NeedsMaterial,
        ) => cannot_rotate(Unrotatable::External, arn),
        Error::WrongState(_, verdict) => wrong_state(*verdict, arn),
        Error::DefaultKey => refused("AccessDeniedException", String::new()),
        Error::NameTaken
            if matches!(
                action,
                Some(Action::CreateKeystore | Action::UpdateKeystore)
            ) =>
        {
            refused("CustomKeyStoreNameInUseException", String::new())
        }
        Error::NameTaken => fixed("AlreadyExistsException", "the name is taken"),
        Error::ReservedName => refused("NotAuthorizedException", String::new()),
        Error::UsageMismatch { spec, usage } => validation(format!(
            "KeyUsage {usage} is not compatible with KeySpec {}",
            KeySpec::parse(spec).map_or(*spec, spec_name)
        )),
        Error::NotImportable(_) | Error::MacNotImportable | Error::SpecNotOffered(_) => {
            refused("UnsupportedOperationException", unsupported(error))
        }
        Error::UnfitKey(unfit) => unfit_key(*unfit, action, subject),
        Error::UnfitAlgorithm(..) => refused(
            "InvalidKeyUsageException",
            format!(
                "Algorithm {} is incompatible with key spec {}.",
                subject.algorithm(),
                subject.spec()
            ),
        ),
        Error::DigestLength => validation(format!(
            "Digest is invalid length for algorithm {}.",
            subject.algorithm()
        )),
        Error::PlaintextTooLong(most) => validation(format!(
            "Algorithm {} and key spec {} cannot encrypt data larger than {most} bytes.",
            subject.algorithm(),
            subject.spec()
        )),
        // No text: no oracle (contract, section 1.4).
        Error::InvalidCiphertext | Error::DataKeyDigest | Error::DataKeyLength => {
            refused("InvalidCiphertextException", String::new())
        }
        Error::IsReplica(_) => refused(
            "UnsupportedOperationException",
            format!("{arn} is not a multi-region primary key."),
        ),
        Error::HasReplicas(_) => refused(
            "KMSInvalidStateException",
            format!("{arn} has replica keys."),
        ),
        Error::AlreadyInRegion(region) => refused(
            "AlreadyExistsException",
            format!("{arn} is in {region} already"),
        ),
        Error::NoReplicaThere(region) => refused(
            "NotFoundException",
            format!("{arn} has no replica key in {region}"),
        ),
        Error::SignatureDoesNotHold => refused("KMSInvalidSignatureException", String::new()),
        Error::MacDoesNotHold => refused("KMSInvalidMacException", String::new()),
        Error::IncorrectKey => fixed(
            "IncorrectKeyException",
            "The key ID in the request does not identify a CMK that can perform this operation.",
        ),
        Error::InvalidMarker => fixed(
            "InvalidMarkerException",
            "The marker is not one that this list gave.",
        ),
        Error::DryRun => fixed(
            "DryRunOperationException",
            "The request would have succeeded, but the DryRun option is set.",
        ),
        Error::NoEnclaveRoots => fixed(
            "UnsupportedOperationException",
            "no enclave is trusted here: the operator has set no root",
        ),
        Error::AttestationRefused(why) => {
            validation(format!("Recipient.AttestationDocument is not valid: {why}"))
        }
        Error::NotGranted(_) => refused("AccessDeniedException", denied(subject)),
        Error::GrantNotFound => refused(
            "NotFoundException",
            match &subject.grant {
                Some(id) => format!("Grant ID {id} not found"),
                None => "Grant ID not found".to_owned(),
            },
        ),
        Error::UnknownCiphertext => fixed(
            "AccessDeniedException",
            "The ciphertext refers to a customer master key that does not exist, does not exist in \
             this region, or you are not allowed to access.",
        ),
        Error::MaterialWaits { new, waiting } => refused(
            "KMSInvalidStateException",
            format!(
                "New key material (id: {new}) cannot be imported into KMS key {}, because another \
                 key material (id: {waiting}) is pending rotation.",
                arn.rsplit('/').next().unwrap_or_default()
            ),
        ),
        Error::MalformedPolicy(why) => refused("MalformedPolicyDocumentException", why.clone()),
        Error::PolicyTooLarge(most) => refused(
            "LimitExceededException",
            format!("a key policy has at most {most} bytes"),
        ),
        Error::NoSuchPolicy => fixed("NotFoundException", "No such policy exists"),
        Error::BadGrantId => fixed("InvalidGrantIdException", "the grant id is not valid"),
        Error::BadGrantToken => fixed("InvalidGrantTokenException", "a grant token is not valid"),
        Error::GrantOfAnotherKey => fixed("NotFoundException", "the grant is one of another key"),
        Error::GrantsNothing => {
            validation("a grant of nothing but CreateGrant opens nothing".into())
        }
        Error::GrantQuotaReached => fixed(
            "LimitExceededException",
            "the key has as many grants as it may",
        ),
        Error::Import(fault) => import_fault(*fault, arn),
        Error::CannotRotate(why) => cannot_rotate(*why, arn),
        Error::RotationIsOn | Error::RotationIsOff => {
            refused("UnsupportedOperationException", String::new())
        }
        Error::KeystoreKindNotOffered("EXTERNAL_KEY_STORE") => fixed(
            "XksProxyUriUnreachableException",
            "external key stores are not offered here",
        ),
        Error::KeystoreKindNotOffered(_) => {
            refused("CloudHsmClusterNotFoundException", String::new())
        }
        Error::KeystoreState => refused("CustomKeyStoreInvalidStateException", String::new()),
        Error::KeystoreDisabled
            if matches!(action, Some(Action::CreateKey | Action::GenerateRandom)) =>
        {
            refused("CustomKeyStoreInvalidStateException", String::new())
        }
        Error::AnotherCluster => refused("CloudHsmClusterNotRelatedException", String::new()),
        Error::KeystoreDisabled => {
            refused("KMSInvalidStateException", format!("{arn} is unavailable."))
        }
        Error::KeystoreNotEmpty => refused("CustomKeyStoreHasCMKsException", String::new()),
        Error::ClusterTaken => refused("CloudHsmClusterInUseException", String::new()),
        Error::NoImportIntoKeystore => fixed(
            "UnsupportedOperationException",
            "keys of imported material cannot be in a custom key store",
        ),
        Error::UnfitTags(fault, ..) => refused("TagException", tag_fault(*fault).to_owned()),
        Error::TagNotFound => refused("TagException", String::new()),
        Error::TooManyTags(_) => fixed("TagException", "Too many tags"),
        Error::AliasNotFound => refused(
            "NotFoundException",
            format!("Alias {} is not found.", subject.alias),
        ),
        Error::AliasTaken => refused(
            "AlreadyExistsException",
            format!("An alias with the name {} already exists", subject.alias),
        ),
        Error::TooManyAliases(most) => refused(
            "LimitExceededException",
            format!("a key has at most {most} aliases"),
        ),
        // Of what this dialect has no words for.
        Error::AccessPointNotFound
        | Error::PolicyNotFound
        | Error::UnreadableAttestation(_)
        | Error::NotAttested => refused("NotFoundException", String::new()),
        Error::KeystoreNotFound => refused("CustomKeyStoreNotFoundException", String::new()),
        Error::KeyQuotaReached => fixed(
            "LimitExceededException",
            "the account has as many keys as it may",
        ),

        Error::Throttled(_) => fixed(
            "ThrottlingException",
            "You have exceeded the rate at which you may call KMS. \
             Reduce the frequency of your calls.",
        ),
        Error::Unavailable(_) | Error::Conflict => Told {
            status: 503,
            kind: "DependencyTimeoutException",
            text: "the service cannot do this right now; try again".to_owned(),
        },
        Error::Internal(_) => Told {
            status: 500,
            kind: "KMSInternalException",
            text: "a fault of the service; its log tells more".to_owned(),
        },
    }
}

/// The type of error that a cell of the table of states becomes; `None` where it is success.
pub(super) fn state_kind(action: Action, verdict: Verdict) -> Option<&'static str> {
    let error = Error::WrongState(action, verdict);
    match verdict {
        Verdict::Allow | Verdict::AlreadyThere => None,
        _ => Some(tell(&error, Some(action), &Subject::default()).kind),
    }
}

/// The contract's table of operation by state (section 3.1), where the cell is an error.
fn wrong_state(verdict: Verdict, arn: &str) -> Told {
    let (kind, text) = match verdict {
        Verdict::IsDisabled => ("DisabledException", "is disabled."),
        Verdict::IsLeaving | Verdict::AllowLeaving => {
            ("KMSInvalidStateException", "is pending deletion.")
        }
        Verdict::NeedsMaterial => ("KMSInvalidStateException", "is pending import."),
        Verdict::NotLeaving => ("KMSInvalidStateException", "is not pending deletion."),
        Verdict::AlreadyThere | Verdict::Allow => {
            ("KMSInvalidStateException", "is in that state already.")
        }
    };
    Told {
        status: 400,
        kind,
        text: format!("{arn} {text}"),
    }
}

fn unfit_key(unfit: Unfit, action: Option<Action>, subject: &Subject) -> Told {
    let arn = &subject.arn;
    let kind = match unfit {
        Unfit::OfOneRegion => {
            return Told {
                status: 400,
                kind: "UnsupportedOperationException",
                text: format!("{arn} is not a multi-region primary key."),
            };
        }
        Unfit::InKeystore if action == Some(Action::CreateKey) => {
            return Told {
                status: 400,
                kind: "UnsupportedOperationException",
                text: "keys in custom key stores cannot be multi-Region keys".to_owned(),
            };
        }
        Unfit::InKeystore => {
            return Told {
                status: 400,
                kind: "UnsupportedOperationException",
                text: format!(
                    "{arn} origin is AWS_CLOUDHSM which is not valid for this operation."
                ),
            };
        }
        Unfit::NoPublicHalf | Unfit::OfImportedMaterial => "UnsupportedOperationException",
        _ => "InvalidKeyUsageException",
    };
    let usage = subject.kind.map_or("", |(_, usage)| usage.name());
    let operation = subject.operation;
    Told {
        status: 400,
        kind,
        text: format!("{arn} key usage is {usage} which is not valid for {operation}."),
    }
}

fn import_fault(fault: ImportFault, arn: &str) -> Told {
    let (kind, text) = match fault {
        ImportFault::NotExternal => (
            "UnsupportedOperationException",
            format!("{arn} origin is AWS_KMS which is not valid for this operation."),
        ),
        ImportFault::OnReplica => (
            "UnsupportedOperationException",
            format!("{arn} is not a multi-region primary key."),
        ),
        ImportFault::HasMaterial | ImportFault::IsThere | ImportFault::OneWaits => (
            "KMSInvalidStateException",
            format!("{arn} has key material, or some that is pending rotation."),
        ),
        ImportFault::TooMany => ("LimitExceededException", String::new()),
        ImportFault::TokenExpired => ("ExpiredImportTokenException", String::new()),
        ImportFault::TokenInvalid | ImportFault::TokenOfAnotherKey => {
            ("InvalidImportTokenException", String::new())
        }
        ImportFault::ExpiryPassed => (
            "ValidationException",
            "ValidTo must be in the future".to_owned(),
        ),
        ImportFault::Stays => (
            "UnsupportedOperationException",
            format!("{arn} keeps its key material."),
        ),
        ImportFault::NoSuchMaterial => (
            "NotFoundException",
            format!("{arn} has no such key material."),
        ),
        ImportFault::DoesNotUnwrap => ("InvalidCiphertextException", String::new()),
        ImportFault::WrongLength(_)
        | ImportFault::Differs
        | ImportFault::NoPrivateKey
        | ImportFault::BadPrivateKey
        | ImportFault::TemporaryKeyLength(_) => ("IncorrectKeyMaterialException", String::new()),
    };
    Told {
        status: 400,
        kind,
        text,
    }
}

fn cannot_rotate(why: Unrotatable, arn: &str) -> Told {
    let (kind, text) = match why {
        Unrotatable::External => (
            "UnsupportedOperationException",
            format!("{arn} origin is EXTERNAL which is not valid for this operation."),
        ),
        Unrotatable::NotExternal => (
            "UnsupportedOperationException",
            format!("{arn} origin is AWS_KMS which is not valid for this operation."),
        ),
        Unrotatable::NothingWaits => (
            "KMSInvalidStateException",
            format!("No available key material pending rotation for the key: {arn}."),
        ),
        Unrotatable::Replica => (
            "UnsupportedOperationException",
            format!("{arn} is not a multi-region primary key."),
        ),
        Unrotatable::OftenEnough => (
            "LimitExceededException",
            format!(
                "The on-demand rotations limit has been reached for the given keyId. No more \
                 on-demand rotations can be performed for this key: {arn}"
            ),
        ),
        Unrotatable::PlanIsNear => (
            "ConflictException",
            format!("{arn} is about to be rotated by its schedule."),
        ),
        // No text (contract, section 1.4).
        Unrotatable::Rsa | Unrotatable::Asymmetric | Unrotatable::Mac | Unrotatable::InKeystore => {
            ("UnsupportedOperationException", String::new())
        }
    };
    Told {
        status: 400,
        kind,
        text,
    }
}

const fn tag_fault(fault: TagFault) -> &'static str {
    match fault {
        TagFault::ListSize => "Too many tags",
        TagFault::List => "Duplicate tag keys",
        TagFault::Reserved => "Tags beginning with aws: are reserved",
        _ => "a tag is not valid",
    }
}

fn unsupported(error: &Error) -> String {
    match error {
        Error::SpecNotOffered(spec) => format!("KeySpec {spec} is not offered here"),
        Error::NotImportable(spec) => format!("keys of KeySpec {spec} cannot be imported here"),
        _ => String::new(),
    }
}

fn denied(subject: &Subject) -> String {
    let name = subject.operation;
    format!(
        "User: {} is not authorized to perform: kms:{name} on resource: {} because no \
         identity-based policy allows the kms:{name} action",
        subject.caller, subject.arn
    )
}

/// What AWS calls a member that verbs name.
fn member_name(member: &str) -> &str {
    match member {
        "wrapping_algorithm" => "WrappingAlgorithm",
        "expiration_time" => "ValidTo",
        "rotation_interval" => "RotationPeriodInDays",
        "constraints" => "Constraints",
        "operations" => "Operations",
        "target_key_id" => "TargetKeyId",
        "pending_days" => "PendingWindowInDays",
        "replica_region" => "ReplicaRegion",
        "primary_region" => "PrimaryRegion",
        "signing_algorithm" => "SigningAlgorithm",
        "encryption_algorithm" => "EncryptionAlgorithm",
        "mac_algorithm" => "MacAlgorithm",
        "public_key" => "PublicKey",
        other => other,
    }
}

/// The errors that an operation may have beside those that all have: type, status, when.
#[rustfmt::skip]
pub(super) const ERRORS: &[(&str, u16, &str)] = &[
    ("AlreadyExistsException", 400, "the alias or the replica is there already"),
    ("CloudHsmClusterInUseException", 400, "another key store has that cluster"),
    ("CloudHsmClusterNotFoundException", 400, "there is no such cluster"),
    ("CloudHsmClusterNotRelatedException", 400, "a key store keeps its cluster"),
    ("ConflictException", 400, "the schedule is about to do the same"),
    ("CustomKeyStoreHasCMKsException", 400, "the key store still has keys"),
    ("CustomKeyStoreInvalidStateException", 400, "the key store is connected, or is not"),
    ("CustomKeyStoreNameInUseException", 400, "another key store of the account has that name"),
    ("CustomKeyStoreNotFoundException", 400, "there is no such key store"),
    ("DisabledException", 400, "the key is disabled"),
    ("DryRunOperationException", 400, "DryRun was asked for, and it would have gone well"),
    ("ExpiredImportTokenException", 400, "the import token is older than 24 hours"),
    ("IncorrectKeyException", 400, "the ciphertext was sealed by another key than the one named"),
    ("IncorrectKeyMaterialException", 400, "it is not material for this key, or not the same as before"),
    ("IncorrectTrustAnchorException", 400, "it is not the certificate of the cluster"),
    ("InvalidCiphertextException", 400, "the ciphertext does not open: altered, of another context, or none of ours"),
    ("InvalidGrantIdException", 400, "the grant id is malformed"),
    ("InvalidGrantTokenException", 400, "a grant token is malformed"),
    ("InvalidImportTokenException", 400, "the import token is another key's, or was altered"),
    ("InvalidKeyUsageException", 400, "the key is for something else, or does not know the algorithm"),
    ("InvalidMarkerException", 400, "the marker is not one that this list gave"),
    ("KMSInvalidMacException", 400, "the code does not hold"),
    ("KMSInvalidSignatureException", 400, "the signature does not hold"),
    ("KMSInvalidStateException", 400, "the key is in a state that does not allow it"),
    ("LimitExceededException", 400, "there would be more than may be"),
    ("MalformedPolicyDocumentException", 400, "the policy does not say what a policy says"),
    ("NotAuthorizedException", 400, "aliases that begin with alias/aws/ are not for users"),
    ("NotFoundException", 400, "there is no such key, alias or grant, or it is another account's"),
    ("TagException", 400, "a tag is not valid, or there are too many"),
    ("UnsupportedOperationException", 400, "a key of this kind, origin or place cannot do that"),
    ("XksProxyUriUnreachableException", 400, "external key stores are not offered"),
];

/// What is answered though the model does not list it for the operation.
pub(super) const BEYOND: &[(&str, &str)] = &[
    ("CreateAlias", "NotAuthorizedException"),
    ("DeleteAlias", "NotAuthorizedException"),
    ("UpdateAlias", "NotAuthorizedException"),
    ("ListKeyPolicies", "InvalidMarkerException"),
];

/// The errors that every operation may have.
#[rustfmt::skip]
pub(super) const EVERYWHERE: &[(&str, u16, &str)] = &[
    ("AccessDeniedException", 400, "neither role, grant nor policy allows it"),
    ("DependencyTimeoutException", 503, "it cannot be done right now; SDKs try again"),
    ("ExpiredTokenException", 400, "the temporary access key is over"),
    ("IncompleteSignatureException", 400, "the signature lacks a part"),
    ("InvalidArnException", 400, "an ARN is malformed, or not one of what is asked for"),
    ("InvalidSignatureException", 400, "the access key is unknown, the signature does not fit, or the clock is wrong"),
    ("KMSInternalException", 500, "a fault of kmsd, whose log tells more; SDKs try again"),
    ("MissingAuthenticationTokenException", 400, "the request is not signed"),
    ("RequestEntityTooLargeException", 400, "the body is larger than 512 KiB"),
    ("SerializationException", 400, "the body is not JSON, or a member has another type"),
    ("ThrottlingException", 400, "more calls in a second than the project may make; SDKs try again"),
    ("UnknownOperationException", 400, "the target names no operation that is offered"),
    ("UnrecognizedClientException", 400, "the session token is not that of the access key"),
    ("ValidationException", 400, "a member breaks a rule; the text names each that does"),
];
