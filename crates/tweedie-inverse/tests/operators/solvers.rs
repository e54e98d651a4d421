//! Iterative solvers against each other, against closed forms and against differences.

use super::random;
use approx::assert_abs_diff_eq;
use burn::tensor::{DType, Device, Tensor};
use tweedie_catalogue::linear_operators;
use tweedie_inverse::operator::{Blur, Linear, Operator, Padding, PointSpread};
use tweedie_inverse::solver::{
    BiCgStab, ConjugateGradient, Lsqr, Minres, Solution, implicit_gradient,
};

fn distance(a: Tensor<4>, b: Tensor<4>) -> f64 {
    let scale = b.clone().abs().max().into_scalar::<f64>().max(1e-3);
    (a - b).abs().max().into_scalar::<f64>() / scale
}

/// Every solver solves the normal equations of every operator, and least squares.
#[test]
fn solvers_agree_on_every_operator() {
    const SHIFT: f64 = 0.05;
    for case in linear_operators() {
        let (name, a) = (&case.name, &case.operator);
        let b = random(case.shape, 1, DType::F64);
        let exact = a.solve(b.clone(), SHIFT).expect("a solution").x;
        let normal = |x: Tensor<4>| a.adjoint(a.apply(x.clone())) + x * SHIFT;
        let minres = Minres::default().with_tolerance(1e-10);
        let stable = BiCgStab::default().with_tolerance(1e-10);
        let found: [(&str, Solution<4>); 3] = [
            (
                "MINRES",
                minres.invert(normal, b.clone()).expect("a solution"),
            ),
            (
                "BiCGStab",
                stable.invert(normal, b.clone()).expect("a solution"),
            ),
            (
                "preconditioned",
                ConjugateGradient::default()
                    .solve_preconditioned(a, |r| Ok(r * 3.0), b.clone(), SHIFT)
                    .expect("a solution"),
            ),
        ];
        for (solver, solution) in found {
            let off = distance(solution.x, exact.clone());
            assert!(off < 1e-6, "{name}, {solver}: {off:e}");
        }
        let y = random(a.output_shape(case.shape).expect("a shape"), 2, DType::F64);
        let damped = Lsqr::default()
            .with_damping(SHIFT.sqrt())
            .with_tolerance(1e-12);
        let found = damped.pinv(a, y.clone()).expect("a solution").x;
        let exact = a.solve(a.adjoint(y), SHIFT).expect("a solution").x;
        let off = distance(found, exact);
        assert!(off < 1e-6, "{name}, LSQR: {off:e}");
    }
}

/// An ill-conditioned blur: with LSQR, the least-squares solution is as near as with conjugate
/// gradients, in no more iterations.
#[test]
fn least_squares_of_a_blur() {
    let blur = Blur::new(
        PointSpread::gaussian(0.6).expect("a kernel"),
        Padding::Reflect,
    );
    let x = random([2, 1, 12, 9], 3, DType::F64);
    let y = blur.apply(x.clone());
    let lsqr = Lsqr::default().with_tolerance(1e-9).pinv(&blur, y.clone());
    let cg = ConjugateGradient::default()
        .with_tolerance(1e-9)
        .pinv(&blur, y);
    let (lsqr, cg) = (lsqr.expect("a solution"), cg.expect("a solution"));
    println!("{} and {} iterations", lsqr.iterations, cg.iterations);
    assert!(distance(lsqr.x, x.clone()) < 1e-5 && distance(cg.x, x) < 1e-5);
    assert!(lsqr.iterations <= cg.iterations + 2);
}

/// A sample of a batch has the solution that it has alone, although the others go on.
#[test]
fn samples_are_solved_as_alone() {
    let d = random([1, 1, 6, 6], 4, DType::F64);
    let m = |x: Tensor<4>| x.clone() * d.clone() + x.flip([3]) * 0.1;
    let mut b = random([3, 1, 6, 6], 5, DType::F64);
    // One sample is 0, which is solved before the first iteration.
    b = b * Tensor::<1>::from_floats([1.0, 0.0, 1e-3], &Device::flex())
        .cast(DType::F64)
        .reshape([3, 1, 1, 1]);
    let solve = |b: Tensor<4>| BiCgStab::default().invert(m, b).expect("a solution");
    let together = solve(b.clone()).x;
    for i in 0..3 {
        let alone = solve(b.clone().narrow(0, i, 1)).x;
        let off = (together.clone().narrow(0, i, 1) - alone).abs().max();
        assert_abs_diff_eq!(off.into_scalar::<f64>(), 0.0, epsilon = 1e-9);
    }
    let refused = BiCgStab::default().invert(m, b * f64::NAN);
    assert!(refused.is_err(), "NaN on the right-hand side");
}

/// The gradient of a restoration with respect to the weight of its regularisation.
#[test]
fn a_solution_is_differentiated_without_its_iterations() {
    let blur = Blur::new(
        PointSpread::gaussian(1.0).expect("a kernel"),
        Padding::Symmetric,
    );
    let (b, v) = (
        random([2, 1, 7, 6], 6, DType::F64),
        random([2, 1, 7, 6], 7, DType::F64),
    );
    let restored = |shift: f64| {
        let solver = ConjugateGradient::default().with_tolerance(1e-12);
        solver.solve(&blur, b.clone(), shift).expect("a solution").x
    };
    let equation = |x: Tensor<4>, shift: Tensor<1>| {
        let shift = shift.reshape([1, 1, 1, 1]);
        blur.adjoint(blur.apply(x.clone())) + x * shift - b.clone()
    };
    let (at, step) = (0.3, 1e-5);
    let shift = Tensor::<1>::from_data([at], (&Device::flex(), DType::F64));
    let solver = BiCgStab::default();
    let found = implicit_gradient(equation, restored(at), shift, v.clone(), solver);
    let found = found.expect("a gradient").0.into_scalar::<f64>();
    let change = (restored(at + step) - restored(at - step)) / (2.0 * step);
    let expected = (change * v).sum().into_scalar::<f64>();
    assert_abs_diff_eq!(found, expected, epsilon = 1e-6 * expected.abs().max(1.0));
}
