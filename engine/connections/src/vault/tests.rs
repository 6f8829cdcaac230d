//! The vault alone: what opens where, and under which key.
#![expect(clippy::unwrap_used, reason = "a test may stop at once")]

use super::*;

fn vault(byte: u8) -> Vault {
    Vault::new(Secret::new([byte; 32]))
}

#[test]
fn a_secret_opens_in_its_own_place_alone() {
    let vault = vault(1);
    let workspaces = [WorkspaceId::from_bits(1), WorkspaceId::from_bits(2)];
    let mut places = Vec::new();
    for workspace in &workspaces {
        for owner in ["usr_a", "usr_b"] {
            for of in ["con_a", "con_b"] {
                for field in ["access_token", "refresh_token"] {
                    for version in [1, 2] {
                        places.push(Place {
                            workspace,
                            owner,
                            of,
                            field,
                            version,
                        });
                    }
                }
            }
        }
    }
    let rows: Vec<_> = places
        .iter()
        .enumerate()
        .map(|(n, place)| vault.seal(place, format!("secret {n}").as_bytes()))
        .collect();
    for (a, place) in places.iter().enumerate() {
        for (b, row) in rows.iter().enumerate() {
            // Whatever the row says of itself: only the place that is asked for counts.
            let mut row = row.clone();
            (row.owner, row.field, row.version) =
                (place.of.into(), place.field.into(), place.version);
            let opened = vault.open(place, &row);
            assert_eq!(opened.is_ok(), a == b);
            if let Ok(text) = opened {
                assert_eq!(text.reveal(), format!("secret {a}").as_bytes());
            }
        }
    }
    // Halves of two rows do not fit either: each has a data key of its own.
    let mut crossed = rows[0].clone();
    crossed.wrapped = rows[1].wrapped.clone();
    assert!(vault.open(&places[0], &crossed).is_err());
}

#[test]
fn any_changed_byte_and_any_cut_breaks_the_seal() {
    let vault = vault(1);
    let workspace = WorkspaceId::from_bits(1);
    let place = Place {
        workspace: &workspace,
        owner: "usr_a",
        of: "con_a",
        field: "access_token",
        version: 1,
    };
    let bytes = vault.seal_bytes(&place, b"the secret");
    assert_eq!(
        vault.open_bytes(&place, &bytes).unwrap().reveal(),
        b"the secret"
    );
    for at in 0..bytes.len() {
        for change in [1_u8, 0x80] {
            let mut changed = bytes.clone();
            changed[at] ^= change;
            assert!(vault.open_bytes(&place, &changed).is_err(), "byte {at}");
        }
        assert!(
            vault.open_bytes(&place, &bytes[..at]).is_err(),
            "cut at {at}"
        );
    }
    assert!(
        vault
            .open_bytes(&place, &[bytes, vec![0]].concat())
            .is_err()
    );
}

#[test]
fn another_key_opens_nothing_and_does_not_pass_the_check() {
    let (one, two) = (vault(1), vault(2));
    let workspace = WorkspaceId::from_bits(1);
    let place = Place {
        workspace: &workspace,
        owner: "usr_a",
        of: "con_a",
        field: "access_token",
        version: 1,
    };
    let mut row = one.seal(&place, b"x");
    assert!(two.open(&place, &row).is_err());
    row.kek_id = two.kek_id();
    assert!(two.open(&place, &row).is_err());
    assert!(one.proves(&one.kek_id(), &one.check_value()));
    assert!(!two.proves(&one.kek_id(), &one.check_value()));
    assert!(!two.proves(&two.kek_id(), &one.check_value()));
    let shown = format!("{one:?}");
    assert!(
        shown.contains(&one.kek_id()) && !shown.contains("0101"),
        "{shown}"
    );
}
