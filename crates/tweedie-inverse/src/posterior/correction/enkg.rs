//! EnKG: derivative-free guidance, by the covariances of an ensemble.
//!
//! After each move of a kernel, let `x̂ʲ` be the end of the prior's probability flow from particle
//! `j`, `ŷʲ = A x̂ʲ`, and `x̄`, `ȳ` the ensemble means of `xᵏ` and `ŷᵏ`. With
//! `D_jk = ⟨y − ŷʲ, ŷᵏ − ȳ⟩/K`, particle `j` moves by `xʲ ← xʲ + h Σ_k D_jk (xᵏ − x̄)`, with
//! `h = size/‖D‖_F`. The paper divides `D` by `σ_y²`, which cancels, so the noise level is not
//! used. The operator is evaluated and never differentiated.
//!
//! The authors' code skips the first and the last tenth of the moves and decreases the size. Here,
//! every move except one to clean data is corrected, with a constant size.
//!
//! This update converges to one point: nothing tells it when the particles fit well enough.
//! [`EnKg::tempered`] adds the likelihood in parts instead, `p(y | x)^(Δβ)` at a move, with
//! `β = α²/(α² + σ²)`, so that the parts of a whole path are the likelihood. Each part is a Kalman
//! update with perturbed measurements,
//! `xʲ ← xʲ + C_xŷ (C_ŷŷ + σ_y²/Δβ)⁻¹ (y + σ_y/√Δβ zʲ − ŷʲ)`, with the covariances of the ensemble.
//! For a Gaussian prior, a linear operator and a kernel without noise, it draws from the posterior
//! in the limit of many particles.
//!
//! # Reference
//! Zheng et al. 2024, "Ensemble Kalman Diffusion Guidance: A Derivative-free Method for Inverse
//! Problems", algorithm 1, arXiv:2409.20175; Kovachki & Stuart 2019 (`h`), arXiv:1808.03620;
//! Emerick & Reynolds 2013, "Ensemble smoother with multiple data assimilation" (the parts).

use crate::measurement::Measured;
use crate::posterior::chain::descend;
use crate::posterior::{accepted, early_stopping};
use crate::values::widened;
use burn::tensor::Tensor;
use tweedie_core::{Advance, DenoiseError, InputError};
use tweedie_math::{Ddim, Kernel, Level, Move, MoveError, ParameterError};
use tweedie_samplers::{State, Step, StepContext, StepError};

/// EnKG around any kernel, for any operator.
///
/// A batch has the shape `[measurements × particles, …]`, ordered by measurement. `y` has one row
/// for each measurement.
#[derive(Clone, Debug)]
pub struct EnKg<K, P> {
    kernel: K,
    problem: P,
    particles: usize,
    update: Update,
    moves: usize,
}

/// How the ensemble moves towards the measurement.
#[derive(Clone, Copy, Debug)]
enum Update {
    /// By a step of this size.
    Step(f64),
    /// By a part of the likelihood, for this noise of the measurement.
    Tempered(f64),
}

impl<K, P> EnKg<K, P> {
    /// Corrects the moves of `kernel`, with 64 particles, step size 2 and 3 moves of the flow.
    pub fn new(kernel: K, problem: P) -> Self {
        Self {
            kernel,
            problem,
            particles: 64,
            update: Update::Step(2.0),
            moves: 3,
        }
    }

    /// Corrects the moves of `kernel` by parts of the likelihood, for Gaussian noise of standard
    /// deviation `sigma`, with 64 particles and 10 moves of the flow. Use a kernel without noise.
    ///
    /// The flow's error shifts the draws: fewer moves of it make the ensemble overshoot.
    ///
    /// # Errors
    /// [`ParameterError`] unless `sigma` is finite and above 0.
    pub fn tempered(kernel: K, problem: P, sigma: f64) -> Result<Self, ParameterError> {
        let sigma = ParameterError::require_positive("the measurement's noise", sigma)?;
        Ok(Self {
            update: Update::Tempered(sigma),
            moves: 10,
            ..Self::new(kernel, problem)
        })
    }

    /// Sets the number of particles for each measurement.
    ///
    /// # Errors
    /// [`ParameterError`] if `particles` is below 2.
    pub fn with_particles(self, particles: usize) -> Result<Self, ParameterError> {
        let (name, value) = ("the number of particles", particles as f64);
        ParameterError::require(particles > 1, name, "at least 2", value)?;
        Ok(Self { particles, ..self })
    }

    /// Sets the step size of the published update, and selects it.
    ///
    /// # Errors
    /// [`ParameterError`] unless `size` is finite and above 0.
    pub fn with_size(self, size: f64) -> Result<Self, ParameterError> {
        let size = ParameterError::require_positive("the step size", size)?;
        Ok(Self {
            update: Update::Step(size),
            ..self
        })
    }

    /// Sets the number of moves of the flow to `x̂`; each move is one evaluation.
    ///
    /// # Errors
    /// [`ParameterError`] if `moves` is 0.
    pub fn with_moves(self, moves: usize) -> Result<Self, ParameterError> {
        let moves = ParameterError::require_count("the number of moves", moves)?;
        Ok(Self { moves, ..self })
    }
}

