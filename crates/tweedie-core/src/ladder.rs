//! A hierarchy of latents: each rung encodes the latents below it, and decodes those above.
//!
//! With `z_0 = x`, `q(z_1 … z_N | x) = Π q(z_k|z_{k−1})` and `p(z_N) = N(0, I)`, the bound
//! `log p(x) ≥ E[log p(x|z_1)] − Σ_{k<N} E[log q(z_k|z_{k−1}) − log p(z_k|z_{k+1})]
//! − E KL(q(z_N|z_{N−1}) ‖ N(0, I))` is reconstruction minus one divergence for each rung.
//!
//! # Reference
//! Luo 2022, "Understanding diffusion models: a unified perspective", section "Hierarchical
//! variational autoencoders", arXiv:2208.11970.

use crate::{InputError, LatentGaussian};
use burn::tensor::Tensor;

/// A rung of a ladder. Latents of all rungs have the same number of dimensions `D`, batch first.
pub trait Rung<const D: usize> {
    /// `q(z_k | z_{k−1})`.
    fn encode(&self, below: Tensor<D>) -> LatentGaussian<D>;

    /// `p(z_{k−1} | z_k)`.
    fn decode(&self, above: Tensor<D>) -> LatentGaussian<D>;
}

/// The terms of a ladder's bound for each sample at one draw of the latents, in nats: `[batch]`.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use tweedie_core::{LadderEvidence, LatentGaussian, Rung};
///
/// /// Halves what it sees, and adds noise of variance ¾: `N(0, 1)` stays `N(0, 1)`.
/// struct Half;
///
/// impl Rung<2> for Half {
///     fn encode(&self, below: Tensor<2>) -> LatentGaussian<2> {
///         let log_variance = below.full_like(0.75_f64.ln());
///         LatentGaussian { mean: below * 0.5, log_variance }
///     }
///     fn decode(&self, above: Tensor<2>) -> LatentGaussian<2> {
///         self.encode(above)
///     }
/// }
///
/// // The decoders are the exact reversals, so the bound is tight: log N(x; 0, 1).
/// let x = Tensor::<2>::from_floats([[0.3], [-1.2]], &Device::flex());
/// let ladder: [&dyn Rung<2>; 1] = [&Half];
/// let mean = |draw: f64| {
///     let terms = LadderEvidence::of(&ladder, &x, |_, mean| mean.full_like(draw))?;
///     Ok::<_, tweedie_core::InputError>(terms.bound())
/// };
/// // ε = ±1 has the moments of a normal variable up to the second.
/// let bound = (mean(1.0)? + mean(-1.0)?) * 0.5;
/// let exact = x.square().squeeze_dim::<1>(1) * -0.5 - 0.5 * std::f64::consts::TAU.ln();
/// assert!((bound - exact).abs().max().into_scalar::<f32>() < 1e-6);
/// # Ok::<(), tweedie_core::InputError>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LadderEvidence {
    /// `log p(x|z_1)`.
    pub reconstruction: Tensor<1>,
    /// One divergence for each rung, from below. That of the last is computed, the others are
    /// `log q(z_k|z_{k−1}) − log p(z_k|z_{k+1})` at the draw, which can be negative.
    pub divergences: Vec<Tensor<1>>,
}

impl LadderEvidence {
    /// Walks up the ladder from the samples `x`.
    ///
    /// `noise(k, μ)` returns `ε` of the draw `z_{k+1} = μ + e^{v/2} ε`, in the shape of `μ`.
    ///
    /// # Errors
    /// [`InputError`] if there is no rung, or if shapes differ: a decoder's output and what its
    /// encoder saw, the noise and the mean, a mean and its log-variance.
    pub fn of<const D: usize>(
        rungs: &[&dyn Rung<D>],
        x: &Tensor<D>,
        mut noise: impl FnMut(usize, &Tensor<D>) -> Tensor<D>,
    ) -> Result<Self, InputError> {
        let Some((first, others)) = rungs.split_first() else {
            return Err(InputError::Refused("a ladder needs a rung".to_owned()));
        };
        let mut law = first.encode(x.clone());
        let mut z = drawn(&law, noise(0, &law.mean))?;
        let reconstruction = decoded(*first, &z, x)?;
        let mut divergences = Vec::with_capacity(rungs.len());
        for (k, rung) in others.iter().enumerate() {
            let next = rung.encode(z.clone());
            let above = drawn(&next, noise(k + 1, &next.mean))?;
            divergences.push(law.log_density(z.clone()) - decoded(*rung, &above, &z)?);
            (law, z) = (next, above);
        }
        divergences.push(law.kl());
        Ok(Self {
            reconstruction,
            divergences,
        })
    }

    /// The bound, at most `log p(x)` on average over the draws.
    #[must_use]
    pub fn bound(&self) -> Tensor<1> {
        let divergences = self.divergences.iter().cloned();
        divergences.fold(self.reconstruction.clone(), |bound, term| bound - term)
    }
}

/// `log p(z_{k−1} | z_k)`.
fn decoded<const D: usize>(
    rung: &dyn Rung<D>,
    above: &Tensor<D>,
    below: &Tensor<D>,
) -> Result<Tensor<1>, InputError> {
    let law = rung.decode(above.clone());
    same("the decoder's mean", &law.mean, below)?;
    same("the decoder's log-variance", &law.log_variance, below)?;
    Ok(law.log_density(below.clone()))
}

/// A draw from an encoder's law.
fn drawn<const D: usize>(
    law: &LatentGaussian<D>,
    noise: Tensor<D>,
) -> Result<Tensor<D>, InputError> {
    same("the encoder's log-variance", &law.log_variance, &law.mean)?;
    same("the noise", &noise, &law.mean)?;
    Ok(law.at(noise))
}

fn same<const D: usize>(
    name: &'static str,
    found: &Tensor<D>,
    expected: &Tensor<D>,
) -> Result<(), InputError> {
    match found.dims() == expected.dims() {
        true => Ok(()),
        false => Err(InputError::Shape {
            name,
            found: found.dims().to_vec(),
            expected: format!("{:?}", expected.dims()),
        }),
    }
}
