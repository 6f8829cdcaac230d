//! The two databases behind one enum: opening, bringing the schema up to date, reading. Beside the writer the only place that names one.

use std::fs::{DirBuilder, File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::ConnectOptions as _;
use sqlx::Row as _;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions, PgRow};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteRow,
    SqliteSynchronous,
};
use sqlx::{Connection as _, SqlSafeStr as _};

use crate::cells::{Cells, FromRow};
use crate::statement::Value;
use crate::store::{ReadError, StoreError};

/// The schema that this program reads and writes: the number of its last migration.
pub(crate) const SCHEMA: i64 = 9;

/// Applied in order, never changed once they are released.
pub(crate) const MIGRATIONS: &[(i64, &str, &str)] = &[
    (1, "first", include_str!("../migrations/0001_first.sql")),
    (
        2,
        "language",
        include_str!("../migrations/0002_language.sql"),
    ),
    (3, "limits", include_str!("../migrations/0003_limits.sql")),
    (4, "grants", include_str!("../migrations/0004_grants.sql")),
    (5, "people", include_str!("../migrations/0005_people.sql")),
    (6, "audit", include_str!("../migrations/0006_audit.sql")),
    (7, "vault", include_str!("../migrations/0007_vault.sql")),
    (8, "asking", include_str!("../migrations/0008_asking.sql")),
    (9, "kinds", include_str!("../migrations/0009_kinds.sql")),
];

/// How many connections read at once.
const READERS: u32 = 8;

/// Where rows are read from.
#[derive(Debug, Clone)]
pub(crate) enum Database {
    Sqlite(SqlitePool),
    Postgres(PgPool),
    #[cfg(any(test, feature = "model"))]
    Model(crate::model::Model),
}

/// A row of either.
pub(crate) enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

macro_rules! cell {
    ($self:ident, $place:ident, $kind:ty) => {
        match $self {
            // SQLite types values, not columns: a boolean is an integer there.
            Self::Sqlite(row) => row.try_get_unchecked::<$kind, _>($place),
            Self::Postgres(row) => row.try_get::<$kind, _>($place),
        }
    };
}

impl Row {
    pub(crate) fn text(&self, place: usize) -> Result<Option<String>, sqlx::Error> {
        cell!(self, place, Option<String>)
    }

    pub(crate) fn int(&self, place: usize) -> Result<Option<i64>, sqlx::Error> {
        cell!(self, place, Option<i64>)
    }

    pub(crate) fn bool(&self, place: usize) -> Result<bool, sqlx::Error> {
        cell!(self, place, bool)
    }
}

macro_rules! rows {
    ($pool:expr, $text:ident, $params:ident) => {{
        let mut query = sqlx::query($text);
        for value in $params {
            query = match value {
                Value::Text(value) => query.bind(value),
                Value::Int(value) => query.bind(value),
                Value::Bool(value) => query.bind(value),
            };
        }
        query.fetch_all($pool).await.map_err(away)
    }};
}

impl Database {
    /// All rows of a statement.
    pub(crate) async fn rows(
        &self,
        text: &'static str,
        params: Vec<Value>,
    ) -> Result<Vec<Row>, ReadError> {
        match self {
            Self::Sqlite(pool) => {
                rows!(pool, text, params).map(|rows| rows.into_iter().map(Row::Sqlite).collect())
            }
            Self::Postgres(pool) => {
                rows!(pool, text, params).map(|rows| rows.into_iter().map(Row::Postgres).collect())
            }
            #[cfg(any(test, feature = "model"))]
            Self::Model(_) => Err(ReadError::Unavailable(format!(
                "the model does not speak SQL: {text}"
            ))),
        }
    }

    /// All rows of a statement, as values.
    pub(crate) async fn all<T: FromRow>(
        &self,
        text: &'static str,
        params: Vec<Value>,
    ) -> Result<Vec<T>, ReadError> {
        self.rows(text, params)
            .await?
            .iter()
            .map(|row| T::read(&mut Cells::new(row, T::WHAT)))
            .collect()
    }

