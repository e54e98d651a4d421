//! Regularisation by denoising (RED), its fixed point: `x ← argmin ‖y − A x‖²/σ_y² + λ ‖x − D(x)‖²`,
//! the last `D(x)` being that of the state before.
//!
//! A point where `Aᵀ (A x − y)/σ_y² + λ (x − D(x)) = 0`. The state is the image itself: begin with
//! `A⁺ y` and stay at the level of the denoiser ([`Path::staying`](tweedie_math::Path::staying)).
//!
//! # Reference
//! Romano, Elad & Milanfar 2017, "The Little Engine that Could: Regularization by Denoising",
//! arXiv:1611.02862.

use crate::LinearGaussian;
use crate::guidance::data_step;
use crate::measurement::accepts_linear;
use burn::tensor::Tensor;
use tweedie_core::{Denoiser, InputError, Noise};
use tweedie_math::Move;
use tweedie_samplers::{State, Step};

/// One iteration of RED a move, for linear operators and Gaussian noise: a point estimate, for any
/// denoiser.
#[derive(Clone, Debug)]
pub struct Red<P> {
    problem: P,
    lambda: f64,
}

impl<P> Red<P> {
    /// With the weight `lambda` of the prior, an inverse variance: Tweedie's formula has `1/σ²` of the
    /// denoiser's level.
    pub fn new(problem: P, lambda: f64) -> Self {
        Self { problem, lambda }
    }
}

impl<const D: usize, P: LinearGaussian<D>> Step<D> for Red<P> {
    type Memory = ();

    fn step(
        &self,
        denoiser: &dyn Denoiser<D>,
        x: Tensor<D>,
        mv: Move,
        _: &mut dyn Noise<D>,
        (): &mut (),
    ) -> State<D> {
        let clean = denoiser.denoise(x * mv.from.alpha(), mv.from);
        let shift = self.lambda * self.problem.sigma().powi(2);
        let x = data_step(&self.problem, self.problem.y(), clean.clone(), shift);
        State::new(mv.to, x, Some(clean))
    }

    fn supports(&self, mv: Move) -> bool {
        mv.from.alpha() > 0.0 && mv.from.sigma() > 0.0
    }

    fn accepts(&self, shape: [usize; D]) -> Result<(), InputError> {
        InputError::unless_positive("λ", self.lambda)?;
        accepts_linear(&self.problem, shape)
    }
}
