//! Signed checkpoints as others make them too, against forgeries.

use expect_test::expect;

use super::*;
use crate::audit::note::{LogKey, LogSigner, NoteError, notes};
use crate::secret::Secret;

fn signer(n: u128, seed: u8) -> LogSigner {
    LogSigner::new(&WorkspaceId::from_bits(n), &Secret::new([seed; 32]))
}

#[test]
fn a_checkpoint_is_a_signed_note_of_origin_size_and_root() {
    let signer = signer(1, 7);
    let note = signer.sign(20_852_163, [9; 32]);
    expect![[r#"
        actas/ws_00000000000000000000000001
        20852163
        CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk=

        — actas/ws_00000000000000000000000001 zrL8emltPGa1spRsZ/YyarqFXxGUQv9r+8qQPAF/EKMcF3Hcn6ksvKqMYAANiWMGFsWs56rVWzRI5e+hZ7u/AW6zKAk="#]]
    .assert_eq(note.trim_end());
    let key: LogKey = signer.key().to_string().parse().unwrap();
    assert_eq!(key, signer.key());
    let opened = key.open(&note).unwrap();
    assert_eq!((opened.size, opened.root), (20_852_163, [9; 32]));
}

#[test]
fn a_key_that_others_publish_is_read_and_said_again() {
    let text = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8";
    assert_eq!(text.parse::<LogKey>().unwrap().to_string(), text);
    for wrong in [
        "",
        "a+b",
        "a+00000000+AQ==",
        &signer(1, 7).key().to_string()[1..],
    ] {
        assert!(wrong.parse::<LogKey>().is_err(), "{wrong}");
    }
}

#[test]
fn no_changed_byte_and_no_other_key_passes() {
    let (signer, note) = (signer(1, 7), self::signer(1, 7).sign(300, [9; 32]));
    let opened = signer.key().open(&note).unwrap();
    for at in 0..note.len() {
        for flip in [1, 0x20, 0x80] {
            let mut bytes = note.clone().into_bytes();
            bytes[at] ^= flip;
            // A change that leaves size and root what they were, in the signature's line end, is none.
            if let Ok(text) = String::from_utf8(bytes)
                && let Ok(checkpoint) = signer.key().open(&text)
            {
                assert_eq!(checkpoint, opened, "byte {at}");
            }
        }
    }
    let forged = note.replace("\n300\n", "\n301\n");
    assert!(matches!(
        signer.key().open(&forged),
        Err(NoteError::Unsigned(_))
    ));
    assert!(matches!(
        self::signer(1, 8).key().open(&note),
        Err(NoteError::Unsigned(_))
    ));
    assert!(matches!(
        self::signer(2, 7).key().open(&note),
        Err(NoteError::Origin { .. })
    ));
    assert!(
        signer
            .key()
            .open(&note.replace("\n300\n", "\n0300\n"))
            .is_err()
    );
    assert!(signer.key().open("").is_err());
}

#[test]
fn signatures_of_witnesses_may_stand_beside_ours() {
    let note = signer(1, 7).sign(300, [9; 32]);
    let both = format!("{note}\u{2014} witness.example/w AAAAAA==\n");
    assert!(signer(1, 7).key().open(&both).is_ok());
}

#[test]
fn a_file_of_checkpoints_is_taken_apart_again() {
    let all: Vec<String> = (1..4).map(|n| signer(1, 7).sign(n, [9; 32])).collect();
    assert_eq!(notes(&all.concat()), all);
    assert_eq!(notes(&all.join("\n\n")), all);
    assert_eq!(notes("\n\n"), Vec::<String>::new());
}
