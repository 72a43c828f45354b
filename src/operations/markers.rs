//! Markers: where the next page of a list begins, told to the caller in a form that only kmsd makes.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::crypto::row::RowSeal;
use crate::kms::Context;
use crate::model::error::{Error, Result};

/// How long a seal is.
const SEAL: usize = 32;

/// The marker of a position in a list. Only the same project can use it, for the same list of the
/// same region.
///
/// # Errors
/// [`Error::Unavailable`] when the project's key cannot be had.
pub async fn mark(cx: &Context, list: &str, position: &str) -> Result<String> {
    let sealing = cx.project_key().await?;
    let seal = sealed(cx, list, position).seal(sealing.row());
    let bytes = [&seal[..], position.as_bytes()].concat();
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// The position that a marker of a list tells; `None` for no marker.
///
/// # Errors
/// [`Error::InvalidMarker`] when it is not one of this list.
pub async fn read(cx: &Context, list: &str, marker: Option<&str>) -> Result<Option<String>> {
    let Some(marker) = marker else {
        return Ok(None);
    };
    let bytes = URL_SAFE_NO_PAD
        .decode(marker)
        .map_err(|_| Error::InvalidMarker)?;
    let (seal, position) = bytes.split_at_checked(SEAL).ok_or(Error::InvalidMarker)?;
    let position = std::str::from_utf8(position).map_err(|_| Error::InvalidMarker)?;
    let sealing = cx.project_key().await?;
    if !sealed(cx, list, position).verify(sealing.row(), seal) {
        return Err(Error::InvalidMarker);
    }
    Ok(Some(position.to_owned()))
}

fn sealed(cx: &Context, list: &str, position: &str) -> RowSeal {
    let project = cx.caller().project().map(|project| project.id.as_str());
    RowSeal::new("marker")
        .text("list", list)
        .text_or_null("project", project)
        .text("region", cx.region().as_str())
        .text("position", position)
}
