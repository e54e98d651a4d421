//! Inverse problems: operators, noise models and posterior sampling with a diffusion prior.
//!
//! A measurement is `y = A x₀ + noise`. An [`Operator`] is `A`, and a [`NoiseModel`] is the law of
//! `y` given `A x₀`. A [`Measurement`] holds both together with `y`; it is a [`Likelihood`] of
//! clean signals. A measurement can be saved to one file and loaded again ([`AnyMeasurement`]).
//!
//! | operator | what is measured | `A⁺`, `solve` |
//! |---|---|---|
//! | [`Identity`] | every value: denoising | closed form |
//! | [`Mask`] | some pixels: all but a box or a half, lines, random, a mosaic | closed form |
//! | [`ChannelMix`], [`Channels`] | mixed or selected channels | closed form |
//! | [`CircularBlur`] | a circular convolution | closed form |
//! | [`Blur`], [`VaryingBlur`] | a convolution with any padding; a varying one | iterative |
//! | [`Separable`], [`AveragePool`] | a smaller or larger image, with any filter | closed form |
//! | [`Transform`] | Hadamard, cosine, sine or Fourier coefficients | closed form |
//! | [`Sampled`] | a subset of such coefficients | closed form |
//! | [`MultiCoil`] | some Fourier coefficients of several coils | iterative |
//! | [`Tomography`] | sums along rays | iterative; filtered back-projection |
//! | [`Matrix`] | products with a matrix | closed form up to 1,024 values; then iterative |
//! | [`Compose`], [`Stack`] | compositions; [`pansharpen`] is one | iterative |
//! | [`Scaled`] | a multiple of an operator | as that operator |
//! | [`FourierPhase`], [`RandomPhase`] | magnitudes of complex coefficients | not linear |
//! | [`Saturation`], [`Gamma`], [`Jpeg`] | saturation, gamma correction, compression | not linear |
//!
//! | noise | law |
//! |---|---|
//! | [`GaussianNoise`], [`UniformNoise`], [`LaplaceNoise`] | additive |
//! | [`PoissonNoise`], [`ShotNoise`], [`PoissonGaussianNoise`], [`LogPoissonNoise`] | photon counts; their normal approximation; with electronic noise; behind an absorber |
//! | [`GammaNoise`], [`RicianNoise`] | speckle; magnitudes of complex values |
//! | [`SaltAndPepper`], [`QuantisationNoise`] | impulses; rounding |
//! | [`InRange`] | any of them, with parameters stated in another range of values |
//!
//! Posterior methods are in [`posterior`], grouped by what they wrap. Methods that wrap the
//! denoiser work with every sampler:
//!
//! | [`guidance`](posterior::guidance) | estimate |
//! |---|---|
//! | [`Dps`] | `x̂₀ + (σ²/α) ∇ log p(y ∣ x̂₀(x_t))`; with [`ResidualNorm`] the norm's gradient |
//! | [`Pigdm`], [`Mmps`], [`Tmpd`] | the same, with the variance of `x₀` given `x_t` |
//! | [`Lgd`] | the same by Monte Carlo, for any likelihood |
//! | [`Ddnm`] | `x̂₀ + A⁺ (y − A x̂₀)` |
//! | [`DiffPir`] | the proximal step of the data term |
//! | [`ScoreGuidance`] | the same with a [`NoisyLikelihood`]: [`Classifier`], [`Annealed`] |
//!
//! Corrections wrap a step or a kernel and correct its moves. Chains make their own moves:
//!
//! | [`correction`](posterior::correction) | around |
//! |---|---|
//! | [`DpsStep`], [`PigdmStep`], [`Mcg`]: as published | a kernel |
//! | [`RePaint`]: replacement; [`Ilvr`]: low frequencies of a reference | any step |
//! | [`DdnmPlus`]: in the operator's spectrum | a kernel |
//! | [`EnKg`]: ensembles, without derivatives | a kernel |
//! | [`TwistedSmc`]: particles weighted by a [`Twist`] | a kernel |
//!
//! | [`chain`](posterior::chain) | result |
//! |---|---|
//! | [`Ddrm`]: in the operator's spectrum | posterior draws |
//! | [`Daps`], [`PnpDm`]: alternate between prior and measurement | posterior draws |
//! | [`PnpUla`]: Langevin dynamics with a denoiser | posterior draws |
//! | [`RedDiff`], [`Dpir`], [`Red`] | point estimates |
//!
//! For denoising, [`Measurement::reverse`] starts the reverse process at the measurement. The
//! baselines [`tikhonov`], [`wiener`] and [`TotalVariation`] need no network.
//!
//! ```
//! use burn::tensor::{Device, Tensor};
//! use tweedie_core::{HostNoise, Noise, from_fn};
//! use tweedie_inverse::measurement::Measurement;
//! use tweedie_inverse::noise::GaussianNoise;
//! use tweedie_inverse::operator::Mask;
//! use tweedie_inverse::posterior::Dps;
//! use tweedie_math::{Ddim, Level, LevelPath, Span, VariancePreserving};
//! use tweedie_samplers::Sampler;
//!
//! let device = Device::flex();
//! let mut noise = HostNoise::seeded(7);
//! // The prior is N(0, I) on 8×8 images; a box of 4×4 pixels is missing.
//! let prior = from_fn(|x: Tensor<4>, level: Level| x * (level.alpha() / level.rms().powi(2)));
//! let truth = noise.normal([1, 1, 8, 8], &device);
//! let mask = Mask::missing_box([8, 8], [2, 2], [4, 4])?;
//! let measured = Measurement::simulate(mask, GaussianNoise::new(0.5)?, truth, &mut noise)?;
//!
//! let path = LevelPath::uniform(VariancePreserving::default(), Span::default(), 50)?;
//! let sampler = Sampler::new(Ddim::ancestral(), path);
//! let x = sampler.start([4, 1, 8, 8], &device, &mut noise)?;
//! let restored = sampler.sample(&Dps::new(&prior, &measured), x, &mut noise)?;
//! assert_eq!(restored.dims(), [4, 1, 8, 8]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod baseline;
pub mod measurement;
pub mod noise;
pub mod operator;
pub mod posterior;
pub mod solver;
mod values;
