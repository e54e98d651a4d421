//! Likelihoods against the exact log-density of a mixture.

use crate::{device, mixture, values};
use approx::abs_diff_eq;
use burn::tensor::{DType, Tensor};
use tweedie_core::oracle::{Gaussian, GaussianMixture};
use tweedie_core::{
    DenoiseError, Denoiser, HostNoise, Noise, Posterior, Replay, from_fn, try_from_fn,
};
use tweedie_math::{
    Level, LevelPath, PosteriorVariance, RectifiedFlow, Schedule, Span, VarianceExploding,
    VariancePreserving,
};
use tweedie_samplers::likelihood::{
    Decoder, FlowLikelihood, Trace, TraceProbe, VariationalBound, bits_per_dimension, dequantise,
};
use tweedie_samplers::{AdaptiveError, SampleError, Tolerance};

const VP: fn() -> VariancePreserving = VariancePreserving::default;

/// Draws of the prior at a level, in `f64`.
fn draws(prior: &GaussianMixture, count: usize, level: Level) -> Tensor<2> {
    let x = prior.sample(count, 11, &device()).into_data();
    let x = Tensor::<2>::from_data(x.convert::<f64>(), (&device(), DType::F64));
    let z = HostNoise::seeded(12).normal_like(&x);
    x * level.alpha() + z * level.sigma()
}

/// The mean, and its standard error.
fn average(x: &[f64]) -> (f64, f64) {
    let n = x.len() as f64;
    let mean = x.iter().sum::<f64>() / n;
    let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
    (mean, (variance / n).sqrt())
}

#[test]
fn the_flow_has_the_exact_density() {
    let prior = mixture();
    let ve = VarianceExploding::new(0.01, 500.0).expect("a schedule");
    let schedules: [(&str, &dyn Schedule, f64); 4] = [
        ("VP", &VP(), 1e-3),
        ("VE", &ve, 1e-3),
        // σ = 1: the level's rms is √2, so that the scale of the state matters.
        ("VE, noisy", &ve, 0.425),
        ("rectified", &RectifiedFlow, 1e-3),
    ];
    for (name, schedule, end) in schedules {
        let (clean, noisy) = (schedule.level(end), schedule.level(0.9999));
        let x = draws(&prior, 40, clean);
        let exact = values(prior.log_density(x.clone(), clean));
        let flow =
            FlowLikelihood::new().with_tolerance(Tolerance::both(1e-6).expect("a parameter"));
        let mut noise = HostNoise::seeded(3);
        let found = flow.log_density(&prior, x.clone(), clean, noisy, &mut noise);
        let found = found.expect("a density");
        assert!(found.standard_error.is_none() && found.evaluations > 20);
        for (a, b) in values(found.log_density).iter().zip(&exact) {
            assert!(
                abs_diff_eq!(a, b, epsilon = 0.01),
                "{name}: {a} instead of {b}"
            );
        }
        // The spread of the latent is that of the noise.
        let latent = values(found.latent);
        let spread = latent.iter().map(|z| z * z).sum::<f64>() / latent.len() as f64;
        assert!(
            abs_diff_eq!(spread.sqrt() / noisy.sigma(), 1.0, epsilon = 0.3),
            "{name}: {spread}"
        );
    }
}

#[test]
fn random_probes_are_within_their_standard_error() {
    // Ten correlated dimensions, so that the two probe distributions differ.
    let dim = 10;
    let covariance: Vec<Vec<f64>> = (0..dim)
        .map(|i: i32| {
            (0..dim)
                .map(|j| 0.5 * 0.8_f64.powi((i - j).abs()))
                .collect()
        })
        .collect();
    let component = |mean: f64| Gaussian::full(&[mean; 10], &covariance).expect("a Gaussian");
    let prior = GaussianMixture::new(vec![(0.6, component(1.0)), (0.4, component(-1.0))]);
    let prior = prior.expect("a mixture");
    let (clean, noisy) = (VP().level(1e-3), VP().level(1.0));
    let x = draws(&prior, 30, clean);
    let exact = values(prior.log_density(x.clone(), clean));
    for law in [TraceProbe::Rademacher, TraceProbe::Gaussian] {
        let trace = Trace::Hutchinson { probes: 20, law };
        let flow = FlowLikelihood::new().with_trace(trace);
        let found = flow
            .expect("a parameter")
            .log_density(&prior, x.clone(), clean, noisy, &mut HostNoise::seeded(3))
            .expect("a density");
        let errors = values(found.standard_error.expect("an error"));
        let found = values(found.log_density);
        let scores: Vec<f64> = found
            .iter()
            .zip(&exact)
            .zip(&errors)
            .map(|((a, b), e)| (a - b) / e)
            .collect();
        // With 19 degrees of freedom, 99.3 % are within 3 standard errors; the mean of 30 is within
        // 3/√30.
        let inside = scores.iter().filter(|score| score.abs() < 3.0).count();
        let mean = scores.iter().sum::<f64>() / scores.len() as f64;
        let spread = scores.iter().map(|s| s * s).sum::<f64>() / scores.len() as f64;
        println!("{law:?}: {inside} of 30 inside, mean {mean:.2}, square {spread:.2}");
        assert!(inside >= 27, "{law:?}: {scores:?}");
        assert!(
            mean.abs() < 0.6 && (0.4..2.0).contains(&spread),
            "{law:?}: {mean}, {spread}"
        );
    }
}

