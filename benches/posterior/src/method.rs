//! Every posterior method, on every problem that it can solve.

use crate::problem::Problem;
use crate::study::Study;
use crate::{Failure, Task};
use serde::{Deserialize, Serialize};
use std::time::Instant;
use tweedie::core::Counting;
use tweedie::core::DenoiseError;
use tweedie::inverse::baseline::tikhonov;
use tweedie::inverse::posterior::{
    Annealed, Daps, Ddnm, DdnmPlus, Ddrm, DiffPir, Dpir, Dps, DpsStep, EnKg, LangevinCoupling, Lgd,
    Mcg, Mmps, Pigdm, PigdmStep, PnpDm, PnpUla, RePaint, Red, RedDiff, ScoreGuidance, Tmpd,
    TwistByVariance, TwistedSmc,
};
use tweedie::math::Renoise;
use tweedie::prelude::*;
use tweedie::samplers::{AnnealedLangevin, AnyStep, SampleError, StepError};

/// A method that draws from a posterior, or returns a point estimate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(
    missing_docs,
    reason = "the names say it; `Method::name` spells them out"
)]
pub enum Method {
    Exact,
    Dps,
    DpsPaper,
    Pigdm,
    PigdmPaper,
    Mmps,
    Tmpd,
    Lgd,
    Ddnm,
    DdnmPlus,
    DiffPir,
    Ddrm,
    RePaint,
    Mcg,
    Annealed,
    AnnealedLangevin,
    Daps,
    DapsLangevin,
    PnpDm,
    TwistedSmc,
    EnKg,
    ReverseVe,
    PnpUla,
    RedDiff,
    Dpir,
    Red,
    Tikhonov,
}

/// The step of a chain, for methods that work with any step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Walk {
    /// Heun's method on the flow, or DDIM without noise for methods that wrap a one-step kernel.
    Flow,
    /// DDPM: ancestral steps.
    Ancestral,
    /// The method's own step.
    Own,
}

/// The result of a method on a problem.
#[derive(Clone, Debug)]
pub struct Run {
    /// The draws, the same number for each measurement: `[measurements × count, values]`.
    pub draws: Tensor<2>,
    /// The number of evaluations of the denoiser.
    pub evaluations: usize,
    /// The wall time in seconds.
    pub seconds: f64,
}

impl Method {
    /// All methods.
    pub const ALL: [Self; 27] = [
        Self::Exact,
        Self::Pigdm,
        Self::Mmps,
        Self::Tmpd,
        Self::Dps,
        Self::DpsPaper,
        Self::Lgd,
        Self::PigdmPaper,
        Self::Ddnm,
        Self::DdnmPlus,
        Self::DiffPir,
        Self::Ddrm,
        Self::RePaint,
        Self::Mcg,
        Self::Annealed,
        Self::AnnealedLangevin,
        Self::Daps,
        Self::DapsLangevin,
        Self::PnpDm,
        Self::TwistedSmc,
        Self::EnKg,
        Self::ReverseVe,
        Self::PnpUla,
        Self::RedDiff,
        Self::Dpir,
        Self::Red,
        Self::Tikhonov,
    ];

