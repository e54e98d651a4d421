//! Measurement files: round trips, and errors for invalid files.

#![allow(
    clippy::expect_used,
    clippy::float_cmp,
    reason = "a test may stop at once, and compares exactly where it means to"
)]

use burn::tensor::{DType, Device, Tensor};
use tweedie_core::{HostNoise, Noise, ValueRange};
use tweedie_inverse::measurement::{AnyMeasurement, Likelihood, Measurement};
use tweedie_inverse::noise::{GaussianNoise, PoissonGaussianNoise};
use tweedie_inverse::operator::{
    AnyLinear, AnyOperator, AveragePool, Blur, Jpeg, Mask, Matrix, Operator, Padding, PointSpread,
    Tomography,
};

fn truth(dtype: DType) -> Tensor<4> {
    let like = Tensor::zeros([2, 1, 8, 8], (&Device::flex(), dtype));
    (HostNoise::seeded(5).normal_like(&like) * 0.1 + 0.5).clamp(0.0, 1.0)
}

#[test]
fn a_measurement_reads_back_as_it_was_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("y.safetensors");
    let kernel = PointSpread::motion(5, 0.4, 2).expect("a kernel");
    let blur = Blur::new(kernel, Padding::Reflect);
    let pooled = blur.then(AveragePool::new(2).expect("an operator"));
    let operators: [AnyOperator; 6] = [
        Blur::new(PointSpread::gaussian(0.7).expect("a kernel"), Padding::Zero)
            .then(Jpeg::new(50, ValueRange::Unit).expect("an operator"))
            .into(),
        Mask::random([8, 8], 0.5, 1).expect("a mask").into(),
        pooled.into(),
        Tomography::half_turn([8, 8], 5).expect("a scan").into(),
        Matrix::gaussian([1, 8, 8], 12, 3).expect("a matrix").into(),
        Jpeg::new(30, ValueRange::Unit).expect("an operator").into(),
    ];
    for operator in operators {
        for dtype in [DType::F32, DType::F64] {
            let noise = GaussianNoise::new(0.05).expect("a noise");
            let mut random = HostNoise::seeded(1);
            let made = Measurement::simulate(operator.clone(), noise, truth(dtype), &mut random);
            let made = made.expect("a measurement");
            made.save(&path).expect("a file");
            let read = AnyMeasurement::load(&path, &Device::flex()).expect("a measurement");
            assert_eq!(read.y.clone().into_data(), made.y.clone().into_data());
            assert!(read.check([2, 1, 8, 8]).is_ok());
            assert!(read.check([3, 1, 8, 8]).is_err());
            let x = truth(dtype) * 0.9;
            assert_eq!(
                read.log_likelihood(x.clone()).into_data(),
                made.log_likelihood(x).into_data(),
                "{}",
                read.operator.kind()
            );
        }
    }
    let left: Vec<_> = std::fs::read_dir(folder.path())
        .expect("a folder")
        .collect();
    assert_eq!(left.len(), 1, "nothing but the file is left");
}

#[test]
fn what_is_no_measurement_says_why() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("y.safetensors");
    let error = |path: &std::path::Path| {
        let read = AnyMeasurement::load(path, &Device::flex());
        read.expect_err("an error").to_string()
    };
    assert!(error(&path).contains("y.safetensors"));
    std::fs::write(&path, b"nonsense").expect("a file");
    assert!(
        error(&path).contains("is not a measurement"),
        "{}",
        error(&path)
    );
    // Hostile descriptions, with one changed field each.
    let noise = PoissonGaussianNoise::new(0.1, 0.05).expect("a noise");
    let mask = Mask::random([8, 8], 0.5, 1).expect("a mask");
    let mut random = HostNoise::seeded(1);
    let made = Measurement::simulate(mask, noise, truth(DType::F32), &mut random).expect("one");
    made.save(&path).expect("a file");
    let bytes = std::fs::read(&path).expect("a file");
    let header = u64::from_le_bytes(bytes[..8].try_into().expect("8 bytes")) as usize;
    let text = String::from_utf8(bytes[8..8 + header].to_vec()).expect("a header");
    let with = |from: &str, to: &str| {
        assert!(text.contains(from), "{text}");
        let mut header = text.replace(from, to);
        while !header.len().is_multiple_of(8) {
            header.push(' ');
        }
        let length = (header.len() as u64).to_le_bytes();
        let all = [&length, header.as_bytes(), &bytes[8 + text.len()..]].concat();
        std::fs::write(&path, all).expect("a file");
        error(&path)
    };
    let found = with("\\\"gain\\\":0.1", "\\\"gain\\\":-1");
    assert!(
        found.contains("the gain has to be above 0, from 1e-18 to 1e18, got -1"),
        "{found}"
    );
    let found = with("poisson_gaussian", "poisson_gaussiam");
    assert!(
        found.contains("unknown variant `poisson_gaussiam`"),
        "{found}"
    );
    let found = with(
        "{\\\"tensor\\\":\\\"measurement.operator.linear.mask\\\"}",
        "7",
    );
    assert!(found.contains("invalid type"), "{found}");
    let twice =
        "{\\\"first\\\":{\\\"tensor\\\":\\\"y\\\"},\\\"next\\\":{\\\"tensor\\\":\\\"y\\\"}}";
    let found = with(
        "{\\\"tensor\\\":\\\"measurement.operator.linear.mask\\\"}",
        twice,
    );
    assert!(found.contains("tensor y is used twice"), "{found}");
    let found = with("\"y\":", "\"x\":");
    assert!(found.contains('y'), "{found}");
}

