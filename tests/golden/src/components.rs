//! Principal components and the Gaussian of them, against scikit-learn's PCA.

use crate::case::Case;
use crate::compare::{DOUBLE, numbers};
use crate::error::Done;
use tweedie::burn::tensor::Tensor;
use tweedie::core::oracle::PrincipalComponents;
use tweedie::math::Level;

pub(crate) fn run(case: &Case) -> Done {
    let samples: Tensor<4> = case.tensor("samples")?;
    let components = PrincipalComponents::fit(&samples, case.count("components")?)?;
    case.check_values("mean", components.mean(), DOUBLE)?;
    case.check_values("variances", components.variances(), DOUBLE)?;
    let dim = components.mean().len();
    let sum = |i: usize| -> f64 {
        let axes = components.axes().iter();
        axes.map(|axis| axis[i / dim] * axis[i % dim]).sum()
    };
    let projection: Vec<f64> = (0..dim * dim).map(sum).collect();
    case.check_values("projection", &projection, DOUBLE)?;
    if !case.has_record("covariance") {
        return Ok(());
    }
    // The same noise variance: the mean of the eigenvalues that are left out.
    let rest = components.rest();
    let covariance: Vec<f64> = (0..dim * dim)
        .map(|i| {
            let own = if i / dim == i % dim { rest } else { 0.0 };
            let pairs = components.axes().iter().zip(components.variances());
            own + pairs
                .map(|(axis, v)| (v - rest) * axis[i / dim] * axis[i % dim])
                .sum::<f64>()
        })
        .collect();
    case.check_values("covariance", &covariance, DOUBLE)?;
    let gaussian = components.gaussian();
    let log = gaussian.log_density(samples.narrow(0, 0, 7), Level::CLEAN);
    case.check_values("log_density", &numbers(log), DOUBLE)
}
