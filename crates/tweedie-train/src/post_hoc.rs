//! Post-hoc averages: an average of any length from a few that were stored during the run.
//!
//! The averages of [`EmaWarmup::Profile`](crate::EmaWarmup::Profile) weight the parameters of time
//! `τ` by the profile `p(τ) = (γ + 1) τ^γ / t^(γ+1)`, `0 ≤ τ ≤ t`. Least squares approximates the
//! wanted profile by a combination of the stored ones.
//!
//! # Reference
//! Karras et al. 2024, "Analyzing and improving the training dynamics of diffusion models", section
//! 3.2 and appendix C, arXiv:2312.02696.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Tensor, TensorData};
use nalgebra::{DMatrix, DVector};
use std::any::Any;
use std::collections::VecDeque;
use tweedie_math::ParameterError;

/// The profile of an average after some updates.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Profile {
    /// The number of updates, at least 1.
    pub updates: usize,
    /// The exponent, at least 0.
    pub gamma: f64,
}

impl Profile {
    /// `∫ p q dτ`.
    fn dot(self, other: Self) -> f64 {
        let (a, b) = (self.updates as f64, other.updates as f64);
        // The exponents are of the ratio of the shorter to the longer time.
        let power = if a < b { other.gamma } else { self.gamma };
        let norm = (self.gamma + 1.0) * (other.gamma + 1.0) / (self.gamma + other.gamma + 1.0);
        norm * (a.min(b) / a.max(b)).powf(power) / a.max(b)
    }

    fn check(self) -> Result<(), ParameterError> {
        ParameterError::require_count("the number of updates of an average", self.updates)?;
        ParameterError::require_non_negative("γ of the average's profile", self.gamma)?;
        Ok(())
    }
}

/// The weights with which averages of the profiles `stored` approximate one of the profile
/// `wanted`. Their sum is 1.
///
/// # Errors
/// [`ParameterError`] if nothing is stored, or a number is outside its range.
pub fn post_hoc_weights(stored: &[Profile], wanted: Profile) -> Result<Vec<f64>, ParameterError> {
    ParameterError::require_count("the number of stored averages", stored.len())?;
    stored.iter().try_for_each(|profile| profile.check())?;
    wanted.check()?;
    // Normal equations with the constraint Σ w = 1: the combination is an average, too.
    let count = stored.len();
    let matrix = DMatrix::from_fn(count + 1, count + 1, |i, j| {
        match (stored.get(i), stored.get(j)) {
            (Some(p), Some(q)) => p.dot(*q),
            (None, None) => 0.0,
            _ => 1.0,
        }
    });
    let right = DVector::from_fn(count + 1, |i, _| {
        stored.get(i).map_or(1.0, |p| p.dot(wanted))
    });
    // Equal profiles would leave the weights undetermined.
    let found = matrix.full_piv_lu().solve(&right);
    let weights = found.map(|weights| weights.iter().take(count).copied().collect());
    weights.ok_or(ParameterError {
        name: "the set of stored profiles",
        expected: "without repetition",
        value: count as f64,
    })
}

/// The average of the profile `wanted`, as a combination of stored ones of the same network.
///
/// Store two averages, of the deviations 0.05 and 0.1, at twenty to a hundred moments of the run.
/// All of them are in memory at once.
///
/// ```
/// use burn::nn::{Linear, LinearConfig};
/// use burn::tensor::Device;
/// use tweedie_train::{Ema, EmaDecay, EmaWarmup, Profile, post_hoc_average};
///
/// let gammas = [6.94, 16.97];
/// let model = LinearConfig::new(2, 2).init(&Device::flex());
/// let decay = |gamma| EmaDecay::new(1.0).with_warmup(EmaWarmup::Profile { gamma });
/// let mut averages = gammas.map(|gamma| Ema::new(&model, decay(gamma)));
/// let mut stored = Vec::new();
/// for k in 0..100 {
///     averages = averages.map(|average| average.update(&model, k));
///     if (k + 1) % 10 == 0 {
///         for (average, gamma) in averages.iter().zip(gammas) {
///             let profile = Profile { updates: k + 1, gamma };
///             stored.push((profile, average.average().clone()));
///         }
///     }
/// }
/// let average = post_hoc_average(&stored, Profile { updates: 100, gamma: 10.0 })?;
/// # let _: Linear = average;
/// # Ok::<(), tweedie_math::ParameterError>(())
/// ```
///
/// # Errors
/// As [`post_hoc_weights`].
///
/// # Panics
/// If the modules have different parameters.
pub fn post_hoc_average<M: Module>(
    stored: &[(Profile, M)],
    wanted: Profile,
) -> Result<M, ParameterError> {
    let profiles: Vec<Profile> = stored.iter().map(|(profile, _)| *profile).collect();
    let weights = post_hoc_weights(&profiles, wanted)?;
    let mut sum = Sum {
        weights,
        rows: Vec::new(),
    };
    for (_, module) in stored {
        let mut values = Values(VecDeque::new());
        module.visit(&mut values);
        sum.rows.push(values.0);
    }
    Ok(stored[0].1.clone().map(&mut sum))
}

/// The parameters of a module, in the order of a visit.
struct Values(VecDeque<Box<dyn Any>>);

impl ModuleVisitor for Values {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.0.push_back(Box::new(param.val().without_autodiff()));
    }
}

/// Replaces the parameters by weighted sums.
struct Sum {
    weights: Vec<f64>,
    rows: Vec<VecDeque<Box<dyn Any>>>,
}

impl ModuleMapper for Sum {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let like = param.val();
        let mut total = vec![0.0; like.shape().num_elements()];
        for (weight, row) in self.weights.iter().zip(&mut self.rows) {
            let value = row.pop_front();
            let value = value.and_then(|value| value.downcast::<Tensor<D>>().ok());
            let Some(value) = value.filter(|value| value.dims() == like.dims()) else {
                panic!("an average of modules with different parameters")
            };
            // The weights have both signs: sum in double precision, which some devices lack.
            let values = value.into_data();
            let terms = total.iter_mut().zip(values.iter::<f64>());
            terms.for_each(|(sum, value)| *sum += weight * value);
        }
        let data = TensorData::new(total, like.dims());
        param.map(|_| Tensor::from_data(data, (&like.device(), like.dtype())))
    }
}
