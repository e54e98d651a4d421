//! The trace of a denoiser's Jacobian, for each sample.
//!
//! `tr J = Σ_i e_iᵀ J e_i` exactly, with one product for each dimension; or `E[vᵀ J v]` over random
//! `v` of covariance `I`, with one product for each probe.
//!
//! # Reference
//! Hutchinson 1989; Grathwohl et al. 2019, "FFJORD", section 3.1, arXiv:1810.01367.

use burn::tensor::{Tensor, TensorData};
use std::cell::Cell;
use tweedie_core::{Denoiser, Noise, per_sample_sum, vjp};
use tweedie_math::Level;

/// How the trace is found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Trace {
    /// One product for every dimension.
    #[default]
    Exact,
    /// The mean over random probes, which stay the same along a trajectory.
    Hutchinson {
        /// How many.
        probes: usize,
        /// Their law.
        law: Probe,
    },
}

/// The law of a random probe.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Probe {
    /// `±1`: the least variance among laws with independent entries.
    #[default]
    Rademacher,
    /// `N(0, 1)`.
    Gaussian,
}

impl Trace {
    /// The vectors of the products, each of the shape of `x`.
    pub(super) fn vectors<const D: usize>(
        self,
        x: &Tensor<D>,
        noise: &mut dyn Noise<D>,
    ) -> Vec<Tensor<D>> {
        match self {
            Self::Exact => {
                let mut shape = x.dims();
                shape[0] = 1;
                let count: usize = shape.iter().product();
                let unit = |i: usize| {
                    let mut values = vec![0.0; count];
                    values[i] = 1.0;
                    let data = TensorData::new(values, shape);
                    let unit = Tensor::<D>::from_data(data, (&x.device(), x.dtype()));
                    unit.expand(x.dims())
                };
                (0..count).map(unit).collect()
            }
            Self::Hutchinson { probes, law } => (0..probes)
                .map(|_| {
                    let z = noise.normal_like(x);
                    match law {
                        Probe::Rademacher => z.sign(),
                        Probe::Gaussian => z,
                    }
                })
                .collect(),
        }
    }

    /// From `v_kᵀ J v_k`, `[batch, products]`: the trace, one estimate a column.
    pub(super) fn estimates(self, products: Tensor<2>) -> Tensor<2> {
        match self {
            Self::Exact => products.sum_dim(1),
            Self::Hutchinson { .. } => products,
        }
    }
}

/// The estimate at `x` and `v_kᵀ J v_k` for every vector: `[batch, vectors]`. `tracked` turns false if
/// the estimate has no gradient.
pub(super) fn products<const D: usize>(
    denoiser: &dyn Denoiser<D>,
    x: &Tensor<D>,
    level: Level,
    vectors: &[Tensor<D>],
    tracked: &Cell<bool>,
) -> (Tensor<D>, Tensor<2>) {
    let mut value = None;
    let columns = vectors.iter().map(|v| {
        let (clean, pullback) = vjp(x.clone(), |x| {
            let clean = denoiser.denoise(x, level);
            tracked.set(tracked.get() && clean.is_tracked());
            clean
        });
        value = Some(clean);
        let product = per_sample_sum(pullback.apply(v.clone()) * v.clone());
        product.unsqueeze_dim::<2>(1)
    });
    let columns: Vec<Tensor<2>> = columns.collect();
    let clean = value.unwrap_or_else(|| denoiser.denoise(x.clone(), level));
    (clean, Tensor::cat(columns, 1))
}