#[test]
fn the_bound_is_tight_for_the_exact_denoiser() {
    let prior = mixture();
    let count = 4000;
    let x = draws(&prior, count, Level::CLEAN);
    // L₀ decodes at σ = 0.01, which is small compared with the clusters.
    let span = Span::new(1.0, 1e-3);
    let exact = values(prior.log_density(x.clone(), Level::CLEAN));
    let gap = |steps: usize| {
        let path = LevelPath::log_snr(VP(), span, steps).expect("a path");
        let bound = VariationalBound::new(path, PosteriorVariance::Small);
        let terms = bound
            .expect("a run")
            .terms(&prior, x.clone(), &mut HostNoise::seeded(5));
        let terms = terms.expect("a bound");
        assert_eq!(terms.steps.len(), steps);
        let gaps: Vec<f64> = values(terms.total())
            .iter()
            .zip(&exact)
            .map(|(t, e)| t + e)
            .collect();
        average(&gaps)
    };
    // The bound exceeds the exact value by a gap that falls as 1/steps, to 0.
    let ((coarse, _), (fine, error)) = (gap(400), gap(800));
    let limit = 2.0 * fine - coarse;
    println!("{coarse:.3}, {fine:.3} nats above, in the limit {limit:.3} ± {error:.3}");
    assert!(coarse > fine && fine > 0.0, "{coarse}, {fine}");
    // The standard error of the limit combines those of 2·fine and coarse.
    assert!(
        limit.abs() < 3.0 * 5.0_f64.sqrt() * error,
        "{limit} ± {error}"
    );
}

#[test]
fn quantised_data_have_bits() {
    let (bin, count) = (2.0 / 255.0, 8000);
    // The prior is wide compared with a bin and within [−1, 1]: a bin's probability is density
    // times width.
    let prior = Gaussian::isotropic(&[0.1, -0.2], 0.2).expect("a Gaussian");
    let mixture = GaussianMixture::new(vec![(1.0, prior)]).expect("a mixture");
    let x = draws(&mixture, count, Level::CLEAN);
    let x = (x / bin).round() * bin;
    let exact: Vec<f64> = values(mixture.log_density(x.clone(), Level::CLEAN))
        .into_iter()
        .map(|density| bits_per_dimension(density, 2, bin))
        .collect();
    let path = LevelPath::log_snr(VP(), Span::new(1.0, 1e-2), 3000).expect("a path");
    let decoder = Decoder::Discretised {
        bin,
        min: -1.0,
        max: 1.0,
    };
    let bound = VariationalBound::new(path, PosteriorVariance::Small)
        .expect("a variance")
        .with_decoder(decoder);
    let terms = bound
        .expect("a run")
        .terms(&mixture, x.clone(), &mut HostNoise::seeded(5))
        .expect("a bound");
    // The decoder gives probabilities of bins, so no bin width enters.
    let gaps: Vec<f64> = values(terms.in_bits(2).total())
        .iter()
        .zip(&exact)
        .map(|(bound, exact)| bound - exact)
        .collect();
    let (gap, error) = average(&gaps);
    println!("bound: {gap:.4} ± {error:.4} bits above");
    // 3000 moves leave a gap below 0.04 bits.
    assert!(
        -4.0 * error < gap && gap < 0.04 + 4.0 * error && error < 0.01,
        "bound: {gap} ± {error} bits above"
    );
    let level = VP().level(1e-4);
    let smooth = dequantise(x, bin, &mut HostNoise::seeded(6));
    let flow = FlowLikelihood::new();
    let found = flow.log_density(
        &mixture,
        smooth * level.alpha(),
        level,
        VP().level(1.0),
        &mut HostNoise::seeded(0),
    );
    let found = found.expect("a density").bits_per_dimension(bin);
    // With x = α x₀, the density of the data is larger by a factor α in each dimension.
    let gaps: Vec<f64> = values(found)
        .iter()
        .zip(&exact)
        .map(|(found, exact)| found - level.alpha().log2() - exact)
        .collect();
    let (gap, error) = average(&gaps);
    println!("flow: {gap:.4} ± {error:.4} bits apart");
    assert!(
        gap.abs() < 0.01 + 4.0 * error && error < 0.01,
        "flow: {gap} ± {error} bits apart"
    );
}

