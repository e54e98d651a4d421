//! Operators, noise models, measurements, posterior methods.

use super::{Cases, device, file, zeros};
use std::path::Path as Folder;
use tweedie::burn::tensor::{DType, Tensor};
use tweedie::core::{Denoiser, HostNoise, Noise, Range, from_fn};
use tweedie::inverse::{
    Annealed, AnyMeasurement, AveragePool, Basis, Bayer, Blur, Channels, CircularBlur, Classifier,
    Clip, Conditioned, ConjugateGradient, Daps, Ddnm, DdnmPlus, Ddrm, Dense, DiffPir, Dps, DpsStep,
    EnKg, FourierPhase, Gamma, GammaNoise, GaussianNoise, Hqs, Identity, Ilvr, Jpeg,
    LangevinCoupling, LaplaceNoise, Lgd, Linear, LogPoissonNoise, Mask, Measurement, Mix, Mmps,
    MultiCoil, Operator, Padding, Pigdm, PigdmStep, PnpDm, PnpUla, PointSpread,
    PoissonGaussianNoise, PoissonNoise, QuantisationNoise, RandomPhase, Red, RedDiff, Replace,
    ResidualNorm, RicianNoise, SaltAndPepper, Sampled, Scaled, Separable, Side, Spectral, Stack,
    Taps, Tmpd, Tomography, TotalVariation, Transform, TwistByVariance, TwistedSmc, UniformNoise,
    VaryingBlur, tikhonov, wiener,
};
use tweedie::kernels::Constant;
use tweedie::math::{Ancestral, Ddim, Level, Path, Renoise, Span, VariancePreserving};
use tweedie::samplers::{SampleError, Sampler, Step};

type Seen = Measurement<4, Identity, GaussianNoise>;

/// A prior N(0, I) on images.
fn prior() -> impl Denoiser<4> {
    from_fn(|x: Tensor<4>, level: Level| x * (level.alpha() / level.rms().powi(2)))
}

/// All pixels of grey images, seen with noise.
fn grey() -> Seen {
    seen([1, 1, 8, 8])
}

fn seen(shape: [usize; 4]) -> Seen {
    Measurement::new(Identity, GaussianNoise::new(0.1).unwrap(), zeros(shape))
}

fn path() -> Path {
    Path::log_snr(VariancePreserving::default(), Span::default(), 4).unwrap()
}

/// Walks from colour images.
fn walk(step: impl Step<4>, denoiser: &dyn Denoiser<4>) -> Result<Tensor<4>, SampleError> {
    along(path(), step, denoiser)
}

fn along(
    path: Path,
    step: impl Step<4>,
    denoiser: &dyn Denoiser<4>,
) -> Result<Tensor<4>, SampleError> {
    let x = Tensor::ones([1, 3, 8, 8], &device());
    Sampler::new(step, path).sample(denoiser, x, &mut HostNoise::seeded(0))
}

/// A path that stays at one level.
fn still() -> Path {
    Path::staying(Level::variance_exploding(0.1).unwrap(), 3).unwrap()
}

fn ddpm() -> Ancestral {
    Ancestral::default()
}