    /// Returns the name of the method.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Exact => "exact posterior",
            Self::Dps => "DPS",
            Self::DpsPaper => "DPS as published",
            Self::Pigdm => "ΠGDM",
            Self::PigdmPaper => "ΠGDM as published",
            Self::Mmps => "MMPS",
            Self::Tmpd => "TMPD",
            Self::Lgd => "LGD",
            Self::Ddnm => "DDNM",
            Self::DdnmPlus => "DDNM+",
            Self::DiffPir => "DiffPIR",
            Self::Ddrm => "DDRM",
            Self::RePaint => "RePaint",
            Self::Mcg => "MCG",
            Self::Annealed => "annealed likelihood",
            Self::AnnealedLangevin => "annealed Langevin",
            Self::Daps => "DAPS",
            Self::DapsLangevin => "DAPS (Langevin)",
            Self::PnpDm => "PnP-DM",
            Self::TwistedSmc => "twisted SMC",
            Self::EnKg => "EnKG",
            Self::ReverseVe => "reverse VE process",
            Self::PnpUla => "PnP-ULA",
            Self::RedDiff => "RED-diff",
            Self::Dpir => "DPIR",
            Self::Red => "RED",
            Self::Tikhonov => "Tikhonov",
        }
    }

    /// Returns the steps that the method can use.
    #[must_use]
    pub fn walks(self) -> &'static [Walk] {
        match self {
            Self::Exact
            | Self::Dps
            | Self::Pigdm
            | Self::Mmps
            | Self::Tmpd
            | Self::Lgd
            | Self::Ddnm
            | Self::Annealed
            | Self::DpsPaper
            | Self::PigdmPaper
            | Self::DiffPir
            | Self::RePaint
            | Self::Mcg => &[Walk::Flow, Walk::Ancestral],
            _ => &[Walk::Own],
        }
    }

    /// Returns whether the method can solve the task.
    #[must_use]
    pub fn allows(self, task: Task) -> bool {
        self != Self::ReverseVe || task == Task::Denoising
    }

    /// Returns whether the method gives a point estimate instead of draws.
    #[must_use]
    pub fn is_point(self) -> bool {
        matches!(
            self,
            Self::RedDiff | Self::Dpir | Self::Red | Self::Tikhonov
        )
    }

    /// Draws `count` times for each measurement, in about `moves` moves.
    ///
    /// If a chain diverges, all draws are NaN.
    ///
    /// # Errors
    /// If a parameter is invalid, or if the run fails for another reason than divergence.
    pub fn run(
        self,
        problem: &Problem,
        walk: Walk,
        count: usize,
        moves: usize,
    ) -> Result<Run, Failure> {
        let study = Study {
            problem,
            measured: problem.repeated(count),
            prior: Counting::new(problem.denoiser()),
            moves,
            count,
        };
        let began = Instant::now();
        let draws = match self.draw(&study, walk) {
            Err(error) if is_not_finite(&error) => {
                Tensor::full(study.shape(), f64::NAN, &Device::flex())
            }
            draws => draws?,
        };
        let seconds = began.elapsed().as_secs_f64();
        let width = problem.law.dim() as i32;
        Ok(Run {
            draws: draws.reshape([-1, width]),
            evaluations: study.prior.evaluations(),
            seconds,
        })
    }

    /// Returns whether the number of evaluations depends on rounding.
    ///
    /// This is so for conjugate gradients, which stop by themselves.
    #[must_use]
    pub fn iterates(self) -> bool {
        self == Self::Mmps
    }

    fn draw(self, study: &Study<'_>, walk: Walk) -> Result<Tensor<4>, Failure> {
        let (prior, m, s) = (&study.prior, &study.measured, study.problem.data_std());
        let zeta = study.problem.task.dps_zeta();
        let denoised = |guided: &dyn Denoiser<4>| study.wrapped(guided, walk);
        match self {
            Self::Exact => study.exact(walk),
            Self::Dps => denoised(&Dps::new(prior, m)),
            Self::Pigdm => denoised(&Pigdm::new(prior, m).with_data_std(s)?),
            Self::Mmps => denoised(&Mmps::new(prior, m).with_iterations(10)?),
            Self::Tmpd => denoised(&Tmpd::new(prior, m)),
            Self::Lgd => denoised(&Lgd::new(prior, m).with_data_std(s)?),
            Self::Ddnm => denoised(&Ddnm::new(prior, m)),
            Self::Annealed => denoised(&ScoreGuidance::new(prior, Annealed::new(m))),
            Self::DiffPir => {
                let kernel = match walk {
                    Walk::Flow => Renoise::new(0.0)?,
                    _ => Renoise::new(0.3)?,
                };
                study.walked(&DiffPir::new(prior, m), kernel)
            }
            Self::DpsPaper => study.walked_by(walk, |kernel| {
                let step = DpsStep::new(kernel, m.clone()).with_zeta(zeta)?;
                Ok(AnyStep::new(step))
            }),
            Self::PigdmPaper => study.walked_by(walk, |kernel| {
                Ok(AnyStep::new(PigdmStep::new(kernel, m.clone())))
            }),
            Self::RePaint => study.walked_by(walk, |kernel| {
                Ok(AnyStep::new(RePaint::new(kernel, m.clone())))
            }),
            Self::Mcg => study.walked_by(walk, |kernel| {
                let step = Mcg::new(kernel, m.clone()).with_zeta(zeta)?;
                Ok(AnyStep::new(step))
            }),
            Self::DdnmPlus => study.walked(prior, DdnmPlus::new(Ddim::new(0.85)?, m.clone())),
            Self::Ddrm => study.walked(prior, Ddrm::new(m.clone())),
            Self::AnnealedLangevin => {
                let path = study.path(study.moves)?;
                let last = path.levels()[path.len() - 1];
                let step = AnnealedLangevin::new(5, 0.1 * last.noise_to_signal().powi(2), last)?;
                let guided = ScoreGuidance::new(prior, Annealed::new(m));
                study.along(&guided, step, path)
            }
            Self::Daps => study.walked(prior, Daps::new(m.clone())),
            Self::DapsLangevin => {
                let curvature = (study.problem.norm() / study.problem.sigma).powi(2);
                let coupling = LangevinCoupling::new(m.clone(), curvature)?;
                study.walked(prior, Daps::new(coupling))
            }
            Self::PnpDm => study.walked(prior, PnpDm::new(m.clone())),
            Self::TwistedSmc => {
                let twist = TwistByVariance::new(m).with_data_std(s)?;
                let smc = TwistedSmc::new(Ddim::ancestral(), twist);
                study.walked(prior, smc.with_particles(study.count)?)
            }
            Self::EnKg => {
                let step = EnKg::new(Ddim::deterministic(), &study.problem.measured);
                study.walked(prior, step.with_particles(study.count)?)
            }
            Self::ReverseVe => study.reverse(),
            Self::PnpUla => {
                let level = Level::variance_exploding(0.1)?;
                let curvature = (study.problem.norm() / study.problem.sigma).powi(2);
                let delta = 0.2 / (curvature + level.snr());
                let path = LevelPath::staying(level, 20 * study.moves)?;
                let mut noise = HostNoise::seeded(7);
                let step = PnpUla::new(m.clone()).with_step_size(delta)?;
                Ok(Sampler::new(step, path).sample(prior, study.backward()?, &mut noise)?)
            }
            Self::RedDiff => {
                let path = study.path(2 * study.moves)?;
                study.along(prior, RedDiff::new(m.clone()), path)
            }
            Self::Dpir => {
                let path = Dpir::<()>::path(1.0, study.problem.sigma.min(0.9), 20)?;
                study.along(prior, Dpir::new(m.clone()), path)
            }
            Self::Red => {
                let level = Level::variance_exploding(0.1)?;
                let path = LevelPath::staying(level, study.moves)?;
                study.along(prior, Red::new(m.clone()), path)
            }
            Self::Tikhonov => {
                let mean = study.problem.law.mean();
                let mean = crate::problem::rows(mean, study.problem.law.dim());
                let [c, h, w] = study.problem.prior.signal();
                let mean = mean.reshape([1, c, h, w]).expand(study.shape());
                Ok(tikhonov(m, mean, s)?)
            }
        }
    }
}

fn is_not_finite(error: &Failure) -> bool {
    let error = error.downcast_ref::<SampleError>();
    let diverged = StepError::Denoise(DenoiseError::NotFinite);
    match error {
        Some(SampleError::NotFinite { .. }) => true,
        Some(SampleError::Step { reason, .. }) => *reason == diverged,
        _ => false,
    }
}

impl Task {
    /// Returns the ζ of DPS that the paper uses for images in `[−1, 1]` and 1,000 moves.
    #[must_use]
    pub fn dps_zeta(self) -> f64 {
        match self {
            Self::Inpainting => 0.5,
            Self::Denoising | Self::Blur | Self::SuperResolution => 0.3,
        }
    }
}
