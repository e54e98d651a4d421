//! The adjoint test: `⟨A x, y⟩ = ⟨x, Aᵀ y⟩`.

use crate::operator::error::fits;
use crate::operator::{Linear, OperatorError};
use crate::values::widened;
use burn::tensor::{DType, Tensor, TensorData};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// Returns `|⟨A x, y⟩ − ⟨x, Aᵀ y⟩| / (‖A x‖ ‖y‖)`, of rounding order for a correct adjoint.
///
/// ```
/// use burn::tensor::{Device, Distribution, Tensor};
/// use tweedie_inverse::operator::{AveragePool, adjoint_gap};
///
/// let random = |shape| Tensor::<4>::random(shape, Distribution::Default, &Device::flex());
/// let (x, y) = (random([2, 3, 8, 12]), random([2, 3, 4, 6]));
/// assert!(adjoint_gap(&AveragePool::new(2)?, x, y) < 1e-5);
/// # Ok::<(), tweedie_inverse::operator::OperatorError>(())
/// ```
pub fn adjoint_gap<const D: usize>(
    a: &(impl Linear<D> + ?Sized),
    x: Tensor<D>,
    y: Tensor<D>,
) -> f64 {
    let dot = |u: Tensor<D>, v: Tensor<D>| (widened(u) * widened(v)).sum().into_scalar::<f64>();
    let ax = a.apply(x.clone());
    let scale = (dot(ax.clone(), ax.clone()) * dot(y.clone(), y.clone())).sqrt();
    let gap = dot(ax, y.clone()) - dot(x, a.adjoint(y));
    gap.abs() / scale.max(f64::MIN_POSITIVE)
}

/// Checks `⟨A x, y⟩ = ⟨x, Aᵀ y⟩` for one pair, on the device and in the dtype of `like`.
///
/// `x` has the shape `signal` and consists of random signs; `y` is the sum of random signs and a
/// multiple of `A x`. The gap is relative to `‖A x‖ ‖y‖ + ‖x‖ ‖Aᵀ y‖`, so that cancellation in
/// `A x` does not count.
pub(crate) fn check_adjoint<const D: usize>(
    operator: &(impl Linear<D> + ?Sized),
    like: &Tensor<D>,
    signal: [usize; D],
) -> Result<(), OperatorError> {
    // One sample is enough, unless the operator has a mask for each sample.
    let mut one = signal;
    one[0] = 1;
    let signal = operator.output_shape(one).map_or(signal, |_| one);
    let mut random = ChaCha8Rng::seed_from_u64(0);
    let mut signs = |shape: [usize; D]| -> Tensor<D> {
        let count = shape.iter().product::<usize>();
        let signs = (0..count).map(|_| {
            if random.next_u32() % 2 == 0 {
                1.0
            } else {
                -1.0
            }
        });
        let data = TensorData::new(signs.collect::<Vec<f32>>(), shape);
        Tensor::from_data(data, (&like.device(), like.dtype()))
    };
    let (x, measured) = (signs(signal), operator.output_shape(signal)?);
    let ax = operator.apply_unchecked(x.clone());
    same_shape("a measurement", ax.dims(), measured)?;
    let largest = ax.clone().abs().max().into_scalar::<f64>();
    let y = match largest > 0.0 && largest.is_finite() {
        true => signs(measured) + ax.clone() / largest,
        false => signs(measured),
    };
    same_shape("an adjoint", operator.input_shape(measured)?, signal)?;
    let back = operator.adjoint_unchecked(y.clone());
    same_shape("an adjoint", back.dims(), signal)?;
    let [x, ax, y, back] = [x, ax, y, back].map(|tensor| -> Vec<f64> {
        let data = tensor.into_data();
        data.iter::<f64>().collect()
    });
    let dot = |u: &[f64], v: &[f64]| u.iter().zip(v).map(|(u, v)| u * v).sum::<f64>();
    let norm = |u: &[f64]| dot(u, u).sqrt();
    let scale = norm(&ax) * norm(&y) + norm(&x) * norm(&back);
    let gap = (dot(&ax, &y) - dot(&x, &back)).abs();
    // A NaN gap fails as well.
    match gap <= tolerance(like.dtype()) * scale {
        true => Ok(()),
        false => Err(OperatorError::Adjoint { gap: gap / scale }),
    }
}

