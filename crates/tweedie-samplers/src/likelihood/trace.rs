//! The trace of a denoiser's Jacobian, for each sample.
//!
//! `tr J = Σ_i e_iᵀ J e_i` exactly, with one vector–Jacobian product per dimension; or `E[vᵀ J v]`
//! over random `v` of covariance `I`, with one product per probe.
//!
//! # Reference
//! Hutchinson 1989; Grathwohl et al. 2019, "FFJORD", section 3.1, arXiv:1810.01367.

use burn::tensor::{Tensor, TensorData};
use tweedie_core::{DenoiseError, Denoiser, Noise, linearised, per_sample_sum};
use tweedie_math::Level;

/// How the trace is computed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Trace {
    /// Exactly, with one product per dimension.
    #[default]
    Exact,
    /// The mean over random probes, which are the same along a whole trajectory.
    Hutchinson {
        /// The number of probes.
        probes: usize,
        /// The distribution of their entries.
        law: TraceProbe,
    },
}

/// The distribution of a random probe's entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum TraceProbe {
    /// `±1`: the least variance among distributions with independent entries.
    #[default]
    Rademacher,
    /// `N(0, 1)`.
    Gaussian,
}

impl Trace {
    /// The probe vectors, each of the shape of `x`.
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
                        TraceProbe::Rademacher => z.sign(),
                        TraceProbe::Gaussian => z,
                    }
                })
                .collect(),
        }
    }

    /// Reduces `v_kᵀ J v_k`, `[batch, products]`, to estimates of the trace, one per column.
    pub(super) fn estimates(self, products: Tensor<2>) -> Tensor<2> {
        match self {
            Self::Exact => products.sum_dim(1),
            Self::Hutchinson { .. } => products,
        }
    }
}

/// The estimate at `x`, and `v_kᵀ J v_k` for every vector: `[batch, vectors]`.
///
/// # Errors
/// [`DenoiseError::Untracked`] if the estimate has no gradient.
pub(super) fn products<const D: usize>(
    denoiser: &dyn Denoiser<D>,
    x: &Tensor<D>,
    level: Level,
    vectors: &[Tensor<D>],
) -> Result<(Tensor<D>, Tensor<2>), DenoiseError> {
    let mut value = None;
    let mut columns = Vec::with_capacity(vectors.len());
    for v in vectors {
        let (clean, pullback) = linearised(denoiser, x.clone(), level)?;
        value = Some(clean);
        let product = per_sample_sum(pullback.apply(v.clone()) * v.clone());
        columns.push(product.unsqueeze_dim::<2>(1));
    }
    let clean = match value {
        Some(clean) => clean,
        None => denoiser.denoise(x.clone(), level)?,
    };
    Ok((clean, Tensor::cat(columns, 1)))
}
