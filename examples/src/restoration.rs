//! Methods and samplers of the `restore` example, and what combines.
//!
//! `tests/catalogue/src/posterior_methods.rs` has the constructor of every method.

mod auto;
mod damage;
mod output;
mod own;
mod prior;
mod record;
mod sensor;
mod task;

use clap::ValueEnum;
use clap::builder::PossibleValue;
use indicatif::ProgressBar;
use serde::{Deserialize, Serialize};
use std::error::Error;
use tweedie::inverse::measurement::{Measured as _, Measurement};
use tweedie::inverse::noise::{GaussianNoise, NoiseModel};
use tweedie::inverse::operator::{FourierPhase, Operator};
use tweedie::inverse::posterior::Dpir;
use tweedie::prelude::*;
use tweedie::samplers::AnyStep;
use tweedie_catalogue::{Method, Moves, Route, Setup, methods_of_any_operator, posterior_methods};

pub use damage::Damage;
pub use own::{Own, restore_own};
pub use prior::Prior;
pub use record::Experiment;
pub use sensor::Sensor;
pub use task::{Linear4, Measured, Physics, Task, repeated};

type Linear = Method<4, Measurement<4, Physics, GaussianNoise>>;
/// Sees every state of a run.
type Observer<'a> = &'a mut dyn FnMut(usize, &State<4>);
type Nonlinear = Method<4, Measurement<4, FourierPhase, GaussianNoise>>;

/// How the chain moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
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

/// Every method as a value of the command line.
#[must_use]
pub fn methods() -> Vec<PossibleValue> {
    let all: Vec<Linear> = posterior_methods();
    let value = |method: &Linear| PossibleValue::new(method.id).help(method.name);
    let auto = PossibleValue::new(AUTO).help("The best of them for this operator and noise");
    std::iter::once(auto).chain(all.iter().map(value)).collect()
}

/// Which methods work with which samplers and tasks, for `--help`.
#[must_use]
pub fn combinations() -> String {
    let all: Vec<Linear> = posterior_methods();
    let of = |moves| {
        let of = all.iter().filter(|method| method.moves == moves);
        of.map(|method| method.id).collect::<Vec<_>>().join(" ")
    };
    let any: Vec<Nonlinear> = methods_of_any_operator();
    let any: Vec<&str> = any.iter().map(|method| method.id).collect();
    let names = |holds: fn(&Linear) -> bool| {
        let of = all.iter().filter(|method| holds(method));
        of.map(|method| method.id).collect::<Vec<_>>().join(" ")
    };
    let (strong, same) = (names(|it| it.has_strength), names(|it| it.keeps_shape));
    format!(
        "What combines:\n  any --sampler:          {}\n  --sampler ddpm or ddim: {}\n  their own moves:        {}\n  \
         --task phase:           {}\n  not --task sr2, sr4:    {same}\n  --strength:             {strong}",
        of(Moves::AnySampler),
        of(Moves::AnyKernel),
        of(Moves::Own),
        any.join(" ")
    )
}

/// The name that stands for the best method.
const AUTO: &str = "auto";

/// The strengths that suit Fashion-MNIST, where they are not the method's default.
const STRENGTHS: [(&str, f64); 4] = [
    ("dps", 1.0),
    ("dps-score", 0.1),
    ("diffpir", 1.75),
    ("mcg", 0.5),
];

/// What a run needs besides its settings.
struct Run<'a> {
    /// The denoiser.
    prior: &'a dyn Denoiser<4>,
    /// The shape of all draws.
    shape: [usize; 4],
    /// Where point estimates start, instead of their own start.
    start: Option<Tensor<4>>,
    /// The standard deviation of the noise, on `[−1, 1]`.
    sigma: f64,
    /// The largest `σ/α` that the denoiser was trained for.
    noisiest: f64,
}

