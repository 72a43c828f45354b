//! AWS's dialect, over HTTP.

mod rules;
