//! What the schemes share by which clients sign their requests: how URLs are escaped, the list of
//! signed headers, the query in its canonical form.

use std::borrow::Cow;

use crate::model::error::{Error, Result};

/// More headers than that nobody signs; each costs a look-up.
const SIGNED_HEADERS: usize = 64;

/// The names in SignedHeaders: lower case, sorted, each once (threat model I-12).
///
/// # Errors
/// [`Error::BadSignature`].
pub fn signed_names(list: &str) -> Result<Vec<&str>> {
    let names: Vec<&str> = list.split(';').collect();
    let is_name = |name: &&str| {
        !name.is_empty()
            && name
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_'))
    };
    let sorted = names.windows(2).all(|pair| pair[0] < pair[1]);
    if names.len() <= SIGNED_HEADERS && names.iter().all(is_name) && sorted {
        Ok(names)
    } else {
        Err(Error::BadSignature(
            "SignedHeaders must be lower-case names, sorted, each once, joined with ;".into(),
        ))
    }
}

/// The query, decoded, sorted and escaped anew.
///
/// # Errors
/// [`Error::BadSignature`] when it is not escaped UTF-8.
pub fn canonical_query(query: &str) -> Result<String> {
    let mut pairs = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        pairs.push((unescaped(name, true)?, unescaped(value, true)?));
    }
    pairs.sort();
    let pairs: Vec<String> = pairs
        .iter()
        .map(|(name, value)| format!("{}={}", escaped(name), escaped(value)))
        .collect();
    Ok(pairs.join("&"))
}

/// Text of a URL without its escapes.
///
/// # Errors
/// [`Error::BadSignature`] when it is not escaped UTF-8.
pub fn unescaped(text: &str, plus_is_space: bool) -> Result<Cow<'_, str>> {
    if !text.contains(['%', '+']) {
        return Ok(Cow::Borrowed(text));
    }
    unescape(text, plus_is_space)
        .map(Cow::Owned)
        .ok_or_else(|| Error::BadSignature("the URL is not escaped UTF-8".into()))
}

/// All but letters, digits and `-_.~` as `%XX`.
pub fn escaped(text: &str) -> Cow<'_, str> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'~');
    if text.bytes().all(plain) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for byte in text.bytes() {
        if plain(byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    Cow::Owned(out)
}

/// Decodes what a browser or client escaped in a query or path: `%XX`, and in a query `+` for a
/// space. `None` when it is not UTF-8 or an escape is broken.
pub fn unescape(text: &str, plus_is_space: bool) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digit = |b: Option<u8>| char::from(b?).to_digit(16);
                let (high, low) = (digit(rest.next())?, digit(rest.next())?);
                u8::try_from(high * 16 + low).ok()?
            }
            b'+' if plus_is_space => b' ',
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signed_headers_are_sorted_and_unique_i_12() {
        assert!(signed_names("host;x-sdk-date").is_ok());
        for bad in [
            "",
            "Host;x-sdk-date",
            "x-sdk-date;host",
            "host;host",
            "host;;x",
            "a b",
        ] {
            assert!(signed_names(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn escapes_are_decoded_or_refused() {
        assert_eq!(unescape("a%2Fb+c", true).as_deref(), Some("a/b c"));
        assert_eq!(unescape("a+b", false).as_deref(), Some("a+b"));
        for bad in ["%", "%2", "%zz", "%ff"] {
            assert_eq!(unescape(bad, true), None, "{bad}");
        }
    }
}
