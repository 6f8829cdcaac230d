//! Joins the engine to the modules and to the demo; nothing else does, and nothing else happens here.

use std::process::ExitCode;

use actas_cli::Parts;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // TLS asks for its provider at the first use, from wherever that is; it fails only if one is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    actas_cli::main(Parts {
        apps: actas_modules::apps,
        natives: actas_modules::natives,
        demo: actas_demo::main,
    })
}
