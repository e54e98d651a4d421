//! Tasks, posterior methods and samplers that `restore` combines.

mod task;

use clap::ValueEnum;
use indicatif::ProgressBar;
use std::error::Error;
use tweedie::inverse::measurement::Measurement;
use tweedie::inverse::noise::GaussianNoise;
use tweedie::inverse::operator::Operator;
use tweedie::inverse::posterior::{
    Daps, Ddnm, DdnmPlus, Ddrm, DiffPir, Dps, DpsStep, EnKg, LangevinCoupling, Lgd, Mcg, Mmps,
    Pigdm, PnpDm, RePaint, RedDiff, Tmpd, TwistByVariance, TwistedSmc,
};
use tweedie::math::Renoise;
use tweedie::prelude::*;
use tweedie::samplers::AnyStep;

pub use task::{Linear4, Measured, Physics, Task, repeated};

/// The posterior method.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Method {
    /// DPS as published
    Dps,
    /// DPS as a denoiser, weighted by the likelihood
    DpsScore,
    /// ΠGDM
    Pigdm,
    /// Moment matching by conjugate gradients
    Mmps,
    /// Moment matching with a diagonal covariance
    Tmpd,
    /// Loss-guided diffusion, averaged over draws of the clean image
    Lgd,
    /// Null-space projection, for little noise
    Ddnm,
    /// Null-space projection that accounts for noise
    DdnmPlus,
    /// A proximal step on the data term
    Diffpir,
    /// Denoising in the singular basis of the operator
    Ddrm,
    /// Replacement with time travel
    Repaint,
    /// DPS followed by replacement
    Mcg,
    /// Decoupled annealing
    Daps,
    /// Split Gibbs
    PnpDm,
    /// Twisted sequential Monte Carlo
    Smc,
    /// Ensemble Kalman guidance, without derivatives
    Enkg,
    /// A point estimate by stochastic gradient descent
    RedDiff,
}

/// The sampler.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Walk {
    /// DDPM
    Ddpm,
    /// DDIM without noise
    Ddim,
    /// Heun's method on the flow
    Heun,
    /// DPM-Solver++(2M)
    Dpmpp,
}

/// Which methods go with which samplers and tasks.
pub const COMBINATIONS: &str = "\
What combines:
  dps-score pigdm mmps tmpd lgd ddnm   any --sampler
  dps repaint mcg                      --sampler ddpm, ddim
  diffpir ddnm-plus ddrm daps pnp-dm smc enkg red-diff   their own moves
  phase                                dps dps-score lgd daps enkg red-diff
  all other tasks                      every method";

/// A run of `restore`.
#[derive(Debug)]
pub struct Settings {
    /// The method.
    pub method: Method,
    /// The sampler; `None` takes the method's default.
    pub walk: Option<Walk>,
    /// The number of moves.
    pub steps: usize,
    /// The strength: ζ of `dps` and `mcg`, `w` of `dps-score`, `pigdm` and `lgd`, λ of `diffpir`
    /// and `red-diff`. `None` takes the default.
    pub strength: Option<f64>,
    /// The number of posterior draws for each measurement.
    pub guesses: usize,
}

impl Settings {
    /// Checks that the method supports the sampler, the strength and the task.
    ///
    /// # Errors
    /// Explains in one line what is not supported.
    pub fn check(&self, task: Task) -> Result<(), Box<dyn Error>> {
        use Method::{Daps, DpsScore, Enkg, RedDiff};
        let method = self.method;
        let nonlinear = [Method::Dps, DpsScore, Method::Lgd, Daps, Enkg, RedDiff];
        if task == Task::Phase && !nonlinear.contains(&method) {
            return Err(
                "--task phase is not linear: --method dps, dps-score, lgd, daps, enkg or red-diff"
                    .into(),
            );
        }
        let kernels = [Walk::Ddpm, Walk::Ddim];
        let allowed: &[Walk] = match method {
            DpsScore | Method::Pigdm | Method::Mmps | Method::Tmpd | Method::Lgd | Method::Ddnm => {
                &[Walk::Ddpm, Walk::Ddim, Walk::Heun, Walk::Dpmpp]
            }
            Method::Dps | Method::Repaint | Method::Mcg => &kernels,
            _ => &[],
        };
        if let Some(walk) = self.walk
            && !allowed.contains(&walk)
        {
            return Err(format!(
                "--sampler {} does not go with --method {}; --help lists what combines",
                name(walk),
                name(method)
            )
            .into());
        }
        let knobs = [
            Method::Dps,
            Method::Mcg,
            DpsScore,
            Method::Pigdm,
            Method::Lgd,
            Method::Diffpir,
            RedDiff,
        ];
        if let Some(strength) = self.strength {
            if !knobs.contains(&method) {
                return Err(format!("--method {} has no --strength", name(method)).into());
            }
            if !(strength > 0.0 && strength.is_finite()) {
                let text = format!("--strength has to be finite and above 0, got {strength}");
                return Err(text.into());
            }
        }
        Ok(())
    }

