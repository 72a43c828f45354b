//! Pages of lists: how much is read, and where the next one begins, which is a sealed place that only the project that was given it can
//! use, in that list and region only.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::crypto::keyring::TokenKind;
use crate::crypto::sealed;
use crate::kms::Context;
use crate::model::error::{Error, Result};
use crate::model::time::Timestamp;

/// How many items to read where `limit` are shown: one more tells whether there are more.
pub fn one_more(limit: u32) -> i64 {
    i64::from(limit) + 1
}

/// Cuts what was read so to `limit`, and tells whether there are more.
pub fn cut<T>(items: &mut Vec<T>, limit: u32) -> bool {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = items.len() > limit;
    items.truncate(limit);
    more
}

/// The last item of a page: when it was made (or nothing, in lists that have no such order), and
/// its id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// When.
    pub at: Timestamp,
    /// Its id, in the list.
    pub id: String,
}

/// The marker that stands for a position.
///
/// # Errors
/// [`Error::Unavailable`] when the project's key cannot be had.
pub async fn mark(cx: &Context, list: &str, position: &Position) -> Result<String> {
    let place = cx.kms().place_of_page(&cx.project()?.id, cx.region(), list);
    let mut plain = position.at.millis().to_be_bytes().to_vec();
    plain.extend(position.id.as_bytes());
    let key = cx.project_key().await?;
    let sealed = sealed::seal(
        key.token(TokenKind::Page),
        &place,
        &plain,
        cx.kms().env().entropy(),
    );
    Ok(URL_SAFE_NO_PAD.encode(sealed))
}

/// The position that a marker stands for.
///
/// # Errors
/// [`Error::InvalidMarker`] for whatever [`mark`] did not make for this project, region and list.
pub async fn position(cx: &Context, list: &str, marker: &str) -> Result<Position> {
    let place = cx.kms().place_of_page(&cx.project()?.id, cx.region(), list);
    let key = cx.project_key().await?;
    let sealed = URL_SAFE_NO_PAD
        .decode(marker)
        .map_err(|_| Error::InvalidMarker)?;
    let plain = sealed::open(key.token(TokenKind::Page), &place, &sealed)
        .map_err(|_| Error::InvalidMarker)?;
    let (at, id) = plain
        .expose()
        .split_first_chunk()
        .ok_or(Error::InvalidMarker)?;
    Ok(Position {
        at: Timestamp::from_millis(i64::from_be_bytes(*at)),
        id: String::from_utf8(id.to_vec()).map_err(|_| Error::InvalidMarker)?,
    })
}
