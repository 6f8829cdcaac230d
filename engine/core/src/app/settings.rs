//! Settings: the public facts of an app client or a connection, such as the address of one's CRM. They decide which host a
//! credential goes to, so each is checked in full against its pattern before any address is made of it.

use indexmap::IndexMap;
use jsonschema::Validator;
use serde_json::{Map, Value, json};

use crate::error::{ErrorKind, StepError};

/// The settings of an app, compiled.
#[derive(Debug, Default)]
pub struct Settings(IndexMap<String, Setting>);

/// One setting.
#[derive(Debug)]
struct Setting {
    title: String,
    required: bool,
    default: Option<Value>,
    example: Option<Value>,
    check: Validator,
}

impl Settings {
    /// Compiles the schemas as a manifest has them (`type`, `pattern`, `title`, `example`, `default`, `required`).
    ///
    /// # Errors
    /// Of each setting that cannot be checked its name and why.
    pub fn compile(settings: &IndexMap<String, Value>) -> Result<Self, Vec<(String, String)>> {
        let mut out = IndexMap::new();
        let mut faults = Vec::new();
        for (name, schema) in settings {
            match Setting::compile(name, schema) {
                Ok(setting) => {
                    out.insert(name.clone(), setting);
                }
                Err(why) => faults.push((name.clone(), why)),
            }
        }
        if faults.is_empty() {
            Ok(Self(out))
        } else {
            Err(faults)
        }
    }

    /// Every fault of some values: a setting that is missing, unknown or does not fit.
    pub fn faults(&self, values: &Value) -> Vec<String> {
        let empty = Map::new();
        let given = values.as_object().unwrap_or(&empty);
        let mut faults: Vec<_> = given
            .keys()
            .filter(|name| !self.0.contains_key(*name))
            .map(|name| format!("`{name}` is not a setting of this app"))
            .collect();
        faults.extend(
            self.0
                .iter()
                .filter_map(|(name, s)| s.fault(name, given.get(name))),
        );
        faults
    }

    /// The fault of one value that is about to be kept under a name.
    pub fn fault(&self, name: &str, value: Option<&Value>) -> Option<String> {
        match self.0.get(name) {
            Some(setting) => setting.fault(name, value),
            None => Some(format!("`{name}` is not a setting of this app")),
        }
    }

    /// The facts that expressions may look at: the settings alone, each checked, defaults filled in, `null` where an optional one is missing.
    ///
    /// # Errors
    /// `invalid_input` naming every setting that is missing or does not fit.
    pub fn facts(&self, values: &Value) -> Result<Value, StepError> {
        let faults: Vec<_> = self
            .0
            .iter()
            .filter_map(|(name, setting)| setting.fault(name, values.get(name)))
            .collect();
        if !faults.is_empty() {
            return Err(StepError::new(
                ErrorKind::InvalidInput,
                format!(
                    "the connection's settings do not fit: {}",
                    faults.join("; ")
                ),
            )
            .with_code("bad_settings")
            .with_help("correct the settings of the app client or the connection"));
        }
        Ok(self
            .0
            .iter()
            .map(|(name, setting)| {
                let value = values.get(name).or(setting.default.as_ref());
                (name.clone(), value.cloned().unwrap_or(Value::Null))
            })
            .collect())
    }
}

impl Setting {
    fn compile(name: &str, schema: &Value) -> Result<Self, String> {
        let mut check = schema.clone();
        let fields = check.as_object_mut().ok_or("a setting is an object")?;
        let required = fields.remove("required").is_none_or(|r| r != json!(false));
        if let Some(pattern) = schema.get("pattern").and_then(Value::as_str) {
            // By itself first: a pattern such as `a)|(b` would otherwise break out of the group that anchors it.
            compiled(&json!({ "pattern": pattern }))?;
            fields.insert("pattern".into(), format!("^(?:{pattern})$").into());
        }
        let setting = Self {
            title: schema
                .get("title")
                .and_then(Value::as_str)
                .unwrap_or(name)
                .to_owned(),
            required,
            default: schema.get("default").cloned(),
            example: schema.get("example").cloned(),
            check: compiled(&check)?,
        };
        for (what, value) in [("default", &setting.default), ("example", &setting.example)] {
            if value.as_ref().is_some_and(|v| !setting.check.is_valid(v)) {
                return Err(format!("the {what} does not fit the setting's own schema"));
            }
        }
        Ok(setting)
    }

    fn fault(&self, name: &str, value: Option<&Value>) -> Option<String> {
        let example = match &self.example {
            Some(example) => format!(", such as {example}"),
            None => String::new(),
        };
        match value {
            None | Some(Value::Null) if self.required && self.default.is_none() => {
                Some(format!("`{name}` ({}) is missing{example}", self.title))
            }
            None | Some(Value::Null) => None,
            Some(value) if self.check.is_valid(value) => None,
            Some(_) => Some(format!(
                "`{name}` ({}) does not have the form asked for{example}",
                self.title
            )),
        }
    }
}

/// A validator that reads nothing from elsewhere and whose patterns take linear time.
fn compiled(schema: &Value) -> Result<Validator, String> {
    jsonschema::draft202012::options()
        .offline()
        .with_pattern_options(jsonschema::PatternOptions::regex())
        .build(schema)
        .map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(schema: Value) -> Settings {
        Settings::compile(&IndexMap::from([("url".to_owned(), schema)])).expect("a good schema")
    }

    #[test]
    fn a_pattern_must_match_the_whole_value() {
        let settings =
            settings(json!({"type": "string", "pattern": "https://[a-z0-9.-]+(:[0-9]+)?|none"}));
        for good in ["https://acme.example", "https://acme.example:8443", "none"] {
            assert_eq!(settings.faults(&json!({"url": good})), [""; 0], "{good}");
        }
        for bad in [
            "https://acme.example/",
            "https://acme.example@evil.example",
            "x https://a.b",
            "https://a.b\n",
            "\nhttps://a.b",
            "https://a.b\nhttps://c.d",
            "https://a.b#",
            "nonesuch",
            "",
            "http://a.b",
        ] {
            assert_eq!(settings.faults(&json!({"url": bad})).len(), 1, "{bad:?}");
            assert!(settings.facts(&json!({"url": bad})).is_err(), "{bad:?}");
        }
        assert_eq!(settings.faults(&json!({"url": 1})).len(), 1);
        assert_eq!(settings.faults(&json!({})).len(), 1);
        assert_eq!(
            settings.faults(&json!({"url": "none", "other": 1})),
            ["`other` is not a setting of this app"]
        );
    }

    #[test]
    fn a_pattern_cannot_break_out_of_its_anchors() {
        let broken = json!({"type": "string", "pattern": "a)|(b"});
        assert!(Settings::compile(&IndexMap::from([("url".to_owned(), broken)])).is_err());
        let several_lines = settings(json!({"type": "string", "pattern": "(?m)a$"}));
        assert_eq!(several_lines.faults(&json!({"url": "a\nb"})).len(), 1);
    }

    #[test]
    fn only_settings_become_facts_and_defaults_fill_gaps() {
        let settings = settings(json!({"type": "string", "default": "eu", "pattern": "eu|us"}));
        assert_eq!(
            settings.facts(&json!({"secret": "x"})),
            Ok(json!({"url": "eu"}))
        );
    }
}
