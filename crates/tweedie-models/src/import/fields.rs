//! The fields of a published configuration: read one by one, so that none is overlooked.

use super::CheckpointError;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};

/// A JSON object whose fields are taken one by one.
#[derive(Clone, Debug)]
pub(crate) struct Fields {
    path: PathBuf,
    left: Map<String, Value>,
}

impl Fields {
    /// Reads a file.
    pub(crate) fn open(path: &Path) -> Result<Self, CheckpointError> {
        let path = path.to_owned();
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(source) => return Err(CheckpointError::File { path, source }),
        };
        match serde_json::from_slice(&bytes) {
            Ok(left) => Ok(Self { path, left }),
            Err(source) => Err(CheckpointError::Json { path, source }),
        }
    }

    /// Fields that did not come from a file of their own.
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

    /// Whether a field is there and not null.
    pub(crate) fn has(&self, field: &str) -> bool {
        self.left.get(field).is_some_and(|value| !value.is_null())
    }

    /// Whether a field is there, be it null.
    pub(crate) fn contains(&self, field: &str) -> bool {
        self.left.contains_key(field)
    }

    /// A text that stays.
    pub(crate) fn text(&self, field: &str) -> Option<&str> {
        self.left.get(field).and_then(Value::as_str)
    }

    /// A field that may be missing or null.
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

    /// A field with a default.
    pub(crate) fn or<T: DeserializeOwned>(
        &mut self,
        field: &str,
        default: T,
    ) -> Result<T, CheckpointError> {
        Ok(self.take(field)?.unwrap_or(default))
    }

    /// Fields that have to be missing or null, or of this value.
    pub(crate) fn only(&mut self, neutral: &[(&str, Value)]) -> Result<(), CheckpointError> {
        for (field, neutral) in neutral {
            let found = self.left.remove(*field).unwrap_or(Value::Null);
            if !found.is_null() && found != *neutral {
                let message = format!("{found} is not supported, only {neutral}");
                return Err(self.wrong(field, message));
            }
        }
        Ok(())
    }

    /// Fields that have no effect on the result.
    pub(crate) fn ignore(&mut self, fields: &[&str]) {
        for field in fields {
            self.left.remove(*field);
        }
    }

    /// An error about a field.
    pub(crate) fn wrong(&self, field: &str, message: impl Into<String>) -> CheckpointError {
        CheckpointError::Field {
            path: self.path.clone(),
            field: field.to_owned(),
            message: message.into(),
        }
    }

    /// That nothing is left that could change the result: names with an underscore are notes of
    /// the writer, and null and false switch nothing on.
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
