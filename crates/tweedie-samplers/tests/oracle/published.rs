//! Published algorithms, written out.

use crate::{device, mixture, values};
use approx::abs_diff_eq;
use burn::tensor::{DType, Tensor};
use tweedie_core::oracle::{Gaussian, GaussianMixture};
use tweedie_core::{DenoiseError, Denoiser};
use tweedie_core::{HostNoise, Noise, Posterior, Replay};
use tweedie_math::{Ancestral, Chain, Level, Move, PosteriorVariance};
use tweedie_samplers::{Langevin, LearnedAncestral, PredictorCorrector, Step, StepContext};

/// The state after a move, with the noise given.
fn moved<S: Step<2>>(
    step: &S,
    denoiser: &dyn Denoiser<2>,
    x: Tensor<2>,
    mv: Move,
    noise: Vec<Tensor<2>>,
) -> Tensor<2> {
    let mut noise = Replay::new(noise);
    let mut context = StepContext::new(denoiser, &mut noise);
    let state = step.step(x, mv, &mut context, &mut S::Memory::default());
    state.expect("a move").x
}

#[test]
fn learned_variance_lies_between_the_two_bounds() {
    /// Returns the variance half-way on a log scale for the first value, and the larger one for the
    /// second.
    struct Learned(GaussianMixture);
    impl Denoiser<2> for Learned {
        fn denoise(&self, x: Tensor<2>, level: Level) -> Result<Tensor<2>, DenoiseError> {
            self.0.denoise(x, level)
        }
        fn estimate(&self, x: Tensor<2>, level: Level) -> Result<Posterior<2>, DenoiseError> {
            let place = Tensor::from_data([[0.5, 1.0]], (&x.device(), x.dtype()));
            Ok(Posterior {
                clean: self.denoise(x, level)?,
                interpolation: Some(place),
            })
        }
    }
    let chain = Chain::linear(1000, 1e-4, 0.02).expect("a chain");
    let mv = Move {
        from: chain.node(500),
        to: chain.node(490),
    };
    let x = Tensor::<2>::from_data([[0.7, -0.4]], (&device(), DType::F64));
    let step = |variance: PosteriorVariance, z: f64| {
        let noise = Tensor::full([1, 2], z, (&device(), DType::F64));
        let step = Ancestral::new(variance).expect("a variance");
        values(moved(&step, &mixture(), x.clone(), mv, vec![noise]))
    };
    let noise = Tensor::full([1, 2], 1.3, (&device(), DType::F64));
    let learned = Learned(mixture());
    let learned = values(moved(
        &LearnedAncestral,
        &learned,
        x.clone(),
        mv,
        vec![noise],
    ));
    let half = step(PosteriorVariance::Interpolated(0.5), 1.3);
    let large = step(PosteriorVariance::Large, 1.3);
    assert!(
        abs_diff_eq!(learned[0], half[0], epsilon = 1e-12)
            && abs_diff_eq!(learned[1], large[1], epsilon = 1e-12)
    );
    assert!((half[0] - large[0]).abs() > 1e-5, "the two differ");
}

#[test]
fn the_published_predictor_and_corrector_are_special_cases() {
    // Algorithms 2 and 4 (VE), 3 and 5 (VP) of Song et al., written out for one sample.
    let prior = Gaussian::diagonal(&[2.0, -1.0], &[0.3, 0.7]).expect("a Gaussian");
    let score = |x: &Tensor<2>, level: Level| prior.score(x.clone(), level);
    let norm = |x: &Tensor<2>| x.clone().square().sum().sqrt().into_scalar::<f64>();
    let draw = |seed: u64| -> Tensor<2> {
        HostNoise::seeded(seed).normal_like(&Tensor::zeros([1, 2], (&device(), DType::F64)))
    };
    let (x, z, zc) = (draw(1), draw(2), draw(3));
    let r = 0.16;
    let run = |corrector: Langevin, mv: Move| {
        let step = PredictorCorrector::new(tweedie_math::ReverseDiffusion, corrector);
        values(moved(
            &step,
            &prior,
            x.clone(),
            mv,
            vec![z.clone(), zc.clone()],
        ))
    };
    let same = |found: Vec<f64>, expected: Tensor<2>| {
        for (a, b) in found.iter().zip(values(expected)) {
            assert!(abs_diff_eq!(*a, b, epsilon = 1e-12), "{a} instead of {b}");
        }
    };
    // VE: σ_{i+1} to σ_i.
    let (from, to) = (1.3_f64, 0.9_f64);
    let [high, low] = [from, to].map(|s| Level::variance_exploding(s).expect("a level"));
    let gap = from * from - to * to;
    let predicted = x.clone() + score(&x, high) * gap + z.clone() * gap.sqrt();
    let g = score(&predicted, low);
    let epsilon = 2.0 * (r * norm(&zc) / norm(&g)).powi(2);
    let expected = predicted + g * epsilon + zc.clone() * (2.0 * epsilon).sqrt();
    let mv = Move {
        from: high,
        to: low,
    };
    same(
        run(Langevin::signal_to_noise(r).expect("a parameter"), mv),
        expected,
    );
    // VP: node i + 1 to node i.
    let chain = Chain::linear(1000, 1e-4, 0.02).expect("a chain");
    let (beta, beta_low) = (chain.betas()[501], chain.betas()[500]);
    let [high, low] = [chain.node(501), chain.node(500)];
    let predicted =
        x.clone() * (2.0 - (1.0 - beta).sqrt()) + score(&x, high) * beta + z.clone() * beta.sqrt();
    let g = score(&predicted, low);
    let epsilon = 2.0 * (1.0 - beta_low) * (r * norm(&zc) / norm(&g)).powi(2);
    let expected = predicted + g * epsilon + zc.clone() * (2.0 * epsilon).sqrt();
    let mv = Move {
        from: high,
        to: low,
    };
    same(
        run(
            Langevin::signal_to_noise(r)
                .expect("a parameter")
                .on_chain(chain.clone()),
            mv,
        ),
        expected,
    );
}