fn operators(all: &mut Cases) {
    all.error("Mask::missing_box", "a box that leaves the image", || {
        Mask::missing_box([8, 8], [6, 0], [4, 4])
    });
    all.error("Mask::missing_box", "2⁴⁰ pixels", || {
        Mask::missing_box([1 << 20, 1 << 20], [0, 0], [1, 1])
    });
    all.error("Mask::random", "a probability of NaN", || {
        Mask::random([8, 8], f64::NAN, 0)
    });
    all.error("Mask::random", "no pixels", || Mask::random([0, 8], 0.5, 0));
    all.error("Mask::lines", "every 0th line", || Mask::lines([8, 8], 0));
    all.error("Mask::cartesian", "an acceleration of ½", || {
        Mask::cartesian([8, 8], 0.5, 0.0, 0)
    });
    all.panic("Mask::missing_half", "2⁴⁰ pixels", || {
        Mask::missing_half([1 << 20, 1 << 20], Side::Left)
    });
    all.panic("Mask::bayer", "no pixels", || {
        Mask::bayer([0, 8], Bayer::Rggb)
    });
    all.panic("Mask::apply", "an image of another size", || {
        Mask::lines([8, 8], 2).unwrap().apply(zeros([1, 1, 8, 9]))
    });
    all.error("Mix::new", "rows of 2 and 3 weights", || {
        Mix::new(&[vec![1.0; 2], vec![1.0; 3]])
    });
    all.error("Mix::new", "a weight of NaN", || {
        Mix::new(&[vec![f64::NAN]])
    });
    all.error("Mix::mean", "no channels", || Mix::mean(0));
    all.error("Channels::new", "channel 3 of 3", || Channels::new(3, 1, 3));
    all.error("Channels::new", "one of 10¹²", || {
        Channels::new(0, 1, 1_000_000_000_000)
    });
    all.error("AveragePool::new", "a factor of 0", || AveragePool::new(0));
    all.error("AveragePool::new", "a factor of 2⁶³", || {
        AveragePool::new(1 << 63)
    });
    all.error("AveragePool::measured", "a height of 0", || {
        AveragePool::new(2).unwrap().measured([1, 1, 0, 8])
    });
    all.error("AveragePool::signal", "2⁴⁰ pixels", || {
        AveragePool::new(1 << 13)
            .unwrap()
            .signal([1, 1, 1 << 8, 1 << 8])
    });
    all.error("PointSpread::gaussian", "σ = NaN", || {
        PointSpread::gaussian(f64::NAN)
    });
    all.error("PointSpread::motion", "an intensity of 2", || {
        PointSpread::motion(9, 2.0, 0)
    });
    all.error("PointSpread::motion", "a size of 0", || {
        PointSpread::motion(0, 0.5, 0)
    });
    all.error("PointSpread::new", "NaN", || {
        PointSpread::new(vec![f64::NAN], [1, 1])
    });
    all.error("Taps::kernel", "σ = 9999", || {
        Taps::Gaussian { sigma: 9999.0 }.kernel(2)
    });
    all.error("Taps::weights", "a factor of 2⁴⁰", || {
        Taps::Bicubic.weights(1 << 40)
    });
    all.error("Separable::decimate", "a side of 2⁴⁰", || {
        Separable::decimate(Taps::Bicubic, 2, [1 << 40, 8], Padding::Circular)
    });
    all.error("Separable::enlarge", "a factor of 0", || {
        Separable::enlarge(Taps::Bilinear, 0, [8, 8], Padding::Circular)
    });
    all.error("CircularBlur::new", "2³¹ pixels", || {
        CircularBlur::new(PointSpread::gaussian(1.0)?, [46_340, 46_340])
    });
    all.error(
        "Blur::measured",
        "an image smaller than a valid kernel",
        || Blur::new(PointSpread::gaussian(2.0).unwrap(), Padding::Valid).measured([1, 1, 4, 4]),
    );
    all.error("VaryingBlur::tiles", "no kernels", || {
        VaryingBlur::tiles(vec![], [0, 1], [8, 8], Padding::Reflect)
    });
    all.error("VaryingBlur::tiles", "(2⁶⁴ − 1)² tiles", || {
        VaryingBlur::tiles(
            vec![PointSpread::gaussian(1.0)?],
            [usize::MAX; 2],
            [8, 8],
            Padding::Reflect,
        )
    });
    all.error("Transform::new", "Hadamard of 6 pixels", || {
        Transform::new(Basis::Hadamard, [6, 8])
    });
    all.error("Transform::new", "a cosine transform of 16,384", || {
        Transform::new(Basis::Cosine, [16_384, 16_384])
    });
    all.error("Sampled::new", "a mask of another size", || {
        Sampled::new(Basis::Cosine, Mask::lines([4, 4], 2)?, [8, 8])
    });
    all.error("MultiCoil::ring", "no coils", || {
        MultiCoil::ring(0, Mask::lines([8, 8], 2)?, [8, 8])
    });
    all.error("Tomography::new", "no angles", || {
        Tomography::new([8, 8], &[])
    });
    all.error("Tomography::new", "an angle of NaN", || {
        Tomography::new([8, 8], &[f64::NAN])
    });
    all.error("Tomography::with_centre", "∞", || {
        Tomography::new([8, 8], &[0.0])?.with_centre([f64::INFINITY, 0.0])
    });
    all.error("Dense::new", "a matrix of other columns", || {
        Dense::new(Constant::new(vec![1.0; 6], [2, 3]), [1, 2, 2])
    });
    all.error(
        "Dense::new",
        "a signal of more values than a number counts",
        || Dense::new(Constant::new(vec![1.0; 4], [1, 4]), [1 << 62 | 1, 4, 1]),
    );
    all.error("Dense::gaussian", "no measurements", || {
        Dense::gaussian([1, 2, 2], 0, 0)
    });
    all.error("Dense::gaussian", "2⁴⁰ weights", || {
        Dense::gaussian([1, 1 << 20, 1], 1 << 20, 0)
    });
    all.error("Stack::new", "no parts", || {
        Stack::<Identity>::new(vec![], [1, 8, 8])
    });
    all.error("Stack::new", "a part for another size", || {
        Stack::new(vec![Mask::lines([8, 8], 2)?], [1, 4, 4])
    });
    all.panic("Stack::split", "a row of too many values", || {
        Stack::new(vec![Identity], [1, 2, 2])
            .unwrap()
            .split(zeros([1, 1, 1, 9]))
    });
    all.panic("Scaled::new", "a factor of 1e-25", || {
        Scaled::new(Identity, 1e-25)
    });
    all.panic("Scaled::new", "a factor of NaN", || {
        Scaled::new(Identity, f64::NAN)
    });
    all.panic("Then::apply", "operators that do not fit", || {
        let two = AveragePool::new(2)
            .unwrap()
            .then(Mask::lines([8, 8], 2).unwrap());
        two.apply(zeros([1, 1, 8, 8]))
    });
    all.error("FourierPhase::new", "an oversampling of ½", || {
        FourierPhase::new([8, 8], 0.5)
    });
    all.error("RandomPhase::gaussian", "2⁴⁰ weights", || {
        RandomPhase::gaussian(1 << 20, 1 << 20, 0)
    });
    all.error("RandomPhase::gaussian", "no measurements", || {
        RandomPhase::gaussian(4, 0, 0)
    });
    all.error("Clip::new", "a gain of NaN", || {
        Clip::new(f64::NAN, Range::Unit)
    });
    all.error("Gamma::new", "an exponent of 0", || {
        Gamma::new(0.0, Range::Unit)
    });
    all.error("Jpeg::new", "a quality of 0", || Jpeg::new(0, Range::Unit));
    all.error("Jpeg::measured", "9 columns", || {
        Jpeg::new(50, Range::Unit).unwrap().measured([1, 3, 8, 9])
    });
    all.error("Jpeg::measured", "no columns", || {
        Jpeg::new(50, Range::Unit).unwrap().measured([1, 3, 8, 0])
    });
}

