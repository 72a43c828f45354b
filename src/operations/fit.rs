//! Which kinds of key can do what: one place for the checks of type that come after the checks of
//! state (contract, section 5.3).

use crate::model::error::{Error, Result, Unfit};
use crate::model::key::Key;
use crate::model::spec::{Family, KeySpec, KeyUsage, Origin};

/// The key must be able to encrypt and decrypt data.
pub(super) fn must_encrypt(key: &Key) -> Result<()> {
    let is_curve = matches!(
        key.spec,
        KeySpec::EcP256 | KeySpec::EcP384 | KeySpec::EcP521 | KeySpec::Secp256k1 | KeySpec::Ed25519
    );
    refuse(match key.usage {
        _ if is_curve => Some(Unfit::CurveCannotEncrypt),
        KeyUsage::EncryptDecrypt => None,
        KeyUsage::SignVerify => Some(Unfit::ForSignatures),
        KeyUsage::GenerateVerifyMac => Some(Unfit::ForMacs),
        KeyUsage::KeyAgreement => Some(Unfit::ForAgreement),
        KeyUsage::EncapsulateDecapsulate => Some(Unfit::ForEncapsulation),
    })
}

/// The key must be able to wrap data keys.
pub(super) fn must_wrap(key: &Key) -> Result<()> {
    refuse(match key.spec.family() {
        Family::Symmetric => None,
        Family::Mac => Some(Unfit::ForMacs),
        Family::Asymmetric => Some(Unfit::CannotWrap),
    })
}

/// The key must be able to sign and verify.
pub(super) fn must_sign(key: &Key) -> Result<()> {
    refuse(match (key.spec.family(), key.usage) {
        (Family::Symmetric, _) => Some(Unfit::SymmetricCannotSign),
        (_, KeyUsage::SignVerify) => None,
        (_, KeyUsage::EncryptDecrypt) => Some(Unfit::ForEncryption),
        (_, KeyUsage::GenerateVerifyMac) => Some(Unfit::ForMacs),
        (_, KeyUsage::KeyAgreement) => Some(Unfit::ForAgreement),
        (_, KeyUsage::EncapsulateDecapsulate) => Some(Unfit::ForEncapsulation),
    })
}

/// The key must have a public half.
pub(super) fn must_have_public_half(key: &Key) -> Result<()> {
    refuse(match key.spec.family() {
        Family::Asymmetric => None,
        Family::Symmetric => Some(Unfit::NoPublicHalf),
        Family::Mac => Some(Unfit::ForMacs),
    })
}

/// The key must be for message authentication codes.
pub(super) fn must_mac(key: &Key) -> Result<()> {
    refuse((key.usage != KeyUsage::GenerateVerifyMac).then_some(Unfit::NotForMacs))
}

/// The key must be for agreeing on secrets.
pub(super) fn must_agree(key: &Key) -> Result<()> {
    refuse((key.usage != KeyUsage::KeyAgreement).then_some(Unfit::NotForAgreement))
}

/// The key must be for encapsulating secrets.
pub(super) fn must_encapsulate(key: &Key) -> Result<()> {
    refuse((key.usage != KeyUsage::EncapsulateDecapsulate).then_some(Unfit::NotForEncapsulation))
}

/// The key's material must be kmsd's own and in the built-in keystore, for it is to be copied. What
/// a customer imports comes and goes as they say, in one region.
pub(super) fn must_be_copyable(key: &Key) -> Result<()> {
    refuse(match key.origin {
        _ if !key.keystore.is_built_in() => Some(Unfit::InKeystore),
        Origin::External => Some(Unfit::OfImportedMaterial),
        Origin::Kms => None,
    })
}

fn refuse(unfit: Option<Unfit>) -> Result<()> {
    unfit.map_or(Ok(()), |unfit| Err(Error::UnfitKey(unfit)))
}
