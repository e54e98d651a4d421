//! Phase retrieval with a random matrix, and its gradient.

use crate::case::Case;
use crate::compare::numbers;
use crate::error::{Done, GoldenError};
use tweedie::burn::tensor::Tensor;
use tweedie::core::vjp;
use tweedie::inverse::operator::{Operator, RandomPhase};
use tweedie::ops::Constant;

/// Runs the case: a complex image, with intensities recorded in `f32`.
pub(crate) fn run(case: &Case) -> Done {
    let part = |name: &str| -> Result<Constant<2>, GoldenError> {
        let record = case.record(name)?;
        Ok(Constant::new(
            record.values.clone(),
            [record.shape[0], record.shape[1]],
        ))
    };
    let phase = RandomPhase::new(part("B_re")?, part("B_im")?)?;
    let x: Tensor<4> = Tensor::cat(vec![case.tensor("x_re")?, case.tensor("x_im")?], 1);
    let (y, pullback) = vjp(x, |x| phase.apply(x));
    let shape = y.dims();
    case.check("y", y.reshape([1, shape[3]]), 2e-6)?;
    let gradient = pullback.apply(case.tensor::<2>("v")?.reshape(shape));
    case.check_values("vjp_re", &numbers(gradient.clone().narrow(1, 0, 1)), 2e-6)?;
    case.check_values("vjp_im", &numbers(gradient.narrow(1, 1, 1)), 2e-6)
}
