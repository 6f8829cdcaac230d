//! Filters of maps, and of what lies deep in them.

use serde_json::{Map, Value};

use crate::expr::budget::{MAP, VALUE};
use crate::expr::eval::{Given, Machine, Out, fail};
use crate::expr::filters::lists::along;
use crate::expr::filters::{fields, filters, is_on, name_of};
use crate::expr::value::Val;

filters! {
    "keys" (0, 0) [] keys, "keys", "the names of the fields", "{'a': 1, 'b': 2} | keys" => "[\"a\",\"b\"]";
    "values" (0, 0) [] values, "values", "the values of the fields", "{'a': 1, 'b': 2} | values" => "[1,2]";
    "items" (0, 0) [] pairs, "items", "a list [name, value] for each field", "{'a': 1} | items" => "[[\"a\",1]]";
    "get" (1, 2) ["path", "default"] get, "get(path, default)", "what a path with dots leads to, also through lists", "{'a': [{'b': 5}]} | get('a.0.b')" => "5";
    "combine" (1, 8) ["recursive"] combine, "combine(other, …, recursive=false)", "one map of several, the later ones before the earlier; with `recursive` also the maps in them", "{'a': 1} | combine({'b': 2})" => "{\"a\":1,\"b\":2}";
    "pick" (1, 50) [] |machine, val, given| choose(machine, val, given, "pick"), "pick(name, …)", "with these fields only, as far as they are there; also of a list of names", "{'a': 1, 'b': 2} | pick('a')" => "{\"a\":1}";
    "omit" (1, 50) [] |machine, val, given| choose(machine, val, given, "omit"), "omit(name, …)", "without these fields", "{'a': 1, 'b': 2} | omit(['a'])" => "{\"b\":2}";
    "rename" (1, 1) ["names"] rename, "rename(names)", "with new names for fields: a map from old to new", "{'Id': 7} | rename({'Id': 'id'})" => "{\"id\":7}";
}

fn keys<'a>(machine: &mut Machine<'a>, val: Val<'a>, _: Given<'a>) -> Out<Val<'a>> {
    let mut keys = Vec::new();
    for key in fields(&val, "keys")?.keys() {
        machine.make(key.len() + VALUE)?;
        keys.push(Value::String(key.clone()));
    }
    Ok(Val::Own(Value::Array(keys)))
}

fn values<'a>(machine: &mut Machine<'a>, val: Val<'a>, _: Given<'a>) -> Out<Val<'a>> {
    let count = fields(&val, "values")?.len();
    machine.burn(count)?;
    Ok(match val {
        Val::Ref(Value::Object(fields)) => Val::List(fields.values().map(Val::Ref).collect()),
        Val::Own(Value::Object(fields)) => Val::List(
            fields
                .into_iter()
                .map(|(_, value)| Val::Own(value))
                .collect(),
        ),
        other => other,
    })
}

fn pairs<'a>(machine: &mut Machine<'a>, val: Val<'a>, _: Given<'a>) -> Out<Val<'a>> {
    let mut pairs = Vec::new();
    for (key, value) in fields(&val, "items")? {
        machine.make(key.len() + 2 * VALUE)?;
        let value = machine.json_copy(value)?;
        pairs.push(Val::Own(Value::Array(vec![
            Value::String(key.clone()),
            value,
        ])));
    }
    Ok(Val::List(pairs))
}

fn get<'a>(machine: &mut Machine<'a>, val: Val<'a>, mut given: Given<'a>) -> Out<Val<'a>> {
    let path = name_of(machine, &mut given, 0, "path")?.unwrap_or_default();
    machine.burn(path.len() / 8 + 1)?;
    let found = match machine.settle(val)? {
        Val::Ref(within) => along(within, &path).map(Val::Ref),
        settled => match settled.value().and_then(|within| along(within, &path)) {
            Some(found) => Some(Val::Own(machine.json_copy(found)?)),
            None => None,
        },
    };
    found.or_else(|| given.take(1, "default")).ok_or_else(|| {
        Box::new(
            fail(format!("`{path}` is missing in what `get` looks in"))
                .with_code("missing_field")
                .with_help("`get(path, default)` gives the default instead"),
        )
    })
}

fn combine<'a>(machine: &mut Machine<'a>, val: Val<'a>, mut given: Given<'a>) -> Out<Val<'a>> {
    let is_recursive = is_on(&mut given, usize::MAX, "recursive");
    let mut merged = object(machine, val, "combine")?;
    for other in given.placed {
        let other = object(machine, other, "combine")?;
        machine.burn(other.len() + 1)?;
        merge(&mut merged, other, is_recursive);
    }
    Ok(Val::Own(Value::Object(merged)))
}

fn object<'a>(machine: &mut Machine<'a>, val: Val<'a>, filter: &str) -> Out<Map<String, Value>> {
    match machine.own(val)? {
        Value::Object(fields) => Ok(fields),
        other => Err(fail(format!(
            "`{filter}` needs maps, not {}",
            crate::expr::value::kind(&other)
        ))),
    }
}

fn merge(into: &mut Map<String, Value>, from: Map<String, Value>, is_recursive: bool) {
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (Some(Value::Object(below)), Value::Object(more)) if is_recursive => {
                merge(below, more, true);
            }
            (_, value) => {
                into.insert(key, value);
            }
        }
    }
}

fn choose<'a>(
    machine: &mut Machine<'a>,
    val: Val<'a>,
    given: Given<'a>,
    filter: &str,
) -> Out<Val<'a>> {
    let mut names = Vec::new();
    for name in given.placed {
        if name.kind() == "a list" {
            for name in machine.items(name, &format!("`{filter}`"))? {
                names.push(machine.key(name)?);
            }
        } else {
            names.push(machine.key(name)?);
        }
    }
    names.sort_unstable();
    let fields = fields(&val, filter)?;
    machine.burn(fields.len() * 4 + names.len())?;
    machine.make(VALUE + MAP)?;
    let mut chosen = Map::new();
    for (key, value) in fields {
        if names.binary_search(key).is_ok() == (filter == "pick") {
            machine.make(key.len())?;
            chosen.insert(key.clone(), machine.json_copy(value)?);
        }
    }
    Ok(Val::Own(Value::Object(chosen)))
}

fn rename<'a>(machine: &mut Machine<'a>, val: Val<'a>, mut given: Given<'a>) -> Out<Val<'a>> {
    let names = given.take(0, "names").unwrap_or(Val::Own(Value::Null));
    let names = object(machine, names, "rename")?;
    let old = object(machine, val, "rename")?;
    machine.make(VALUE + MAP)?;
    let mut renamed = Map::new();
    for (key, value) in old {
        let name = match names.get(&key) {
            Some(Value::String(name)) => {
                machine.make(name.len())?;
                name.clone()
            }
            Some(_) => return Err(fail("`rename` needs texts as the new names")),
            None => key,
        };
        machine.burn(4)?;
        renamed.insert(name, value);
    }
    Ok(Val::Own(Value::Object(renamed)))
}
