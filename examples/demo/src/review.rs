//! What is left to see afterwards: the records with their authors, the audit trail, and what becomes of it when somebody changes a byte.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use crate::World;
use crate::building::holds;
use crate::stage::{OrStop, Told};

/// Words that every audit trail of this story holds; changing a letter of one changes a record.
const WORDS: &[&str] = &[
    "run.created",
    "run.ended",
    "step.succeeded",
    "session.begun",
];

/// How many places are tried: the same word may stand in an index too.
const TRIES: usize = 12;

/// The records and who made them; the trail, and that it is whole.
pub async fn records_and_trail(world: &mut World) -> Told {
    let World {
        stage, crm, actas, ..
    } = world;
    stage.scene("What was done, and who did it");
    stage.tell("The CRM's records:");
    let mut table = String::new();
    for record in crm.records() {
        let name = record
            .fields
            .get("Name")
            .or_else(|| record.fields.get("Subject"))
            .and_then(|name| name.as_str())
            .unwrap_or_default();
        let _ = writeln!(
            table,
            "{:<7} {:<12} {:<16} by {}",
            record.id, record.object, name, record.author
        );
    }
    stage.show(&table);
    let authors: Vec<String> = crm
        .records()
        .into_iter()
        .map(|record| record.author)
        .collect();
    stage.check(
        "six are Ana's, two are Carla's from building, none is Ben's",
        authors.iter().filter(|a| *a == "ana").count() == 6
            && authors.iter().filter(|a| *a == "carla").count() == 2
            && authors.len() == 8,
        format!("{authors:?}"),
    )?;

    stage.tell("The audit trail: who, as which account at the CRM, touching what.");
    let trail = actas
        .show(stage, &["audit", "list", "--limit", "200"])
        .await?;
    stage.check(
        "it names Ana's and Carla's accounts, and no account for Ben",
        trail.contains("ana@sandbox")
            && trail.contains("carla@sandbox")
            && !trail.contains("ben@sandbox"),
        &trail,
    )?;
    let refused = actas
        .show(
            stage,
            &["audit", "list", "--person", "ana", "--outcome", "refused"],
        )
        .await?;
    stage.check(
        "it remembers that Ana opened a link that was not hers",
        refused.contains("refused"),
        &refused,
    )?;
    let refused = actas
        .quietly(&[
            "audit",
            "list",
            "--person",
            "ana",
            "--outcome",
            "refused",
            "--json",
        ])
        .await?
        .expect(0)?
        .json()?;
    let number = refused["records"][0]["seq"].to_string();
    actas.show(stage, &["audit", "show", &number]).await?;
    actas.show(stage, &["audit", "verify"]).await?;
    Ok(())
}

/// Stops the server, changes one byte in a copy of its data, and verifies.
pub async fn one_byte(world: &mut World) -> Told {
    let World {
        stage,
        actas,
        secret_name,
        ..
    } = world;
    stage.scene("Somebody changes one byte");
    stage.tell("The server is stopped. First: is the name that Vera built with really gone?");
    actas.stop().await?;
    stage.check(
        "no file of the data directory holds it, searched byte for byte",
        !holds(&actas.data(), secret_name)?,
        "one does",
    )?;

    stage.tell("Then the data directory is copied, and in the copy one letter of an audit record is changed.");
    let copy = actas.folder().join("copy");
    let database = database(&actas.data())?;
    let name = database
        .file_name()
        .or_stop("the database has no name")?
        .to_owned();
    let original = std::fs::read(&database).or_stop("the database cannot be read")?;
    for place in places(&original).into_iter().take(TRIES) {
        copy_folder(&actas.data(), &copy)?;
        let mut bytes = original.clone();
        bytes[place] ^= 0x20;
        std::fs::write(copy.join(&name), &bytes).or_stop("the copy cannot be written")?;
        let args = ["audit", "verify", "--data", "copy"];
        let verified = actas.quietly(&args).await?;
        if verified.code == 1 && verified.err.contains("audit record") {
            let word = String::from_utf8_lossy(&original[place..place + 8]).into_owned();
            let changed = String::from_utf8_lossy(&bytes[place..place + 8]).into_owned();
            stage.show(&format!(
                "byte {place} of {}: {word}… is now {changed}…",
                name.to_string_lossy()
            ));
            stage.command(&args);
            stage.show(&verified.err);
            stage.check("verify exits 1 and names the record", true, "")?;
            let whole = actas.show(stage, &["audit", "verify"]).await?;
            return stage.check("the original is whole", whole.contains("whole"), &whole);
        }
    }
    stage.check("verify finds the changed byte", false, "nothing was found")
}

/// The largest file of the data directory: the database, once the server has closed it.
fn database(data: &Path) -> Told<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(data).or_stop("the data directory cannot be read")? {
        let entry = entry.or_stop("the data directory cannot be read")?;
        let about = entry
            .metadata()
            .or_stop("the data directory cannot be read")?;
        if about.is_file() {
            files.push((about.len(), entry.path()));
        }
    }
    files
        .into_iter()
        .max()
        .map(|(_, path)| path)
        .or_stop("the data directory is empty")
}

/// Where one of the words stands.
fn places(bytes: &[u8]) -> Vec<usize> {
    WORDS
        .iter()
        .flat_map(|word| {
            bytes
                .windows(word.len())
                .enumerate()
                .filter(|(_, window)| *window == word.as_bytes())
                .map(|(at, _)| at)
        })
        .collect()
}

fn copy_folder(from: &Path, to: &Path) -> Told {
    let failed = "the data directory cannot be copied";
    if to.exists() {
        std::fs::remove_dir_all(to).or_stop(failed)?;
    }
    std::fs::create_dir(to).or_stop(failed)?;
    let rights = std::fs::metadata(from).or_stop(failed)?.permissions();
    std::fs::set_permissions(to, rights).or_stop(failed)?;
    for entry in std::fs::read_dir(from).or_stop(failed)? {
        let entry = entry.or_stop(failed)?;
        if entry.file_type().or_stop(failed)?.is_file() {
            std::fs::copy(entry.path(), to.join(entry.file_name())).or_stop(failed)?;
        }
    }
    Ok(())
}
