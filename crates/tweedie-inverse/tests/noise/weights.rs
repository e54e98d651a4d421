use approx::assert_relative_eq;
use burn::tensor::{DType, Device, Tensor};
use tweedie_core::{HostNoise, ValueRange, from_fn};
use tweedie_inverse::measurement::{Measured, Measurement};
use tweedie_inverse::noise::{AnyNoise, GaussianNoise, InRange, NoiseModel, PoissonNoise};
use tweedie_inverse::operator::Identity;
use tweedie_inverse::posterior::DpsStep;
use tweedie_math::{Ddim, Level, LevelPath};
use tweedie_samplers::Sampler;

fn row(values: [f64; 3]) -> Tensor<2> {
    Tensor::from_data([values], (&Device::flex(), DType::F64))
}

fn values<const D: usize>(x: Tensor<D>) -> Vec<f64> {
    x.into_data().iter::<f64>().collect()
}

/// The weights are those of the log-likelihood, in any range and behind any wrapper.
#[test]
fn the_weights_are_those_of_the_log_likelihood() {
    let counts = PoissonNoise::new(0.1)
        .expect("noise")
        .gaussian_approximation();
    let shifted = InRange::new(counts, ValueRange::Unit, ValueRange::Signed);
    let models: [&dyn NoiseModel<2>; 3] = [&counts, &shifted, &AnyNoise::from(counts)];
    let y = row([0.4, 0.0, 0.7]);
    for model in models {
        let weights = model.weights(&y).expect("weights");
        let of = |mean: Tensor<2>| {
            let weighted = (y.clone() - mean.clone()).square() * weights.clone();
            values(model.log_likelihood(y.clone(), mean))[0] + values(weighted.sum_dim(1))[0]
        };
        assert_relative_eq!(
            of(row([0.5, 0.1, 0.9])),
            of(row([0.1, 0.3, 0.2])),
            epsilon = 1e-9
        );
    }
    let gaussian = GaussianNoise::new(0.3).expect("noise");
    assert!(NoiseModel::<2>::weights(&gaussian, &y).is_none());
}

/// A move of DPS on counts follows the gradient of `‖y − x̂₀‖_Λ`.
#[test]
fn dps_weights_the_residual_of_counts() {
    let counts = PoissonNoise::new(0.1)
        .expect("noise")
        .gaussian_approximation();
    let y = row([0.4, 0.05, 0.7]);
    let measured = Measurement::new(Identity, counts, y.clone());
    let weights = values(measured.weights().expect("weights"));
    assert_relative_eq!(weights[0], 1.0 / (2.0 * 0.1 * 0.4), max_relative = 1e-12);
    assert_relative_eq!(weights[1], 1.0 / (2.0 * 0.1 * 0.1), max_relative = 1e-12);
    // A prior N(0, I): x̂₀ = α x.
    let prior = from_fn(|x: Tensor<2>, level: Level| x * level.alpha());
    let levels = [-1.0, 1.0].map(Level::variance_preserving);
    let path = LevelPath::through(levels.to_vec()).expect("a path");
    let x = row([0.3, -0.2, 1.1]);
    let ddim = Ddim::new(0.0).expect("η");
    let plain = Sampler::new(ddim, path.clone());
    let mut noise = HostNoise::seeded(1);
    let moved = plain.sample(&prior, x.clone(), &mut noise).expect("a move");
    let step = DpsStep::new(ddim, measured).with_zeta(0.7).expect("ζ");
    let guided = Sampler::new(step, path).sample(&prior, x.clone(), &mut noise);
    let found = values((moved - guided.expect("a move")) / 0.7);
    let alpha = levels[0].alpha();
    let residual = values(y - x * alpha);
    let pairs = residual.iter().zip(&weights);
    let norm: f64 = pairs.clone().map(|(r, w)| w * r * r).sum::<f64>().sqrt();
    for (found, (r, w)) in found.into_iter().zip(pairs) {
        assert_relative_eq!(found, -alpha * w * r / norm, max_relative = 1e-9);
    }
}