    /// The first row of a statement, as a value.
    pub(crate) async fn one<T: FromRow>(
        &self,
        text: &'static str,
        params: Vec<Value>,
    ) -> Result<Option<T>, ReadError> {
        let rows = self.rows(text, params).await?;
        rows.first()
            .map(|row| T::read(&mut Cells::new(row, T::WHAT)))
            .transpose()
    }
}

/// A read that did not come about.
#[expect(
    clippy::needless_pass_by_value,
    reason = "it is used to convert errors in passing"
)]
pub(crate) fn away(error: sqlx::Error) -> ReadError {
    ReadError::Unavailable(error.to_string())
}

fn cannot(error: impl std::fmt::Display) -> StoreError {
    StoreError::Open(error.to_string())
}

/// The files of an embedded store.
pub(crate) struct Files {
    /// The database.
    pub database: PathBuf,
    /// Held for as long as the store is open.
    pub lock: File,
}

/// Makes the data directory, for its owner alone, unless it is there.
pub(crate) fn make_directory(data: &Path) -> Result<(), StoreError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(data)
        .map_err(|e| StoreError::Open(format!("{}: {e}", data.display())))
}

/// Takes the data directory for ourselves: made with mode 0700, locked, with an empty database of mode 0600 if there was none.
pub(crate) fn take_directory(data: &Path) -> Result<Files, StoreError> {
    let open = |name: &str| {
        OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(data.join(name))
            .map_err(|e| StoreError::Open(format!("{}: {e}", data.join(name).display())))
    };
    make_directory(data)?;
    let lock = open("actas.lock")?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(std::fs::TryLockError::WouldBlock) => {
            return Err(StoreError::InUse(data.to_path_buf()));
        }
        Err(std::fs::TryLockError::Error(e)) => return Err(cannot(e)),
    }
    // The files that SQLite makes beside it take its mode.
    drop(open("actas.db")?);
    Ok(Files {
        database: data.join("actas.db"),
        lock,
    })
}

/// Brings a SQLite file up to date and opens the pool that reads it.
pub(crate) async fn open_sqlite(file: &Path) -> Result<SqlitePool, StoreError> {
    let options = SqliteConnectOptions::new()
        .filename(file)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(Duration::from_secs(10))
        .disable_statement_logging();
    let mut connection = options.connect().await.map_err(cannot)?;
    let facts = "SELECT COUNT(*) FROM sqlite_master WHERE name = 'store_facts'";
    let there: i64 = sqlx::query_scalar(facts)
        .fetch_one(&mut connection)
        .await
        .map_err(cannot)?;
    if there > 0 {
        let needs: String = sqlx::query_scalar(MIN_READER)
            .fetch_one(&mut connection)
            .await
            .map_err(cannot)?;
        check_reader(&needs)?;
    }
    migrator(MIGRATIONS)
        .run_direct(None, &mut connection, false)
        .await
        .map_err(cannot)?;
    connection.close().await.map_err(cannot)?;
    SqlitePoolOptions::new()
        .max_connections(READERS)
        .connect_with(options.pragma("query_only", "1"))
        .await
        .map_err(cannot)
}

/// Brings a PostgreSQL database up to date and opens the pool that reads it.
pub(crate) async fn open_postgres(url: &str) -> Result<(PgPool, PgConnectOptions), StoreError> {
    let options: PgConnectOptions = url
        .parse::<PgConnectOptions>()
        .map_err(cannot)?
        .application_name("actas")
        .disable_statement_logging();
    let pool = PgPoolOptions::new()
        .max_connections(READERS)
        .acquire_timeout(Duration::from_secs(10))
        .connect_with(options.clone())
        .await
        .map_err(cannot)?;
    let mut connection = pool.acquire().await.map_err(cannot)?;
    let there: bool = sqlx::query_scalar("SELECT to_regclass('store_facts') IS NOT NULL")
        .fetch_one(&mut *connection)
        .await
        .map_err(cannot)?;
    if there {
        let needs: String = sqlx::query_scalar(MIN_READER)
            .fetch_one(&mut *connection)
            .await
            .map_err(cannot)?;
        check_reader(&needs)?;
    }
    migrator(MIGRATIONS)
        .run_direct(None, &mut *connection, false)
        .await
        .map_err(cannot)?;
    drop(connection);
    Ok((pool, options))
}