/// The settings of a run of `restore`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Settings {
    /// The name of the method.
    pub method: String,
    /// The sampler; `None` for the method's own.
    pub walk: Option<Walk>,
    /// The number of moves.
    pub steps: usize,
    /// The strength instead of the default: ζ of `dps` and `mcg`, `w` of guided methods, λ of
    /// `diffpir` and `red-diff`.
    pub strength: Option<f64>,
    /// The number of guesses of each measurement.
    pub guesses: usize,
}

impl Settings {
    /// Checks that the method works with the sampler and the task.
    ///
    /// # Errors
    /// One line that says what does.
    pub fn check(&self, task: Task) -> Result<(), Box<dyn Error>> {
        let name = &self.method;
        let any: Vec<Nonlinear> = methods_of_any_operator();
        if task == Task::Phase && !any.iter().any(|method| method.id == name) {
            let ids: Vec<&str> = any.iter().map(|method| method.id).collect();
            let ids = ids.join(", ");
            return Err(format!("--task phase is not linear: --method {ids}").into());
        }
        if name == AUTO {
            return match self.walk.is_some() || self.strength.is_some() {
                true => Err("--method auto chooses --sampler and --strength itself".into()),
                false => Ok(()),
            };
        }
        let all: Vec<Linear> = posterior_methods();
        let method = all.iter().find(|method| method.id == name);
        let method = method.ok_or_else(|| format!("no method {name}"))?;
        if method.keeps_shape && [Task::Sr2, Task::Sr4].contains(&task) {
            return Err(format!("--method {name} takes measurements of the image's size").into());
        }
        let allowed: &[Walk] = match method.moves {
            Moves::AnySampler => &[Walk::Ddpm, Walk::Ddim, Walk::Heun, Walk::Dpmpp],
            Moves::AnyKernel => &[Walk::Ddpm, Walk::Ddim],
            Moves::Own => &[],
        };
        if let Some(walk) = self.walk.filter(|walk| !allowed.contains(walk)) {
            let walk = walk.to_possible_value();
            let walk = walk.map_or_else(String::new, |walk| walk.get_name().to_owned());
            let text = format!(
                "--sampler {walk} does not go with --method {name}; --help lists what combines"
            );
            return Err(text.into());
        }
        if let Some(strength) = self.strength {
            if !method.has_strength {
                return Err(format!("--method {name} has no --strength").into());
            }
            if !(strength > 0.0 && strength.is_finite()) {
                let text = format!("--strength has to be finite and above 0, got {strength}");
                return Err(text.into());
            }
        }
        Ok(())
    }

    /// Restores what was measured: `[measurements × guesses, …]`.
    ///
    /// # Errors
    /// If the run is refused.
    pub fn restore(
        &self,
        model: &Model,
        measured: &Measured,
        shape: [usize; 4],
        noise: &mut HostNoise,
    ) -> Result<Tensor<4>, Box<dyn Error>> {
        match measured {
            Measured::Linear(Linear4(m)) => {
                let all = posterior_methods();
                let chosen = match self.method == AUTO {
                    true => {
                        let [_, channels, height, width] = shape;
                        let image = [channels, height, width];
                        let physics = (&m.operator, m.noise.sigma());
                        auto::choose(self, &all, model, image, physics, 0)?
                    }
                    false => self.clone(),
                };
                chosen.by(&all, model, m, (shape, None), noise)
            }
            Measured::Phase(m) => {
                // A magnitude has no pseudo-inverse to begin with.
                let start =
                    (self.method == "red-diff").then(|| noise.normal(shape, &m.y().device()));
                let all = methods_of_any_operator();
                self.by(&all, model, m, (shape, start), noise)
            }
        }
    }

    fn by<A: Operator<4> + Clone>(
        &self,
        methods: &[Method<4, Measurement<4, A, GaussianNoise>>],
        model: &Model,
        once: &Measurement<4, A, GaussianNoise>,
        (shape, start): ([usize; 4], Option<Tensor<4>>),
        noise: &mut HostNoise,
    ) -> Result<Tensor<4>, Box<dyn Error>> {
        let run = Run {
            prior: model,
            shape,
            start,
            sigma: once.noise.sigma(),
            noisiest: f64::INFINITY,
        };
        self.draw(methods, once, &run, noise, &mut |_, _| {})
    }

