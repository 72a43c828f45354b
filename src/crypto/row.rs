//! The seal over the columns of a row that decisions depend on (threat model 5.4, I-43).
//!
//! It finds altered rows; it hides nothing. An old row put back whole still verifies.

use super::hash::{constant_time_eq, hmac_sha256};
use super::secret::Secret;

const VERSION: u8 = 1;

/// Collects the columns of one row and makes or checks their seal.
///
/// Encoding: a version byte, then the table's name, then for each column its name, a byte for its
/// type and its value; every string and value is preceded by its length (u32, big endian). Columns
/// count in the order given.
pub struct RowSeal(Vec<u8>);

impl RowSeal {
    /// A row of `table`, still without columns.
    pub fn new(table: &str) -> Self {
        let mut row = Self(vec![VERSION]);
        row.append(table.as_bytes());
        row
    }

    /// Adds a text.
    pub fn text(self, column: &str, value: &str) -> Self {
        self.column(column, b't', value.as_bytes())
    }

    /// Adds a text or null.
    pub fn text_or_null(self, column: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.text(column, value),
            None => self.null(column),
        }
    }

    /// Adds a number.
    pub fn int(self, column: &str, value: i64) -> Self {
        self.column(column, b'i', &value.to_be_bytes())
    }

    /// Adds a number or null.
    pub fn int_or_null(self, column: &str, value: Option<i64>) -> Self {
        match value {
            Some(value) => self.int(column, value),
            None => self.null(column),
        }
    }

    /// Adds a truth value.
    pub fn bool(self, column: &str, value: bool) -> Self {
        self.int(column, i64::from(value))
    }

    /// Adds bytes.
    pub fn bytes(self, column: &str, value: &[u8]) -> Self {
        self.column(column, b'b', value)
    }

    /// Adds bytes or null.
    pub fn bytes_or_null(self, column: &str, value: Option<&[u8]>) -> Self {
        match value {
            Some(value) => self.bytes(column, value),
            None => self.null(column),
        }
    }

    /// Adds a null, which differs from every value.
    pub fn null(self, column: &str) -> Self {
        self.column(column, b'n', &[])
    }

    /// The seal: HMAC-SHA-256 of the columns under a `row` key.
    pub fn seal(&self, key: &Secret) -> [u8; 32] {
        hmac_sha256(key.expose(), &[&self.0])
    }

    /// Whether `seal` is the seal of these columns, in constant time.
    pub fn verify(&self, key: &Secret, seal: &[u8]) -> bool {
        constant_time_eq(&self.seal(key), seal)
    }

    fn column(mut self, name: &str, kind: u8, value: &[u8]) -> Self {
        self.append(name.as_bytes());
        self.0.push(kind);
        self.append(value);
        self
    }

    fn append(&mut self, part: &[u8]) {
        // Both databases refuse a value anywhere near 4 GiB long before it comes here.
        let len = u32::try_from(part.len()).expect("a column is below 4 GiB");
        self.0.extend(len.to_be_bytes());
        self.0.extend(part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::testing::every_bit_flipped;

    fn key() -> Secret {
        Secret::from_slice(&[9; 32])
    }

    fn row() -> RowSeal {
        RowSeal::new("keys")
            .text("id", "k1")
            .int("revision", 4)
            .bytes("material", &[1, 2, 3])
            .null("delete_at")
    }

    #[test]
    fn the_encoding_does_not_change() {
        let expected = "01000000046b657973\
            0000000269647400000002\
            6b31\
            000000087265766973696f6e69000000080000000000000004\
            000000086d6174657269616c6200000003010203\
            0000000964656c6574655f61746e00000000";
        assert_eq!(hex::encode(&row().0), expected);
        assert!(row().verify(&key(), &row().seal(&key())));
    }

    #[test]
    fn every_difference_is_found() {
        let seal = row().seal(&key());
        let others = [
            RowSeal::new("keyz")
                .text("id", "k1")
                .int("revision", 4)
                .bytes("material", &[1, 2, 3])
                .null("delete_at"),
            RowSeal::new("keys")
                .text("id", "k2")
                .int("revision", 4)
                .bytes("material", &[1, 2, 3])
                .null("delete_at"),
            RowSeal::new("keys")
                .text("id", "k1")
                .int("revision", 5)
                .bytes("material", &[1, 2, 3])
                .null("delete_at"),
            RowSeal::new("keys")
                .text("id", "k1")
                .int("revision", 4)
                .bytes("material", &[1, 2])
                .null("delete_at"),
            RowSeal::new("keys")
                .text("id", "k1")
                .int("revision", 4)
                .bytes("material", &[1, 2, 3])
                .int("delete_at", 0),
            RowSeal::new("keys")
                .text("id", "k1")
                .int("revision", 4)
                .bytes("material", &[1, 2, 3])
                .text("delete_at", ""),
            RowSeal::new("keys")
                .int("revision", 4)
                .text("id", "k1")
                .bytes("material", &[1, 2, 3])
                .null("delete_at"),
            RowSeal::new("keys")
                .text("id", "k1")
                .int("revision", 4)
                .bytes("material", &[1, 2, 3]),
        ];
        for other in others {
            assert!(!other.verify(&key(), &seal));
        }
        assert!(!row().verify(&Secret::from_slice(&[8; 32]), &seal));
        assert!(!row().verify(&key(), &[]));
        assert!(!row().verify(&key(), &seal[..31]));
        every_bit_flipped(&seal, |changed| assert!(!row().verify(&key(), changed)));
    }
}
