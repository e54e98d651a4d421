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
//! # Reference
//! Zheng et al. 2024, "Ensemble Kalman Diffusion Guidance: A Derivative-free Method for Inverse
//! Problems", algorithm 1, arXiv:2409.20175; Kovachki & Stuart 2019 (`h`), arXiv:1808.03620.

use crate::measurement::Measured;
use crate::posterior::chain::descend;
use burn::tensor::Tensor;
use tweedie_core::{Advance, InputError};
use tweedie_math::{Ddim, Kernel, Move, ParameterError};
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
    size: f64,
    moves: usize,
}

impl<K, P> EnKg<K, P> {
    /// Corrects the moves of `kernel`, with 64 particles, step size 2 and 3 moves of the flow.
    pub fn new(kernel: K, problem: P) -> Self {
        Self {
            kernel,
            problem,
            particles: 64,
            size: 2.0,
            moves: 3,
        }
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

    /// Sets the step size.
    ///
    /// # Errors
    /// [`ParameterError`] unless `size` is finite and above 0.
    pub fn with_size(self, size: f64) -> Result<Self, ParameterError> {
        let size = ParameterError::require_positive("the step size", size)?;
        Ok(Self { size, ..self })
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
    type Memory = ();

    fn step(
        &self,
        x: Tensor<D>,
        mv: Move,
        context: &mut StepContext<'_, D>,
        (): &mut (),
    ) -> Result<State<D>, StepError> {
        let (shape, count, y) = (x.dims(), self.particles, self.problem.y());
        let groups = self.ensembles(shape[0], y.dims()[0])?;
        let clean = context.denoise(x.clone(), mv.from)?;
        let step = self.kernel.transition(mv.from, mv.to)?;
        let moved = step.advance(mv, x, clean.clone(), &mut *context.noise);
        if mv.to.sigma() == 0.0 {
            return Ok(State::new(mv.to, moved, Some(clean)));
        }
        let flow = Ddim::deterministic();
        let ends = descend(&flow, moved.clone(), mv.to, self.moves, context)?;
        let grouped = |x: Tensor<D>| x.reshape([groups as i32, count as i32, -1]);
        let seen = grouped(self.problem.operator().apply(ends));
        let gap = y.reshape([groups as i32, 1, -1]) - seen.clone();
        let spread = seen.clone() - seen.mean_dim(1);
        // D_jk and its norm for each ensemble, without σ_y², which cancels.
        let products = gap.matmul(spread.swap_dims(1, 2)) * (1.0 / count as f64);
        let square = products.clone().square().sum_dim(2).sum_dim(1);
        let h = (square + f64::from(f32::MIN_POSITIVE)).sqrt().recip() * self.size;
        let all = grouped(moved.clone());
        let centred = all.clone() - all.mean_dim(1);
        let change = (products * h).matmul(centred).reshape(shape);
        Ok(State::new(mv.to, moved + change, Some(clean)))
    }

    fn check(&self, mv: Move) -> Result<(), StepError> {
        self.kernel.transition(mv.from, mv.to)?;
        Ok(mv.to.require_signal()?)
    }

    fn accepts(&self, shape: [usize; D]) -> Result<(), InputError> {
        let mut signal = shape;
        signal[0] = self.ensembles(shape[0], self.problem.y().dims()[0])?;
        self.problem.accepts(signal)
    }
}
