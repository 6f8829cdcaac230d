//! Passwords of people: hashed with Argon2id (RFC 9106), compared without telling whether the login exists.

use actas_core::Secret;
use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};

/// The shortest password taken (NIST SP 800-63B asks for 8; a server that many use deserves more).
pub const SHORTEST: usize = 10;

/// The longest: hashing must not be a way to keep the server busy.
pub const LONGEST: usize = 256;

/// Why a password is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadPassword {
    /// Too short.
    #[error("password is too short: take at least 10 characters")]
    Short,
    /// Too long.
    #[error("password is too long: take at most 256 characters")]
    Long,
}

/// Hashes a password; takes a good part of a second and runs beside the async threads.
///
/// # Errors
/// If its length is not between [`SHORTEST`] and [`LONGEST`].
pub async fn hash(password: Secret<String>, salt: [u8; 16]) -> Result<String, BadPassword> {
    let length = password.reveal().chars().count();
    if length < SHORTEST {
        return Err(BadPassword::Short);
    }
    if length > LONGEST {
        return Err(BadPassword::Long);
    }
    let hashed = tokio::task::spawn_blocking(move || {
        PasswordHasher::<PasswordHash>::hash_password_with_salt(
            &Argon2::default(),
            password.reveal().as_bytes(),
            &salt,
        )
        .map(|hash| hash.to_string())
    })
    .await;
    match hashed {
        Ok(Ok(hash)) => Ok(hash),
        // Salt and length were checked; what is left is a machine without memory.
        Ok(Err(error)) => {
            tracing::error!(%error, "password cannot be hashed");
            Err(BadPassword::Long)
        }
        Err(_) => Err(BadPassword::Long),
    }
}

/// Whether a password fits a hash. Without a hash it takes the same time and says no.
pub async fn fits(password: Secret<String>, hash: Option<String>) -> bool {
    if password.reveal().len() > 4 * LONGEST {
        return false;
    }
    tokio::task::spawn_blocking(move || {
        let argon = Argon2::default();
        match hash.as_deref().map(PasswordHash::new) {
            Some(Ok(parsed)) => argon
                .verify_password(password.reveal().as_bytes(), &parsed)
                .is_ok(),
            Some(Err(_)) | None => {
                let mut scratch = [0_u8; 32];
                // The work is the point: who is not there must take as long as who is.
                let _ = argon.hash_password_into(
                    password.reveal().as_bytes(),
                    b"nobody is here!!",
                    &mut scratch,
                );
                false
            }
        }
    })
    .await
    .unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_fits_its_own_hash_and_no_other() {
        let password = || Secret::from("correct horse battery".to_owned());
        let hashed = hash(password(), [7; 16]).await.expect("long enough");
        assert!(hashed.starts_with("$argon2id$v=19$"), "{hashed}");
        assert!(fits(password(), Some(hashed.clone())).await);
        assert!(
            !fits(
                Secret::from("correct horse batterz".to_owned()),
                Some(hashed)
            )
            .await
        );
        assert!(!fits(password(), None).await);
        assert!(!fits(password(), Some("nonsense".into())).await);
        assert_eq!(
            hash(Secret::from("short".to_owned()), [7; 16]).await,
            Err(BadPassword::Short)
        );
    }
}
