//! What SQLite does for the statements that must stay quick however many runs and records there are: a search, never a scan of a table.
#![expect(clippy::unwrap_used, reason = "a test may stop where it fails")]

use rusqlite::Connection;

use crate::read::{asked, audit, notices, runs, triggers};
use crate::write::limits;
use crate::{claim, database};

/// The lines of a plan that read a whole table, but for lists made on the way and indexes of what is only ever few rows.
fn scans(text: &str) -> Vec<String> {
    let connection = Connection::open_in_memory().unwrap();
    for (_, _, migration) in database::MIGRATIONS {
        connection.execute_batch(migration).unwrap();
    }
    let mut plan = connection
        .prepare(&format!("EXPLAIN QUERY PLAN {text}"))
        .unwrap();
    let mut rows = plan.raw_query();
    let mut found = Vec::new();
    while let Some(row) = rows.next().unwrap() {
        let line: String = row.get(3).unwrap();
        let tables = [
            "runs",
            "r",
            "h",
            "j",
            "b",
            "a",
            "p",
            "audit",
            "journal",
            "audit_personal",
            "requests",
            "triggers",
            "q",
            "k",
            "admissions",
            "gates",
            "notices",
        ];
        let few = ["runs_ready", "runs_leased"];
        let of = line
            .strip_prefix("SCAN ")
            .and_then(|rest| rest.split(' ').next());
        if of.is_some_and(|of| tables.contains(&of))
            && !few.iter().any(|index| line.ends_with(index))
        {
            found.push(line);
        }
    }
    found
}

#[test]
fn no_hot_statement_reads_a_whole_table() {
    for text in [claim::CLAIM_SQLITE, claim::RENEW]
        .into_iter()
        .chain(claim::OF_RUNS_SQLITE)
        .chain([
            runs::LIST,
            runs::LIST_OF_FLOW,
            runs::LIST_OF_INVOKER,
            runs::LIST_IN_STATE,
            runs::CHILDREN,
            runs::LIVING_CHILDREN,
            asked::OPEN_REQUESTS,
            asked::REQUESTS_OF_RUN,
            triggers::DUE,
            triggers::OF_HOOK,
            notices::DUE,
            limits::ADMIT,
            limits::WAKE,
            runs::IS_FULL,
            limits::TAKE_SQLITE,
        ])
        .chain([
            audit::LIST,
            audit::LIST_OF_RUN,
            audit::LIST_OF_PERSON,
            audit::LIST_OF_ACCOUNT,
        ])
    {
        assert_eq!(scans(text), Vec::<String>::new(), "{text}");
    }
    // The check sees one where there is one.
    assert_eq!(scans("SELECT id FROM runs WHERE entry = 'x'").len(), 1);
}

#[test]
fn lists_are_read_by_the_index_that_is_meant() {
    let index = |text: &str| {
        let connection = Connection::open_in_memory().unwrap();
        for (_, _, migration) in database::MIGRATIONS {
            connection.execute_batch(migration).unwrap();
        }
        let mut plan = connection
            .prepare(&format!("EXPLAIN QUERY PLAN {text}"))
            .unwrap();
        let lines = plan
            .raw_query()
            .mapped(|row| row.get::<_, String>(3))
            .map(Result::unwrap);
        lines.collect::<Vec<_>>().join("\n")
    };
    for (text, meant) in [
        (runs::LIST_OF_FLOW, "runs_flow"),
        (runs::LIST_OF_INVOKER, "runs_invoker"),
        (runs::LIST_IN_STATE, "runs_state"),
        (runs::CHILDREN, "runs_parent"),
        (runs::LIVING_CHILDREN, "runs_parent"),
        (asked::OPEN_REQUESTS, "requests_open"),
        (asked::REQUESTS_OF_RUN, "requests_run"),
        (triggers::DUE, "triggers_due"),
        (triggers::OF_HOOK, "triggers_hook"),
        (notices::DUE, "notices_due"),
        (limits::ADMIT, "admissions_line"),
        (limits::ADMIT, "admissions_key"),
        (limits::WAKE, "admissions_line"),
        (audit::LIST_OF_RUN, "audit_run"),
        (audit::LIST_OF_PERSON, "audit_actor"),
        (audit::LIST_OF_PERSON, "audit_person"),
        (audit::LIST_OF_ACCOUNT, "audit_personal_account"),
        (claim::CLAIM_SQLITE, "runs_due"),
    ] {
        assert!(index(text).contains(meant), "{meant}: {}", index(text));
    }
}
