//! The table: every operation of AWS's dialect, and what it asks for.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use super::error::{Subject, render};
use super::{
    aliases, auth, ciphers, encapsulation, grants, keys, keystores, materials, policies, regions,
    rotation, signatures, tags,
};
use crate::dialect::{Call, Handler, Reply, Request, handler, serve};
use crate::kms::Kms;
use crate::model::action::Action;
use crate::model::error::{Error, Result};

/// The header that names the operation.
pub const TARGET: &str = "x-amz-target";
/// What stands before the operation's name in it.
pub const SERVICE: &str = "TrentService.";

/// One row of the table.
pub struct Operation {
    /// Its name.
    pub name: &'static str,
    /// What it asks for.
    pub action: Action,
    handler: Handler,
}

/// Every row.
pub fn table() -> Vec<Operation> {
    use Action::*;
    macro_rules! operations {
        ($($name:literal $action:ident $function:path;)*) => {
            vec![$(Operation { name: $name, action: $action, handler: handler($function) }),*]
        };
    }
    operations! {
        // The life of keys.
        "CreateKey" CreateKey keys::create;
        "DescribeKey" DescribeKey keys::describe;
        "ListKeys" ListKeys keys::list;
        "EnableKey" EnableKey keys::enable;
        "DisableKey" DisableKey keys::disable;
        "ScheduleKeyDeletion" ScheduleKeyDeletion keys::schedule_deletion;
        "CancelKeyDeletion" CancelKeyDeletion keys::cancel_deletion;
        "UpdateKeyDescription" UpdateKeyDescription keys::update_description;
        "GetKeyLastUsage" DescribeKey keys::last_usage;
        // Aliases, tags, grants and policies.
        "CreateAlias" CreateAlias aliases::create;
        "UpdateAlias" MoveAlias aliases::update;
        "DeleteAlias" DeleteAliases aliases::delete;
        "ListAliases" ListAliases aliases::list;
        "TagResource" ChangeTags tags::tag;
        "UntagResource" ChangeTags tags::untag;
        "ListResourceTags" ListTags tags::list;
        "CreateGrant" CreateGrant grants::create;
        "ListGrants" ListGrants grants::list;
        "ListRetirableGrants" ListRetirableGrants grants::list_retirable;
        "RetireGrant" RetireGrant grants::retire;
        "RevokeGrant" RevokeGrant grants::revoke;
        "GetKeyPolicy" GetResourcePolicy policies::get;
        "PutKeyPolicy" PutResourcePolicy policies::put;
        "ListKeyPolicies" ListResourcePolicies policies::list;
        // Uses of keys.
        "Encrypt" Encrypt ciphers::encrypt;
        "Decrypt" Decrypt ciphers::decrypt;
        "ReEncrypt" ReEncrypt ciphers::re_encrypt;
        "GenerateDataKey" GenerateDataKey ciphers::generate_data_key;
        "GenerateDataKeyWithoutPlaintext" GenerateDataKeyWithoutPlaintext
            ciphers::generate_data_key_without_plaintext;
        "GenerateDataKeyPair" GenerateDataKeyPair ciphers::generate_pair;
        "GenerateDataKeyPairWithoutPlaintext" GenerateDataKeyPair
            ciphers::generate_pair_without_plaintext;
        "GenerateRandom" GenerateRandom ciphers::random;
        "DeriveSharedSecret" DeriveSharedSecret ciphers::derive_secret;
        "Encapsulate" Encapsulate encapsulation::encapsulate;
        "Decapsulate" Decapsulate encapsulation::decapsulate;
        "Sign" Sign signatures::sign;
        "Verify" Verify signatures::verify;
        "GetPublicKey" GetPublicKey signatures::public_key;
        "GenerateMac" GenerateMac signatures::generate_mac;
        "VerifyMac" VerifyMac signatures::verify_mac;
        // Imported material and rotation.
        "GetParametersForImport" GetImportParameters materials::parameters;
        "ImportKeyMaterial" ImportKeyMaterial materials::import;
        "DeleteImportedKeyMaterial" DeleteKeyMaterial materials::delete;
        "EnableKeyRotation" EnableKeyRotation rotation::enable;
        "DisableKeyRotation" DisableKeyRotation rotation::disable;
        "GetKeyRotationStatus" GetRotationStatus rotation::status;
        "RotateKeyOnDemand" RotateKeyOnDemand rotation::on_demand;
        "ListKeyRotations" GetRotationStatus rotation::list;
        // Multi-region keys.
        "ReplicateKey" ReplicateKey regions::replicate;
        "UpdatePrimaryRegion" UpdatePrimaryRegion regions::update_primary;
        // Custom key stores.
        "CreateCustomKeyStore" CreateKeystore keystores::create;
        "DescribeCustomKeyStores" ListKeystores keystores::describe;
        "ConnectCustomKeyStore" EnableKeystore keystores::connect;
        "DisconnectCustomKeyStore" DisableKeystore keystores::disconnect;
        "UpdateCustomKeyStore" UpdateKeystore keystores::update;
        "DeleteCustomKeyStore" DeleteKeystore keystores::delete;
    }
}