    fn strength(&self, default: f64) -> f64 {
        self.strength.unwrap_or(default)
    }

    fn kernel(&self) -> Ddim {
        match self.walk {
            Some(Walk::Ddim) => Ddim::deterministic(),
            _ => Ddim::ancestral(),
        }
    }

    /// Restores the measured images: `[measurements × guesses, …]`.
    ///
    /// # Errors
    /// If a parameter is invalid, or the run fails.
    pub fn restore(
        &self,
        model: &Model,
        measured: &Measured,
        shape: [usize; 4],
        noise: &mut HostNoise,
    ) -> Result<Tensor<4>, Box<dyn Error>> {
        let path = LevelPath::uniform(Cosine::default(), Span::new(0.98, 0.0), self.steps)?;
        let chain = Chain4 { path, model, shape };
        match measured {
            Measured::Linear(Linear4(m)) => {
                let y = repeated(&m.y, self.guesses);
                let repeated = Measurement::new(m.operator.clone(), m.noise, y);
                self.linear(&chain, m, repeated, noise)
            }
            Measured::Phase(m) => {
                let y = repeated(&m.y, self.guesses);
                let repeated = Measurement::new(m.operator, m.noise, y);
                self.any(&chain, m, repeated, noise)
            }
        }
    }

    /// Runs a method that takes any differentiable operator.
    fn any<A: Operator<4> + Clone + Send + Sync + 'static>(
        &self,
        chain: &Chain4<'_>,
        once: &Measurement<4, A, GaussianNoise>,
        m: Measurement<4, A, GaussianNoise>,
        noise: &mut HostNoise,
    ) -> Result<Tensor<4>, Box<dyn Error>> {
        let model = chain.model;
        match self.method {
            Method::Dps => {
                let step = DpsStep::new(self.kernel(), m).with_zeta(self.strength(1.0))?;
                chain.walk(model, AnyStep::new(step), noise)
            }
            Method::DpsScore => {
                let guided = Dps::new(model, &m).with_strength(self.strength(0.1))?;
                chain.guided(&guided, self.walk, noise)
            }
            Method::Lgd => {
                let guided = Lgd::new(model, &m).with_strength(self.strength(1.0))?;
                chain.guided(&guided.with_data_std(0.5)?, self.walk, noise)
            }
            Method::Daps => {
                let curvature = 1.0 / m.noise.sigma().powi(2);
                let coupling = LangevinCoupling::new(m, curvature)?;
                chain.walk(model, AnyStep::new(Daps::new(coupling)), noise)
            }
            Method::Enkg => {
                let step = EnKg::new(Ddim::ancestral(), once.clone());
                let step = step.with_particles(self.guesses)?;
                chain.walk(model, AnyStep::new(step), noise)
            }
            _ => {
                // Fourier magnitudes have no pseudo-inverse to start from: start from noise.
                let start = noise.normal(chain.shape, &m.y.device());
                let step = RedDiff::starting_at(m, start).with_lambda(self.strength(0.25))?;
                chain.walk(model, AnyStep::new(step), noise)
            }
        }
    }

    /// Runs a method that needs a linear operator, or passes on to `any`.
    fn linear(
        &self,
        chain: &Chain4<'_>,
        once: &Measurement<4, Physics, GaussianNoise>,
        m: Measurement<4, Physics, GaussianNoise>,
        noise: &mut HostNoise,
    ) -> Result<Tensor<4>, Box<dyn Error>> {
        let model = chain.model;
        let mut own = |step: AnyStep<4>| chain.walk(model, step, noise);
        // The standard deviation of a pixel of Fashion-MNIST, on [−1, 1].
        let spread = 0.5;
        match self.method {
            Method::Pigdm => {
                let guided = Pigdm::new(model, &m).with_strength(self.strength(1.0))?;
                chain.guided(&guided.with_data_std(spread)?, self.walk, noise)
            }
            Method::Mmps => {
                chain.guided(&Mmps::new(model, &m).with_iterations(3)?, self.walk, noise)
            }
            Method::Tmpd => chain.guided(&Tmpd::new(model, &m), self.walk, noise),
            Method::Ddnm => chain.guided(&Ddnm::new(model, &m), self.walk, noise),
            Method::Diffpir => {
                let guided = DiffPir::new(model, &m).with_lambda(self.strength(1.75))?;
                chain.walk(&guided, AnyStep::new(Renoise::new(0.3)?), noise)
            }
            Method::DdnmPlus => own(AnyStep::new(DdnmPlus::new(Ddim::new(0.85)?, m))),
            Method::Ddrm => own(AnyStep::new(Ddrm::new(m))),
            Method::Repaint => {
                let chain = Chain4 {
                    path: chain.path.clone().with_time_travel(10, 3),
                    ..*chain
                };
                let step = RePaint::new(self.kernel(), m);
                chain.walk(model, AnyStep::new(step), noise)
            }
            Method::Mcg => {
                let step = Mcg::new(self.kernel(), m).with_zeta(self.strength(0.5))?;
                own(AnyStep::new(step))
            }
            Method::Daps => own(AnyStep::new(Daps::new(m))),
            Method::PnpDm => own(AnyStep::new(PnpDm::new(m))),
            Method::Smc => {
                let twist = TwistByVariance::new(m).with_data_std(spread)?;
                let smc = TwistedSmc::new(Ddim::ancestral(), twist);
                own(AnyStep::new(smc.with_particles(self.guesses)?))
            }
            Method::RedDiff => {
                let step = RedDiff::new(m).with_lambda(self.strength(0.25))?;
                own(AnyStep::new(step))
            }
            _ => self.any(chain, once, m, noise),
        }
    }
}

