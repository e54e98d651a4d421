//! EnKG: guidance without derivatives, by the covariances of an ensemble.
//!
//! After each move of a kernel, with `x̂ʲ` where the flow of the prior ends from particle `j` and
//! `ŷʲ = A x̂ʲ`, the particles take the Kalman step
//! `xʲ ← xʲ + h Σ_k 1/K ⟨ŷᵏ − ȳ, y − ŷʲ⟩/σ_y² (xᵏ − x̄)`. The operator may be any function; it is
//! evaluated, never differentiated. With `D_jk` the matrix of the products, `h = size/‖D‖`.
//!
//! The authors' code leaves out the first and the last tenth of the moves and lets the size fall; here
//! every move counts, with one size.
//!
//! # Reference
//! Zheng et al. 2024, "Ensemble Kalman Diffusion Guidance: A Derivative-free Method for Inverse
//! Problems", algorithm 1, arXiv:2409.20175; Kovachki & Stuart 2019 (`h`), arXiv:1808.03620.

use super::descend::descend;
use crate::Operator;
use crate::measurement::check_measured;
use burn::tensor::Tensor;
use tweedie_core::{Advance, Denoiser, InputError, Noise};
use tweedie_math::{Ddim, Kernel, Move};
use tweedie_samplers::{State, Step};

/// EnKG around any kernel, for any operator. A batch holds the particles of one measurement after the
/// other: `[measurements × particles, …]`, and `y` has one row for each measurement.
#[derive(Clone, Debug)]
pub struct EnKg<const D: usize, K, A> {
    kernel: K,
    operator: A,
    y: Tensor<D>,
    particles: usize,
    size: f64,
    moves: usize,
}

impl<const D: usize, K: Kernel, A: Operator<D>> EnKg<D, K, A> {
    /// Moves ensembles of `particles` by `kernel`, with step size 2 and 3 moves of the flow.
    pub fn new(kernel: K, operator: A, y: Tensor<D>, particles: usize) -> Self {
        Self {
            kernel,
            operator,
            y,
            particles,
            size: 2.0,
            moves: 3,
        }
    }

    /// Another step size.
    #[must_use]
    pub fn with_size(self, size: f64) -> Self {
        Self { size, ..self }
    }

    /// Another number of moves of the flow that ends in `x̂`: each is an evaluation.
    #[must_use]
    pub fn with_moves(self, moves: usize) -> Self {
        Self { moves, ..self }
    }
}

impl<const D: usize, K: Kernel, A: Operator<D>> Step<D> for EnKg<D, K, A> {
    type Memory = ();

    /// # Panics
    /// If the batch does not hold whole ensembles, or `y` not one measurement of each.
    fn step(
        &self,
        denoiser: &dyn Denoiser<D>,
        x: Tensor<D>,
        mv: Move,
        noise: &mut dyn Noise<D>,
        (): &mut (),
    ) -> State<D> {
        let (shape, count) = (x.dims(), self.particles);
        let groups = shape[0] / count;
        assert_eq!(groups * count, shape[0], "EnKG: a batch of whole ensembles");
        assert_eq!(
            groups,
            self.y.dims()[0],
            "EnKG: one measurement an ensemble"
        );
        let clean = denoiser.denoise(x.clone(), mv.from);
        let step = self.kernel.transition(mv.from, mv.to);
        let moved = step.advance(mv, x, clean.clone(), noise);
        if mv.to.sigma() == 0.0 {
            return State::new(mv.to, moved, Some(clean));
        }
        let flow = Ddim::deterministic();
        let ends = descend(denoiser, &flow, moved.clone(), mv.to, self.moves, noise);
        let grouped = |x: Tensor<D>| x.reshape([groups as i32, count as i32, -1]);
        let seen = grouped(self.operator.apply(ends));
        let gap = self.y.clone().reshape([groups as i32, 1, -1]) - seen.clone();
        let spread = seen.clone() - seen.mean_dim(1);
        // D_jk, and its norm for each ensemble: the noise's variance cancels.
        let products = gap.matmul(spread.swap_dims(1, 2)) * (1.0 / count as f64);
        let square = products.clone().square().sum_dim(2).sum_dim(1);
        let h = (square + f64::from(f32::MIN_POSITIVE)).sqrt().recip() * self.size;
        let all = grouped(moved.clone());
        let centred = all.clone() - all.mean_dim(1);
        let change = (products * h).matmul(centred).reshape(shape);
        State::new(mv.to, moved + change, Some(clean))
    }

    fn supports(&self, mv: Move) -> bool {
        self.kernel.transition(mv.from, mv.to).is_valid() && mv.to.alpha() > 0.0
    }

    fn accepts(&self, shape: [usize; D]) -> Result<(), InputError> {
        let moves = self.moves as f64;
        InputError::unless(moves > 0.0, "the number of moves", "at least 1", moves)?;
        InputError::unless_positive("the step size", self.size)?;
        let (particles, batch) = (self.particles, shape[0]);
        let whole = particles > 1 && Some(batch) == particles.checked_mul(self.y.dims()[0]);
        let expected = "at least 2, and their number times that of the measurements the batch";
        InputError::unless(whole, "the number of particles", expected, particles as f64)?;
        let mut signal = shape;
        signal[0] = self.y.dims()[0];
        Ok(check_measured(&self.operator, &self.y, signal)?)
    }
}
