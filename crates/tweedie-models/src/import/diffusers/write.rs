//! Functions that all writers of this layout share.

use crate::import::CheckpointError;
use serde_json::{Map, Value};

/// Returns the error that this layout cannot represent `what`.
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
