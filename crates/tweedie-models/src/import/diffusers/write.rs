//! What all writers of this layout share.

use crate::import::CheckpointError;
use serde_json::{Map, Value};

/// That something cannot be said in this layout.
pub(super) fn refuse<T>(what: impl Into<String>) -> Result<T, CheckpointError> {
    Err(CheckpointError::Inexpressible {
        layout: "diffusers' layout",
        what: what.into(),
    })
}

/// Adds the fields of one object to another.
pub(super) fn extend(fields: &mut Map<String, Value>, more: Value) {
    if let Value::Object(more) = more {
        fields.extend(more);
    }
}
