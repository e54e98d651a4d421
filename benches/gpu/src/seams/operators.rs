//! Every operator: `A x`, `Aᵀ y`, and `A⁺ y` or `A A⁺ y`.

use super::normal;
use crate::seam::{Seam, numbers};
use tweedie::inverse::operator::{Linear, Operator};
use tweedie_catalogue::{linear_operators, nonlinear_operators};

pub(crate) fn seams() -> Vec<Seam> {
    let linear = linear_operators().into_iter().map(|case| {
        let (operator, shape) = (case.operator, case.shape);
        Seam::new(format!("operator, {}", case.name), 1e-3, move |device| {
            let y = operator.apply(normal(0, shape, device));
            let mut found = numbers(y.clone());
            found.extend(numbers(operator.adjoint(y.clone())));
            let solution = operator.pinv(y)?;
            // An iterative solution is as uncertain as the equations are badly conditioned; its
            // image under `A` is not.
            found.extend(numbers(match solution.iterations {
                0 => solution.x,
                _ => operator.apply(solution.x),
            }));
            Ok(found)
        })
    });
    let others = nonlinear_operators()
        .into_iter()
        .map(|(name, operator, shape)| {
            Seam::new(format!("operator, {name}"), 1e-3, move |device| {
                Ok(numbers(operator.apply(normal(0, shape, device))))
            })
        });
    linear.chain(others).collect()
}
