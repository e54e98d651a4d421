//! Inverse problems: what was measured, and how that bends the chain.
//!
//! A measurement is `y = A x₀ + noise`. An [`Operator`] is `A`; a [`NoiseModel`] scores what is
//! left over; a [`Measurement`] is both with `y`, and is a [`Likelihood`] of clean signals. It is
//! written to one file and read back ([`AnyMeasurement`]).
//!
//! | operator | what is measured | `A⁺`, `solve` |
//! |---|---|---|
//! | [`Identity`] | everything: denoising | closed form |
//! | [`Mask`] | some pixels: a box, a half, lines, at random, a mosaic | closed form |
//! | [`ChannelMix`], [`Channels`] | mixed or chosen channels | closed form |
//! | [`CircularBlur`] | a convolution on a torus | closed form |
//! | [`Blur`], [`VaryingBlur`] | a convolution with any edge; one that varies | iteration |
//! | [`Separable`], [`AveragePool`] | a smaller or larger image, of any filter | closed form |
//! | [`Transform`], [`Sampled`] | Hadamard, cosine, sine, Fourier coefficients; some of them | closed form |
//! | [`MultiCoil`] | some Fourier coefficients of several coils | iteration |
//! | [`Tomography`] | sums along rays | iteration; filtered back-projection |
//! | [`Matrix`] | a matrix | closed form up to 1,024 |
//! | [`Compose`], [`Stack`], [`Scaled`] | compositions; [`pansharpen`] is one | iteration; closed form |
//! | [`FourierPhase`], [`RandomPhase`] | magnitudes of complex coefficients | not linear |
//! | [`Saturation`], [`Gamma`], [`Jpeg`] | a saturated, a distorted, a compressed image | not linear |
//!
//! | noise | law |
//! |---|---|
//! | [`GaussianNoise`], [`UniformNoise`], [`LaplaceNoise`] | added |
//! | [`PoissonNoise`], [`ShotNoise`], [`PoissonGaussianNoise`], [`LogPoissonNoise`] | photons; their normal approximation; with electronics; behind an absorber |
//! | [`GammaNoise`], [`RicianNoise`] | speckle; magnitudes |
//! | [`SaltAndPepper`], [`QuantisationNoise`] | impulses; rounding |
//! | [`InRange`] | any of them, stated in another range of values |
//!
//! Posterior methods are in [`posterior`], by what they wrap. Those that wrap the denoiser work
//! with every sampler:
//!
//! | [`guidance`](posterior::guidance) | estimate |
//! |---|---|
//! | [`Dps`] | `x̂₀ + (σ²/α) ∇ log p(y ∣ x̂₀(x_t))`; with [`ResidualNorm`] a norm's gradient |
//! | [`Pigdm`], [`Mmps`], [`Tmpd`] | the same with the variance of `x₀` given `x_t` |
//! | [`Lgd`] | the same by draws, for any likelihood |
//! | [`Ddnm`] | `x̂₀ + A⁺ (y − A x̂₀)` |
//! | [`DiffPir`] | the proximal step of the data |
//! | [`ScoreGuidance`] | by a [`NoisyLikelihood`]: a [`Classifier`], [`Annealed`] |
//!
//! Those that wrap a step or a kernel correct its moves, and those of the last kind make their own:
//!
//! | [`correction`](posterior::correction) | around |
//! |---|---|
//! | [`DpsStep`], [`PigdmStep`], [`Mcg`]: as published | a kernel |
//! | [`RePaint`], projection; [`Ilvr`]: low frequencies of a reference | any step |
//! | [`DdnmPlus`]: in the operator's spectrum | a kernel |
//! | [`EnKg`]: ensembles, no derivative | a kernel |
//! | [`TwistedSmc`]: particles weighted by a [`Twist`] | a kernel |
//!
//! | [`chain`](posterior::chain) | result |
//! |---|---|
//! | [`Ddrm`]: in the operator's spectrum | draws |
//! | [`Daps`], [`PnpDm`]: prior and measurement take turns | draws |
//! | [`PnpUla`]: Langevin with a denoiser | draws |
//! | [`RedDiff`], [`Dpir`], [`Red`] | point estimates |
//!
//! Without a chain: [`Measurement::reverse`] (denoising, exactly), and [`tikhonov`], [`wiener`] and
//! [`TotalVariation`], which need no network.
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
//! // A prior N(0, I) on 8×8 images, of which a box of 4×4 pixels is lost.
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
