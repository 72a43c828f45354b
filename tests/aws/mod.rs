//! The same keys in AWS's dialect.

mod materials;
