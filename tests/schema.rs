//! Two folders of migrations make one schema: what PostgreSQL says of its tables and what SQLite says
//! of its own must be the same.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use sqlx::{Connection, PgConnection, SqliteConnection};

use crate::support::{new_postgres_database, run};

/// What matters of a table, in the same words for both.
#[derive(Debug, Default, PartialEq, Eq)]
struct Table {
    /// Name, type, and whether it may be missing, in order.
    columns: Vec<(String, String, bool)>,
    primary_key: Vec<String>,
    /// The columns of each index in order, and whether it is partial.
    unique: BTreeSet<(Vec<String>, bool)>,
    indexes: BTreeSet<(Vec<String>, bool)>,
    /// Column, table and column that it refers to, and what happens when that goes.
    references: BTreeSet<(Vec<String>, String, Vec<String>, String)>,
}

type Schema = BTreeMap<String, Table>;

#[test]
fn both_folders_have_the_same_files() {
    let names = |folder: &str| -> BTreeSet<String> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("migrations")
            .join(folder);
        std::fs::read_dir(path)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    };
    let files = names("sqlite");
    assert!(!files.is_empty());
    assert_eq!(files, names("postgres"));
}

#[test]
fn both_databases_have_the_same_schema() {
    run(async {
        let (sqlite, postgres) = (sqlite_schema().await, postgres_schema().await);
        assert!(sqlite.contains_key("keys") && sqlite.contains_key("audit"));
        let tables = |schema: &Schema| schema.keys().cloned().collect::<Vec<_>>();
        assert_eq!(tables(&sqlite), tables(&postgres));
        for (name, table) in &sqlite {
            assert_eq!(
                table, &postgres[name],
                "{name}: SQLite on the left, PostgreSQL right"
            );
        }
    });
}

async fn sqlite_schema() -> Schema {
    let mut db = SqliteConnection::connect("sqlite::memory:").await.unwrap();
    sqlx::migrate!("migrations/sqlite")
        .run(&mut db)
        .await
        .unwrap();
    let tables: Vec<(String, String)> = sqlx::query_as(
        "SELECT name, sql FROM sqlite_schema \
         WHERE type = 'table' AND name NOT LIKE '\\_sqlx%' ESCAPE '\\' AND name NOT LIKE 'sqlite%'",
    )
    .fetch_all(&mut db)
    .await
    .unwrap();
    let mut schema = Schema::new();
    for (name, sql) in tables {
        assert!(sql.trim_end().ends_with("STRICT"), "{name} is not STRICT");
        schema.insert(name.clone(), sqlite_table(&mut db, &name).await);
    }
    schema
}

async fn sqlite_table(db: &mut SqliteConnection, name: &str) -> Table {
    let mut table = Table::default();
    let columns: Vec<(String, String, bool, i64)> = sqlx::query_as(
        "SELECT name, type, \"notnull\", pk FROM pragma_table_info($1) ORDER BY cid",
    )
    .bind(name)
    .fetch_all(&mut *db)
    .await
    .unwrap();
    let mut key: Vec<(i64, String)> = Vec::new();
    for (column, kind, not_null, place) in columns {
        if place > 0 {
            key.push((place, column.clone()));
        }
        table.columns.push((column, kind, !not_null));
    }
    key.sort();
    table.primary_key = key.into_iter().map(|(_, column)| column).collect();
    let indexes: Vec<(String, bool, String, bool)> =
        sqlx::query_as("SELECT name, \"unique\", origin, partial FROM pragma_index_list($1)")
            .bind(name)
            .fetch_all(&mut *db)
            .await
            .unwrap();
    for (index, unique, origin, partial) in indexes {
        let columns: Vec<(String,)> =
            sqlx::query_as("SELECT name FROM pragma_index_info($1) ORDER BY seqno")
                .bind(&index)
                .fetch_all(&mut *db)
                .await
                .unwrap();
        let columns = columns.into_iter().map(|(column,)| column).collect();
        match (origin.as_str(), unique) {
            ("pk", _) => {}
            (_, true) => drop(table.unique.insert((columns, partial))),
            (_, false) => drop(table.indexes.insert((columns, partial))),
        }
    }
    let references: Vec<(i64, String, String, String, String)> = sqlx::query_as(
        "SELECT id, \"from\", \"table\", \"to\", on_delete FROM pragma_foreign_key_list($1) \
         ORDER BY id, seq",
    )
    .bind(name)
    .fetch_all(&mut *db)
    .await
    .unwrap();
    let mut by_id: BTreeMap<i64, (Vec<String>, String, Vec<String>, String)> = BTreeMap::new();
    for (id, from, other, to, on_delete) in references {
        let entry = by_id
            .entry(id)
            .or_insert((vec![], other, vec![], on_delete));
        entry.0.push(from);
        entry.2.push(to);
    }
    table.references = by_id.into_values().collect();
    table
}