#[test]
fn a_learned_variance_at_either_end_is_that_variance() {
    /// Returns a constant interpolation between the two variances.
    struct Says(GaussianMixture, f64);
    impl Denoiser<2> for Says {
        fn denoise(&self, x: Tensor<2>, level: Level) -> Result<Tensor<2>, DenoiseError> {
            self.0.denoise(x, level)
        }
        fn estimate(&self, x: Tensor<2>, level: Level) -> Result<Posterior<2>, DenoiseError> {
            Ok(Posterior {
                interpolation: Some(x.zeros_like() + self.1),
                clean: self.0.denoise(x, level)?,
            })
        }
    }
    let path = LevelPath::log_snr(VP(), Span::new(1.0, 1e-2), 6).expect("a path");
    let x = draws(&mixture(), 5, Level::CLEAN);
    let total = |bound: VariationalBound, denoiser: &dyn Denoiser<2>| {
        let terms = bound.terms(denoiser, x.clone(), &mut HostNoise::seeded(1));
        values(terms.expect("a bound").total())
    };
    let bound = |variance| VariationalBound::new(path.clone(), variance).expect("a bound");
    let small = PosteriorVariance::Small;
    for (place, variance) in [
        (0.0, small),
        (1.0, PosteriorVariance::Large),
        (0.3, PosteriorVariance::Interpolated(0.3)),
    ] {
        let learned = total(
            bound(small).with_learned_variance(),
            &Says(mixture(), place),
        );
        for (a, b) in learned.iter().zip(total(bound(variance), &mixture())) {
            assert!(
                abs_diff_eq!(*a, b, epsilon = 1e-9),
                "{place}: {a} instead of {b}"
            );
        }
    }
}

#[test]
fn the_bins_of_a_decoder_hold_all_probability() {
    // Nine values from −1 to 1: their probabilities sum to 1 for any estimate.
    let (bin, path) = (0.25, LevelPath::through(vec![VP().level(0.2)]));
    assert!(path.is_err(), "one level is no path");
    let path = LevelPath::uniform(VP(), Span::new(0.4, 0.2), 1).expect("a path");
    let decoder = Decoder::Discretised {
        bin,
        min: -1.0,
        max: 1.0,
    };
    let bound = VariationalBound::new(path, PosteriorVariance::Large)
        .expect("a parameter")
        .with_decoder(decoder)
        .expect("a decoder");
    for estimate in [-1.4, -0.3, 0.0, 0.9] {
        let constant = from_fn(move |x: Tensor<2>, _| x.zeros_like() + estimate);
        let values_of = (0..9)
            .map(|i| -1.0 + 0.25 * f64::from(i))
            .collect::<Vec<_>>();
        let data = burn::tensor::TensorData::new(values_of, [9, 1]);
        let x = Tensor::<2>::from_data(data, (&device(), DType::F64));
        let terms = bound
            .terms(&constant, x, &mut HostNoise::seeded(0))
            .expect("a bound");
        let total: f64 = values(terms.decoder).iter().map(|cost| (-cost).exp()).sum();
        assert!(
            abs_diff_eq!(total, 1.0, epsilon = 1e-9),
            "{estimate}: {total}"
        );
    }
}