#[test]
fn hostile_operators_are_refused_by_their_constructors() {
    let bad = [
        r#"{"average_pool": {"factor": 0}}"#,
        r#"{"mix": {"matrix": {"shape": [2, 2], "values": [1.0]}}}"#,
        r#"{"mix": {"matrix": {"shape": [0, 3], "values": []}}}"#,
        r#"{"channels": {"first": 3, "count": 3, "of": 4}}"#,
        r#"{"separable": {"rows": {"shape": [0, 0], "values": []},
            "columns": {"shape": [1, 1], "values": [1.0]}}}"#,
        r#"{"dense": {"matrix": {"shape": [1, 1], "values": [1e400]}, "signal": [1, 1, 1]}}"#,
        r#"{"transform": {"basis": "cosine", "size": [1000000, 1000000]}}"#,
        r#"{"circular_blur": {"kernel": {"shape": [1, 1], "values": [1.0]},
            "size": [1000000, 1000000]}}"#,
        r#"{"tomography": {"size": [4, 5], "angles": [0.1], "detectors": 4, "centre": [1.5, 1.5],
            "disc": true}}"#,
        r#"{"tomography": {"size": [4, 4], "angles": [0.1], "detectors": 1000000,
            "centre": [1.5, 1.5], "disc": false}}"#,
        r#"{"dense": {"matrix": {"shape": [1, 2], "values": [1.0, 2.0]}, "signal": [1, 1, 3]}}"#,
        r#"{"transform": {"basis": "hadamard", "size": [3, 4]}}"#,
        r#"{"varying_blur": {"blurs": [], "weights": {"shape": [0, 1, 4, 4], "values": []}}}"#,
        r#"{"stack": {"parts": [], "signal": [1, 4, 4]}}"#,
        r#"{"multi_coil": {"maps": {"shape": [1, 1, 1, 1], "values": [1.0]},
            "mask": {"shape": [1, 1, 1, 1], "values": [1.0]}}}"#,
        r#"{"mask": {"shape": [1, 1, 1, 1], "values": [0.5]}}"#,
        r#"{"blur": {"kernel": {"shape": [0, 1], "values": []}, "padding": "zero"}}"#,
        r#"{"tomography": {"size": [4, 4], "angles": [], "detectors": 6, "centre": [1.5, 1.5],
            "disc": false}}"#,
        r#"{"tomography": {"size": [4, 4], "angles": [0.1], "detectors": 0, "centre": [1.5, 1.5],
            "disc": false}}"#,
    ];
    for text in bad {
        let read: Result<AnyLinear, _> = serde_json::from_str(text);
        assert!(read.is_err(), "{text}");
    }
    let bad = [
        r#"{"fourier_phase": {"size": [4, 4], "frame": [2, 2], "reading": "amplitude"}}"#,
        r#"{"saturation": {"gain": -1.0, "range": "unit"}}"#,
        r#"{"gamma": {"gamma": 0.0, "range": "unit"}}"#,
        r#"{"jpeg": {"quality": 0, "range": "unit"}}"#,
    ];
    for text in bad {
        let read: Result<AnyOperator, _> = serde_json::from_str(text);
        assert!(read.is_err(), "{text}");
    }
}