    /// Draws restorations with one of `methods`.
    fn draw<A: Operator<4> + Clone, N: NoiseModel<4> + Clone>(
        &self,
        methods: &[Method<4, Measurement<4, A, N>>],
        once: &Measurement<4, A, N>,
        run: &Run<'_>,
        noise: &mut HostNoise,
        observer: Observer<'_>,
    ) -> Result<Tensor<4>, Box<dyn Error>> {
        let method = methods.iter().find(|method| method.id == self.method);
        let ids = || methods.iter().map(|method| method.id).collect::<Vec<_>>();
        let method = method.ok_or_else(|| {
            let ids = ids().join(", ");
            format!(
                "--method {} does not go with this measurement; one of {ids}",
                self.method
            )
        })?;
        let y = repeated(&once.y, self.guesses);
        let m = Measurement::new(once.operator.clone(), once.noise.clone(), y);
        let tuned = STRENGTHS.iter().find(|(id, _)| *id == self.method);
        let curvature = 1.0 / run.sigma.powi(2);
        let path = LevelPath::uniform(Cosine::default(), Span::new(0.98, 0.0), self.steps)?;
        let setup = Setup {
            once,
            is_noisy: self.walk != Some(Walk::Ddim),
            strength: self.strength.or(tuned.map(|(_, strength)| *strength)),
            // The spread of a pixel around its mean, on [−1, 1].
            data_std: 0.5,
            curvature,
            iterations: Some(3),
            travel: Some([10, 3]),
            particles: self.guesses,
            start: run.start.clone(),
            ..Setup::new(run.prior, &m, path)
        };
        let parts = method.build(&setup)?;
        let moves = match parts.route {
            Route::Staying(_) => method.path_factor * self.steps,
            _ => self.steps,
        };
        let path = match parts.route {
            Route::ToTheMeasurement if run.noisiest.is_finite() => {
                Dpir::<()>::path(run.noisiest, run.sigma.min(run.noisiest), moves)?
            }
            route => route.path(setup.path.clone(), moves, run.sigma)?,
        };
        if path.start().noise_to_signal() > run.noisiest * 1.000_001 {
            let text = format!(
                "--method {} begins at noise that this denoiser was not trained for; one that \
                 does not: dpir, red",
                self.method
            );
            return Err(text.into());
        }
        let step = parts.step.unwrap_or_else(|| self.step());
        let sampler = Sampler::new(step, path).checking_each();
        let x = match &run.start {
            // DPIR and RED continue from an image.
            Some(start) if method.is_point => start.clone().expand(run.shape),
            _ => sampler.start(run.shape, &Device::default(), noise)?,
        };
        walk_seen(&sampler, "restoring", &*parts.denoiser, x, noise, observer)
    }

    /// The step of the sampler.
    fn step(&self) -> AnyStep<4> {
        match self.walk.unwrap_or(Walk::Ddpm) {
            Walk::Ddpm => AnyStep::new(Ancestral::default()),
            Walk::Ddim => AnyStep::new(Ddim::deterministic()),
            Walk::Heun => AnyStep::new(RungeKutta::heun()),
            Walk::Dpmpp => AnyStep::new(DpmSolverMultistep::plus_plus(Order::Second)),
        }
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
    walk_seen(sampler, task, denoiser, x, noise, &mut |_, _| {})
}

fn walk_seen<S: Step<4>>(
    sampler: &Sampler<S>,
    task: &'static str,
    denoiser: &dyn Denoiser<4>,
    x: Tensor<4>,
    noise: &mut HostNoise,
    observer: Observer<'_>,
) -> Result<Tensor<4>, Box<dyn Error>> {
    let bar = ProgressBar::new(sampler.path().len() as u64).with_message(task);
    let mut last = x.clone();
    for (k, state) in sampler.trajectory(denoiser, x, noise)?.enumerate() {
        let state = state?;
        bar.inc(1);
        observer(k, &state);
        last = state.x;
    }
    bar.finish_and_clear();
    Ok(last)
}
