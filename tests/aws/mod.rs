//! The same keys in AWS's dialect.

mod first;
mod keystores;
mod materials;
mod regions;
