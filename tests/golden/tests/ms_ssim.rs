//! Structural similarity of a photograph, against recorded values.

#![allow(clippy::expect_used, reason = "a test may stop at once")]

use approx::abs_diff_eq;
use tweedie::burn::tensor::{DType, TensorData};
use tweedie::inverse::operator::{Blur, Operator, Padding, PointSpread};
use tweedie::metrics::{Border, Ssim};
use tweedie::prelude::*;

/// Recorded with pytorch-msssim 1.0.0 (its window in `f64`) and torchmetrics 1.9.0. The photograph
/// of an astronaut is compared with its mean over 5×5 pixels, edges replicated, in colour and as
/// the mean of its channels. It is also compared with itself plus
/// `0.15 sin(12.9898 i + 78.233 j + 37.719 c)`, clipped to `[0, 1]`.
#[test]
fn a_photograph_has_the_values_of_pytorch_msssim_and_torchmetrics() {
    let device = Device::flex();
    let photo = Images::photos()
        .expect("photographs")
        .select(&[0], ValueRange::Unit, &device);
    // Values of exact bytes.
    let photo = (photo.cast(DType::F64) * 255.0).round() / 255.0;
    let mean = PointSpread::uniform([5, 5]).expect("a kernel");
    let blurred = Blur::new(mean, Padding::Replicate).apply(photo.clone());
    let waves = (0..3 * 256 * 256).map(|place| {
        let (c, i, j) = (place / 65_536, place / 256 % 256, place % 256);
        0.15 * (12.9898 * i as f64 + 78.233 * j as f64 + 37.719 * c as f64).sin()
    });
    let waves = TensorData::new(waves.collect::<Vec<f64>>(), [1, 3, 256, 256]);
    let waves = Tensor::<4>::from_data(waves, (&device, DType::F64));
    let noisy = (photo.clone() + waves).clamp(0.0, 1.0);
    let grey = |x: &Tensor<4>| x.clone().mean_dim(1);
    let paper = Ssim::new(1.0);
    let close = |found: Vec<f64>, recorded: f64, what: &str| {
        assert!(
            abs_diff_eq!(found[0], recorded, epsilon = 1e-9),
            "{what}: {} instead of {recorded}",
            found[0]
        );
    };
    close(
        paper.multi_scale(blurred.clone(), photo.clone()),
        0.964_496_595_429,
        "colour",
    );
    close(
        paper.multi_scale(grey(&blurred), grey(&photo)),
        0.965_633_196_983_904,
        "grey",
    );
    close(
        paper.multi_scale(noisy.clone(), photo.clone()),
        0.915_425_354_789_630_2,
        "waves",
    );
    close(
        paper.of(blurred.clone(), photo.clone()),
        0.817_186_482_241_909_8,
        "one scale",
    );
    let reflect = paper.with_border(Border::Reflect);
    close(
        reflect.of(blurred, photo.clone()),
        0.824_169_289_569_3,
        "reflect",
    );
    close(
        reflect.of(noisy, photo),
        0.312_640_633_019_351_8,
        "waves, reflect",
    );
}
