//! How much of each kind a project has in a region: one row, which is where quotas are held, so that
//! calls at once cannot overrun one.

use super::{Result, StoreError, Tx, on};

/// What is counted.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Keys,
    AccessPoints,
    KeyPolicies,
}

/// The two statements for one column: count one in, below a quota, and count one out.
macro_rules! statements {
    ($column:literal, $first:literal) => {
        (
            concat!(
                "INSERT INTO project_usage \
                 (project_id, region, key_count, access_point_count, capsule_policy_count) \
                 VALUES ($1, $2, ",
                $first,
                ") ON CONFLICT (project_id, region) DO UPDATE SET ",
                $column,
                " = project_usage.",
                $column,
                " + 1 WHERE project_usage.",
                $column,
                " < $3"
            ),
            concat!(
                "UPDATE project_usage SET ",
                $column,
                " = ",
                $column,
                " - 1 WHERE project_id = $1 AND region = $2"
            ),
        )
    };
}

impl Kind {
    const fn statements(self) -> (&'static str, &'static str) {
        match self {
            Kind::Keys => statements!("key_count", "1, 0, 0"),
            Kind::AccessPoints => statements!("access_point_count", "0, 1, 0"),
            Kind::KeyPolicies => statements!("capsule_policy_count", "0, 0, 1"),
        }
    }
}

/// Counts one more, if there are fewer than `quota`; without one, however many there are.
pub(super) async fn count_in(
    tx: &mut Tx<'_>,
    kind: Kind,
    project: &str,
    region: &str,
    quota: Option<i64>,
) -> Result<()> {
    let counted = on!(tx, conn => {
        sqlx::query(kind.statements().0)
            .bind(project)
            .bind(region)
            .bind(quota.unwrap_or(i64::MAX))
            .execute(conn)
            .await
            .map(|done| done.rows_affected())
    })?;
    // The first of a project meets no row to compare with.
    if counted == 0 || quota == Some(0) {
        Err(StoreError::QuotaReached)
    } else {
        Ok(())
    }
}

/// Counts one less.
pub(super) async fn count_out(
    tx: &mut Tx<'_>,
    kind: Kind,
    project: &str,
    region: &str,
) -> Result<()> {
    on!(tx, conn => {
        sqlx::query(kind.statements().1)
            .bind(project)
            .bind(region)
            .execute(conn)
            .await
            .map(|_| ())
    })?;
    Ok(())
}