/// The table, ready to look operations up in.
pub struct Operations(HashMap<&'static str, Operation>);

impl Default for Operations {
    fn default() -> Self {
        Self(table().into_iter().map(|row| (row.name, row)).collect())
    }
}

impl Operations {
    /// Answers a request.
    pub async fn answer(&self, kms: &Arc<Kms>, request: &Request) -> Reply {
        let subject = RefCell::new(Subject::default());
        let operation = match self.find(request) {
            Ok(operation) => operation,
            Err(error) => {
                kms.metrics().refused(error.name());
                return render(&error, None, &Subject::default(), &request.request_id);
            }
        };
        let signed = auth::authenticate(kms, request).await;
        let call = Call {
            action: operation.action,
            region: signed
                .region
                .unwrap_or_else(|| kms.config().home_region().clone()),
            caller: signed.caller,
            claimed: signed.claimed,
        };
        let answered = serve(kms, request, call, async |cx| {
            let done = match grants::check_tokens(cx, request, operation.name) {
                Ok(()) => (operation.handler)(cx, request).await,
                Err(error) => Err(error),
            };
            let named = |members| done.as_ref().err().and_then(|_| named(request, members));
            *subject.borrow_mut() = Subject {
                algorithm: named(&ALGORITHMS),
                grant: named(&["GrantId"]),
                ..Subject::of(cx, operation.name)
            };
            done
        })
        .await;
        answered.map_or_else(
            |error| {
                log_fault(&error, request);
                render(
                    &error,
                    Some(operation.action),
                    &subject.borrow(),
                    &request.request_id,
                )
            },
            |reply| super::error::with_headers(reply, &request.request_id),
        )
    }

    fn find(&self, request: &Request) -> Result<&Operation> {
        auth::target(request)?
            .and_then(|target| target.strip_prefix(SERVICE))
            .and_then(|name| self.0.get(name))
            .ok_or(Error::UnknownPath)
    }
}

/// The members that name an algorithm.
const ALGORITHMS: [&str; 5] = [
    "EncryptionAlgorithm",
    "SigningAlgorithm",
    "MacAlgorithm",
    "DestinationEncryptionAlgorithm",
    "SourceEncryptionAlgorithm",
];

/// What a request says in the first of these members that it has, for the texts of refusals.
fn named(request: &Request, names: &[&str]) -> Option<String> {
    let members = super::wire::members(request).ok()?;
    names
        .iter()
        .find_map(|name| members.get(*name)?.as_str())
        .map(ToOwned::to_owned)
}

/// Faults of ours are told to the log with their causes, and to nobody else.
fn log_fault(error: &Error, request: &Request) {
    let request_id = &request.request_id;
    match error {
        Error::Internal(cause) => tracing::error!(%request_id, cause, "a fault of kmsd"),
        Error::Unavailable(cause) => tracing::warn!(%request_id, cause, "not available"),
        _ => {}
    }
}
