//! Runs of every method on every problem.

use crate::problem::Problem;
use crate::study::Study;
use crate::{Failure, Prior, Task};
use serde::{Deserialize, Serialize};
use std::time::Instant;
use tweedie::core::{Counting, DenoiseError};
use tweedie::inverse::measurement::Measurement;
use tweedie::inverse::noise::GaussianNoise;
use tweedie::inverse::operator::Matrix;
use tweedie::prelude::*;
use tweedie::samplers::{SampleError, StepError};
use tweedie_catalogue::{Moves, Route, Setup, posterior_methods};

/// A method of the catalogue, or a reference to compare with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Method(Which);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Which {
    /// A method of the catalogue, by its name in files.
    Listed(&'static str),
    /// The posterior itself as the prior: the error of the moves alone.
    Exact,
    /// The reverse VE process from the measurement.
    ReverseVe,
    /// Tikhonov regularisation.
    Tikhonov,
}

/// How a chain moves, if the method leaves the choice open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Walk {
    /// Heun's method on the flow, or DDIM without noise for methods that wrap a kernel.
    Flow,
    /// DDPM: ancestral steps.
    Ancestral,
    /// The method's own moves.
    Own,
}

/// The result of a method on a problem.
#[derive(Clone, Debug)]
pub struct Run {
    /// The draws, as many for each measurement, `[measurements × count, values]`.
    pub draws: Tensor<2>,
    /// The number of denoiser evaluations.
    pub evaluations: usize,
    /// The time in seconds.
    pub seconds: f64,
}

type Problem4 = Measurement<4, Matrix, GaussianNoise>;
type Listed = tweedie_catalogue::Method<4, Problem4>;

/// Every reference: its name in files, itself, and its name in tables.
const REFERENCES: [(&str, Which, &str); 3] = [
    ("exact", Which::Exact, "exact posterior"),
    ("reverse-ve", Which::ReverseVe, "reverse VE process"),
    ("tikhonov", Which::Tikhonov, "Tikhonov"),
];

impl Method {
    /// Every method: those of the catalogue and the references.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let listed = posterior_methods::<4, Problem4>().into_iter();
        let listed = listed.map(|method| Self(Which::Listed(method.id)));
        let references = REFERENCES.map(|(_, which, _)| Self(which));
        references.into_iter().chain(listed).collect()
    }

    /// The entry of the catalogue; `None` for a reference.
    fn listed(self) -> Option<Listed> {
        let Which::Listed(id) = self.0 else {
            return None;
        };
        posterior_methods()
            .into_iter()
            .find(|method| method.id == id)
    }

    fn reference(self) -> Option<&'static (&'static str, Which, &'static str)> {
        REFERENCES.iter().find(|(_, which, _)| *which == self.0)
    }

    /// The published name.
    #[must_use]
    pub fn name(self) -> &'static str {
        let reference = self.reference().map(|(.., name)| *name);
        let name = reference.or_else(|| self.listed().map(|method| method.name));
        name.unwrap_or_default()
    }

    /// The ways in which the method can move.
    #[must_use]
    pub fn walks(self) -> &'static [Walk] {
        let own = self
            .listed()
            .map_or(self.0 != Which::Exact, |it| it.moves == Moves::Own);
        match own {
            true => &[Walk::Own],
            false => &[Walk::Flow, Walk::Ancestral],
        }
    }

    /// Whether the method can solve the task.
    ///
    /// Measurements are products with a matrix, so only those of the plane can have the shape of
    /// the signal.
    #[must_use]
    pub fn allows(self, prior: Prior, task: Task) -> bool {
        let denoising = task == Task::Denoising;
        let square = prior == Prior::Plane && (denoising || task == Task::Blur);
        let keeps_shape = self.listed().is_some_and(|method| method.keeps_shape);
        (self.0 != Which::ReverseVe || denoising) && (!keeps_shape || square)
    }

    /// Whether the result is a point estimate instead of draws.
    #[must_use]
    pub fn is_point(self) -> bool {
        self.listed()
            .map_or(self.0 == Which::Tikhonov, |method| method.is_point)
    }

    /// Whether the number of evaluations depends on rounding, because iterations stop early.
    #[must_use]
    pub fn iterates(self) -> bool {
        self.listed().is_some_and(|method| method.iterates)
    }

    /// Draws `count` times for each measurement, in about `moves` moves.
    ///
    /// Draws of a chain that diverges are NaN.
    ///
    /// # Errors
    /// If the run fails for another reason.
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
        };
        let began = Instant::now();
        let draws = match self.draw(&study, walk, count) {
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

    fn draw(self, study: &Study<'_>, walk: Walk, count: usize) -> Result<Tensor<4>, Failure> {
        match self.0 {
            Which::Exact => study.exact(walk),
            Which::ReverseVe => study.reverse(),
            Which::Tikhonov => study.tikhonov(),
            Which::Listed(id) => {
                let method = self.listed().ok_or(id)?;
                follow(&method, study, walk, count)
            }
        }
    }
}

/// Runs a method of the catalogue.
fn follow(
    method: &Listed,
    study: &Study<'_>,
    walk: Walk,
    count: usize,
) -> Result<Tensor<4>, Failure> {
    let problem = study.problem;
    let curvature = (problem.norm() / problem.sigma).powi(2);
    // The papers' ζ, which DPS, MCG and PSLD share.
    let zeta = ["dps", "mcg", "psld"]
        .contains(&method.id)
        .then(|| problem.task.dps_zeta());
    let setup = Setup {
        once: &problem.measured,
        is_noisy: walk != Walk::Flow,
        strength: zeta,
        data_std: problem.data_std(),
        curvature,
        norm: problem.norm(),
        iterations: Some(10),
        particles: count,
        ..Setup::new(&study.prior, &study.measured, study.path(study.moves)?)
    };
    let parts = method.build(&setup)?;
    let moves = match parts.route {
        Route::ToTheMeasurement => 20,
        _ => method.path_factor * study.moves,
    };
    let path = parts.route.path(study.path(moves)?, moves, problem.sigma)?;
    match parts.step {
        None => study.wrapped(&*parts.denoiser, walk),
        // Langevin dynamics starts at the pseudo-inverse.
        Some(step) if ["pnp-ula", "sk-rock"].contains(&method.id) => {
            let mut noise = HostNoise::seeded(7);
            let start = study.backward()?;
            Ok(Sampler::new(step, path).sample(&*parts.denoiser, start, &mut noise)?)
        }
        Some(step) => study.along(&*parts.denoiser, step, path),
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

impl From<Method> for String {
    fn from(method: Method) -> Self {
        match method.0 {
            Which::Listed(id) => id.into(),
            _ => method
                .reference()
                .map(|(id, ..)| *id)
                .unwrap_or_default()
                .into(),
        }
    }
}

impl TryFrom<String> for Method {
    type Error = String;

    fn try_from(id: String) -> Result<Self, String> {
        let mut all = Self::all().into_iter();
        all.find(|method| String::from(*method) == id)
            .ok_or_else(|| format!("no method {id}"))
    }
}

impl Task {
    /// The ζ of the DPS paper for images in `[−1, 1]` and 1,000 moves.
    #[must_use]
    pub fn dps_zeta(self) -> f64 {
        match self {
            Self::Inpainting => 0.5,
            Self::Denoising | Self::Blur | Self::SuperResolution => 0.3,
        }
    }
}