/// The name of a value on the command line.
fn name(value: impl ValueEnum) -> String {
    let value = value.to_possible_value();
    value.map_or_else(String::new, |value| value.get_name().to_owned())
}

#[derive(Clone)]
struct Chain4<'a> {
    path: LevelPath,
    model: &'a Model,
    shape: [usize; 4],
}

impl Chain4<'_> {
    fn guided(
        &self,
        denoiser: &dyn Denoiser<4>,
        walk: Option<Walk>,
        noise: &mut HostNoise,
    ) -> Result<Tensor<4>, Box<dyn Error>> {
        let step = match walk.unwrap_or(Walk::Ddpm) {
            Walk::Ddpm => AnyStep::new(Ancestral::default()),
            Walk::Ddim => AnyStep::new(Ddim::deterministic()),
            Walk::Heun => AnyStep::new(RungeKutta::heun()),
            Walk::Dpmpp => AnyStep::new(DpmSolverMultistep::plus_plus(Order::Second)),
        };
        self.walk(denoiser, step, noise)
    }

    fn walk(
        &self,
        denoiser: &dyn Denoiser<4>,
        step: AnyStep<4>,
        noise: &mut HostNoise,
    ) -> Result<Tensor<4>, Box<dyn Error>> {
        let sampler = Sampler::new(step, self.path.clone()).checking_each();
        let x = sampler.start(self.shape, &Device::default(), noise)?;
        walk(&sampler, "restoring", denoiser, x, noise)
    }
}

/// Runs a sampler over its whole path, with a progress bar.
///
/// # Errors
/// If the sampler rejects the input, or a move fails.
pub fn walk<S: Step<4>>(
    sampler: &Sampler<S>,
    task: &'static str,
    denoiser: &dyn Denoiser<4>,
    x: Tensor<4>,
    noise: &mut HostNoise,
) -> Result<Tensor<4>, Box<dyn Error>> {
    let bar = ProgressBar::new(sampler.path().len() as u64).with_message(task);
    let mut last = x.clone();
    for state in sampler.trajectory(denoiser, x, noise)? {
        bar.inc(1);
        last = state?.x;
    }
    bar.finish_and_clear();
    Ok(last)
}