fn equations(all: &mut Cases) {
    all.error("Linear::solve", "a shift of 0", || {
        Identity.solve(zeros([1, 1, 8, 8]), 0.0)
    });
    all.error("Linear::solve", "a shift of 1e-50", || {
        Identity.solve(zeros([1, 1, 8, 8]), 1e-50)
    });
    all.error("Linear::solve", "NaN on the right", || {
        Identity.solve(zeros([1, 1, 8, 8]) * f64::NAN, 1.0)
    });
    all.error("Linear::solve", "more digits than `f32` has", || {
        let blur = Blur::new(PointSpread::gaussian(1.0).unwrap(), Padding::Reflect);
        let b: Tensor<4> = HostNoise::seeded(1).normal([1, 1, 32, 32], &device());
        let solved = blur.solve(b, 1e-4);
        // The figures are a matter of rounding.
        solved.map_err(|_| "conjugate gradients: a relative residual above the one expected")
    });
    all.error("Linear::pinv", "a measurement of another shape", || {
        AveragePool::new(2)
            .unwrap()
            .then(Mask::lines([4, 4], 2).unwrap())
            .pinv(zeros([1, 1, 8, 8]))
    });
    all.error("Linear::proximal", "γ = −1", || {
        Identity.proximal(zeros([1, 1, 8, 8]), zeros([1, 1, 8, 8]), -1.0)
    });
    all.error("Linear::proximal", "y of another shape", || {
        Identity.proximal(zeros([1, 3, 8, 8]), zeros([1, 1, 8, 8]), 1.0)
    });
    all.error("ConjugateGradient::with_tolerance", "∞", || {
        let settings = ConjugateGradient::default().with_tolerance(f64::INFINITY);
        settings.solve(&Identity, Tensor::<4>::ones([1, 1, 8, 8], &device()), 1.0)
    });
    all.panic(
        "Spectral::truncated_pinv",
        "a measurement of another shape",
        || {
            Mask::lines([8, 8], 2)
                .unwrap()
                .truncated_pinv(zeros([1, 1, 4, 4]), 0.1)
        },
    );
    all.error("tikhonov", "a deviation of −1", || {
        tikhonov(&grey(), zeros([1, 1, 8, 8]), -1.0)
    });
    all.error("wiener", "a deviation of 0", || wiener(&grey(), 0.0));
    all.error("TotalVariation::restore", "λ = 0", || {
        TotalVariation::new(0.0).restore(&grey())
    });
    all.error("TotalVariation::restore", "y = NaN", || {
        let mut seen = grey();
        seen.y = seen.y * f64::NAN;
        TotalVariation::new(0.1).restore(&seen)
    });
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
        SaltAndPepper::new(2.0, 0.1, 0.1, Range::Unit)
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
            use tweedie::inverse::Likelihood;
            grey().log_likelihood(zeros([1, 3, 8, 8]))
        },
    );
}

