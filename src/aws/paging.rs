//! Pages of lists: an opaque marker in, and in the answer whether there is more and where
//! (contract, section 10).

use serde::Serialize;

use crate::kms::Context;
use crate::model::error::Result;
use crate::operations::pages::{self, Position};

/// What every list's answer ends with.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Turn {
    #[serde(skip_serializing_if = "Option::is_none")]
    next_marker: Option<String>,
    truncated: bool,
}

/// Where a list goes on, if the request says so.
///
/// # Errors
/// [`crate::model::error::Error::InvalidMarker`].
pub async fn after(cx: &Context, list: &str, marker: Option<&str>) -> Result<Option<Position>> {
    match marker {
        Some(marker) => Ok(Some(pages::position(cx, list, marker).await?)),
        None => Ok(None),
    }
}

/// Cuts what was read to the limit; whoever reads asks for one more than that. Tells whether there
/// was more, and how to get it.
///
/// # Errors
/// As [`pages::mark`].
pub async fn turn<T>(
    cx: &Context,
    list: &str,
    items: &mut Vec<T>,
    limit: u32,
    position: impl Fn(&T) -> Position,
) -> Result<Turn> {
    let truncated = pages::cut(items, limit);
    let next_marker = match items.last().filter(|_| truncated) {
        Some(last) => Some(pages::mark(cx, list, &position(last)).await?),
        None => None,
    };
    Ok(Turn {
        next_marker,
        truncated,
    })
}
