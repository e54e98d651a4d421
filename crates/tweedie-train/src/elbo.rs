//! The evidence lower bound of a variational autoencoder.
//!
//! `−ELBO = E_q[−log p(x|z)] + β KL(q(z|x) ‖ N(0, I))` with `p(x|z) = N(D(z), s² I)`, at one draw
//! of `z`, divided by the number of values of `x`.
//!
//! # Reference
//! Kingma & Welling 2014, eq. 10, arXiv:1312.6114; Higgins et al. 2017 (β).

use crate::{Batch, Draws, Loss, Losses, Objective, TrainError};
use burn::module::Module;
use serde::{Deserialize, Serialize};
use tweedie_core::{Condition, Encoding, Evidence, InputError};
use tweedie_math::ParameterError;

/// The negative evidence lower bound, in nats for each value of an example.
///
/// ```
/// use tweedie_train::Elbo;
///
/// // A decoder of standard deviation 0.1, and a tenth of the divergence.
/// let objective = Elbo::new(0.1).with_beta(0.1);
/// # let _ = objective;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Elbo {
    /// The standard deviation `s` of the decoder, above 0.
    pub std: f64,
    /// β, the weight of the divergence, at least 0; default 1.
    pub beta: f64,
}

impl Elbo {
    /// The bound for a decoder of standard deviation `std`.
    #[must_use]
    pub fn new(std: f64) -> Self {
        Self { std, beta: 1.0 }
    }

    /// Sets β.
    #[must_use]
    pub fn with_beta(self, beta: f64) -> Self {
        Self { beta, ..self }
    }
}

impl<M> Objective<M> for Elbo {
    /// # Errors
    /// [`TrainError::Parameter`] for a standard deviation or a weight outside its range.
    fn check(&self, _: &M) -> Result<(), TrainError> {
        ParameterError::require_positive("the decoder's standard deviation", self.std)?;
        ParameterError::require_non_negative("β", self.beta)?;
        Ok(())
    }
}

impl<const D: usize, C: Condition, M: Module + Encoding<D>> Loss<M, D, C> for Elbo {
    fn losses(
        &self,
        model: &M,
        Batch { clean, .. }: Batch<D, C>,
        draws: &mut Draws,
    ) -> Result<Losses, InputError> {
        let shape = clean.dims();
        let terms = Evidence::of(model, &clean, self.std, |mean| draws.normal_like(mean))?;
        let values = shape[1..].iter().product::<usize>() as f64;
        let loss = terms.divergence * self.beta - terms.reconstruction;
        Ok(Losses::new(loss / values))
    }
}