async fn postgres_schema() -> Schema {
    let url = new_postgres_database().await;
    let mut db = PgConnection::connect(&url).await.unwrap();
    sqlx::migrate!("migrations/postgres")
        .run(&mut db)
        .await
        .unwrap();
    let mut schema = Schema::new();
    let columns: Vec<(String, String, String, bool)> = sqlx::query_as(
        "SELECT table_name::text, column_name::text, data_type::text, is_nullable = 'YES' \
         FROM information_schema.columns \
         WHERE table_schema = 'public' AND table_name NOT LIKE '\\_sqlx%' \
         ORDER BY table_name, ordinal_position",
    )
    .fetch_all(&mut db)
    .await
    .unwrap();
    for (name, column, kind, nullable) in columns {
        let kind = match kind.as_str() {
            "bigint" | "smallint" | "integer" => "INTEGER",
            "text" => "TEXT",
            "bytea" => "BLOB",
            other => panic!("{name}.{column}: SQLite has no {other}"),
        };
        let table = schema.entry(name).or_default();
        table.columns.push((column, kind.to_owned(), nullable));
    }
    let indexes: Vec<(String, Vec<String>, bool, bool, bool)> = sqlx::query_as(
        "SELECT c.relname::text, \
                array(SELECT a.attname::text FROM unnest(i.indkey) WITH ORDINALITY k (n, at) \
                      JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.n ORDER BY k.at), \
                i.indisprimary, i.indisunique, i.indpred IS NOT NULL \
         FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid \
         JOIN pg_namespace s ON s.oid = c.relnamespace \
         WHERE s.nspname = 'public' AND c.relname NOT LIKE '\\_sqlx%'",
    )
    .fetch_all(&mut db)
    .await
    .unwrap();
    for (name, columns, primary, unique, partial) in indexes {
        let table = schema.get_mut(&name).unwrap();
        match (primary, unique) {
            (true, _) => table.primary_key = columns,
            (false, true) => drop(table.unique.insert((columns, partial))),
            (false, false) => drop(table.indexes.insert((columns, partial))),
        }
    }
    type Reference = (String, Vec<String>, String, Vec<String>, String);
    let references: Vec<Reference> = sqlx::query_as(
        "SELECT c.relname::text, \
                array(SELECT a.attname::text FROM unnest(f.conkey) WITH ORDINALITY k (n, at) \
                      JOIN pg_attribute a ON a.attrelid = f.conrelid AND a.attnum = k.n \
                      ORDER BY k.at), \
                o.relname::text, \
                array(SELECT a.attname::text FROM unnest(f.confkey) WITH ORDINALITY k (n, at) \
                      JOIN pg_attribute a ON a.attrelid = f.confrelid AND a.attnum = k.n \
                      ORDER BY k.at), \
                CASE f.confdeltype WHEN 'a' THEN 'NO ACTION' WHEN 'c' THEN 'CASCADE' \
                     WHEN 'r' THEN 'RESTRICT' ELSE 'other' END \
         FROM pg_constraint f JOIN pg_class c ON c.oid = f.conrelid \
         JOIN pg_class o ON o.oid = f.confrelid WHERE f.contype = 'f'",
    )
    .fetch_all(&mut db)
    .await
    .unwrap();
    for (name, from, other, to, on_delete) in references {
        let table = schema.get_mut(&name).unwrap();
        table.references.insert((from, other, to, on_delete));
    }
    db.close().await.unwrap();
    schema
}
