//! The little DER that is read and written here: where a structure ends, and frames around what
//! hardware security modules give raw.
//!
//! The library parses keys but does not look behind them; what stands behind a key is refused here.

use super::CryptoError;

/// `bytes`, if they are one DER SEQUENCE (tag `30`, definite and shortest length, at most 65,535
/// bytes of content) and nothing else.
pub(super) fn one_sequence(bytes: &[u8]) -> Result<&[u8], CryptoError> {
    let content = match bytes {
        [0x30, len @ 0..=0x7f, rest @ ..] => (rest, usize::from(*len)),
        [0x30, 0x81, len @ 0x80..=0xff, rest @ ..] => (rest, usize::from(*len)),
        [0x30, 0x82, high @ 1..=0xff, low, rest @ ..] => {
            (rest, usize::from(u16::from_be_bytes([*high, *low])))
        }
        _ => return Err(CryptoError::Invalid),
    };
    match content {
        (rest, len) if rest.len() == len => Ok(bytes),
        _ => Err(CryptoError::Invalid),
    }
}

/// One value with its tag and its length, which is at most 65,535.
pub(super) fn tagged(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let mut der = vec![tag];
    match u16::try_from(content.len())
        .unwrap_or(u16::MAX)
        .to_be_bytes()
    {
        [0, len @ 0..=0x7f] => der.push(len),
        [0, len] => der.extend([0x81, len]),
        [high, low] => der.extend([0x82, high, low]),
    }
    der.extend(content);
    der
}

/// An INTEGER of an unsigned number, big endian.
pub(super) fn unsigned(number: &[u8]) -> Vec<u8> {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    match number.get(zeros..).unwrap_or_default() {
        [] => tagged(0x02, &[&[0]]),
        digits @ [0x80..=0xff, ..] => tagged(0x02, &[&[0], digits]),
        digits => tagged(0x02, &[digits]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sequence(prefix: &[u8], len: usize) -> Vec<u8> {
        [prefix, &vec![0; len]].concat()
    }

    #[test]
    fn only_one_whole_sequence_is_taken() {
        for good in [
            sequence(&[0x30, 0], 0),
            sequence(&[0x30, 0x7f], 0x7f),
            sequence(&[0x30, 0x81, 0x80], 0x80),
            sequence(&[0x30, 0x82, 1, 0], 0x100),
        ] {
            assert_eq!(one_sequence(&good), Ok(&good[..]));
            let longer = sequence(&good, 1);
            assert!(one_sequence(&longer).is_err());
            assert!(one_sequence(&good[..good.len() - 1]).is_err());
        }
        for bad in [
            vec![],
            vec![0x30],
            sequence(&[0x31, 1], 1),
            sequence(&[0x30, 0x80], 2),       // indefinite
            sequence(&[0x30, 0x81, 1], 1),    // not the shortest
            sequence(&[0x30, 0x82, 0, 1], 1), // not the shortest
            sequence(&[0x30, 0x83, 1, 0, 0], 0x1_0000),
        ] {
            assert!(one_sequence(&bad).is_err());
        }
    }
}
