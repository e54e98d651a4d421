//! Steps, samplers, likelihoods.

use super::{Cases, device, zeros};
use tweedie::burn::tensor::Tensor;
use tweedie::core::oracle::Gaussian;
use tweedie::core::{DenoiseError, Denoiser, HostNoise, from_fn, try_from_fn};
use tweedie::math::tableau::HEUN;
use tweedie::math::{
    Ancestral, Ddim, Level, LevelPath, PosteriorVariance, RectifiedFlow, Span, Tableau,
    VariancePreserving,
};
use tweedie::samplers::likelihood::{
    FlowLikelihood, VariationalBound, bits_per_dimension, dequantise,
};
use tweedie::samplers::{
    Adaptive, AdaptiveSde, AnnealedLangevin, Churn, FreshNoise, Langevin, Mala, RungeKutta,
    SampleError, Sampler, Step, Tolerance,
};

fn path() -> LevelPath {
    LevelPath::log_snr(VariancePreserving::default(), Span::default(), 4).unwrap()
}

fn prior() -> Gaussian {
    Gaussian::isotropic(&[0.0; 2], 1.0).unwrap()
}

fn walk(step: impl Step<2>, path: LevelPath) -> Result<Tensor<2>, SampleError> {
    run(step, path, &prior(), [1, 2])
}

fn run(
    step: impl Step<2>,
    path: LevelPath,
    denoiser: &dyn Denoiser<2>,
    shape: [usize; 2],
) -> Result<Tensor<2>, SampleError> {
    let x = Tensor::ones(shape, &device());
    Sampler::new(step, path).sample(denoiser, x, &mut HostNoise::seeded(0))
}

