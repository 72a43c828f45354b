//! Points in time.

use std::fmt;
use std::time::Duration;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;

/// Milliseconds since 1970-01-01T00:00:00Z. Both databases store it as a 64-bit integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

/// Milliseconds in a day of 24 hours; deletions are scheduled in days.
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

impl Timestamp {
    /// From milliseconds since 1970.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// From whole seconds since 1970.
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1000))
    }

    /// Milliseconds since 1970.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since 1970, rounded down.
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// This many days of 24 hours later.
    #[must_use]
    pub const fn plus_days(self, days: u32) -> Self {
        Self(self.0.saturating_add(days as i64 * DAY_MS))
    }

    /// Later by a duration.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(
            self.0
                .saturating_add(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)),
        )
    }

    /// Earlier by a duration.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        Self(
            self.0
                .saturating_sub(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)),
        )
    }

    /// How far two points lie apart, whichever comes first.
    pub fn distance(self, other: Self) -> Duration {
        Duration::from_millis(self.0.abs_diff(other.0))
    }

    /// As IAM writes it: `2026-01-02T03:04:05.000000Z`.
    pub fn iso_micros(self) -> String {
        self.format(format_description!(
            "[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]Z"
        ))
    }

    /// As aliases and access points write it: `2026-01-02T03:04:05Z`.
    pub fn iso_seconds(self) -> String {
        self.format(format_description!(
            "[year]-[month]-[day]T[hour]:[minute]:[second]Z"
        ))
    }

    /// As signatures write it: `20260102T030405Z`.
    pub fn iso_basic(self) -> String {
        self.format(format_description!(
            "[year][month][day]T[hour][minute][second]Z"
        ))
    }

    /// Reads `20260102T030405Z`; anything else is `None`.
    pub fn parse_basic(text: &str) -> Option<Self> {
        let format = format_description!("[year][month][day]T[hour][minute][second]Z");
        let parsed = time::PrimitiveDateTime::parse(text, format).ok()?;
        Some(Self::from_seconds(parsed.assume_utc().unix_timestamp()))
    }

    /// Reads `Fri, 02 Jan 2026 03:04:05 GMT`, as HTTP writes dates (RFC 9110, section 5.6.7; not the
    /// obsolete forms); anything else is `None`.
    pub fn parse_http(text: &str) -> Option<Self> {
        let format = format_description!(
            "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
        );
        let parsed = time::PrimitiveDateTime::parse(text, format).ok()?;
        Some(Self::from_seconds(parsed.assume_utc().unix_timestamp()))
    }

    /// Reads an RFC 3339 date such as `2026-01-02T03:04:05.000000Z`; anything else is `None`.
    pub fn parse_iso(text: &str) -> Option<Self> {
        let parsed = OffsetDateTime::parse(text, &Rfc3339).ok()?;
        i64::try_from(parsed.unix_timestamp_nanos().div_euclid(1_000_000))
            .ok()
            .map(Self)
    }

    fn format(self, format: &(impl time::formatting::Formattable + ?Sized)) -> String {
        OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1_000_000)
            .unwrap_or(OffsetDateTime::UNIX_EPOCH)
            .format(format)
            .unwrap_or_default()
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.format(&Rfc3339))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_written_as_the_vendors_write_them() {
        let t = Timestamp::from_millis(1_767_323_045_678);
        assert_eq!(t.iso_micros(), "2026-01-02T03:04:05.678000Z");
        assert_eq!(t.iso_seconds(), "2026-01-02T03:04:05Z");
        assert_eq!(t.iso_basic(), "20260102T030405Z");
        assert_eq!(
            Timestamp::parse_basic("20260102T030405Z"),
            Some(Timestamp::from_seconds(1_767_323_045))
        );
        assert_eq!(Timestamp::parse_iso("2026-01-02T03:04:05.678000Z"), Some(t));
        assert_eq!(Timestamp::parse_basic("2026-01-02"), None);
        assert_eq!(
            Timestamp::parse_http("Fri, 02 Jan 2026 03:04:05 GMT"),
            Some(Timestamp::from_seconds(1_767_323_045))
        );
        for bad in [
            "Fri, 30 Feb 2026 03:04:05 GMT",
            "Fri, 02 Jan 2026 03:04:05 +0100",
            "20260102T030405Z",
        ] {
            assert_eq!(Timestamp::parse_http(bad), None, "{bad}");
        }
    }
}
