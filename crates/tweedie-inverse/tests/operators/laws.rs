//! Laws of every linear operator.

use super::{each, norm, random};
use approx::assert_abs_diff_eq;
use burn::tensor::{DType, Device, Tensor};
use tweedie_catalogue::{LinearCase, linear_operators, nonlinear_operators};
use tweedie_core::vjp;
use tweedie_inverse::operator::{
    AnyLinear, AnyOperator, Linear, Operator, adjoint_gap, operator_norm,
};

#[test]
fn the_adjoint_is_exact() {
    each(|name, a, shape, dtype, tolerance| {
        let x = random(shape, 1, dtype);
        let y = random(a.output_shape(shape).expect("a shape"), 2, dtype);
        assert_eq!(a.input_shape(y.dims()), Ok(shape), "{name}");
        let gap = adjoint_gap(a, x, y);
        assert!(gap < tolerance, "{name}: {gap:e}");
    });
}

#[test]
fn what_is_not_observed_is_not_measured() {
    each(|name, a, shape, dtype, tolerance| {
        let y = random(a.output_shape(shape).expect("a shape"), 2, dtype);
        let seen = a.observed(y.clone());
        assert_eq!(norm(a.observed(seen.clone()) - seen.clone()), 0.0, "{name}");
        let ax = a.apply(random(shape, 1, dtype));
        assert_eq!(norm(a.observed(ax.clone()) - ax), 0.0, "{name}");
        // Aᵀ ignores the entries that are not observed.
        let gap = norm(a.adjoint(y.clone() - seen)) / norm(y);
        assert!(gap <= tolerance, "{name}: {gap:e}");
    });
}

#[test]
fn it_is_linear() {
    each(|name, a, shape, dtype, tolerance| {
        let (x, u) = (random(shape, 1, dtype), random(shape, 3, dtype));
        let (ax, au) = (a.apply(x.clone()), a.apply(u.clone()));
        let gap = norm(a.apply(x * 2.0 - u) - (ax.clone() * 2.0 - au.clone()));
        assert!(gap <= tolerance * (norm(ax) + norm(au)), "{name}: {gap:e}");
    });
}

/// The matrix of an operator on one sample, built column by column.
fn matrix(a: &AnyLinear, shape: [usize; 4]) -> nalgebra::DMatrix<f64> {
    let n: usize = shape[1..].iter().product();
    let identity: Vec<f64> = (0..n * n).map(|i| f64::from(i / n == i % n)).collect();
    let data = burn::tensor::TensorData::new(identity, [n, shape[1], shape[2], shape[3]]);
    let columns = a.apply(Tensor::from_data(data, (&Device::flex(), DType::F64)));
    let values: Vec<f64> = columns.into_data().iter::<f64>().collect();
    nalgebra::DMatrix::from_vec(values.len() / n, n, values)
}

#[test]
fn the_norm_is_the_largest_singular_value_of_the_matrix() {
    for LinearCase {
        name,
        operator: a,
        shape,
    } in linear_operators()
    {
        let found = operator_norm(&a, shape, &Device::flex())
            .expect("a norm")
            .value;
        let largest = matrix(&a, shape).singular_values().max();
        // Power iteration approaches from below, and slowly if two singular values are close.
        let gap = (largest - found) / largest.max(1e-30);
        assert!(
            (-1e-5..3e-3).contains(&gap),
            "{name}: {found} and {largest}"
        );
    }
}

#[test]
fn samples_of_a_batch_do_not_touch() {
    for LinearCase {
        name,
        operator: a,
        shape,
    } in linear_operators()
    {
        let mut two = shape;
        two[0] = 3;
        let x = random(two, 4, DType::F32);
        let y = random(a.output_shape(two).expect("a shape"), 5, DType::F32);
        let same = |what: &str, x: Tensor<4>, f: &dyn Fn(Tensor<4>) -> Tensor<4>| {
            let whole = f(x.clone());
            let parts = Tensor::cat(x.chunk(3, 0).into_iter().map(f).collect(), 0);
            super::assert_together(&format!("{name}: {what}"), a.kind(), whole, parts);
        };
        same("apply", x.clone(), &|x| a.apply(x));
        same("adjoint", y.clone(), &|y| a.adjoint(y));
        // At this shift, the residual that single precision can reach, ε (‖A‖² + shift)/shift, is a
        // tenth of the tolerance.
        same("solve", x, &|x| a.solve(x, 1.0).expect("a solution").x);
        let y = a.apply(random(two, 6, DType::F32));
        same("pinv", y, &|y| a.pinv(y).expect("a solution").x);
    }
}

