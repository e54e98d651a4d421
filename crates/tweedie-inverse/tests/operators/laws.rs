//! What holds for every linear operator.

use super::catalogue::{Case, linear};
use super::{norm, random};
use burn::tensor::{DType, Device, Tensor};
use tweedie_core::vjp;
use tweedie_inverse::{
    AnyLinear, AnyOperator, ConjugateGradient, Linear, Operator, adjoint_gap, operator_norm,
};

const BOTH: [(DType, f64); 2] = [(DType::F32, 1e-5), (DType::F64, 1e-10)];

/// `A` with the shape of its signals, in both precisions.
fn each(law: impl Fn(&str, &AnyLinear, [usize; 4], DType, f64)) {
    for Case {
        name,
        operator,
        shape,
    } in linear()
    {
        for (dtype, tolerance) in BOTH {
            law(&name, &operator, shape, dtype, tolerance);
        }
    }
}

#[test]
fn the_adjoint_is_exact() {
    each(|name, a, shape, dtype, tolerance| {
        let x = random(shape, 1, dtype);
        let y = random(a.measured(shape).expect("a shape"), 2, dtype);
        assert_eq!(a.signal(y.dims()), Ok(shape), "{name}");
        let gap = adjoint_gap(a, x, y);
        assert!(gap < tolerance, "{name}: {gap:e}");
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

#[test]
fn the_pseudo_inverse_meets_what_can_be_met() {
    each(|name, a, shape, dtype, tolerance| {
        let y = a.apply(random(shape, 1, dtype));
        let found = a.pinv(y.clone()).expect("a solution");
        assert_eq!(found.x.dims(), shape, "{name}");
        // A A⁺ A = A; an iteration stops at its tolerance.
        let tolerance = if found.iterations > 0 {
            10.0 * tolerance
        } else {
            tolerance
        };
        let gap = norm(a.apply(found.x.clone()) - y.clone()) / norm(y.clone()).max(1e-30);
        assert!(
            gap <= tolerance,
            "{name}: {gap:e} after {}",
            found.iterations
        );
        // Of least norm: A⁺ A A⁺ = A⁺. What an iteration leaves is magnified by 1/σ_min.
        if found.iterations == 0 {
            let again = a.pinv(a.apply(found.x.clone())).expect("a solution").x;
            let gap = norm(again - found.x.clone()) / norm(found.x).max(1e-30);
            assert!(gap <= 1000.0 * tolerance, "{name}: {gap:e}");
        }
    });
}

#[test]
fn equations_are_solved() {
    each(|name, a, shape, dtype, tolerance| {
        let b = random(shape, 1, dtype);
        for shift in [0.03, 3.0] {
            let found = a.solve(b.clone(), shift).expect("a solution");
            let x = found.x;
            let back = a.adjoint(a.apply(x.clone())) + x.clone() * shift;
            let residual = norm(back - b.clone()) / norm(b.clone());
            // What rounding adds to the recursion that an iteration stops by.
            assert!(residual <= 10.0 * tolerance, "{name}: {residual:e}");
            assert_eq!(found.residual.is_some(), found.iterations > 0, "{name}");
            if let Some(reported) = found.residual {
                assert!(reported <= 10.0 * tolerance, "{name}: {reported:e}");
            }
        }
        // argmin γ/2 ‖A x − y‖² + ½ ‖x − z‖² has the gradient 0.
        let (z, gamma) = (random(shape, 4, dtype), 0.7);
        let y = random(a.measured(shape).expect("a shape"), 5, dtype);
        let x = a
            .proximal(z.clone(), y.clone(), gamma)
            .expect("a solution")
            .x;
        let gradient = a.adjoint(a.apply(x.clone()) - y.clone()) * gamma + x - z.clone();
        let scale = norm(z) + gamma * norm(a.adjoint(y));
        assert!(
            norm(gradient.clone()) <= 5.0 * tolerance * scale,
            "{name}: {:e}",
            norm(gradient)
        );
    });
}

#[test]
fn the_norm_bounds_what_comes_out() {
    for Case {
        name,
        operator: a,
        shape,
    } in linear()
    {
        let found = operator_norm(&a, shape, &Device::flex()).expect("a norm");
        for seed in 0..5 {
            let mut one = shape;
            one[0] = 1;
            let x = random(one, seed, DType::F64);
            let ratio = norm(a.apply(x.clone())) / norm(x);
            assert!(
                ratio <= found.value * (1.0 + 1e-3) + 1e-12,
                "{name}: {ratio} > {found:?}"
            );
        }
    }
}

#[test]
fn samples_of_a_batch_do_not_touch() {
    for Case {
        name,
        operator: a,
        shape,
    } in linear()
    {
        let mut two = shape;
        two[0] = 3;
        let x = random(two, 4, DType::F32);
        let y = random(a.measured(two).expect("a shape"), 5, DType::F32);
        let same = |what: &str, x: Tensor<4>, f: &dyn Fn(Tensor<4>) -> Tensor<4>| {
            let whole = f(x.clone()).into_data();
            let parts = x.chunk(3, 0).into_iter().map(f).collect();
            assert_eq!(whole, Tensor::cat(parts, 0).into_data(), "{name}: {what}");
        };
        same("apply", x.clone(), &|x| a.apply(x));
        same("adjoint", y.clone(), &|y| a.adjoint(y));
        same("solve", x, &|x| a.solve(x, 0.1).expect("a solution").x);
        let y = a.apply(random(two, 6, DType::F32));
        same("pinv", y, &|y| a.pinv(y).expect("a solution").x);
    }
}

#[test]
fn the_backward_pass_of_apply_is_the_adjoint_and_the_other_way_round() {
    each(|name, a, shape, dtype, tolerance| {
        let x = random(shape, 1, dtype);
        let y = random(a.measured(shape).expect("a shape"), 2, dtype);
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
    for Case {
        name,
        operator: a,
        shape,
    } in linear()
    {
        let x = random(shape, 1, DType::F64);
        let y = a.apply(x.clone());
        let then = a.clone().then(tweedie_inverse::Identity);
        assert_eq!(
            then.apply(x.clone()).into_data(),
            y.clone().into_data(),
            "{name}"
        );
        let scaled = a.clone().scaled(2.5);
        assert!(norm(scaled.apply(x.clone()) - y.clone() * 2.5) <= 1e-12 * (1.0 + norm(y.clone())));
        let stack =
            tweedie_inverse::Stack::new(vec![a.clone(), a.clone()], [shape[1], shape[2], shape[3]]);
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
    let all = linear()
        .into_iter()
        .map(|case| (AnyOperator::from(case.operator), case.shape));
    let others = super::catalogue::nonlinear().into_iter();
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
fn an_iteration_that_does_not_arrive_says_so() {
    let blur = linear()
        .into_iter()
        .find(|case| case.name == "blur, reflect")
        .expect("a blur");
    let b = random(blur.shape, 1, DType::F64);
    let hasty = ConjugateGradient::default()
        .with_iterations(2)
        .with_tolerance(1e-12);
    let error = hasty
        .solve(&blur.operator, b.clone(), 1e-3)
        .expect_err("an error");
    assert!(error.to_string().contains("after 2 iterations"), "{error}");
    for shift in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        for Case {
            operator, shape, ..
        } in linear()
        {
            let b = random(shape, 1, DType::F32);
            assert!(operator.solve(b, shift).is_err(), "{shift}");
        }
    }
    assert!(hasty.pinv(&blur.operator, b).is_err());
}
