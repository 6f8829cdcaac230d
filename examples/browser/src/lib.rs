//! A scripted browser: what a person's browser does with cookies, redirects and forms, without a screen and without scripts. The demo and
//! the tests sign in with it through the real pages. Must not know what those pages are for.

pub mod browser;
pub mod html;

pub use browser::{Browser, Page, client};
pub use html::{Button, Form};
