//! Frequencies that a blur nearly removes are left to the prior.

use crate::device;
use burn::tensor::{DType, Tensor};
use tweedie_core::{HostNoise, Noise, from_fn};
use tweedie_inverse::measurement::Measurement;
use tweedie_inverse::noise::GaussianNoise;
use tweedie_inverse::operator::{CircularBlur, PointSpread};
use tweedie_inverse::posterior::{DdnmPlus, Ddrm};
use tweedie_math::{Ddim, Level, LevelPath, Span, VariancePreserving};
use tweedie_samplers::{AnyStep, Sampler};

/// Under the prior `N(0, I)`, an image has a root mean square of 1 for any number of moves. When
/// every singular value was inverted, it was 8.6 after 200 moves.
#[test]
fn draws_do_not_grow_with_the_number_of_moves() {
    let like = Tensor::<4>::zeros([1, 1, 32, 32], (&device(), DType::F32));
    let mut noise = HostNoise::seeded(3);
    let truth = noise.normal_like(&like);
    let kernel = PointSpread::gaussian(2.0).expect("a kernel");
    let blur = CircularBlur::new(kernel, [32, 32]).expect("a blur");
    let sigma = GaussianNoise::new(0.05).expect("a noise");
    let measured = Measurement::simulate(blur, sigma, truth, &mut noise).expect("a measurement");
    let prior = from_fn(|x: Tensor<4>, level: Level| x * (level.alpha() / level.rms().powi(2)));
    for moves in [10, 20, 50, 100, 200] {
        let path = LevelPath::log_snr(VariancePreserving::default(), Span::new(1.0, 1e-3), moves);
        let path = path.expect("a path").then_clean();
        let ddim = Ddim::new(0.85).expect("η");
        let steps: [(&str, AnyStep<4>); 2] = [
            ("DDRM", AnyStep::new(Ddrm::new(measured.clone()))),
            ("DDNM+", AnyStep::new(DdnmPlus::new(ddim, measured.clone()))),
        ];
        for (name, step) in steps {
            let sampler = Sampler::new(step, path.clone());
            let mut noise = HostNoise::seeded(5);
            let x = sampler.start([4, 1, 32, 32], &device(), &mut noise);
            let x = sampler
                .sample(&prior, x.expect("a run"), &mut noise)
                .expect("draws");
            let rms = x.square().mean().sqrt().into_scalar::<f64>();
            assert!((0.5..1.2).contains(&rms), "{name}, {moves} moves: {rms}");
        }
    }
}
