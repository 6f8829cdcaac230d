//! A record as answers, exports and the command line show it.

use serde_json::{Map, Value, json};

use crate::audit::personal::{Field, Personal};
use crate::audit::record::Record;
use crate::audit::verify::erased;

/// The JSON form of a record. `personal` is what the reader may see of its personal values; what is not among them is null, and `erased`
/// names the fields that had a value.
pub fn view(record: &Record, personal: &[Personal]) -> Value {
    let value = |field: Field| {
        personal
            .iter()
            .find(|kept| kept.field == field)
            .map(|kept| kept.value.as_str())
    };
    let mut actor = Map::new();
    actor.insert("type".into(), record.actor.as_str().into());
    if let Some(id) = &record.actor_id {
        actor.insert("id".into(), id.as_str().into());
        actor.insert("login".into(), json!(value(Field::Actor)));
    }
    let mut view = json!({
        "seq": record.seq,
        "at": record.at,
        "actor": actor,
        "person": record.person.as_ref().map(|id| json!({"id": id, "login": value(Field::Person)})),
        "connection": record.connection,
        "account": value(Field::Account),
        "rule": record.rule,
        "record": record.record.as_ref().map(|(kind, id)| json!({"type": kind, "id": id})),
        "entry": record.entry,
        "action": record.action,
        "object": record.object,
        "flow": record.flow,
        "run": record.run,
        "step": record.step,
        "outcome": record.outcome,
        "reason": record.reason,
        "ip": value(Field::Ip),
        "agent": value(Field::Agent),
        "prev": hex::encode(record.prev),
        "hash": hex::encode(record.hash),
    });
    let gone = erased(record, personal);
    if let (false, Some(fields)) = (gone.is_empty(), view.as_object_mut()) {
        fields.insert("erased".into(), json!(gone));
    }
    view
}
