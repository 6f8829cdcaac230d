//! Named secrets: what they are for, and that a rotation loses no call.

use actas_core::flow::{Verify, Webhook};
use actas_core::webhook::{Call, Refusal};
use serde_json::json;

use super::*;

/// A signature as GitHub makes it: of `{}` under the secret, computed with openssl.
const SIGNED: [(&str, &str); 3] = [
    (
        "first",
        "1a622d22c97781330a4b238d7aa9ee5fa17bae5a3f4de330ee27097d9ab280d7",
    ),
    (
        "second",
        "2d38281c7c6e75cf9d08153bb140a7f919a0a514598fdbe913d4d622c00d4cd8",
    ),
    (
        "third",
        "ab2fcc312c91dd61b18d597e8babc5911bf5ac5d33c90896563f4824e18d162f",
    ),
];

#[tokio::test]
async fn a_rotated_secret_and_the_one_before_are_good_and_no_older_one() {
    for bench in Bench::everywhere().await {
        let workspace = &bench.workspace;
        let webhook: Webhook = serde_json::from_value(json!({"verify": {"hmac_sha256": {
            "secret": ["orders"], "header": "X-Signature"}}}))
        .unwrap();
        let Verify::HmacSha256(hmac) = &webhook.verify else {
            panic!("a signed one");
        };
        let name: Name = "orders".parse().unwrap();
        let mut good = Vec::new();
        for rotation in 0..=SIGNED.len() {
            for (secret, signature) in SIGNED {
                let headers = [("x-signature".to_owned(), signature.as_bytes().to_vec())];
                let call = Call {
                    headers: &headers,
                    body: b"{}",
                };
                let signed = bench
                    .connections
                    .webhook_signed(workspace, &webhook, hmac, &call, Time(1))
                    .await;
                let lets_in = good.iter().rev().take(2).any(|known| *known == secret);
                match signed {
                    Ok(()) => assert!(lets_in, "{secret} after {rotation}"),
                    Err(NotSigned::Refused(why)) => {
                        assert!(!lets_in, "{secret} after {rotation}");
                        assert_eq!(why, Refusal::BadSignature);
                    }
                    Err(NotSigned::Read(error)) => panic!("{error}"),
                }
            }
            let Some((next, _)) = SIGNED.get(rotation) else {
                break;
            };
            let value = Secret::new((*next).to_owned());
            let mut ops = bench
                .connections
                .put_named_secret(workspace, &name, &value)
                .await
                .unwrap();
            ops.push(Op::PutNamedSecret {
                workspace: workspace.clone(),
                secret: NamedSecretRow {
                    name: name.clone(),
                    created_by: bench.ana.id.clone(),
                    created_at: Time(1),
                    rotated_at: (rotation > 0).then_some(Time(2)),
                },
                new: rotation == 0,
            });
            let audit = Vec::new();
            bench.store.commit(Commit { ops, audit }).await.unwrap();
            good.push(*next);
        }
        // Another workspace has no such secret.
        let elsewhere = bits(WorkspaceId::from_bits);
        let headers = [("x-signature".to_owned(), SIGNED[2].1.as_bytes().to_vec())];
        let call = Call {
            headers: &headers,
            body: b"{}",
        };
        let signed = bench
            .connections
            .webhook_signed(&elsewhere, &webhook, hmac, &call, Time(1))
            .await;
        assert!(matches!(signed, Err(NotSigned::Refused(_))));
    }
}
