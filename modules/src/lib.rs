//! The apps that come with Actas, a folder each: the manifest `app.yaml`, its tests `cases.yaml`, and `mod.rs` only where data is not
//! enough. A new app is a folder and a line in [`all`].

use std::sync::Arc;

use actas_core::app::{self, Manifest, Native, Natives};

#[path = "../core/mod.rs"]
mod core_app;
#[path = "../http/mod.rs"]
mod http_app;
#[cfg(test)]
mod tests;

/// Native modules with their names.
type NativeList = Vec<(&'static str, Arc<dyn Native>)>;

/// An app as its folder has it.
struct App {
    manifest: &'static str,
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "the tests of the apps, run by this crate's tests")
    )]
    cases: &'static str,
    natives: fn() -> NativeList,
}

macro_rules! app {
    ($folder:literal, $natives:expr) => {
        App {
            manifest: include_str!(concat!("../", $folder, "/app.yaml")),
            cases: include_str!(concat!("../", $folder, "/cases.yaml")),
            natives: $natives,
        }
    };
}

/// The apps there are. One without code has `Vec::new`.
fn all() -> Vec<App> {
    vec![
        app!("core", core_app::natives),
        app!("http", http_app::natives),
        app!("sandbox_crm", Vec::new),
        app!("sandbox_erp", Vec::new),
    ]
}

/// The manifests of all apps that come with Actas.
pub fn apps() -> Vec<Arc<Manifest>> {
    all()
        .iter()
        .filter_map(|app| app::parse(app.manifest).manifest)
        .map(Arc::new)
        .collect()
}

/// The native modules of all apps that come with Actas.
pub fn natives() -> Natives {
    Natives::new(all().iter().flat_map(|app| (app.natives)()))
}
