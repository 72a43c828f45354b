//! The little DER that is read and written here: where a structure ends, and what stands around
//! bytes.
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

/// A value with its tag and its length before it, in the shortest form.
pub(super) fn definite(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let zeros = length.iter().take_while(|byte| **byte == 0).count();
    let mut written = vec![tag];
    match length[zeros..] {
        [] => written.push(0),
        [short @ 0..=0x7f] => written.push(short),
        ref long => {
            written.push(0x80 | u8::try_from(long.len()).unwrap_or(u8::MAX));
            written.extend(long);
        }
    }
    written.extend(content);
    written
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
    #[test]
    fn lengths_are_written_in_the_shortest_form() {
        for len in [0, 1, 0x7f, 0x80, 0xff, 0x100, 0xffff] {
            let written = definite(0x30, &vec![7; len]);
            assert_eq!(one_sequence(&written), Ok(&written[..]), "{len}");
            assert_eq!(written[written.len() - len..], vec![7; len]);
        }
    }
}
