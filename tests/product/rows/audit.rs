//! The row about whose name stands in the audit log, and that what it says can be proved to somebody else.

use serde_json::json;

use super::acting::personal;
use super::stage::{Stage, rows_of, run_of, show};

#[test]
fn r38_the_name_of_whoever_ran_it_is_in_the_audit_log_and_can_be_proved() {
    show("r38", async |stage: &Stage| {
        let ana = stage.person("ana", "runner").await;
        let aud = stage.person("aud", "auditor").await;
        stage.world.publish(&personal("r38-write", "R38")).await;
        let done = stage.run_signing_in(&ana, "r38-write", &json!({})).await;
        let run = run_of(&done);

        // By the execution: everything in it was done for ana, and the step as her account.
        let by_api = stage.get(&aud, &format!("/audit?run={run}")).await;
        let by_command = stage
            .actas(&aud, &["audit", "list", "--run", run])
            .expect(0);
        let records = rows_of(&by_api["records"]);
        assert_eq!(by_command.json()["records"], by_api["records"]);
        assert!(records.len() >= 3, "{by_api:#}");
        for record in &records {
            assert_eq!(record["person"]["login"], ana, "{record:#}");
        }
        let account = format!("{ana}@sandbox");
        let step = records.iter().find(|r| r["action"] == "step.succeeded");
        let step = step.expect("the step is recorded");
        assert_eq!(
            (&step["account"], &step["rule"]),
            (&json!(account), &json!("invoker"))
        );
        assert_eq!(step["record"]["type"], "R38");
        let seq = step["seq"].to_string();

        // It is the first use of that account, which a reviewer should see, and it can be told in words.
        let shown = stage.actas(&aud, &["audit", "show", &seq]).expect(0).json();
        assert_eq!(shown["notable"], json!(["first_use"]));

        // By her name; and what is taken out proves itself with the public key alone, in a place that knows nothing else.
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("ana.jsonl").display().to_string();
        let export = [
            "audit", "export", "--person", &ana, "--run", run, "--out", &file,
        ];
        let _ = stage.actas(&aud, &export).expect(0);
        let key = stage.actas(&aud, &["audit", "key"]).expect(0).json();
        let key = key["key"].as_str().expect("a key").to_owned();
        let verify = ["audit", "verify", "--export", &file, "--key", &key];
        let checked = stage.actas("", &verify).expect(0).json();
        assert_eq!(checked["records"], records.len(), "{checked:#}");
        assert_eq!(checked["exporter"]["login"], aud);
        let text = std::fs::read_to_string(&file).expect("the export");
        let changed = text.replace(&format!("\"account\":\"{account}\""), "\"account\":\"ben\"");
        assert_ne!(text, changed);
        std::fs::write(&file, changed).expect("the export");
        let found = stage.actas("", &verify).expect(1);
        let with = records.iter().filter(|r| r["account"] == account.as_str());
        let first = with.filter_map(|r| r["seq"].as_u64()).min();
        let named = format!("record {} has another", first.expect("the step"));
        assert!(found.stderr.contains(&named), "{found}");

        // The whole log, read anew and checked at the command line against a checkpoint that was kept.
        let kept = dir.path().join("checkpoints");
        let note = stage.get(&aud, "/audit/checkpoint").await;
        std::fs::write(&kept, note["checkpoint"].as_str().expect("a note")).expect("a file");
        let kept = kept.display().to_string();
        let verify = ["audit", "verify", "--checkpoint", &kept, "--key", &key];
        let whole = stage.actas(&aud, &verify).expect(0).json();
        assert_eq!(
            (&whole["full"], &whole["checkpoints"]),
            (&json!(true), &json!(1))
        );
        let _ = stage.actas(&aud, &["audit", "verify"]).expect(0);
    });
}
