//! kmsd: a self-hosted key management service. `ARCHITECTURE.md` is the map.

#![forbid(unsafe_code)]

pub mod config;
pub mod env;
pub mod json;
pub mod limits;

pub mod model;

pub mod crypto;
pub mod hsm;
pub mod outside;
pub mod store;

pub mod kms;
pub mod operations;

pub mod dialect;
pub mod signed;

pub mod aws;
pub mod huawei;
pub mod pages;

pub mod server;
mod tls;

pub mod cli;
