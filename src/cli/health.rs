//! `kmsd health`: for health checks of containers, which have no other client at hand.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use clap::Args;

use crate::kms::StartError;

/// Exits with 0 when the kmsd at this address is ready, else with 1 and says why.
#[derive(Args)]
pub struct Health {
    /// Address and port of its API, over plain HTTP
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    address: String,
}

impl Health {
    pub(super) fn run(&self) -> Result<(), StartError> {
        let patience = Some(Duration::from_secs(5));
        let mut stream = TcpStream::connect(&self.address)
            .map_err(|error| StartError(format!("nothing answers at {}: {error}", self.address)))?;
        stream.set_read_timeout(patience)?;
        stream.set_write_timeout(patience)?;
        let request = format!(
            "GET /health/ready HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
            self.address
        );
        stream.write_all(request.as_bytes())?;
        let mut answer = String::new();
        stream.take(16 * 1024).read_to_string(&mut answer)?;
        if answer.starts_with("HTTP/1.1 200 ") {
            println!("ready");
            Ok(())
        } else {
            let status = answer.lines().next().unwrap_or("no answer").to_owned();
            Err(StartError(format!(
                "{} is not ready: {status}",
                self.address
            )))
        }
    }
}
