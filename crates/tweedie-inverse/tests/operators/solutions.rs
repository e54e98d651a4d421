//! Laws of the solutions of equations with every linear operator.

use super::{each, norm, random};
use approx::abs_diff_eq;
use burn::tensor::{DType, Device, Tensor};
use tweedie_catalogue::{LinearCase, linear_operators};
use tweedie_inverse::operator::{AnyLinear, Linear, Operator, operator_norm};
use tweedie_inverse::solver::{ConjugateGradient, Solution, SolveError};

/// `A⁺ y` in closed form if there is one, else by iterations to `tolerance`.
fn pinv(a: &AnyLinear, y: Tensor<4>, tolerance: f64) -> Solution<4> {
    let usual = a.pinv(y.clone()).expect("a solution");
    match usual.iterations {
        0 => usual,
        _ => {
            let tight = ConjugateGradient::default().with_tolerance(tolerance);
            tight.pinv(a, y).expect("a solution")
        }
    }
}

#[test]
fn the_pseudo_inverse_meets_what_can_be_met() {
    each(|name, a, shape, dtype, tolerance| {
        let y = a.apply(random(shape, 1, dtype));
        // In f32, rounding limits the iterations.
        let tight = tolerance.max(if dtype == DType::F32 { 1e-4 } else { 0.0 });
        let found = pinv(a, y.clone(), tight);
        assert_eq!(found.x.dims(), shape, "{name}");
        // A A⁺ A = A.
        let tolerance = if found.iterations > 0 {
            tight
        } else {
            tolerance
        };
        let gap = norm(a.apply(found.x.clone()) - y.clone()) / norm(y.clone()).max(1e-30);
        assert!(
            gap <= tolerance,
            "{name}: {gap:e} after {}",
            found.iterations
        );
    });
}

#[test]
fn the_pseudo_inverse_is_the_least_solution_of_least_squares() {
    for LinearCase {
        name,
        operator: a,
        shape,
    } in linear_operators()
    {
        let y = random(a.output_shape(shape).expect("a shape"), 2, DType::F64);
        // For an inconsistent system, iterations depend on the squared condition number.
        let exact = a.pinv(y.clone()).is_ok_and(|found| found.iterations == 0);
        let (tight, bound) = if exact { (0.0, 1e-8) } else { (1e-9, 1e-6) };
        let found = match exact {
            true => a.pinv(y.clone()).expect("a solution").x,
            false => {
                let settings = ConjugateGradient::default()
                    .with_tolerance(tight)
                    .with_iterations(20_000);
                settings
                    .pinv(&a, y.clone())
                    .unwrap_or_else(|error| panic!("{name}: {error}"))
                    .x
            }
        };
        // The residual is orthogonal to the range of A,
        let left = y.clone() - a.apply(found.clone());
        let gradient = norm(a.adjoint(left)) / norm(a.adjoint(y.clone())).max(1e-30);
        assert!(gradient < bound, "{name}: {gradient:e}");
        // and the solution is orthogonal to the null space: z − A⁺ A z.
        let z = random(shape, 3, DType::F64);
        let seen = a.apply(z.clone());
        let back = match exact {
            true => a.pinv(seen).expect("a solution").x,
            false => {
                let settings = ConjugateGradient::default()
                    .with_tolerance(1e-11)
                    .with_iterations(20_000);
                settings
                    .pinv(&a, seen)
                    .unwrap_or_else(|error| panic!("{name}: {error}"))
                    .x
            }
        };
        let unseen = z.clone() - back;
        let dot = (found.clone() * unseen.clone()).sum().into_scalar::<f64>();
        // If the null space is trivial, `unseen` is rounding error.
        let scale = norm(found) * norm(unseen).max(1e-3 * norm(z));
        assert!(
            abs_diff_eq!(dot, 0.0, epsilon = 1e-4 * scale),
            "{name}: {dot:e} of {scale:e}"
        );
    }
}

fn unit(dtype: DType) -> f64 {
    match dtype {
        DType::F64 => f64::EPSILON,
        _ => f64::from(f32::EPSILON),
    }
}

