//! LPIPS with random weights read from a file.

#![allow(
    clippy::expect_used,
    clippy::float_cmp,
    reason = "a test may stop at once, and compares exactly where it means to"
)]

use approx::abs_diff_eq;
use burn::tensor::{Device, Distribution, Tensor};
use safetensors::tensor::{Dtype, TensorView};
use std::path::Path;
use tweedie_metrics::Lpips;

const SHAPES: [[usize; 4]; 5] = [
    [64, 3, 11, 11],
    [192, 64, 5, 5],
    [384, 192, 3, 3],
    [256, 384, 3, 3],
    [256, 256, 3, 3],
];

/// Writes a weight file; `rename` can change the names.
fn weights(path: &Path, rename: impl Fn(String) -> String) {
    let mut state = 1_u32;
    let mut draw = |count: usize, scale: f32, least: f32| -> Vec<u8> {
        let values = (0..count).map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            ((state >> 8) as f32 / 8_388_608.0 - 1.0).max(least) * scale
        });
        values.flat_map(f32::to_le_bytes).collect()
    };
    let mut all = Vec::new();
    for (l, shape) in SHAPES.into_iter().enumerate() {
        let fan: usize = shape[1..].iter().product();
        let scale = (6.0 / fan as f32).sqrt();
        let kernel = draw(shape[0] * fan, scale, -1.0);
        all.push((format!("AlexNet_0.Conv_{l}.kernel"), shape.to_vec(), kernel));
        let bias = draw(shape[0], 0.1, -1.0);
        all.push((format!("AlexNet_0.Conv_{l}.bias"), vec![shape[0]], bias));
        let linear = draw(shape[0], 1.0, 0.0);
        let shape = vec![1, shape[0], 1, 1];
        all.push((format!("NetLinLayer_{l}.Conv_0.kernel"), shape, linear));
    }
    let views = all.iter().map(|(name, shape, bytes)| {
        let view = TensorView::new(Dtype::F32, shape.clone(), bytes).expect("a tensor");
        (rename(name.clone()), view)
    });
    let bytes = safetensors::serialize(views, None).expect("a file");
    std::fs::write(path, bytes).expect("a file");
}

#[test]
fn it_is_a_distance_of_each_image_with_a_gradient() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("alexnet.safetensors");
    weights(&path, |name| name);
    let device = Device::flex();
    let lpips = Lpips::open(&path, &device).expect("weights");
    let random = || Tensor::<4>::random([2, 3, 40, 33], Distribution::Uniform(-1.0, 1.0), &device);
    let (x, y) = (random(), random());
    let host = |x: Tensor<1>| -> Vec<f32> { x.into_data().iter::<f32>().collect() };
    assert_eq!(host(lpips.distance(x.clone(), x.clone())), [0.0, 0.0]);
    let found = host(lpips.distance(x.clone(), y.clone()));
    assert!(found.iter().all(|distance| *distance > 0.01), "{found:?}");
    assert_eq!(found, host(lpips.distance(y.clone(), x.clone())));
    // A sample does not depend on the other one in its batch.
    let second = |x: &Tensor<4>| x.clone().narrow(0, 1, 1);
    let alone = host(lpips.distance(second(&x), second(&y)))[0];
    assert!(
        abs_diff_eq!(alone, found[1], epsilon = 1e-6),
        "{alone} and {}",
        found[1]
    );
    // A closer image has a smaller distance.
    let near = host(lpips.distance(x.clone(), x.clone() * 0.9 + y.clone() * 0.1));
    assert!(
        near[0] < found[0] && near[1] < found[1],
        "{near:?} {found:?}"
    );
    // The norm of the gradient equals a finite difference along it.
    let tracked = x.clone().autodiff().require_grad();
    let distance = lpips.distance(tracked.clone(), y.clone());
    let gradient = tracked
        .grad(&distance.sum().backward())
        .expect("a gradient");
    let slope = gradient.clone().square().sum().sqrt();
    let along = gradient / slope.clone().reshape([1, 1, 1, 1]);
    let at = |step: f64| {
        let moved = x.clone() + along.clone() * step;
        lpips.distance(moved, y.clone()).sum().into_scalar::<f64>()
    };
    let (difference, slope) = ((at(1e-2) - at(-1e-2)) / 2e-2, slope.into_scalar::<f64>());
    assert!(
        abs_diff_eq!(difference, slope, epsilon = 0.05 * slope),
        "{difference} and {slope}"
    );
}

#[test]
fn weights_that_are_not_there_are_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("alexnet.safetensors");
    let error = || {
        let read = Lpips::open(&path, &Device::flex());
        read.expect_err("an error").to_string()
    };
    assert!(error().contains("alexnet.safetensors"));
    std::fs::write(&path, b"nonsense").expect("a file");
    assert!(error().contains("alexnet.safetensors"));
    weights(&path, |name| name.replace("Conv_3.bias", "Conv_3.bios"));
    assert!(error().contains("AlexNet_0.Conv_3.bias"), "{}", error());
    let swap = |name: String| match name.as_str() {
        "AlexNet_0.Conv_3.kernel" => "AlexNet_0.Conv_4.kernel".into(),
        "AlexNet_0.Conv_4.kernel" => "AlexNet_0.Conv_3.kernel".into(),
        _ => name,
    };
    weights(&path, swap);
    assert!(
        error().contains("expected F32 [256, 384, 3, 3]"),
        "{}",
        error()
    );
}
