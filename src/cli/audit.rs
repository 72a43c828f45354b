//! `kmsd audit`: the trail, for a person to read.

use std::collections::HashSet;
use std::io::Write;
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::json;

use crate::config::Config;
use crate::env::Env;
use crate::kms::{Kms, Purpose, StartError};
use crate::model::audit::Record;
use crate::store::audit::Place;

/// Reads the audit trail.
#[derive(Args)]
pub struct Audit {
    #[command(subcommand)]
    command: AuditCommand,
}

#[derive(Subcommand)]
enum AuditCommand {
    /// Show the newest records, the oldest of them first
    Tail {
        /// How many
        #[arg(short = 'n', long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(0..=100_000))]
        lines: u32,
        /// Go on with new ones as they come
        #[arg(short, long)]
        follow: bool,
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
}

/// How long after its arrival a call may be recorded, and be shown all the same.
const LATE_MS: i64 = 10_000;

/// How often new records are looked for.
const LOOK_EVERY: Duration = Duration::from_millis(500);

impl Audit {
    pub(super) async fn run(self, config: Config) -> Result<(), StartError> {
        let AuditCommand::Tail {
            lines,
            follow,
            json,
        } = self.command;
        let (kms, _) = Kms::open(config, Env::real(), Purpose::Operate).await?;
        let mut shown = HashSet::new();
        let mut newest = 0;
        for (place, record) in kms.store().newest_records(i64::from(lines)).await? {
            if !show(&record, json) {
                return Ok(());
            }
            newest = newest.max(place.at);
            shown.insert(place);
        }
        if !follow {
            kms.store().close().await;
            return Ok(());
        }
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            // A call that took long is recorded under the time it arrived: look back for such.
            let from = Place {
                at: newest - LATE_MS,
                ..Place::default()
            };
            for (place, record) in kms.store().records_after(&from, 10_000).await? {
                newest = newest.max(place.at);
                if shown.insert(place) && !show(&record, json) {
                    return Ok(());
                }
            }
            shown.retain(|place| place.at >= newest - LATE_MS);
        }
    }
}

/// Whether anybody still reads.
fn show(record: &Record, as_json: bool) -> bool {
    let line = if as_json {
        json!({
            "at": record.at.iso_micros(),
            "request_id": record.request_id,
            "credential": record.credential,
            "user_id": record.user_id,
            "user_name": record.user_name,
            "project_id": record.project_id,
            "address": record.address,
            "action": record.action.name(),
            "region": record.region,
            "key_id": record.key_id,
            "revision": record.revision,
            "outcome": record.outcome,
            "detail": record.detail,
            "duration_us": record.duration_us,
        })
        .to_string()
    } else {
        let or_dash = |text: &str| {
            if text.is_empty() {
                "-".to_owned()
            } else {
                text.to_owned()
            }
        };
        format!(
            "{}  {:<20} {:<18} {:<12} {:<36}  {} from {}{}{}",
            record.at.iso_seconds(),
            record.action.name(),
            record.outcome,
            or_dash(&record.user_name),
            or_dash(&record.key_id),
            record.credential,
            or_dash(&record.address),
            if record.detail.is_empty() { "" } else { "  " },
            record.detail,
        )
    };
    writeln!(std::io::stdout(), "{line}").is_ok()
}
