//! Inverse problems: operators, noise models and posterior sampling with a diffusion prior.
//!
//! A measurement is `y = A x₀ + noise`. An [`Operator`](operator::Operator) is `A`, and a
//! [`NoiseModel`](noise::NoiseModel) is the law of `y` given `A x₀`. A
//! [`Measurement`](measurement::Measurement) holds both together with `y`.
//!
//! | module | contents |
//! |---|---|
//! | [`operator`] | linear operators with exact adjoints, nonlinear ones, compositions, stacks |
//! | [`noise`] | 11 noise models with their densities, in any range of values |
//! | [`measurement`] | measurements and their likelihoods, in memory and in files |
//! | [`posterior`] | posterior methods, by what they wrap |
//! | [`baseline`] | estimates without a network |
//! | [`prior`] | image priors with closed forms: Gaussian textures |
//! | [`solver`] | linear equations with an operator |
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
pub mod prior;
pub mod solver;
mod split;
mod values;

pub use split::Split;
