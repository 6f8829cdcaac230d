//! The first scene: a CRM, a server, three people. And the last, if somebody wants to look around themselves.

use actas_sandbox::{Client, Config, Sandbox, password_of};

use crate::actas::Actas;
use crate::person::Person;
use crate::stage::{OrStop, Stage, Told};
use crate::{FLOW, World};

const CLIENT: &str = "actas-demo";
const CLIENT_SECRET: &str = "a secret between Actas and the CRM";

/// Builds the stage.
pub async fn set_up() -> Told<World> {
    let mut stage = Stage::new();
    stage.scene("A CRM, a server, three people");
    let crm = Sandbox::start(Config::default())
        .await
        .or_stop("the sandbox cannot be started")?;
    stage.tell(&format!("The sandbox CRM, with an OAuth 2 server of its own, is at {}. Actas gets an empty data directory.", crm.url()));
    let mut actas = Actas::new(&crm)?;
    let address = actas.serve(&stage).await?;
    stage.check(
        "it serves at localhost, the CRM at 127.0.0.1: two sites to a browser",
        address.starts_with("http://localhost:"),
        &address,
    )?;

    stage.tell("Vera builds flows, Ana and Ben run them. Each gets a one-time link and chooses a password in their browser.");
    let mut vera = Person::new("vera", "carla");
    let mut ana = Person::new("ana", "ana");
    let mut ben = Person::new("ben", "ben");
    for (person, role) in [
        (&mut vera, "builder"),
        (&mut ana, "runner"),
        (&mut ben, "runner"),
    ] {
        let added = actas
            .run(
                &stage,
                &["users", "add", person.login, "--role", role, "--local"],
            )
            .await?
            .expect(0)?;
        person.choose_password(&added.out).await?;
    }

    stage.tell("The workspace gets a client id and a secret at the CRM; the CRM is told where to send people back to.");
    let instance = format!("instance_url={}", crm.url());
    let args = [
        "apps",
        "configure",
        "sandbox_crm",
        "--client-id",
        CLIENT,
        "--secret-stdin",
        "--set",
        &instance,
    ];
    let configured = actas.tell(&stage, &args, CLIENT_SECRET).await?.expect(0)?;
    let redirect_uri = configured.out.trim().to_owned();
    stage.show(&redirect_uri);
    stage.check(
        "the redirect URI is on our own origin",
        redirect_uri.starts_with(&address),
        &redirect_uri,
    )?;
    crm.register_client(Client::new(CLIENT, CLIENT_SECRET, [redirect_uri]));

    Ok(World {
        stage,
        crm,
        actas,
        vera,
        ana,
        ben,
        secret_name: secret_name()?,
    })
}

/// A name that nobody else can have thought of.
#[expect(
    clippy::disallowed_methods,
    reason = "the demo stands outside the engine, whose source of randomness it must not use"
)]
fn secret_name() -> Told<String> {
    let mut bits = [0_u8; 16];
    getrandom::fill(&mut bits).or_stop("no randomness")?;
    Ok(format!("carla-{}", hex::encode(bits)))
}

/// Starts the server again and waits until somebody has seen enough.
pub async fn leave_running(world: &mut World) -> Told {
    let World {
        stage,
        crm,
        actas,
        vera,
        ana,
        ben,
        ..
    } = world;
    stage.scene("Your turn");
    let address = actas.serve(stage).await?;
    let run = actas
        .run(
            stage,
            &[
                "run",
                FLOW,
                "-i",
                "customer=Contoso",
                "--as",
                "ben",
                "--json",
            ],
        )
        .await?
        .expect(3)?
        .json()?;
    let link = run
        .pointer("/paused/connections/0/url")
        .and_then(|url| url.as_str())
        .unwrap_or_default()
        .to_owned();
    stage.tell("A run of Ben's waits for him:");
    stage.show(&link);
    stage.tell("The pages:");
    stage.show(&format!("Actas  {address}\nCRM    {}", crm.url()));
    stage.tell("Who is who (login, password at Actas; user name, password at the CRM):");
    for person in [&*vera, &*ana, &*ben] {
        let at_crm = format!("{} {}", person.crm_name, password_of(person.crm_name));
        stage.show(&format!(
            "{:<5} {:<24} {at_crm}",
            person.login, person.password
        ));
    }
    stage.tell("The command line, in another terminal:");
    stage.show(&format!("export ACTAS_DATA={}", actas.data().display()));
    stage.tell("Ctrl-C ends it all and throws it away.");
    tokio::signal::ctrl_c()
        .await
        .or_stop("Ctrl-C cannot be heard")?;
    actas.stop().await
}
