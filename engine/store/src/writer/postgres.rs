//! The writer on PostgreSQL: a task with a connection of its own.

use std::sync::Arc;

use sqlx::postgres::PgConnectOptions;
use tokio::sync::mpsc;

use crate::store::StoreError;
use crate::wake::Wake;
use crate::writer::Work;

pub(crate) async fn start(
    options: PgConnectOptions,
    wake: &Arc<Wake>,
    queue: mpsc::Receiver<Work>,
) -> Result<(), StoreError> {
    let _ = (options, wake, queue);
    Err(StoreError::Open("PostgreSQL comes next".to_owned()))
}
