//! `actas demo`: the whole story in one command, told only through what users have: the program, its pages in a scripted browser, and the
//! sandbox as the system that flows act on. Every claim that is printed has been checked; the first that does not hold ends the demo.
//!
//! The scenes stand in the order of the story: [`opening`], [`building`], [`running`], [`others`], [`revoked`], [`review`]. Nothing here may
//! reach into the engine for what a user could not see.

mod actas;
mod building;
mod opening;
mod others;
mod person;
mod review;
mod revoked;
mod running;
mod stage;

use std::process::ExitCode;

use actas_sandbox::Sandbox;

use crate::actas::Actas;
use crate::person::Person;
use crate::stage::{Stage, Told};

/// The flow of the story.
const FLOW: &str = "new-opportunity";

/// Everything that stands on the stage.
struct World {
    stage: Stage,
    crm: Sandbox,
    actas: Actas,
    vera: Person,
    ana: Person,
    ben: Person,
    /// The name that must be nowhere after publishing: 128 random bits are in it.
    secret_name: String,
}

/// Tells the story; with `interactive` leaves everything running afterwards.
///
/// Exits 0 only if every claim it printed was checked and held.
pub fn main(interactive: bool) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            Stage::new().stopped(&format!("no runtime can be started: {error}"));
            return ExitCode::from(5);
        }
    };
    // A task of its own: the scripted browser panics at a page that a person could not use either. What it says then is said below.
    std::panic::set_hook(Box::new(|_| ()));
    let told = runtime.block_on(async { tokio::spawn(story(interactive)).await });
    let why = match told {
        Ok(Ok(())) => return ExitCode::SUCCESS,
        Ok(Err(stopped)) => stopped.to_string(),
        Err(error) => match error.try_into_panic() {
            Ok(panic) => match (panic.downcast_ref::<String>(), panic.downcast_ref::<&str>()) {
                (Some(text), _) => text.clone(),
                (None, Some(text)) => (*text).to_owned(),
                (None, None) => "the story broke off".to_owned(),
            },
            Err(error) => error.to_string(),
        },
    };
    Stage::new().stopped(&why);
    ExitCode::FAILURE
}

async fn story(interactive: bool) -> Told {
    let mut world = opening::set_up().await?;
    building::build_and_publish(&mut world).await?;
    running::as_ana(&mut world).await?;
    others::as_ben(&mut world).await?;
    revoked::in_mid_run(&mut world).await?;
    review::records_and_trail(&mut world).await?;
    review::one_byte(&mut world).await?;
    world.stage.end();
    if interactive {
        opening::leave_running(&mut world).await?;
    }
    world.crm.stop().await;
    Ok(())
}
