//! The fields of a published configuration, removed one by one so that none is overlooked.

use super::CheckpointError;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};
use tweedie_core::read_file;

/// Maximum size in bytes of a configuration, or of an index of shards.
pub(crate) const MOST_BYTES: u64 = 1 << 24;

/// A JSON object whose fields are removed one by one.
#[derive(Clone, Debug)]
pub(crate) struct Fields {
    path: PathBuf,
    left: Map<String, Value>,
}

impl Fields {
    /// Reads a file.
    pub(crate) fn open(path: &Path) -> Result<Self, CheckpointError> {
        let path = path.to_owned();
        let bytes = match read_file(&path, MOST_BYTES) {
            Ok(bytes) => bytes,
            Err(source) => return Err(CheckpointError::File { path, source }),
        };
        match serde_json::from_slice(&without_infinities(&bytes)) {
            Ok(left) => Ok(Self { path, left }),
            Err(source) => Err(CheckpointError::Json { path, source }),
        }
    }

    /// Wraps a JSON object; errors name `path`.
    pub(crate) fn new(path: &Path, left: Map<String, Value>) -> Self {
        Self {
            path: path.to_owned(),
            left,
        }
    }

    /// The file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether a field is present and not null.
    pub(crate) fn has(&self, field: &str) -> bool {
        self.left.get(field).is_some_and(|value| !value.is_null())
    }

    /// Whether a field is present, even if null.
    pub(crate) fn contains(&self, field: &str) -> bool {
        self.left.contains_key(field)
    }

    /// Whether a pipeline has a part: `["library", "class"]` instead of two nulls.
    pub(crate) fn holds(&self, part: &str) -> bool {
        let class = self.left.get(part).and_then(|part| part.get(1));
        class.is_some_and(Value::is_string)
    }

    /// Returns a text field without removing it.
    pub(crate) fn text(&self, field: &str) -> Option<&str> {
        self.left.get(field).and_then(Value::as_str)
    }

    /// Removes a field and returns its value; `None` if it is missing or null.
    pub(crate) fn take<T: DeserializeOwned>(
        &mut self,
        field: &str,
    ) -> Result<Option<T>, CheckpointError> {
        match self.left.remove(field) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => match serde_json::from_value(value) {
                Ok(value) => Ok(Some(value)),
                Err(error) => Err(self.wrong(field, error.to_string())),
            },
        }
    }

    /// Removes a field and returns its value; `default` if it is missing or null.
    pub(crate) fn or<T: DeserializeOwned>(
        &mut self,
        field: &str,
        default: T,
    ) -> Result<T, CheckpointError> {
        Ok(self.take(field)?.unwrap_or(default))
    }

    /// Removes fields that have to be missing, null or equal to the given value.
    pub(crate) fn only(&mut self, neutral: &[(&str, Value)]) -> Result<(), CheckpointError> {
        for (field, neutral) in neutral {
            let found = self.left.remove(*field).unwrap_or(Value::Null);
            let equal = match (found.as_f64(), neutral.as_f64()) {
                (Some(found), Some(neutral)) => found.total_cmp(&neutral).is_eq(),
                _ => found == *neutral,
            };
            if !found.is_null() && !equal {
                let message = format!("{found} is not supported, only {neutral}");
                return Err(self.wrong(field, message));
            }
        }
        Ok(())
    }

    /// Removes fields that have no effect on the result.
    pub(crate) fn ignore(&mut self, fields: &[&str]) {
        for field in fields {
            self.left.remove(*field);
        }
    }

    /// Creates an error about a field.
    pub(crate) fn wrong(&self, field: &str, message: impl Into<String>) -> CheckpointError {
        CheckpointError::Field {
            path: self.path.clone(),
            field: field.to_owned(),
            message: message.into(),
        }
    }

    /// Checks that no remaining field could change the result. Names with a leading underscore are
    /// metadata; null and false enable nothing.
    pub(crate) fn finish(self) -> Result<(), CheckpointError> {
        let off = |value: &Value| value.is_null() || *value == Value::Bool(false);
        let left = self.left.iter();
        let left = left.filter(|(field, value)| !field.starts_with('_') && !off(value));
        let fields: Vec<String> = left
            .map(|(field, value)| format!("{field} = {value}"))
            .collect();
        if fields.is_empty() {
            return Ok(());
        }
        Err(CheckpointError::UnknownFields {
            path: self.path,
            fields,
        })
    }
}

/// Replaces the bare words `NaN`, `Infinity` and `-Infinity` by null: Python writes them, but JSON
/// does not allow them.
fn without_infinities(text: &[u8]) -> Vec<u8> {
    let words: [&[u8]; 3] = [b"-Infinity", b"Infinity", b"NaN"];
    let mut clean = Vec::with_capacity(text.len());
    let (mut quoted, mut escaped, mut at) = (false, false, 0);
    while at < text.len() {
        let word = words.iter().find(|word| text[at..].starts_with(word));
        if let (false, Some(word)) = (quoted, word) {
            clean.extend(b"null");
            at += word.len();
            continue;
        }
        let byte = text[at];
        quoted ^= byte == b'"' && !escaped;
        escaped = quoted && byte == b'\\' && !escaped;
        clean.push(byte);
        at += 1;
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bare_words_become_null_and_texts_stay() {
        let text = br#"{"a": -Infinity, "b\" NaN": "Infinity \\", "c": [NaN, 1]}"#;
        let value: Value = serde_json::from_slice(&without_infinities(text)).expect("JSON");
        let expected = serde_json::json!({"a": null, "b\" NaN": "Infinity \\", "c": [null, 1]});
        assert_eq!(value, expected);
    }
}
