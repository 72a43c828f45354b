//! kmsd from the outside: HTTP in, HTTP out, on SQLite and on PostgreSQL.

mod support;

mod access;
mod audit;
mod clients;
mod crash;
mod huawei;
mod layers;
mod schema;
mod states;
mod upkeep;
