//! The JSON schema of the model, from the types themselves.

use std::borrow::Cow;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::Model;
use crate::value::Interval;

/// Schema (JSON Schema draft 2020-12) of a [`Model`] as JSON: what `steadfast show config --json` prints.
pub fn schema() -> serde_json::Value {
    let generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    generator.into_root_schema_for::<Model>().into()
}

/// Protocol version.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "stands for the type of the wire crate in the schema")]
pub(super) enum Version {
    /// VRRP version 2.
    V2,
    /// VRRP version 3.
    V3,
}

/// Address family.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "stands for the type of the wire crate in the schema")]
pub(super) enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl JsonSchema for Interval {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Interval".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "number", "minimum": 0, "description": "Seconds." })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::{AnyMachine, LoadOptions, Memory, load};

    /// What of `value` the schema does not allow; only those words of JSON Schema that the schema uses.
    fn faults(schema: &Value, value: &Value, root: &Value, at: &str) -> Vec<String> {
        const KNOWN: &[&str] = &[
            "$defs",
            "$ref",
            "$schema",
            "additionalProperties",
            "anyOf",
            "const",
            "description",
            "enum",
            "format",
            "items",
            "maxItems",
            "maximum",
            "minItems",
            "minimum",
            "oneOf",
            "prefixItems",
            "properties",
            "required",
            "title",
            "type",
        ];
        let Some(words) = schema.as_object() else {
            return if schema == true { vec![] } else { vec![format!("{at}: nothing may be here")] };
        };
        let mut found = Vec::new();
        let mut expect = |holds: bool, what: &str| {
            if !holds {
                found.push(format!("{at}: {what}: {value}"));
            }
        };
        for word in words.keys() {
            expect(KNOWN.contains(&word.as_str()), &format!("the test does not know {word}"));
        }
        let types =
            words.get("type").map(|types| types.as_array().cloned().unwrap_or_else(|| vec![types.clone()]));
        if let Some(types) = types {
            let is = |name: &Value| match name.as_str().unwrap() {
                "null" => value.is_null(),
                "boolean" => value.is_boolean(),
                "integer" => value.is_i64() || value.is_u64(),
                "number" => value.is_number(),
                "string" => value.is_string(),
                "array" => value.is_array(),
                "object" => value.is_object(),
                other => panic!("unknown type {other}"),
            };
            expect(types.iter().any(is), &format!("is none of {types:?}"));
        }
        let number = |word: &str| words.get(word).and_then(Value::as_f64);
        if let Some(value) = value.as_f64() {
            expect(number("minimum").is_none_or(|least| value >= least), "is too small");
            expect(number("maximum").is_none_or(|most| value <= most), "is too large");
        }
        if let Some(constant) = words.get("const") {
            expect(value == constant, "is another constant");
        }
        if let Some(choices) = words.get("enum").and_then(Value::as_array) {
            expect(choices.contains(value), "is not in the list");
        }
        if let Some(items) = value.as_array() {
            let count = |word: &str| words.get(word).and_then(Value::as_u64);
            let length = u64::try_from(items.len()).unwrap();
            expect(count("minItems").is_none_or(|least| length >= least), "is too short");
            expect(count("maxItems").is_none_or(|most| length <= most), "is too long");
        }
        if let Some(required) = words.get("required").and_then(Value::as_array) {
            for name in required {
                expect(value.get(name.as_str().unwrap()).is_some(), &format!("lacks {name}"));
            }
        }
        let mut inside = |schema: &Value, value: &Value, name: &str| {
            found.extend(faults(schema, value, root, &format!("{at}/{name}")));
        };
        if let Some(reference) = words.get("$ref").and_then(Value::as_str) {
            let target = root.pointer(reference.strip_prefix('#').unwrap()).expect(reference);
            inside(target, value, "");
        }
        for (word, exactly_one) in [("oneOf", true), ("anyOf", false)] {
            let Some(choices) = words.get(word).and_then(Value::as_array) else { continue };
            let fits = choices.iter().filter(|choice| faults(choice, value, root, at).is_empty()).count();
            if fits == 0 || (exactly_one && fits > 1) {
                inside(&Value::Bool(false), value, word);
            }
        }
        if let Some(members) = value.as_object() {
            for (name, member) in members {
                match (
                    schema.pointer("/properties").and_then(|known| known.get(name)),
                    words.get("properties"),
                ) {
                    (Some(known), _) => inside(known, member, name),
                    (None, Some(_)) if words.get("additionalProperties").is_none() => {
                        inside(&Value::Bool(false), member, name);
                    }
                    _ => {}
                }
            }
        }
        let heads = words.get("prefixItems").and_then(Value::as_array).cloned().unwrap_or_default();
        for (number, item) in value.as_array().into_iter().flatten().enumerate() {
            match (heads.get(number), words.get("items")) {
                (Some(head), _) => inside(head, item, &number.to_string()),
                (None, Some(items)) => inside(items, item, &number.to_string()),
                _ => {}
            }
        }
        found
    }

    fn faults_of(model: &Value) -> Vec<String> {
        let schema = schema();
        faults(&schema, model, &schema, "")
    }

    #[test]
    fn models_fit_the_schema() {
        let text = include_str!("../../tests/everything.conf");
        for text in [text, ""] {
            let source = Memory::new().file("everything.conf", text);
            let model = load(&source, "everything.conf".as_ref(), &AnyMachine, &LoadOptions::default()).model;
            assert_eq!(faults_of(&serde_json::to_value(&model).unwrap()), [""; 0]);
        }
    }

    #[test]
    fn what_is_no_model_does_not_fit() {
        let model = serde_json::to_value(Model::default()).unwrap();
        let mut without = model.clone();
        without.as_object_mut().unwrap().remove("instances");
        assert_eq!(faults_of(&without).len(), 1);
        let mut wrong = model;
        wrong["global"]["vrrp_version"] = "V4".into();
        assert_eq!(faults_of(&wrong).len(), 1, "{:?}", faults_of(&wrong));
    }

    #[test]
    fn the_schema_is_of_the_draft_it_says() {
        let schema = schema();
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
        assert!(schema["$defs"]["VrrpInstance"]["properties"]["priority"]["description"].is_string());
    }
}
