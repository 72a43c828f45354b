//! AWS's dialect, over HTTP.

mod first;
mod rules;
