//! Files that declare more data than they hold.

use super::*;

pub(super) fn files(all: &mut Cases, folder: &Folder) {
    let described = |name: &str, operator: &str| {
        let text = format!(r#"{{"operator":{operator},"noise":{{"gaussian":{{"sigma":0.1}}}}}}"#);
        let header = serde_json_header(&text);
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header.as_bytes());
        bytes.extend([0; 4]);
        file(folder, name, &bytes)
    };
    for (name, input, operator) in [
        (
            "blur.safetensors",
            "a blur of 2³¹ pixels for one number",
            r#"{"circular_blur":{"kernel":{"shape":[1,1],"values":[1.0]},"size":[46340,46340]}}"#,
        ),
        (
            "transform.safetensors",
            "a transform of 4,096 pixels for one number",
            r#"{"transform":{"basis":"cosine","size":[4096,4096]}}"#,
        ),
        (
            "pool.safetensors",
            "a pooling by 2⁶³",
            r#"{"average_pool":{"factor":9223372036854775808}}"#,
        ),
    ] {
        let path = described(name, operator);
        all.error("AnyMeasurement::load", input, move || {
            AnyMeasurement::load(path, &device())
        });
    }
    let nonsense = file(folder, "nonsense.safetensors", b"nonsense");
    all.error("AnyMeasurement::load", "eight letters", move || {
        AnyMeasurement::load(nonsense, &device())
    });
    all.error("AnyMeasurement::load", "a device", || {
        AnyMeasurement::load("/dev/zero", &device())
    });
    let place = folder.join("y.safetensors");
    all.error("Measurement::save", "y = NaN", move || {
        let mut seen = grey();
        seen.y = seen.y.cast(DType::F64) * f64::NAN;
        seen.save(place)
    });
}

/// The header of a file whose only tensor is the number `y`.
fn serde_json_header(text: &str) -> String {
    let quoted = text.replace('"', "\\\"");
    let mut header = format!(
        r#"{{"__metadata__":{{"measurement":"{quoted}"}},"y":{{"dtype":"F32","shape":[1,1,1,1],"data_offsets":[0,4]}}}}"#
    );
    while !header.len().is_multiple_of(8) {
        header.push(' ');
    }
    header
}
