//! The law of every adjoint: `⟨A x, y⟩ = ⟨x, Aᵀ y⟩`.

use crate::measurement::widened;
use crate::{Linear, OperatorError};
use burn::tensor::{Tensor, TensorData};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// `|⟨A x, y⟩ − ⟨x, Aᵀ y⟩| / (‖A x‖ ‖y‖)`: of the order of rounding for every honest adjoint.
///
/// ```
/// use burn::tensor::{Device, Distribution, Tensor};
/// use tweedie_inverse::{AveragePool, adjoint_gap};
///
/// let random = |shape| Tensor::<4>::random(shape, Distribution::Default, &Device::flex());
/// let (x, y) = (random([2, 3, 8, 12]), random([2, 3, 4, 6]));
/// assert!(adjoint_gap(&AveragePool::new(2)?, x, y) < 1e-5);
/// # Ok::<(), tweedie_inverse::OperatorError>(())
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

/// More than rounding, in half precision too, and less than what another map than the adjoint leaves.
const GAP: f64 = 1e-2;

/// Whether `operator` has the adjoint that it says, for signals of a shape that fits, of the kind of `like`:
/// `‖A x‖² = ⟨x, Aᵀ A x⟩` for one `x` of random signs.
pub(crate) fn check_adjoint<const D: usize>(
    operator: &(impl Linear<D> + ?Sized),
    like: &Tensor<D>,
    signal: [usize; D],
) -> Result<(), OperatorError> {
    let mut random = ChaCha8Rng::seed_from_u64(0);
    let count = signal.iter().product::<usize>();
    let signs = (0..count).map(|_| {
        if random.next_u32() % 2 == 0 {
            1.0
        } else {
            -1.0
        }
    });
    let data = TensorData::new(signs.collect::<Vec<f32>>(), signal);
    let x = Tensor::from_data(data, (&like.device(), like.dtype()));
    let y = operator.apply(x.clone());
    let gap = adjoint_gap(operator, x, y);
    // What is not a number is no adjoint either.
    match gap <= GAP {
        true => Ok(()),
        false => Err(OperatorError::Adjoint { gap }),
    }
}