/// A grey measurement, or one of three images, for one colour image; NaN in the parameters.
fn methods(all: &mut Cases) {
    const GREY: &str = "grey y for colour images";
    const THREE: &str = "y of three images for one";
    let three = || seen([3, 3, 8, 8]);
    all.error("Dps::new", GREY, || {
        walk(ddpm(), &Dps::new(prior(), grey()))
    });
    all.error("Dps::new", THREE, move || {
        walk(ddpm(), &Dps::new(prior(), three()))
    });
    all.error("Dps::with_strength", "NaN", || {
        walk(
            ddpm(),
            &Dps::new(prior(), seen([1, 3, 8, 8])).with_strength(f64::NAN),
        )
    });
    all.error("ResidualNorm::new", GREY, || {
        walk(
            ddpm(),
            &Dps::new(prior(), ResidualNorm::new(Identity, grey().y)),
        )
    });
    all.error("Pigdm::new", GREY, || {
        walk(ddpm(), &Pigdm::new(prior(), grey()))
    });
    all.error("Pigdm::new", THREE, move || {
        walk(ddpm(), &Pigdm::new(prior(), three()))
    });
    all.error("Pigdm::with_data_std", "0", || {
        walk(
            ddpm(),
            &Pigdm::new(prior(), seen([1, 3, 8, 8])).with_data_std(0.0),
        )
    });
    all.error("Mmps::new", GREY, || {
        walk(ddpm(), &Mmps::new(prior(), grey()))
    });
    all.error("Mmps::with_iterations", "0", || {
        walk(
            ddpm(),
            &Mmps::new(prior(), seen([1, 3, 8, 8])).with_iterations(0),
        )
    });
    all.error("Tmpd::new", GREY, || {
        walk(ddpm(), &Tmpd::new(prior(), grey()))
    });
    all.error("Lgd::new", GREY, || {
        walk(ddpm(), &Lgd::new(prior(), grey()))
    });
    all.error("Lgd::with_draws", "0", || {
        walk(ddpm(), &Lgd::new(prior(), seen([1, 3, 8, 8])).with_draws(0))
    });
    all.error("Ddnm::new", GREY, || {
        walk(ddpm(), &Ddnm::new(prior(), Identity, grey().y))
    });
    all.error("Ddnm::new", THREE, move || {
        walk(ddpm(), &Ddnm::new(prior(), Identity, three().y))
    });
    all.panic("Ddnm::denoise", GREY, || {
        Ddnm::new(prior(), Identity, grey().y)
            .denoise(zeros([1, 3, 8, 8]), Level::variance_preserving(0.0))
    });
    all.error("DiffPir::new", GREY, || {
        walk(Renoise::new(0.3), &DiffPir::new(prior(), grey()))
    });
    all.error("DiffPir::new", THREE, move || {
        walk(ddpm(), &DiffPir::new(prior(), three()))
    });
    all.error("DiffPir::with_lambda", "−1", || {
        walk(
            ddpm(),
            &DiffPir::new(prior(), seen([1, 3, 8, 8])).with_lambda(-1.0),
        )
    });
    all.error("Conditioned::new", "by a grey y of colour images", || {
        walk(ddpm(), &Conditioned::new(prior(), Annealed::new(grey())))
    });
    all.error("Annealed::with_gamma", "NaN", || {
        let annealed = Annealed::new(seen([1, 3, 8, 8])).with_gamma(f64::NAN);
        walk(ddpm(), &Conditioned::new(prior(), annealed))
    });
    all.error("Classifier::new", "two classes for one sample", || {
        let logits = |x: Tensor<4>, _: Level| x.reshape([1, 192]);
        let classes = Tensor::from_ints([1, 2], &device());
        walk(
            ddpm(),
            &Conditioned::new(prior(), Classifier::new(logits, classes)),
        )
    });
    all.error("Classifier::new", "class −1", || {
        let logits = |x: Tensor<4>, _: Level| x.reshape([1, 192]);
        let classes = Tensor::from_ints([-1], &device());
        walk(
            ddpm(),
            &Conditioned::new(prior(), Classifier::new(logits, classes)),
        )
    });
    all.error("DpsStep", GREY, || {
        let (kernel, operator, y) = (ddpm(), Identity, grey().y);
        walk(
            DpsStep {
                kernel,
                operator,
                y,
                zeta: 1.0,
            },
            &prior(),
        )
    });
    all.error("DpsStep", "ζ = NaN", || {
        let (kernel, operator, y) = (ddpm(), Identity, seen([1, 3, 8, 8]).y);
        walk(
            DpsStep {
                kernel,
                operator,
                y,
                zeta: f64::NAN,
            },
            &prior(),
        )
    });
    all.error("PigdmStep", GREY, || {
        let (kernel, operator, y) = (ddpm(), Identity, grey().y);
        walk(
            PigdmStep {
                kernel,
                operator,
                y,
            },
            &prior(),
        )
    });
    all.error("Replace::new", GREY, || {
        walk(Replace::new(ddpm(), Identity, grey().y), &prior())
    });
    all.error("Ilvr::new", "a grey reference of colour images", || {
        walk(Ilvr::new(ddpm(), Identity, grey().y), &prior())
    });
    all.error("Ilvr::new", "a filter that shrinks", || {
        let filter = AveragePool::new(2).unwrap();
        walk(Ilvr::new(ddpm(), filter, zeros([1, 3, 8, 8])), &prior())
    });
    all.error("Ddrm::new", GREY, || walk(Ddrm::new(grey()), &prior()));
    all.error("Ddrm::with_eta", "1.5", || {
        walk(Ddrm::new(seen([1, 3, 8, 8])).with_eta(1.5), &prior())
    });
    all.error("Ddrm::with_cutoff", "NaN", || {
        walk(
            Ddrm::new(seen([1, 3, 8, 8])).with_cutoff(f64::NAN),
            &prior(),
        )
    });
    all.panic("Ddrm::start", "where no signal is left", || {
        let like = zeros([1, 1, 8, 8]);
        Ddrm::new(grey()).start(Level::PURE_NOISE, &like, &mut HostNoise::seeded(0))
    });
    all.error("DdnmPlus::new", GREY, || {
        walk(DdnmPlus::new(Ddim::with_eta(0.85), grey()), &prior())
    });
    all.error("DdnmPlus::new", "a kernel without noise", || {
        walk(
            DdnmPlus::new(Ddim::deterministic(), seen([1, 3, 8, 8])),
            &prior(),
        )
    });
    all.error("Daps::new", GREY, || walk(Daps::new(grey()), &prior()));
    all.error("Daps::with_moves", "0", || {
        walk(Daps::new(seen([1, 3, 8, 8])).with_moves(0), &prior())
    });
    all.error("LangevinCoupling::with_size", "0", || {
        let coupling = LangevinCoupling::new(seen([1, 3, 8, 8]), 1.0).with_size(0.0);
        walk(Daps::new(coupling), &prior())
    });
    all.error("PnpDm::new", GREY, || walk(PnpDm::new(grey()), &prior()));
    all.error("PnpDm::with_moves", "0", || {
        walk(PnpDm::new(seen([1, 3, 8, 8])).with_moves(0), &prior())
    });
    all.error("PnpUla::new", "a step of NaN", || {
        along(still(), PnpUla::new(seen([1, 3, 8, 8]), f64::NAN), &prior())
    });
    all.error("PnpUla::with_range", "from 1 to −1", || {
        let step = PnpUla::new(seen([1, 3, 8, 8]), 1e-4).with_range(1.0, -1.0);
        along(still(), step, &prior())
    });
    all.error("Red::new", GREY, || {
        along(still(), Red::new(grey(), 100.0), &prior())
    });
    all.error("Red::new", "λ = 0", || {
        along(still(), Red::new(seen([1, 3, 8, 8]), 0.0), &prior())
    });
    all.error("RedDiff::new", GREY, || {
        walk(RedDiff::new(Identity, grey().y), &prior())
    });
    all.error("RedDiff::with_rate", "NaN", || {
        let y = seen([1, 3, 8, 8]).y;
        walk(RedDiff::new(Identity, y).with_rate(f64::NAN), &prior())
    });
    all.error("Hqs::new", GREY, || {
        let path = Hqs::<()>::path(1.0, 0.1, 3).unwrap();
        along(path, Hqs::new(grey()), &prior())
    });
    all.error("Hqs::path", "to NaN", || Hqs::<()>::path(1.0, f64::NAN, 1));
    all.error("Hqs::path", "that rises", || Hqs::<()>::path(0.1, 1.0, 3));
    all.error("EnKg::new", "ensembles that do not fill the batch", || {
        let y = seen([1, 3, 8, 8]).y;
        walk(EnKg::new(ddpm(), Identity, y, 2), &prior())
    });
    all.error("EnKg::new", "2⁶⁴ − 1 particles", || {
        let y = seen([2, 3, 8, 8]).y;
        walk(EnKg::new(ddpm(), Identity, y, usize::MAX), &prior())
    });
    all.error("TwistedSmc::sample", GREY, || {
        let smc = TwistedSmc::new(Ddim::ancestral(), path(), 2);
        let x = zeros([2, 3, 8, 8]);
        smc.sample(&prior(), &grey(), x, &mut HostNoise::seeded(0), |_| ())
    });
    all.error("TwistedSmc::sample", "a batch of 0", || {
        let smc = TwistedSmc::new(Ddim::ancestral(), path(), 2);
        let x = zeros([0, 1, 8, 8]);
        smc.sample(&prior(), &grey(), x, &mut HostNoise::seeded(0), |_| ())
    });
    all.error("TwistByVariance::new", "a deviation of 0", || {
        let smc = TwistedSmc::new(Ddim::ancestral(), path(), 2);
        let twist = TwistByVariance::new(grey(), 0.0);
        smc.sample(
            &prior(),
            &twist,
            zeros([2, 1, 8, 8]),
            &mut HostNoise::seeded(0),
            |_| (),
        )
    });
    all.error("Dps", "a prior that gives NaN", || {
        let nan = from_fn(|x: Tensor<4>, _| x * f64::NAN);
        walk(ddpm(), &Pigdm::new(nan, seen([1, 3, 8, 8])))
    });
    all.error("Measurement::reverse", "noise that no level has", || {
        let noise = GaussianNoise::new(1e6).unwrap();
        let y = zeros([1, 1, 8, 8]);
        let schedule = tweedie::math::VarianceExploding::default();
        Measurement::new(Identity, noise, y).reverse(schedule, 0.0, 4)
    });
}

