//! Compares samplers with exact answers.

#![allow(
    clippy::expect_used,
    clippy::float_cmp,
    reason = "a test may stop at once, and compares exactly where it means to"
)]

mod adaptive;
mod latents;
mod law;
mod likelihood;
mod order;
mod peers;
mod published;
mod refusals;
mod runs;

use burn::tensor::{Device, Tensor};
use tweedie_core::oracle::{Gaussian, GaussianMixture};

fn device() -> Device {
    Device::flex()
}

/// Three clusters in the plane.
fn mixture() -> GaussianMixture {
    let component = |x, y, std| Gaussian::isotropic(&[x, y], std).expect("a Gaussian");
    let components = vec![
        (0.5, component(1.5, 0.0, 0.3)),
        (0.3, component(-1.0, 1.0, 0.4)),
        (0.2, component(0.0, -1.5, 0.2)),
    ];
    GaussianMixture::new(components).expect("a mixture")
}

fn values<const D: usize>(x: Tensor<D>) -> Vec<f64> {
    x.into_data().iter::<f64>().collect()
}
