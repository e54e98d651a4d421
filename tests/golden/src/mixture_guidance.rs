//! Guidance terms of a mixture, computed from the guided denoisers: `∇ log p̃(y | x_t)` is
//! `(α/σ²)(x̂₀′ − x̂₀)`.

use crate::case::Case;
use crate::compare::DOUBLE;
use crate::error::Done;
use tweedie::burn::tensor::{DType, Device, Tensor, TensorData};
use tweedie::core::from_fn;
use tweedie::core::oracle::GaussianMixture;
use tweedie::inverse::measurement::Measurement;
use tweedie::inverse::noise::GaussianNoise;
use tweedie::inverse::operator::Matrix;
use tweedie::inverse::posterior::{Dps, Mmps, Pigdm, ResidualNorm};
use tweedie::math::Level;
use tweedie::ops::Constant;
use tweedie::prelude::Denoiser;

/// Compares DPS, ΠGDM and moment matching under the measurement `name`.
pub(crate) fn compare(
    case: &Case,
    name: &str,
    (a, y, sigma): (&[Vec<f64>], &[f64], f64),
    (mixture, level): (&GaussianMixture, Level),
) -> Done {
    let dim = mixture.dim();
    let matrix = Constant::new(a.concat(), [a.len(), dim]);
    let operator = Matrix::new(matrix, [1, 1, dim])?;
    let y = TensorData::new(y.to_vec(), [1, 1, 1, y.len()]);
    let y = Tensor::<4>::from_data(y, (&Device::flex(), DType::F64));
    let m = Measurement::new(operator, GaussianNoise::new(sigma)?, y);
    let prior = from_fn(|x: Tensor<4>, level: Level| {
        let flat = x.clone().reshape([-1, dim as i32]);
        mixture.posterior_mean(flat, level).reshape(x.dims())
    });
    let x: Tensor<2> = case.tensor("x")?;
    let shape = x.dims();
    let x = x.reshape([shape[0], 1, 1, dim]);
    let clean = prior.denoise(x.clone(), level)?;
    let moments = Mmps::new(&prior, &m).with_iterations(20)?;
    let methods: [(&str, f64, &dyn Denoiser<4>); 3] = [
        // The recorded gradient has the opposite sign.
        ("dps_grad", -1.0, &Dps::new(&prior, ResidualNorm::new(&m))),
        ("pigdm_guid", 1.0, &Pigdm::new(&prior, &m)),
        ("mmps_guid", 1.0, &moments),
    ];
    methods.into_iter().try_for_each(|(field, sign, guided)| {
        let change = guided.denoise(x.clone(), level)? - clean.clone();
        let score = change * (sign * level.alpha() / level.sigma().powi(2));
        case.check_scaled(&format!("{name}/{field}"), score.reshape(shape), DOUBLE)
    })
}