pub(crate) fn cases() -> Cases {
    let mut all = Cases::default();
    let still = || LevelPath::staying(Level::variance_exploding(0.5).unwrap(), 3).unwrap();
    all.error("Sampler::sample", "a batch of 0", || {
        run(Ancestral::default(), path(), &prior(), [0, 2])
    });
    all.error("Sampler::sample", "states of another dimension", || {
        run(Ancestral::default(), path(), &prior(), [1, 3])
    });
    all.error("Sampler::sample", "a denoiser that gives NaN", || {
        let nan = from_fn(|x: Tensor<2>, _| x * f64::NAN);
        run(Ancestral::default(), path(), &nan, [1, 2])
    });
    all.error("Sampler::sample", "a denoiser that fails", || {
        let failing = try_from_fn(|_: Tensor<2>, _| Err(DenoiseError::Failed("no answer".into())));
        run(Ancestral::default(), path(), &failing, [1, 2])
    });
    all.error("Sampler::sample", "an estimate of another shape", || {
        let wrong = from_fn(|x: Tensor<2>, _| x.narrow(0, 0, 1));
        run(Ancestral::default(), path(), &wrong, [3, 2])
    });
    all.error(
        "Sampler::checking_each",
        "a denoiser that gives ∞",
        || {
            let infinite = from_fn(|x: Tensor<2>, _| x / 0.0);
            let sampler = Sampler::new(Ancestral::default(), path()).checking_each();
            let x = Tensor::ones([1, 2], &device());
            sampler.sample(&infinite, x, &mut HostNoise::seeded(0))
        },
    );
    all.error("Sampler::encode", "a step that adds noise", || {
        Sampler::new(Ancestral::default(), path()).encode(&prior(), zeros([1, 2]))
    });
    all.error("Sampler::encode", "a path that turns", || {
        let path = path().with_time_travel(2, 2);
        Sampler::new(Ddim::deterministic(), path).encode(&prior(), zeros([1, 2]))
    });
    all.error("Ddim::new", "η = NaN", || Ddim::new(f64::NAN));
    all.error("RungeKutta::new", "weights without stages", || {
        let wrong = Tableau { a: &[], ..HEUN };
        RungeKutta::new(wrong)
    });
    all.error("RungeKutta::new", "weights of sum 2", || {
        let wrong = Tableau {
            b: &[1.0, 1.0],
            ..HEUN
        };
        RungeKutta::new(wrong)
    });
    all.error("Churn::new", "a churn of NaN", || {
        Churn::new(RungeKutta::heun(), f64::NAN, 4)
    });
    all.error("Churn::new", "a path of 0 moves", || {
        Churn::new(RungeKutta::heun(), 40.0, 0)
    });
    all.error("Churn::within", "from 2 to 1", || {
        Churn::new(RungeKutta::heun(), 40.0, 4)?.within(2.0, 1.0)
    });
    all.error("FreshNoise::with_eta", "η = −1", || {
        FreshNoise::new(RungeKutta::heun()).with_eta(-1.0)
    });
    all.error("Langevin::fixed", "ε = 0", move || Langevin::fixed(0.0));
    all.error("Langevin::fixed", "a path that falls", || {
        walk(Langevin::fixed(0.1).unwrap(), path())
    });
    all.error("Langevin::signal_to_noise", "r = ∞", move || {
        Langevin::signal_to_noise(f64::INFINITY)
    });
    all.error("Langevin::annealed", "σ = 0", move || {
        Langevin::annealed(0.1, 0.0)
    });
    all.error("AnnealedLangevin::new", "ε = NaN", || {
        AnnealedLangevin::new(2, f64::NAN, path().end())
    });
    all.error("Langevin::signal_to_noise", "r = 0", || {
        Langevin::signal_to_noise(0.0)
    });
    all.error("Mala::new", "ε = −1", move || {
        let law = prior();
        let density = move |x: Tensor<2>, level| law.log_density(x, level);
        Mala::new(-1.0, density)
    });
    all.error("Mala::step", "one density for three samples", move || {
        let law = prior();
        let density = move |x: Tensor<2>, level| law.log_density(x, level).narrow(0, 0, 1);
        run(Mala::new(0.1, density).unwrap(), still(), &prior(), [3, 2])
    });
    all.error("Tolerance::both", "0", || Tolerance::both(0.0));
    all.error("Adaptive::solve", "a path to clean data", || {
        Adaptive::tsitouras().solve(&prior(), zeros([1, 2]), &path().then_clean())
    });
    all.error("Adaptive::solve", "a batch of 0", || {
        Adaptive::tsitouras().solve(&prior(), zeros([0, 2]), &path())
    });
    all.error("Adaptive", "a denoiser that gives NaN", || {
        let nan = from_fn(|x: Tensor<2>, _| x * f64::NAN);
        run(Adaptive::tsitouras(), path(), &nan, [1, 2])
    });
    all.error("AdaptiveSde", "a denoiser that gives NaN", || {
        let nan = from_fn(|x: Tensor<2>, _| x * f64::NAN);
        let step = AdaptiveSde::new(VariancePreserving::default()).with_max_steps(usize::MAX);
        run(step, path(), &nan, [1, 2])
    });
    all.error("FlowLikelihood::log_density", "the levels swapped", || {
        let (noisy, clean) = (path().start(), path().end());
        let x = Tensor::ones([1, 2], &device());
        FlowLikelihood::new().log_density(&prior(), x, noisy, clean, &mut HostNoise::seeded(0))
    });
    all.error(
        "FlowLikelihood::log_density",
        "an exact trace of 12,288 dimensions",
        || {
            let same = from_fn(|x: Tensor<4>, _| x);
            let (noisy, clean) = (path().start(), path().end());
            let x = zeros([1, 3, 64, 64]);
            FlowLikelihood::new().log_density(&same, x, clean, noisy, &mut HostNoise::seeded(0))
        },
    );
    all.error("VariationalBound::terms", "a move that stays", move || {
        let bound = VariationalBound::new(still(), PosteriorVariance::Small);
        bound
            .unwrap()
            .terms(&prior(), zeros([1, 2]), &mut HostNoise::seeded(0))
    });
    all.error("VariationalBound::terms", "no data", || {
        let path = LevelPath::uniform(VariancePreserving::default(), Span::FULL, 4).unwrap();
        VariationalBound::new(path, PosteriorVariance::Small)
            .unwrap()
            .terms(&prior(), zeros([0, 2]), &mut HostNoise::seeded(0))
    });
    all.panic("bits_per_dimension", "no dimensions", || {
        bits_per_dimension(0.0, 0, 1.0)
    });
    all.panic("dequantise", "bins of width 0", || {
        dequantise(zeros([1, 2]), 0.0, &mut HostNoise::seeded(0))
    });
    all.error("Ddim", "noise predicted from pure noise", || {
        struct NoiseOnly;
        impl Denoiser<2> for NoiseOnly {
            fn denoise(&self, x: Tensor<2>, _: Level) -> Result<Tensor<2>, DenoiseError> {
                Ok(x)
            }
            fn supports(&self, level: Level) -> bool {
                level.alpha() > 0.0
            }
        }
        let path = LevelPath::uniform(RectifiedFlow, Span::FULL, 4).unwrap();
        run(Ddim::deterministic(), path, &NoiseOnly, [1, 2])
    });
    all
}
