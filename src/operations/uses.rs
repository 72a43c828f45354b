//! When keys were used.

use crate::kms::Context;
use crate::model::action::Action;
use crate::model::audit::Record;
use crate::model::error::Result;
use crate::model::key::{Key, KeyRef};

/// What counts as a use: whatever computes with a key's material.
const USES: &[Action] = &[
    Action::Encrypt,
    Action::Decrypt,
    Action::ReEncrypt,
    Action::GenerateDataKey,
    Action::GenerateDataKeyWithoutPlaintext,
    Action::GenerateDataKeyPair,
    Action::EncryptDataKey,
    Action::DecryptDataKey,
    Action::Sign,
    Action::Verify,
    Action::GenerateMac,
    Action::VerifyMac,
    Action::DeriveSharedSecret,
    Action::Encapsulate,
    Action::Decapsulate,
    Action::CreateDatakeyCapsule,
    Action::DecryptDatakeyCapsule,
];

/// Reads the record of a key's last use, if there was one: by anybody, in any dialect.
///
/// # Errors
/// [`crate::model::error::Error::KeyNotFound`].
pub async fn last(cx: &mut Context, key: &KeyRef) -> Result<(Key, Option<Record>)> {
    cx.asked().operation = Some("GetKeyLastUsage");
    let key = cx.key(key).await?;
    let record = cx.kms().store().newest_record_of(&key, USES).await?;
    Ok((key, record))
}