/// The largest relative gap that is accepted as rounding error.
fn tolerance(dtype: DType) -> f64 {
    match dtype {
        DType::F64 => 1e-8,
        DType::F32 => 1e-4,
        _ => 1e-2,
    }
}

fn same_shape<const D: usize>(
    name: &'static str,
    found: [usize; D],
    expected: [usize; D],
) -> Result<(), OperatorError> {
    fits(name, &found, found == expected, || format!("{expected:?}"))
}

#[cfg(test)]
#[allow(clippy::expect_used, reason = "a test may stop at once")]
mod tests {
    use super::*;
    use crate::operator::{Blur, Identity, Mask, Matrix, Operator, Padding, PointSpread};
    use burn::tensor::Device;
    use tweedie_ops::Constant;

    fn like(dtype: DType) -> Tensor<4> {
        Tensor::zeros([1, 1, 1, 1], (&Device::flex(), dtype))
    }

    /// A blur with a wrong adjoint: a blur with the same or with another padding.
    struct Edges {
        forward: Blur,
        back: Blur,
    }

    impl Operator<4> for Edges {
        fn output_shape(&self, signal: [usize; 4]) -> Result<[usize; 4], OperatorError> {
            self.forward.output_shape(signal)
        }
        fn apply_unchecked(&self, x: Tensor<4>) -> Tensor<4> {
            self.forward.apply_unchecked(x)
        }
    }

    impl Linear<4> for Edges {
        fn input_shape(&self, measured: [usize; 4]) -> Result<[usize; 4], OperatorError> {
            self.forward.input_shape(measured)
        }
        fn adjoint_unchecked(&self, y: Tensor<4>) -> Tensor<4> {
            self.back.apply_unchecked(y)
        }
    }

    #[test]
    fn a_blur_is_not_its_own_adjoint_at_the_edges() {
        let blur = |edge| Blur::new(PointSpread::gaussian(1.0).expect("a kernel"), edge);
        for (edge, back) in [
            (Padding::Reflect, Padding::Reflect),
            (Padding::Reflect, Padding::Zero),
        ] {
            let (forward, back) = (blur(edge), blur(back));
            for dtype in [DType::F32, DType::F64] {
                for side in [32, 256] {
                    let wrong = Edges {
                        forward: forward.clone(),
                        back: back.clone(),
                    };
                    let found = check_adjoint(&wrong, &like(dtype), [2, 1, side, side]);
                    let refused = matches!(found, Err(OperatorError::Adjoint { .. }));
                    assert!(refused, "{edge:?}, {side}: {found:?}");
                    let right = check_adjoint(&forward, &like(dtype), [2, 1, side, side]);
                    assert_eq!(right, Ok(()));
                }
            }
        }
    }

    #[test]
    fn honest_adjoints_pass_whatever_their_size() {
        for dtype in [DType::F16, DType::BF16, DType::F32, DType::F64] {
            for factor in [1e-3, 1.0, 30.0] {
                let found = check_adjoint(
                    &Operator::<4>::scaled(Identity, factor),
                    &like(dtype),
                    [1, 3, 16, 16],
                );
                assert_eq!(found, Ok(()), "{dtype:?}, {factor}");
            }
        }
        for factor in [0.0, 1e-18, 1e18] {
            let large = Operator::<4>::scaled(Identity, factor);
            assert_eq!(
                check_adjoint(&large, &like(DType::F32), [1, 3, 64, 64]),
                Ok(())
            );
        }
        // A mean, where random signs may cancel up to rounding, and a mask for each sample.
        let mean = Matrix::new(Constant::new(vec![1.0 / 550.0; 550], [1, 550]), [1, 10, 55]);
        let mean = mean.expect("a matrix");
        let kept = Tensor::<4>::from_floats([[[[1.0, 0.0]]], [[[0.0, 1.0]]]], &Device::flex());
        let masks = Mask::new(kept.equal_elem(1.0));
        for dtype in [DType::F32, DType::F64] {
            assert_eq!(check_adjoint(&mean, &like(dtype), [1, 1, 10, 55]), Ok(()));
            assert_eq!(check_adjoint(&masks, &like(dtype), [2, 1, 1, 2]), Ok(()));
        }
    }
}