#[test]
fn the_backward_pass_of_apply_is_the_adjoint_and_the_other_way_round() {
    each(|name, a, shape, dtype, tolerance| {
        let x = random(shape, 1, dtype);
        let y = random(a.output_shape(shape).expect("a shape"), 2, dtype);
        let (value, pullback) = vjp(x.clone(), |x| a.apply(x));
        let gap = norm(pullback.apply(y.clone()) - a.adjoint(y.clone()));
        assert!(gap <= tolerance * norm(y.clone()), "{name}: {gap:e}");
        assert!(norm(value - a.apply(x.clone())) == 0.0, "{name}");
        let (_, pullback) = vjp(y, |y| a.adjoint(y));
        let gap = norm(pullback.apply(x.clone()) - a.apply(x.clone()));
        assert!(gap <= tolerance * norm(x), "{name}: {gap:e}");
    });
}

#[test]
fn what_is_composed_is_what_it_says() {
    for LinearCase {
        name,
        operator: a,
        shape,
    } in linear_operators()
    {
        let x = random(shape, 1, DType::F64);
        let y = a.apply(x.clone());
        let then = a.clone().then(tweedie_inverse::operator::Identity);
        assert_eq!(
            then.apply(x.clone()).into_data(),
            y.clone().into_data(),
            "{name}"
        );
        let scaled = a.clone().scaled(2.5);
        let gap = norm(scaled.apply(x.clone()) - y.clone() * 2.5);
        assert_abs_diff_eq!(gap, 0.0, epsilon = 1e-12 * (1.0 + norm(y.clone())));
        let stack = tweedie_inverse::operator::Stack::new(
            vec![a.clone(), a.clone()],
            [shape[1], shape[2], shape[3]],
        );
        let stack = stack.expect("a stack");
        let parts = stack.split(stack.apply(x.clone()));
        for part in &parts {
            assert_eq!(part.clone().into_data(), y.clone().into_data(), "{name}");
        }
        let sum = stack.adjoint(stack.apply(x.clone()));
        let twice = a.adjoint(y.clone()) * 2.0;
        assert!(
            norm(sum - twice.clone()) <= 1e-12 * (1.0 + norm(twice)),
            "{name}"
        );
    }
}

#[test]
fn what_is_written_reads_back() {
    let all = linear_operators()
        .into_iter()
        .map(|case| (AnyOperator::from(case.operator), case.shape));
    let others = nonlinear_operators().into_iter();
    for (a, shape) in all.chain(others.map(|(_, operator, shape)| (operator, shape))) {
        let text = serde_json::to_string(&a).expect("JSON");
        let again: AnyOperator = serde_json::from_str(&text).expect("an operator");
        let x = random(shape, 1, DType::F32) * 0.3;
        assert_eq!(
            again.apply(x.clone()).into_data(),
            a.apply(x).into_data(),
            "{}",
            a.kind()
        );
    }
}

#[test]
fn no_operator_is_forgotten() {
    let found: Vec<&str> = linear_operators()
        .iter()
        .map(|case| case.operator.kind())
        .collect();
    for kind in AnyLinear::KINDS {
        assert!(found.contains(kind), "no law is tested on {kind}");
    }
    let found: Vec<&str> = nonlinear_operators()
        .iter()
        .map(|(_, operator, _)| operator.kind())
        .collect();
    for kind in AnyOperator::KINDS {
        let tested = *kind == "Linear" || found.contains(kind);
        assert!(tested, "no law is tested on {kind}");
    }
    let all = linear_operators()
        .into_iter()
        .map(|case| (case.operator.into(), case.shape));
    let others = nonlinear_operators()
        .into_iter()
        .map(|(_, operator, shape)| (operator, shape));
    for (operator, shape) in all.chain(others) {
        let operator: AnyOperator = operator;
        assert!(operator.output_shape(shape).is_ok(), "{}", operator.kind());
    }
}
