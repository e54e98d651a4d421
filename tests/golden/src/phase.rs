//! Phase retrieval with a random matrix, and its gradient.

use crate::case::{Case, File, GoldenError};
use crate::compare::{Comparison, Outcome};
use tweedie::burn::tensor::{DType, Tensor};
use tweedie::core::vjp;
use tweedie::inverse::operator::{Operator, RandomPhase};
use tweedie::ops::Constant;

/// Runs the case: a complex image, with intensities recorded in `f32`.
pub(crate) fn run(file: &File, case: &Case) -> Result<Outcome, GoldenError> {
    let part = |name: &str| -> Result<Constant<2>, GoldenError> {
        let recorded = file.tensor(case, name)?;
        Ok(Constant::new(
            recorded.values.clone(),
            [recorded.shape[0], recorded.shape[1]],
        ))
    };
    let phase = RandomPhase::new(part("B_re")?, part("B_im")?)?;
    let x = |name: &str| -> Result<Tensor<4>, GoldenError> {
        file.tensor(case, name)?.tensor(DType::F64)
    };
    let x = Tensor::cat(vec![x("x_re")?, x("x_im")?], 1);
    let v: Tensor<2> = file.tensor(case, "v")?.tensor(DType::F64)?;
    let mut comparison = Comparison::default();
    let (y, pullback) = vjp(x, |x| phase.apply(x));
    let count = y.dims()[3];
    comparison.tensor("y", y.reshape([1, count]), file.tensor(case, "y")?, 2e-6);
    let gradient = pullback.apply(v.reshape([1, 1, 1, count]));
    for (part, name) in ["vjp_re", "vjp_im"].into_iter().enumerate() {
        let found: Vec<f64> = gradient
            .clone()
            .narrow(1, part, 1)
            .into_data()
            .iter::<f64>()
            .collect();
        comparison.values(name, &found, &file.tensor(case, name)?.values, 2e-6);
    }
    Ok(Outcome::Ran(comparison))
}
