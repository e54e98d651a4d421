//! The layers of the workspace: which crate may depend on which.

use serde_json::Value;
use std::process::Command;

/// The allowed dependencies of every crate, and whether it may depend on burn.
const LAYERS: [(&str, &[&str], bool); 11] = [
    ("tweedie-ops", &[], true),
    ("tweedie-math", &[], false),
    ("tweedie-core", &["tweedie-math"], true),
    ("tweedie-samplers", &["tweedie-core", "tweedie-math"], true),
    ("tweedie-sde", &["tweedie-core", "tweedie-math"], true),
    (
        "tweedie-inverse",
        &[
            "tweedie-core",
            "tweedie-ops",
            "tweedie-math",
            "tweedie-samplers",
        ],
        true,
    ),
    (
        "tweedie-models",
        &["tweedie-core", "tweedie-ops", "tweedie-math"],
        true,
    ),
    (
        "tweedie-train",
        &["tweedie-core", "tweedie-ops", "tweedie-math"],
        true,
    ),
    ("tweedie-mpi", &["tweedie-train"], false),
    ("tweedie-metrics", &["tweedie-core", "tweedie-math"], true),
    ("tweedie-image", &["tweedie-core", "tweedie-math"], true),
];

/// Features of burn that select a backend. Only the facade crate may pass them on.
const BACKENDS: [&str; 13] = [
    "cpu", "cuda", "default", "flex", "metal", "ndarray", "rayon", "rocm", "simd", "vulkan",
    "webgpu", "wgpu", "x86-v4",
];

/// Compares the manifests with `LAYERS`. Development dependencies are not restricted.
pub(crate) fn check() -> Result<(), String> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps"])
        .output()
        .map_err(|error| error.to_string())?;
    let metadata: Value = serde_json::from_slice(&output.stdout).map_err(|e| e.to_string())?;
    let mut wrong = Vec::new();
    for package in list(&metadata["packages"]) {
        let name = text(&package["name"]);
        let Some((_, allowed, knows_burn)) = LAYERS.iter().find(|(layer, ..)| *layer == name)
        else {
            let inside = text(&package["manifest_path"]).contains("/crates/");
            if inside && name != "tweedie" {
                wrong.push(format!("{name} is under crates/ but in no layer"));
            }
            continue;
        };
        for dependency in list(&package["dependencies"]) {
            let to = text(&dependency["name"]);
            if text(&dependency["kind"]) == "dev" {
                continue;
            }
            if to.starts_with("tweedie") && !allowed.contains(&to) {
                wrong.push(format!("{name} must not depend on {to}"));
            }
            if to.starts_with("burn") {
                if !knows_burn {
                    wrong.push(format!("{name} must not know {to}"));
                }
                let features = list(&dependency["features"]).iter().map(text);
                for feature in features.filter(|feature| BACKENDS.contains(feature)) {
                    wrong.push(format!(
                        "{name} must not name the backend feature {feature}"
                    ));
                }
            }
        }
    }
    let known = |layer: &str| {
        list(&metadata["packages"])
            .iter()
            .any(|p| text(&p["name"]) == layer)
    };
    for (layer, ..) in LAYERS.iter().filter(|(layer, ..)| !known(layer)) {
        wrong.push(format!("{layer} is not in the workspace"));
    }
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(wrong.join("; "))
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
