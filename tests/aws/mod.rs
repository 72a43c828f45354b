//! The same keys in AWS's dialect.

mod first;
mod materials;
mod regions;
