//! Secrets that people and programs carry: 256 random bits, known here by their hash alone.

use actas_store::system;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// A new one, in the alphabet of addresses, behind a prefix that tells what it is. It ends in a letter or digit, so that it can be the last
/// part of a link in a sentence.
pub fn new_token(prefix: &str) -> String {
    loop {
        let text = URL_SAFE_NO_PAD.encode(system::random::<32>());
        if text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && text.ends_with(|c: char| c.is_ascii_alphanumeric())
        {
            return format!("{prefix}{text}");
        }
    }
}