#[test]
fn equations_are_solved() {
    each(|name, a, shape, dtype, tolerance| {
        let b = random(shape, 1, dtype);
        for shift in [0.03, 3.0] {
            // The limit set by the precision of x: a relative rounding of x by ε changes `M x` by
            // `ε ‖M‖ ‖x‖`, and ‖x‖ is at most ‖b‖/shift.
            let size = operator_norm(&a, shape, &Device::flex())
                .expect("a norm")
                .value;
            let limit = 2.0 * unit(dtype) * (size * size + shift) / shift;
            let found = match a.solve(b.clone(), shift) {
                Ok(found) => found,
                Err(SolveError::NotConverged { residual, .. }) => {
                    assert!(residual <= limit, "{name}: {residual:e} of {limit:e}");
                    continue;
                }
                Err(error) => panic!("{name}: {error}"),
            };
            let x = found.x;
            let back = a.adjoint(a.apply(x.clone())) + x.clone() * shift;
            let residual = norm(back - b.clone()) / norm(b.clone());
            assert!(residual <= tolerance.max(limit), "{name}: {residual:e}");
            assert_eq!(found.residual.is_some(), found.iterations > 0, "{name}");
            if let Some(reported) = found.residual {
                assert!(reported <= tolerance, "{name}: {reported:e}");
            }
        }
        // The gradient is 0 at argmin γ/2 ‖A x − y‖² + ½ ‖x − z‖².
        let (z, gamma) = (random(shape, 4, dtype), 0.7);
        let y = random(a.output_shape(shape).expect("a shape"), 5, dtype);
        let x = a
            .proximal(z.clone(), y.clone(), gamma)
            .expect("a solution")
            .x;
        let gradient = a.adjoint(a.apply(x.clone()) - y.clone()) * gamma + x - z.clone();
        // The equation is solved for w = x − z, with the right-hand side γ Aᵀ (y − A z).
        let scale = norm(z.clone()) + gamma * (norm(a.adjoint(y)) + norm(a.adjoint(a.apply(z))));
        assert!(
            norm(gradient.clone()) <= 5.0 * tolerance * scale,
            "{name}: {:e}",
            norm(gradient)
        );
    });
}

#[test]
fn an_iteration_that_does_not_arrive_says_so() {
    let blur = linear_operators()
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
        for LinearCase {
            operator, shape, ..
        } in linear_operators()
        {
            let b = random(shape, 1, DType::F32);
            assert!(operator.solve(b, shift).is_err(), "{shift}");
        }
    }
    assert!(hasty.pinv(&blur.operator, b.clone()).is_err());
    // With early stopping, the last iterate is returned with its residual.
    let early = hasty
        .with_early_stop(true)
        .pinv(&blur.operator, b.clone())
        .expect("an iterate");
    assert_eq!(early.iterations, 2);
    assert!(early.residual > Some(1e-12));
    // If y is orthogonal to the range of A, the solution is 0, not 0/0.
    let nothing = tweedie_inverse::operator::Blur::new(
        tweedie_inverse::operator::PointSpread::new(vec![0.0], [1, 1]).expect("a kernel"),
        tweedie_inverse::operator::Padding::Zero,
    );
    assert_eq!(norm(nothing.pinv(b.clone()).expect("a solution").x), 0.0);
    // Values that are not finite are rejected in any sample.
    let mut bad: Vec<f64> = b.into_data().iter::<f64>().collect();
    for value in [f64::NAN, f64::INFINITY] {
        bad[0] = value;
        let data = burn::tensor::TensorData::new(bad.clone(), blur.shape);
        let bad = Tensor::<4>::from_data(data, (&Device::flex(), DType::F64));
        let refused = blur.operator.solve(bad.clone(), 0.1).expect_err("an error");
        assert_eq!(refused, SolveError::NotFinite);
        assert_eq!(
            blur.operator.pinv(bad).expect_err("an error"),
            SolveError::NotFinite
        );
    }
}

#[test]
fn equations_of_another_shape_are_refused() {
    let mut refused_shapes = 0;
    for LinearCase {
        name,
        operator: a,
        shape,
    } in linear_operators()
    {
        let wrong = [shape[0], shape[1] + 3, shape[2] * 2 + 3, shape[3] * 3 + 1];
        // Some operators take images of any shape.
        if a.output_shape(wrong).is_ok() {
            continue;
        }
        refused_shapes += 1;
        let wrong = random(wrong, 1, DType::F32);
        let is_shape = |error: Option<SolveError>| matches!(error, Some(SolveError::Operator(_)));
        assert!(is_shape(a.solve(wrong.clone(), 0.1).err()), "{name}: solve");
        // Some operators take measurements of this shape, from signals of another.
        let refused = is_shape(a.pinv(wrong.clone()).err());
        assert_eq!(
            refused,
            a.input_shape(wrong.dims()).is_err(),
            "{name}: pinv"
        );
        let y = a.apply(random(shape, 1, DType::F32));
        assert!(
            is_shape(a.proximal(wrong, y.clone(), 1.0).err()),
            "{name}: proximal"
        );
        let z = random([shape[0] + 1, shape[1], shape[2], shape[3]], 1, DType::F32);
        let more = shape[0] > 1;
        assert_eq!(is_shape(a.proximal(z, y, 1.0).err()), more, "{name}: batch");
    }
    assert!(
        refused_shapes > 40,
        "only {refused_shapes} operators refuse a shape"
    );
}
