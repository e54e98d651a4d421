//! Operators, noise models, measurements, posterior methods.

mod files;
mod methods;
mod operators;

use super::{Cases, device, file, zeros};
use std::path::Path as Folder;
use tweedie::burn::tensor::{Bool, DType, Tensor};
use tweedie::core::{Corner, Denoiser, HostNoise, Noise, Product, ValueRange, from_fn};
use tweedie::inverse::baseline::{Mlem, TotalVariation, Wavelets, tikhonov, wiener};
use tweedie::inverse::measurement::{AnyMeasurement, Measurement, UnknownNoise};
use tweedie::inverse::noise::{
    GammaNoise, GaussianNoise, LaplaceNoise, LogPoissonNoise, PoissonGaussianNoise, PoissonNoise,
    QuantisationNoise, RicianNoise, SaltAndPepper, UniformNoise, estimate_camera_noise,
    estimate_sigma,
};
use tweedie::inverse::operator::{
    AveragePool, Basis, Bayer, BlindBlur, Blur, ChannelMix, Channels, CircularBlur, ConeBeam,
    Espirit, FanBeam, FourierPhase, Gamma, Identity, Jpeg, Linear, Mask, Matrix, MultiCoil,
    Operator, OperatorError, Padding, PointSpread, Ptychography, RandomPhase, Reading, Sampled,
    Saturation, Scaled, Separable, Side, Slices, Spectral, Stack, Taps, Tomography, Transform,
    VaryingBlur, VolumeBlur, WeightOrder, blur_in_linear_light,
};
use tweedie::inverse::posterior::{
    Annealed, Classifier, Daps, Ddnm, DdnmPlus, Ddrm, DiffPir, Dpg, Dpir, Dps, DpsStep, EnKg,
    FlowDps, FpsSmc, Ilvr, LangevinLikelihoodStep, Lgd, Mcg, McgDiff, Mmps, Pigdm, PigdmStep,
    PigdmTwist, PnpAdmm, PnpDm, PnpFlow, PnpGradient, PnpUla, RePaint, Red, RedDiff, Resample,
    ResidualNorm, Scg, ScoreGuidance, Sitcom, SkRock, Tmpd, TwistedSmc,
};
use tweedie::inverse::solver::{BiCgStab, ConjugateGradient, Lsqr, Minres, implicit_gradient};
use tweedie::math::{Ancestral, Ddim, Level, LevelPath, Renoise, Span, VariancePreserving};
use tweedie::ops::Constant;
use tweedie::samplers::{SampleError, Sampler, Step};

type Seen = Measurement<4, Identity, GaussianNoise>;

/// The prior N(0, I) on images.
fn prior() -> impl Denoiser<4> {
    from_fn(|x: Tensor<4>, level: Level| x * (level.alpha() / level.rms().powi(2)))
}

/// A measurement of one grey 8×8 image with noise.
fn grey() -> Seen {
    seen([1, 1, 8, 8])
}

fn seen(shape: [usize; 4]) -> Seen {
    Measurement::new(Identity, GaussianNoise::new(0.1).unwrap(), zeros(shape))
}

fn path() -> LevelPath {
    LevelPath::log_snr(VariancePreserving::default(), Span::default(), 4).unwrap()
}

/// Samples from a colour image along the default path.
fn walk(step: impl Step<4>, denoiser: &dyn Denoiser<4>) -> Result<Tensor<4>, SampleError> {
    along(path(), step, denoiser)
}

fn along(
    path: LevelPath,
    step: impl Step<4>,
    denoiser: &dyn Denoiser<4>,
) -> Result<Tensor<4>, SampleError> {
    let x = Tensor::ones([1, 3, 8, 8], &device());
    Sampler::new(step, path).sample(denoiser, x, &mut HostNoise::seeded(0))
}

/// A path that stays at one level.
fn still() -> LevelPath {
    LevelPath::staying(Level::variance_exploding(0.1).unwrap(), 3).unwrap()
}

fn ddpm() -> Ancestral {
    Ancestral::default()
}

fn noises(all: &mut Cases) {
    all.error("GaussianNoise::new", "σ = 0", || GaussianNoise::new(0.0));
    all.error("GaussianNoise::new", "σ = 1e-25", || {
        GaussianNoise::new(1e-25)
    });
    all.error("PoissonNoise::new", "a gain of −1", || {
        PoissonNoise::new(-1.0)
    });
    all.error("PoissonGaussianNoise::new", "σ/gain = 1000", || {
        PoissonGaussianNoise::new(1e-3, 1.0)
    });
    all.error("LogPoissonNoise::new", "no photons", || {
        LogPoissonNoise::new(0.0, 1.0)
    });
    all.error("GammaNoise::new", "NaN looks", || GammaNoise::new(f64::NAN));
    all.error("RicianNoise::new", "σ = ∞", || {
        RicianNoise::new(f64::INFINITY)
    });
    all.error("LaplaceNoise::new", "a scale of 0", || {
        LaplaceNoise::new(0.0)
    });
    all.error("UniformNoise::new", "a width of −1", || {
        UniformNoise::new(-1.0)
    });
    all.error("QuantisationNoise::new", "steps of 0", || {
        QuantisationNoise::new(0.0, 0.1)
    });
    all.error("SaltAndPepper::new", "a probability of 2", || {
        SaltAndPepper::new(2.0, 0.1, 0.1, ValueRange::Unit)
    });
    all.error(
        "Measurement::simulate",
        "photons of a negative mean",
        || {
            let dark = zeros([1, 1, 8, 8]) - 1.0;
            let noise = PoissonNoise::new(0.1)?;
            Measurement::simulate(Identity, noise, dark, &mut HostNoise::seeded(0))
        },
    );
    all.error("Measurement::simulate", "NaN", || {
        let wrong = zeros([1, 1, 8, 8]) * f64::NAN;
        let noise = GaussianNoise::new(0.1)?;
        Measurement::simulate(Identity, noise, wrong, &mut HostNoise::seeded(0))
    });
    all.error("Measurement::simulate", "an empty image", || {
        let noise = PoissonNoise::new(0.1)?;
        Measurement::simulate(
            Identity,
            noise,
            zeros([0, 1, 8, 8]),
            &mut HostNoise::seeded(0),
        )
    });
    all.error("Measurement::check", "grey y of colour images", || {
        grey().check([1, 3, 8, 8])
    });
    all.error("Measurement::check", "y = ∞", || {
        let mut seen = grey();
        seen.y = seen.y + f64::INFINITY;
        seen.check([1, 1, 8, 8])
    });
    all.panic(
        "Likelihood::log_likelihood",
        "grey y of colour images",
        || {
            use tweedie::inverse::measurement::Likelihood;
            grey().log_likelihood(zeros([1, 3, 8, 8]))
        },
    );
}

/// The cases: measurements of the wrong shape for one colour image, invalid parameters, bad files.
pub(crate) fn cases(folder: &Folder) -> Cases {
    let mut all = Cases::default();
    operators::operators(&mut all);
    operators::equations(&mut all);
    operators::further(&mut all);
    noises(&mut all);
    methods::methods(&mut all);
    methods::further(&mut all);
    files::files(&mut all, folder);
    all
}
