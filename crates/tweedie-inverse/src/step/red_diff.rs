//! RED-diff: a point estimate `μ` by stochastic descent, with the denoiser's error as the prior's force.
//!
//! At each level, with `x_t = α μ + σ ε` and what the denoiser takes for the noise, `ε̂`, Adam follows
//! the gradient of `½ ‖y − A μ‖² + λ (σ/α) ⟨ε̂ − ε, μ⟩`, the second factor of which is held fixed. The
//! state is `μ` itself: begin with `A⁺ y`.
//!
//! # Reference
//! Mardani, Song, Kautz & Vahdat 2023, "A Variational Perspective on Solving Inverse Problems with
//! Diffusion Models", algorithm 1, arXiv:2305.04391.

use crate::measurement::check_measured;
use crate::{Operator, residual};
use burn::tensor::Tensor;
use tweedie_core::{Denoiser, InputError, Noise, per_sample_sum, vjp};
use tweedie_math::Move;
use tweedie_samplers::{State, Step};

/// One descent a move, for any differentiable operator.
#[derive(Clone, Debug)]
pub struct RedDiff<const D: usize, A> {
    operator: A,
    y: Tensor<D>,
    lambda: f64,
    rate: f64,
}

impl<const D: usize, A: Operator<D>> RedDiff<D, A> {
    /// With the weight λ = 0.25 of the prior and Adam's rate 0.1 (β 0.9 and 0.99), as the paper has it.
    pub fn new(operator: A, y: Tensor<D>) -> Self {
        Self {
            operator,
            y,
            lambda: 0.25,
            rate: 0.1,
        }
    }

    /// Another weight λ of the prior.
    #[must_use]
    pub fn with_lambda(self, lambda: f64) -> Self {
        Self { lambda, ..self }
    }

    /// Another rate of Adam, in units of the image a move.
    #[must_use]
    pub fn with_rate(self, rate: f64) -> Self {
        Self { rate, ..self }
    }
}

/// Adam's averages of the gradient and of its square, and how many it has seen.
#[derive(Clone, Debug)]
pub struct Averages<const D: usize> {
    mean: Option<(Tensor<D>, Tensor<D>)>,
    seen: i32,
}

impl<const D: usize> Default for Averages<D> {
    fn default() -> Self {
        Self {
            mean: None,
            seen: 0,
        }
    }
}

impl<const D: usize> Averages<D> {
    /// The direction of Adam after one more gradient (Kingma & Ba 2015, algorithm 1).
    fn direction(&mut self, gradient: Tensor<D>) -> Tensor<D> {
        const BETAS: [f64; 2] = [0.9, 0.99];
        let zeros = || (gradient.zeros_like(), gradient.zeros_like());
        let (first, second) = self.mean.take().unwrap_or_else(zeros);
        let first = first * BETAS[0] + gradient.clone() * (1.0 - BETAS[0]);
        let second = second * BETAS[1] + gradient.square() * (1.0 - BETAS[1]);
        self.seen += 1;
        let unbiased = BETAS.map(|beta| 1.0 / (1.0 - beta.powi(self.seen)));
        let scale = (second.clone() * unbiased[1]).sqrt() + 1e-8;
        let direction = first.clone() * unbiased[0] / scale;
        self.mean = Some((first, second));
        direction
    }
}

impl<const D: usize, A: Operator<D>> Step<D> for RedDiff<D, A> {
    type Memory = Averages<D>;

    fn step(
        &self,
        denoiser: &dyn Denoiser<D>,
        x: Tensor<D>,
        mv: Move,
        noise: &mut dyn Noise<D>,
        memory: &mut Averages<D>,
    ) -> State<D> {
        let level = mv.from;
        let z = noise.normal_like(&x);
        let noisy = x.clone() * level.alpha() + z.clone() * level.sigma();
        let clean = denoiser.denoise(noisy.clone(), level);
        // ε̂ − ε
        let found = (noisy - clean.clone() * level.alpha()) * (1.0 / level.sigma());
        let prior = (found - z) * (self.lambda * level.noise_to_signal());
        let (value, pullback) = vjp(x.clone(), |x| {
            let residual = residual::of(&self.operator, self.y.clone(), x);
            per_sample_sum(residual.square()) * 0.5
        });
        let gradient = pullback.apply(value.ones_like()) + prior;
        let x = x - memory.direction(gradient) * self.rate;
        State::new(mv.to, x, Some(clean))
    }

    fn supports(&self, mv: Move) -> bool {
        mv.from.alpha() > 0.0 && mv.from.sigma() > 0.0
    }

    fn accepts(&self, shape: [usize; D]) -> Result<(), InputError> {
        let lambda = self.lambda;
        let legal = (0.0..f64::INFINITY).contains(&lambda);
        InputError::unless(legal, "λ", "finite and at least 0", lambda)?;
        InputError::unless_positive("Adam's rate", self.rate)?;
        Ok(check_measured(&self.operator, &self.y, shape)?)
    }
}
