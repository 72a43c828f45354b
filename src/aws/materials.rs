//! Imported key material, as AWS spells it (contract, section 11.7).

use serde::{Deserialize, Serialize};

use super::naming::{KeyName, arn_of, own_algorithm};
use super::wire::{Blob, Seconds, answer, decode};
use crate::dialect::{Reply, Request};
use crate::kms::Context;
use crate::model::error::{Error, Result};
use crate::model::spec::Family;
use crate::model::state::Verdict;
use crate::model::time::Timestamp;
use crate::operations::materials::{self, Offer, Rules, Which, Wrapped, WrappingPair};

/// Material of every kind expires and is dropped, and comes again; a key that is disabled takes it
/// too, and one that leaves or waits for import loses it (contract, sections 3.1 and 11.7).
const RULES: Rules = Rules {
    temporary: &[Family::Symmetric, Family::Mac, Family::Asymmetric],
    brought_despite: &[Verdict::IsDisabled],
    dropped_despite: &[Verdict::IsLeaving, Verdict::NeedsMaterial],
    repeatable: true,
    in_copies: true,
    in_one_piece: true,
};

/// How long material may be valid, in days.
const LONGEST: u32 = 365;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GetParametersForImport {
    key_id: KeyName,
    wrapping_algorithm: String,
    wrapping_key_spec: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ImportKeyMaterial {
    key_id: KeyName,
    import_token: Blob,
    encrypted_key_material: Blob,
    valid_to: Option<Seconds>,
    expiration_model: Option<String>,
    import_type: Option<String>,
    key_material_description: Option<String>,
    key_material_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DeleteImportedKeyMaterial {
    key_id: KeyName,
    key_material_id: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Parameters {
    key_id: String,
    import_token: Blob,
    public_key: Blob,
    parameters_valid_to: Seconds,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct OfMaterial {
    key_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_material_id: Option<String>,
}

/// `GetParametersForImport`
pub async fn parameters(cx: &mut Context, request: &Request) -> Result<Reply> {
    let asked: GetParametersForImport = decode(request, "GetParametersForImport")?;
    let pair = match asked.wrapping_key_spec.as_str() {
        "RSA_2048" => WrappingPair::Rsa2048,
        "RSA_3072" => WrappingPair::Rsa3072,
        "RSA_4096" => WrappingPair::Rsa4096,
        "SM2" => WrappingPair::Sm2,
        other => {
            return Err(Error::Constraint(format!(
                "WrappingKeySpec {other} is not offered here"
            )));
        }
    };
    let algorithm = own_algorithm(&asked.wrapping_algorithm);
    let reference = asked.key_id.id(cx)?;
    let (key, made) = materials::parameters(cx, &reference, pair, algorithm, &RULES).await?;
    answer(&Parameters {
        key_id: arn_of(cx, &key)?,
        import_token: Blob(made.token),
        public_key: Blob(made.public_key),
        parameters_valid_to: Seconds(made.expires_at),
    })
}

/// `ImportKeyMaterial`
pub async fn import(cx: &mut Context, request: &Request) -> Result<Reply> {
    let asked: ImportKeyMaterial = decode(request, "ImportKeyMaterial")?;
    let expires_at = end_of(cx.now(), &asked)?;
    let reference = asked.key_id.id(cx)?;
    let wrapped = Wrapped {
        token: &asked.import_token.0,
        material: &asked.encrypted_key_material.0,
        private_key: None,
    };
    let offer = Offer {
        is_new: asked.import_type.map(|given| given == "NEW_KEY_MATERIAL"),
        id: asked.key_material_id,
        description: asked.key_material_description,
    };
    let (key, id) = materials::import(cx, &reference, wrapped, expires_at, &offer, &RULES).await?;
    answer(&OfMaterial {
        key_id: arn_of(cx, &key)?,
        key_material_id: Some(id),
    })
}

/// When the material's time shall be over.
fn end_of(now: Timestamp, asked: &ImportKeyMaterial) -> Result<Option<Timestamp>> {
    let fault = |text: &str| Err(Error::Constraint(text.to_owned()));
    let expires = asked.expiration_model.as_deref() != Some("KEY_MATERIAL_DOES_NOT_EXPIRE");
    match (expires, asked.valid_to) {
        (false, None) => Ok(None),
        (false, Some(_)) => fault(
            "A validTo date must not be set if the ExpirationModel is KEY_MATERIAL_DOES_NOT_EXPIRE",
        ),
        (true, None) => {
            fault("A validTo date must be set if the ExpirationModel is KEY_MATERIAL_EXPIRES")
        }
        (true, Some(at)) if at.0 > now.plus_days(LONGEST) => {
            fault("ValidTo must be at most 365 days away")
        }
        (true, Some(at)) => Ok(Some(at.0)),
    }
}

/// `DeleteImportedKeyMaterial`
pub async fn delete(cx: &mut Context, request: &Request) -> Result<Reply> {
    let asked: DeleteImportedKeyMaterial = decode(request, "DeleteImportedKeyMaterial")?;
    let reference = asked.key_id.id(cx)?;
    let which = asked
        .key_material_id
        .as_deref()
        .map_or(Which::Current, Which::Id);
    let (key, key_material_id) = materials::delete(cx, &reference, which, &RULES).await?;
    answer(&OfMaterial {
        key_id: arn_of(cx, &key)?,
        key_material_id,
    })
}
