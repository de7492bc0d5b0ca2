//! An OpenAPI document, and whether an answer is what it says. Knows the words that ours uses and refuses others, so that
//! nothing in the document goes unchecked.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::http::Answer;

/// A document.
pub struct Document(Value);

/// Words of a schema that say nothing about a value's shape.
const REMARKS: [&str; 5] = ["description", "title", "examples", "default", "format"];

impl Document {
    /// Reads a document; every schema in it must be of words that are checked.
    pub fn parse(text: &str) -> Document {
        Document(serde_json::from_str(text).expect("the document is JSON"))
    }

    /// Every path, sorted.
    pub fn paths(&self) -> Vec<&str> {
        self.0["paths"].as_object().expect("a document has paths").keys().map(String::as_str).collect()
    }

    /// The names of a path's query parameters, sorted.
    pub fn parameters(&self, path: &str) -> Vec<&str> {
        let parameters = self.0["paths"][path]["get"]["parameters"].as_array();
        let named = parameters.into_iter().flatten().map(|parameter| self.resolved(parameter));
        let mut names: Vec<&str> =
            named.filter(|one| one["in"] == "query").filter_map(|one| one["name"].as_str()).collect();
        names.sort_unstable();
        names
    }

    /// Checks an answer of `path` against what the document says of it; panics with every difference.
    pub fn check(&self, path: &str, answer: &Answer) {
        let responses = &self.0["paths"][path]["get"]["responses"];
        let response = self.resolved(&responses[answer.status.to_string()]);
        assert!(response.is_object(), "{path}: status {} is not described", answer.status);
        let media_type = answer.header("content-type").split(';').next().unwrap_or_default();
        let schema = &response["content"][media_type]["schema"];
        assert!(schema.is_object(), "{path}: {} in {media_type} is not described", answer.status);
        let value = if media_type == "application/json" { answer.json() } else { Value::from(answer.text()) };
        self.check_value(&format!("{path} {}", answer.status), schema, &value);
    }

    /// Checks a value against a schema of the document by name.
    pub fn check_named(&self, name: &str, value: &Value) {
        self.check_value(name, &self.0["components"]["schemas"][name], value);
    }

    fn check_value(&self, at: &str, schema: &Value, value: &Value) {
        let mut faults = Vec::new();
        self.compare(at, schema, value, &mut faults);
        assert!(faults.is_empty(), "{}\nin {value:#}", faults.join("\n"));
    }

    fn resolved<'v>(&'v self, value: &'v Value) -> &'v Value {
        match value["$ref"].as_str() {
            Some(place) => {
                let place = place.strip_prefix('#').expect("references stay in the document");
                self.0.pointer(place).unwrap_or_else(|| panic!("nothing at {place}"))
            }
            None => value,
        }
    }

    fn compare(&self, at: &str, schema: &Value, value: &Value, faults: &mut Vec<String>) {
        let schema = self.resolved(schema).as_object().unwrap_or_else(|| panic!("{at}: no schema"));
        for (word, says) in schema {
            match word.as_str() {
                "type" => {
                    let types = says.as_array().cloned().unwrap_or_else(|| vec![says.clone()]);
                    if !types.iter().any(|name| is_of(name, value)) {
                        faults.push(format!("{at}: {value} is no {says}"));
                    }
                }
                "enum" if !says.as_array().is_some_and(|values| values.contains(value)) => {
                    faults.push(format!("{at}: {value} is none of {says}"));
                }
                "minimum" if value.as_f64() < says.as_f64() => faults.push(format!("{at}: {value} is below {says}")),
                "maximum" if value.as_f64() > says.as_f64() => faults.push(format!("{at}: {value} is above {says}")),
                "required" => {
                    for name in says.as_array().into_iter().flatten().filter_map(Value::as_str) {
                        if value.is_object() && value.get(name).is_none() {
                            faults.push(format!("{at}: {name} is missing"));
                        }
                    }
                }
                "items" => {
                    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                        self.compare(&format!("{at}[{index}]"), says, item, faults);
                    }
                }
                "properties" | "enum" | "minimum" | "maximum" | "additionalProperties" => {}
                remark if REMARKS.contains(&remark) => {}
                other => panic!("{at}: the word {other} is not checked"),
            }
        }
        let fields: BTreeMap<&String, &Value> = value.as_object().into_iter().flatten().collect();
        for (name, field) in fields {
            match schema.get("properties").and_then(|known| known.get(name)) {
                Some(known) => self.compare(&format!("{at}.{name}"), known, field, faults),
                None if schema.get("additionalProperties") == Some(&Value::Bool(true)) => {}
                None => faults.push(format!("{at}: {name} is not described")),
            }
        }
    }
}

fn is_of(name: &Value, value: &Value) -> bool {
    match name.as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("boolean") => value.is_boolean(),
        Some("integer") => value.is_u64() || value.is_i64(),
        Some("null") => value.is_null(),
        _ => panic!("the type {name} is not checked"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn faults(value: &Value) -> Vec<String> {
        let document = Document(json!({ "components": { "schemas": { "N": { "type": ["string", "null"] } } } }));
        let schema = json!({
            "type": "object", "required": ["a", "b"], "properties": {
                "a": { "type": "integer", "minimum": 1 }, "b": { "$ref": "#/components/schemas/N" },
                "c": { "type": "array", "items": { "enum": ["x"] } }
            }
        });
        let mut faults = Vec::new();
        document.compare("v", &schema, value, &mut faults);
        faults
    }

    #[test]
    fn what_is_described_passes_and_nothing_else_does() {
        assert!(faults(&json!({ "a": 1, "b": null, "c": ["x"] })).is_empty());
        for wrong in [
            json!([]),
            json!({ "a": 1 }),
            json!({ "a": 0, "b": "" }),
            json!({ "a": 1.5, "b": "" }),
            json!({ "a": 1, "b": 2 }),
            json!({ "a": 1, "b": "", "c": ["y"] }),
            json!({ "a": 1, "b": "", "d": 1 }),
        ] {
            assert!(!faults(&wrong).is_empty(), "{wrong}");
        }
    }
}
