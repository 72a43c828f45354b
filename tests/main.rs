//! kmsd from the outside: HTTP in, HTTP out, on SQLite and on PostgreSQL.

#![expect(
    clippy::disallowed_methods,
    reason = "what the test command says stands in the environment"
)]

mod support;

mod access;
mod audit;
mod aws;
mod clients;
mod coverage;
mod crash;
mod fuzzed;
mod huawei;
mod layers;
mod openapi;
mod operability;
mod outside;
mod pages;
mod schema;
mod states;
mod upkeep;
