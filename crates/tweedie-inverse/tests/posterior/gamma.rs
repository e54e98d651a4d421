//! Photon counts with a Gamma prior, whose posterior is a Gamma law: particles find it.

use crate::{device, path};
use burn::tensor::activation::softmax;
use burn::tensor::{Tensor, TensorData};
use tweedie_core::{HostNoise, from_fn};
use tweedie_inverse::measurement::Measurement;
use tweedie_inverse::noise::PoissonNoise;
use tweedie_inverse::operator::Identity;
use tweedie_inverse::posterior::TwistedSmc;
use tweedie_math::{Ddim, Level};
use tweedie_samplers::Sampler;

/// The shape of the prior; its rate is 1.
const SHAPE: f64 = 3.0;

/// The exact estimate of Gamma data, by the midpoint rule on 400 nodes up to 16.
fn estimate(x: Tensor<2>, level: Level) -> Tensor<2> {
    let nodes: Vec<f64> = (0..400).map(|i| (f64::from(i) + 0.5) * 0.04).collect();
    let prior = nodes.iter().map(|x| (SHAPE - 1.0) * x.ln() - x);
    let row = |values: Vec<f64>| -> Tensor<2> {
        let data = TensorData::new(values, [1, 400]);
        Tensor::from_data(data, (&x.device(), x.dtype()))
    };
    let (prior, nodes) = (row(prior.collect()), row(nodes));
    let sigma = level.sigma().max(1e-3);
    let gap = (x.clone() - nodes.clone() * level.alpha()) / sigma;
    let weights = softmax(prior - gap.square() * 0.5, 1);
    (weights * nodes).sum_dim(1)
}

#[test]
fn counts_with_a_gamma_prior_have_a_gamma_posterior() {
    let (gain, count) = (0.5, 1.0);
    let y = Tensor::<2>::from_floats([[gain * count]], &device());
    let counts = PoissonNoise::new(gain).expect("a noise");
    let measured = Measurement::new(Identity, counts, y);
    let prior = from_fn(estimate);
    let (runs, particles) = (4, 1000);
    let smc = TwistedSmc::new(Ddim::ancestral(), &measured).with_particles(particles);
    let sampler = Sampler::new(smc.expect("particles"), path(150));
    let mut noise = HostNoise::seeded(3);
    let x = sampler
        .start([runs * particles, 1], &device(), &mut noise)
        .expect("a start");
    let end = sampler.sample(&prior, x, &mut noise).expect("samples");
    let mean = end.clone().mean().into_scalar::<f64>();
    let variance = (end - mean).square().mean().into_scalar::<f64>();
    // Gamma(shape + k, 1 + 1/gain)
    let (shape, rate) = (SHAPE + count, 1.0 + 1.0 / gain);
    assert!(
        (mean - shape / rate).abs() < 0.06,
        "{mean} {}",
        shape / rate
    );
    let exact = shape / (rate * rate);
    assert!((variance / exact - 1.0).abs() < 0.15, "{variance} {exact}");
}