const MIN_READER: &str = "SELECT value FROM store_facts WHERE name = 'min_reader'";

fn check_reader(needs: &str) -> Result<(), StoreError> {
    let needs = needs
        .parse()
        .map_err(|e| StoreError::Open(format!("min_reader `{needs}` is not a number: {e}")))?;
    if needs > SCHEMA {
        return Err(StoreError::TooNew {
            needs,
            knows: SCHEMA,
        });
    }
    Ok(())
}

/// Brings a store as far as these go.
fn migrator(migrations: &[(i64, &'static str, &'static str)]) -> Migrator {
    let all = migrations
        .iter()
        .map(|(version, name, text)| {
            Migration::new(
                *version,
                (*name).into(),
                MigrationType::Simple,
                text.into_sql_str(),
                false,
            )
        })
        .collect();
    let mut migrator = Migrator::with_migrations(all);
    // A newer program may have added some; whether we may still read is what `min_reader` says.
    migrator.set_ignore_missing(true);
    migrator
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may stop where it fails")]
mod tests {
    use actas_core::ids::{RunId, WorkspaceId};

    use super::*;
    use crate::{RunFilter, Store, StoreConfig};

    #[tokio::test]
    async fn a_store_of_the_first_schema_is_brought_up_to_date_with_what_is_in_it() {
        let (workspace, run) = (WorkspaceId::from_bits(1), RunId::from_bits(2));
        let row = "INSERT INTO runs VALUES ('ws_00000000000000000000000001', 'run_00000000000000000000000002', 'flw_00000000000000000000000003', \
                   'ver_00000000000000000000000004', 1, 'usr_00000000000000000000000005', 'api', 'paused', 6, NULL, NULL, 1, NULL, NULL, 1)";
        let dir = tempfile::tempdir().unwrap();
        let mut places = vec![None];
        places.extend(actas_test_support::postgres::database().map(Some));
        for url in places {
            let data = dir
                .path()
                .join(url.as_ref().map_or("sqlite", |_| "postgres"));
            let first = migrator(&MIGRATIONS[..1]);
            if let Some(url) = &url {
                let mut connection = sqlx::PgConnection::connect(url).await.unwrap();
                first
                    .run_direct(None, &mut connection, false)
                    .await
                    .unwrap();
                sqlx::query(row).execute(&mut connection).await.unwrap();
            } else {
                make_directory(&data).unwrap();
                let file = data.join("actas.db");
                let options = SqliteConnectOptions::new()
                    .filename(file)
                    .create_if_missing(true);
                let mut connection = options.connect().await.unwrap();
                first
                    .run_direct(None, &mut connection, false)
                    .await
                    .unwrap();
                sqlx::query(row).execute(&mut connection).await.unwrap();
                connection.close().await.unwrap();
            }
            let store = Store::open(&StoreConfig { url, data }).await.unwrap();
            let runs = store
                .reader(&workspace)
                .runs(&RunFilter::default(), 10, None)
                .await
                .unwrap();
            let [kept] = runs.items.as_slice() else {
                panic!("{runs:?}");
            };
            assert_eq!((&kept.id, kept.state.as_str()), (&run, "paused"));
            assert!(kept.invoker.is_some() && kept.parent.is_none() && kept.retry_of.is_none());
            let needs: Option<String> = store
                .inner
                .database
                .one(MIN_READER, Vec::new())
                .await
                .unwrap();
            assert_eq!(
                needs,
                Some(SCHEMA.to_string()),
                "what reads it knows all of it"
            );
        }
    }
}