impl<K, P> EnKg<K, P> {
    /// Returns the number of ensembles in a batch, one for each measurement.
    fn ensembles(&self, batch: usize, measurements: usize) -> Result<usize, ParameterError> {
        let whole = Some(batch) == self.particles.checked_mul(measurements);
        let name = "the size of the batch";
        let expected = "the number of particles times that of the measurements";
        ParameterError::require(whole, name, expected, batch as f64)?;
        Ok(measurements)
    }
}

impl<const D: usize, K: Kernel, P: Measured<D>> Step<D> for EnKg<K, P> {
    /// Whether a move was made.
    type Memory = bool;

    fn step(
        &self,
        x: Tensor<D>,
        mv: Move,
        context: &mut StepContext<'_, D>,
        begun: &mut bool,
    ) -> Result<State<D>, StepError> {
        let (shape, count, y) = (x.dims(), self.particles, self.problem.y());
        let groups = self.ensembles(shape[0], y.dims()[0])?;
        let clean = context.denoise(x.clone(), mv.from)?;
        let step = self.kernel.transition(mv.from, mv.to)?;
        let moved = step.advance(mv, x, clean.clone(), &mut *context.noise);
        let is_clean = mv.to.sigma() == 0.0;
        let ends = match (is_clean, self.update) {
            (true, Update::Step(_)) => return Ok(State::new(mv.to, moved, Some(clean))),
            (true, Update::Tempered(_)) => moved.clone(),
            (false, _) => {
                let flow = Ddim::deterministic();
                descend(&flow, moved.clone(), mv.to, self.moves, context)?
            }
        };
        let grouped = |x: Tensor<D>| x.reshape([groups as i32, count as i32, -1]);
        let seen = self.problem.operator().apply(ends);
        let coefficients = match self.update {
            Update::Step(size) => {
                let seen = grouped(seen);
                let gap = y.reshape([groups as i32, 1, -1]) - seen.clone();
                let spread = seen.clone() - seen.mean_dim(1);
                // D_jk and its norm for each ensemble, without σ_y², which cancels.
                let products = gap.matmul(spread.swap_dims(1, 2)) * (1.0 / count as f64);
                let square = products.clone().square().sum_dim(2).sum_dim(1);
                let h = (square + f64::from(f32::MIN_POSITIVE)).sqrt().recip() * size;
                products * h
            }
            Update::Tempered(sigma) => {
                // The first part contains what the first level lacks.
                let before = if *begun { tempering(mv.from) } else { 0.0 };
                let part = tempering(mv.to) - before;
                if part <= 0.0 {
                    return Ok(State::new(mv.to, moved, Some(clean)));
                }
                let std = sigma / part.sqrt();
                let z = grouped(context.noise.normal_like(&seen) * std);
                let seen = grouped(seen);
                let gap = y.reshape([groups as i32, 1, -1]) + z - seen.clone();
                kalman(gap, seen, std)?
            }
        };
        *begun = true;
        let all = grouped(moved.clone());
        let centred = all.clone() - all.mean_dim(1);
        let change = coefficients.matmul(centred).reshape(shape);
        Ok(State::new(mv.to, moved + change, Some(clean)))
    }

    fn check(&self, mv: Move) -> Result<(), StepError> {
        self.kernel.transition(mv.from, mv.to)?;
        Ok(mv.to.require_signal()?)
    }

    /// Rejects forward moves of a tempered ensemble, which would add parts of the likelihood twice.
    fn check_forward(&self, _: Move) -> Result<(), StepError> {
        match self.update {
            Update::Step(_) => Ok(()),
            Update::Tempered(_) => Err(MoveError::Uphill.into()),
        }
    }

    fn accepts(&self, shape: [usize; D]) -> Result<(), InputError> {
        let mut signal = shape;
        signal[0] = self.ensembles(shape[0], self.problem.y().dims()[0])?;
        self.problem.accepts(signal)
    }
}

/// `β = α²/(α² + σ²)`: the share of the likelihood that the ensemble has at a level.
fn tempering(level: Level) -> f64 {
    (level.alpha() / level.rms()).powi(2)
}

/// The Kalman update of each particle as coefficients of the centred ensemble:
/// `R Sᵀ (S Sᵀ + (K−1) std² I)⁻¹`, with the rows of `R` the gaps and of `S` the centred `ŷ`.
fn kalman(gap: Tensor<3>, seen: Tensor<3>, std: f64) -> Result<Tensor<3>, DenoiseError> {
    let dtype = gap.dtype();
    let (gap, seen) = (widened(gap), widened(seen));
    let spread = seen.clone() - seen.mean_dim(1);
    let across = spread.clone().swap_dims(1, 2);
    let products = gap.matmul(across.clone());
    let gram = spread.matmul(across);
    let shift = (gram.dims()[1] - 1) as f64 * std * std;
    let system = |w: Tensor<3>| w.clone().matmul(gram.clone()) + w * shift;
    Ok(accepted(early_stopping().invert(system, products))?.cast(dtype))
}