/// Files that declare more than they hold.
fn files(all: &mut Cases, folder: &Folder) {
    let described = |name: &str, operator: &str| {
        let text = format!(r#"{{"operator":{operator},"noise":{{"gaussian":{{"sigma":0.1}}}}}}"#);
        let header = serde_json_header(&text);
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header.as_bytes());
        bytes.extend([0; 4]);
        file(folder, name, &bytes)
    };
    for (name, input, operator) in [
        (
            "blur.safetensors",
            "a blur of 2³¹ pixels for one number",
            r#"{"circular_blur":{"kernel":{"shape":[1,1],"values":[1.0]},"size":[46340,46340]}}"#,
        ),
        (
            "transform.safetensors",
            "a transform of 4,096 pixels for one number",
            r#"{"transform":{"basis":"cosine","size":[4096,4096]}}"#,
        ),
        (
            "pool.safetensors",
            "a pooling by 2⁶³",
            r#"{"average_pool":{"factor":9223372036854775808}}"#,
        ),
    ] {
        let path = described(name, operator);
        all.error("AnyMeasurement::load", input, move || {
            AnyMeasurement::load(path, &device())
        });
    }
    let nonsense = file(folder, "nonsense.safetensors", b"nonsense");
    all.error("AnyMeasurement::load", "eight letters", move || {
        AnyMeasurement::load(nonsense, &device())
    });
    all.error("AnyMeasurement::load", "a device", || {
        AnyMeasurement::load("/dev/zero", &device())
    });
    let place = folder.join("y.safetensors");
    all.error("Measurement::save", "y = NaN", move || {
        let mut seen = grey();
        seen.y = seen.y.cast(DType::F64) * f64::NAN;
        seen.save(place)
    });
}

/// The header of a file with one number `y`.
fn serde_json_header(text: &str) -> String {
    let quoted = text.replace('"', "\\\"");
    let mut header = format!(
        r#"{{"__metadata__":{{"measurement":"{quoted}"}},"y":{{"dtype":"F32","shape":[1,1,1,1],"data_offsets":[0,4]}}}}"#
    );
    while !header.len().is_multiple_of(8) {
        header.push(' ');
    }
    header
}

pub(crate) fn cases(folder: &Folder) -> Cases {
    let mut all = Cases::default();
    operators(&mut all);
    equations(&mut all);
    noises(&mut all);
    methods(&mut all);
    files(&mut all, folder);
    all
}