#[test]
fn what_has_no_likelihood_says_so() {
    let prior = mixture();
    let x = draws(&prior, 2, Level::CLEAN);
    let flow = FlowLikelihood::new();
    let found = flow.log_density(
        &prior,
        x.clone(),
        Level::CLEAN,
        VP().level(1.0),
        &mut HostNoise::seeded(0),
    );
    assert_eq!(found.err(), Some(AdaptiveError::Clean));
    let (low, high) = (VP().level(1e-3), VP().level(1.0));
    let mut noise = HostNoise::seeded(0);
    let found = flow.log_density(&prior, x.clone(), high, low, &mut noise);
    assert_eq!(found.err(), Some(AdaptiveError::Swapped));
    let cut = try_from_fn(|x: Tensor<2>, level| prior.denoise(x.without_autodiff(), level));
    let found = flow.log_density(&cut, x.clone(), low, high, &mut noise);
    let untracked = AdaptiveError::Denoise(DenoiseError::Untracked);
    assert_eq!(found.err(), Some(untracked));
    let law = TraceProbe::default();
    let none = flow.with_trace(Trace::Hutchinson { probes: 0, law });
    assert!(none.is_err());
    let path = LevelPath::uniform(VP(), Span::default(), 4).expect("a path");
    let bound = |path: &LevelPath| {
        let bound = VariationalBound::new(path.clone(), PosteriorVariance::Small);
        bound.expect("a variance")
    };
    for (bin, min, max) in [(0.0, -1.0, 1.0), (0.1, 1.0, -1.0), (f64::NAN, -1.0, 1.0)] {
        let decoder = Decoder::Discretised { bin, min, max };
        assert!(bound(&path).with_decoder(decoder).is_err());
    }
    let up = bound(&path.with_time_travel(2, 2));
    let found = up.terms(&prior, x, &mut HostNoise::seeded(0));
    assert!(matches!(found.err(), Some(SampleError::Step { .. })));
}

/// The bound of a hierarchical autoencoder whose encoder is the Gaussian chain is DDPM's, term by
/// term: `−KL(q(z_N|x) ‖ p(z_N)) − Σ E KL(q(z_{k−1}|z_k, x) ‖ p(z_{k−1}|z_k)) + E log p(x|z_1)`.
///
/// The conditional laws are computed from the covariances of the latents alone.
#[test]
fn a_hierarchical_autoencoder_with_a_fixed_encoder_is_a_chain() {
    let prior = Gaussian::isotropic(&[0.4], 0.6).expect("a law");
    let path = LevelPath::uniform(VP(), Span::new(1.0, 0.05), 6).expect("a path");
    let levels = path.levels().to_vec();
    let x = 0.9;
    let clean = Tensor::<2>::from_data([[x]], (&device(), DType::F64));
    let draws: Vec<Tensor<2>> = [0.3, -1.1, 0.8, 0.1, -0.5, 1.4, 0.2]
        .map(|z| Tensor::from_data([[z]], (&device(), DType::F64)))
        .to_vec();
    let bound = VariationalBound::new(path, PosteriorVariance::Small).expect("a bound");
    let terms = bound
        .terms(&prior, clean, &mut Replay::new(draws.clone()))
        .expect("terms");

    // z_k = α_k x + σ_k ε_k given x. Encoder: z_{k} = r z_{k−1} + fresh noise.
    let kl = |(m, v): (f64, f64), (n, w): (f64, f64)| {
        0.5 * (v / w + (m - n).powi(2) / w - 1.0 - (v / w).ln())
    };
    let last = levels[0];
    let top = kl((last.alpha() * x, last.sigma().powi(2)), (0.0, 1.0));
    assert!(abs_diff_eq!(values(terms.prior)[0], top, epsilon = 1e-9));
    for (k, pair) in levels.windows(2).enumerate() {
        let (t, s) = (pair[0], pair[1]);
        let z = t.alpha() * x + t.sigma() * values(draws[k].clone())[0];
        // The law of (z_s, z_t) given a value of x: means α x, Cov = r σ_s².
        let r = t.alpha() / s.alpha();
        let both = |x: f64| {
            let covariance = r * s.sigma().powi(2);
            let gain = covariance / t.sigma().powi(2);
            let mean = s.alpha() * x + gain * (z - t.alpha() * x);
            (mean, s.sigma().powi(2) - gain * covariance)
        };
        // The decoder of the hierarchy is the encoder's reversal at the expected x.
        let state = Tensor::<2>::from_data([[z]], (&device(), DType::F64));
        let expected = values(prior.posterior_mean(state, t))[0];
        let term = kl(both(x), both(expected));
        let found = values(terms.steps[k].clone())[0];
        assert!(abs_diff_eq!(found, term, epsilon = 1e-9), "{found} {term}");
    }
    // The first latent decodes to the data.
    let first = levels[6];
    let z = first.alpha() * x + first.sigma() * values(draws[6].clone())[0];
    let state = Tensor::<2>::from_data([[z]], (&device(), DType::F64));
    let mean = values(prior.posterior_mean(state, first))[0];
    // DDPM gives the last step the variance of the first forward one.
    let variance = first.sigma().powi(2);
    let cost = 0.5 * ((x - mean).powi(2) / variance + (std::f64::consts::TAU * variance).ln());
    assert!(abs_diff_eq!(values(terms.decoder)[0], cost, epsilon = 1e-9));
}
