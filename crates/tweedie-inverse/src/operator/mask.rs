//! Inpainting: the values where the mask is true, and 0 elsewhere.
//!
//! `A = diag(m)` with `m ∈ {0, 1}`, so `Aᵀ = A⁺ = A` and `(AᵀA + s I)⁻¹ = 1/(m + s)`.

use super::{Linear, Operator, OperatorError};
use burn::tensor::{Bool, Device, Tensor, TensorData};

/// Keeps the values where the mask is true.
#[derive(Clone, Debug)]
pub struct Mask<const D: usize> {
    kept: Tensor<D, Bool>,
}

impl<const D: usize> Mask<D> {
    /// Keeps the values where `kept` is true; dimensions of 1 broadcast.
    #[must_use]
    pub fn new(kept: Tensor<D, Bool>) -> Self {
        Self { kept }
    }

    /// Where values are kept.
    #[must_use]
    pub fn kept(&self) -> Tensor<D, Bool> {
        self.kept.clone()
    }

    /// 1 where values are kept, 0 elsewhere, beside `like`.
    fn weights(&self, like: &Tensor<D>) -> Tensor<D> {
        let weights = self.kept.clone().float().cast(like.dtype());
        if like.device().is_autodiff() {
            weights.autodiff()
        } else {
            weights
        }
    }
}

impl Mask<4> {
    /// Images of `size` (height, width) that lost the box of `extent` with its upper left at
    /// `corner` (row, column).
    ///
    /// # Errors
    /// [`OperatorError::Box`] if the box does not lie within the image.
    pub fn missing_box(
        size: [usize; 2],
        corner: [usize; 2],
        extent: [usize; 2],
        device: &Device,
    ) -> Result<Self, OperatorError> {
        let end = [0, 1].map(|i| corner[i].saturating_add(extent[i]));
        if end[0] > size[0] || end[1] > size[1] {
            return Err(OperatorError::Box {
                size,
                corner,
                extent,
            });
        }
        let inside = |row: usize, column: usize| {
            (corner[0]..end[0]).contains(&row) && (corner[1]..end[1]).contains(&column)
        };
        let kept: Vec<bool> = (0..size[0] * size[1])
            .map(|i| !inside(i / size[1], i % size[1]))
            .collect();
        let kept = TensorData::new(kept, [1, 1, size[0], size[1]]);
        Ok(Self::new(Tensor::from_data(kept, device)))
    }
}

impl<const D: usize> Operator<D> for Mask<D> {
    fn apply(&self, x: Tensor<D>) -> Tensor<D> {
        let weights = self.weights(&x);
        x * weights
    }
}

impl<const D: usize> Linear<D> for Mask<D> {
    fn adjoint(&self, y: Tensor<D>) -> Tensor<D> {
        self.apply(y)
    }

    fn solve(&self, b: Tensor<D>, shift: f64) -> Tensor<D> {
        let weights = self.weights(&b);
        b / (weights + shift)
    }

    fn pinv(&self, y: Tensor<D>) -> Tensor<D> {
        self.apply(y)
    }
}
