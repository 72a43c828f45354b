//! PINs of data keys. A data key that was wrapped with a PIN is bound to it: without that PIN nobody
//! unwraps it. kmsd keeps no PIN.

use super::ciphers::Binding;
use crate::crypto::hash::sha256;
use crate::crypto::sealed::{self, Context as Place};
use crate::crypto::secret::Secret;
use crate::kms::Context;
use crate::model::error::{Error, Result};
use crate::model::ids::KeystoreId;

/// Bytes of chance in a PIN: as hard to guess as an AES-192 key.
const PIN_BYTES: usize = 24;

/// The keystore that a PIN is made for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PinKeystore {
    /// One of the two clusters that every region of Huawei has. Here kmsd itself stands for them.
    Shared,
    /// A keystore of the project.
    Dedicated(KeystoreId),
}

/// A PIN, as somebody sends it.
pub enum GivenPin {
    /// As it is.
    Plain(Secret),
    /// As [`create_sealed`] made it.
    Sealed(Vec<u8>),
}

/// A new PIN, as it is: so many bytes of chance.
///
/// # Errors
/// [`Error::Forbidden`].
pub fn create(cx: &mut Context) -> Result<Secret> {
    cx.permit()?;
    Ok(Secret::random(cx.env().entropy(), PIN_BYTES))
}

/// A new PIN that only this deployment opens, and only for the same project. `spell` writes its
/// bytes as the text that the PIN is.
///
/// # Errors
/// [`Error::Forbidden`], [`Error::KeystoreNotFound`].
pub async fn create_sealed(
    cx: &mut Context,
    keystore: &PinKeystore,
    spell: impl FnOnce(&[u8]) -> Secret,
) -> Result<Vec<u8>> {
    let pin = spell(create(cx)?.expose());
    if let PinKeystore::Dedicated(id) = keystore {
        cx.keystore(id).await?;
    }
    let sealing = cx.project_key().await?;
    let place = place(cx)?;
    Ok(sealed::seal(
        sealing.wrap(),
        &place,
        pin.expose(),
        cx.env().entropy(),
    ))
}

/// What a ciphertext is bound to, and to a PIN besides.
///
/// # Errors
/// [`Error::Invalid`] when a sealed PIN is none that was made for the caller's project.
pub async fn bind(cx: &Context, binding: Binding, pin: Option<GivenPin>) -> Result<Binding> {
    let pin = match pin {
        None => return Ok(binding),
        Some(GivenPin::Plain(pin)) => pin,
        Some(GivenPin::Sealed(pin)) => {
            let sealing = cx.project_key().await?;
            sealed::open(sealing.wrap(), &place(cx)?, &pin).map_err(|_| {
                Error::invalid("pin", "is none that create-pin made for the project")
            })?
        }
    };
    Ok(Binding::Pinned {
        digest: sha256(pin.expose()),
        beside: Box::new(binding),
    })
}

fn place(cx: &Context) -> Result<Place> {
    Ok(Place::new("pin")
        .with("deployment", cx.kms().deployment_id())
        .with("project", cx.project()?.id.as_str()))
}
