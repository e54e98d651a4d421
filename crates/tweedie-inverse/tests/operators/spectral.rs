//! Laws of every spectral operator.

use super::{norm, random};
use approx::{abs_diff_eq, assert_abs_diff_eq};
use burn::tensor::{DType, Device};
use tweedie_catalogue::spectral_operators;
use tweedie_inverse::operator::{adjoint_gap, operator_norm};

#[test]
fn the_decomposition_is_one() {
    for (name, a, shape) in spectral_operators() {
        for (dtype, tolerance) in [(DType::F32, 1e-5), (DType::F64, 1e-11)] {
            let close = |what: &str, a, b| {
                let (a, b): (burn::tensor::Tensor<4>, burn::tensor::Tensor<4>) = (a, b);
                let gap = norm(a - b.clone());
                assert!(
                    gap <= tolerance * (1.0 + norm(b)),
                    "{name}: {what}: {gap:e}"
                );
            };
            let x = random(shape, 1, dtype);
            let y = random(a.output_shape(shape).expect("a shape"), 2, dtype);
            let c = a.signal_to_spectrum(x.clone());
            let s = a.singular_values(&c);
            // V is orthogonal.
            close("V Vᵀ", a.spectrum_to_signal(c.clone()), x.clone());
            assert!(
                abs_diff_eq!(norm(c.clone()) / norm(x.clone()), 1.0, epsilon = tolerance),
                "{name}"
            );
            // A = U Σ Vᵀ, and its transpose.
            close(
                "A",
                a.spectrum_to_measured(c.clone() * s.clone()),
                a.apply(x.clone()),
            );
            let back = a.spectrum_to_signal(a.measured_to_spectrum(y.clone()) * s.clone());
            close("Aᵀ", back, a.adjoint(y.clone()));
            // UᵀU is the identity where the singular value is not 0, and 0 elsewhere.
            let kept = s.clone().greater_elem(0.0).float().cast(dtype);
            let d = random(c.dims(), 3, dtype);
            let again = a.measured_to_spectrum(a.spectrum_to_measured(d.clone()));
            close("UᵀU", again, d * kept);
        }
    }
}

#[test]
fn the_largest_singular_value_is_the_norm() {
    for (name, a, shape) in spectral_operators() {
        let c = a.signal_to_spectrum(random(shape, 1, DType::F64));
        let largest = a.singular_values(&c).max().into_scalar::<f64>();
        let found = operator_norm(&*a, shape, &Device::flex())
            .expect("a norm")
            .value;
        // Power iteration approaches from below, and slowly if two singular values are close.
        assert!(
            abs_diff_eq!(found, largest, epsilon = 2e-3 * largest),
            "{name}: {found} and {largest}"
        );
        let y = random(a.output_shape(shape).expect("a shape"), 2, DType::F64);
        let gap = adjoint_gap(&*a, random(shape, 1, DType::F64), y);
        assert_abs_diff_eq!(gap, 0.0, epsilon = 1e-10);
    }
}
