//! Spatially varying blur: one kernel per tile, interpolated between tiles.
//!
//! `y = Σ_k h_k ∗ (w_k ∘ x)` with weights `w_k` of sum 1 in every pixel. Or the weights come last,
//! `y = Σ_k w_k ∘ (h_k ∗ x)` ([`WeightOrder`]): then a flat image stays flat.
//!
//! # Reference
//! Nagy and O'Leary 1998, "Restoring images degraded by spatially variant blur".

use super::error::{OperatorError, checked, pixels, require, sized};
use super::{Blur, Linear, Operator, Padding, PointSpread};
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};
use tweedie_ops::Constant;

/// Whether the weights of a [`VaryingBlur`] come before the convolutions or after them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WeightOrder {
    /// `Σ_k h_k ∗ (w_k ∘ x)`: a source of light spreads by the kernel of its own place.
    #[default]
    First,
    /// `Σ_k w_k ∘ (h_k ∗ x)`: a detector's pixel collects by the kernel of its own place.
    Last,
}

/// A blur of images of one size by a grid of kernels.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use tweedie_inverse::operator::{Operator, Padding, PointSpread, VaryingBlur};
///
/// let kernels = [0.5, 1.0, 1.5, 2.0].map(PointSpread::gaussian);
/// let kernels = kernels.into_iter().collect::<Result<Vec<_>, _>>()?;
/// let blur = VaryingBlur::tiles(kernels, [2, 2], [16, 20], Padding::Replicate)?;
/// let flat = blur.apply(Tensor::ones([1, 1, 16, 20], &Device::flex()));
/// assert_eq!(flat.dims(), [1, 1, 16, 20]);
/// # Ok::<(), tweedie_inverse::operator::OperatorError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Raw")]
pub struct VaryingBlur {
    blurs: Vec<Blur>,
    /// `[kernels, 1, h, w]`.
    weights: Constant<4>,
    order: WeightOrder,
}

checked!(VaryingBlur {
    blurs: Vec<Blur>,
    weights: Constant<4>,
    order: WeightOrder
} by VaryingBlur::of);

impl VaryingBlur {
    /// A grid of `tiles` (rows, columns) over images of `size`, with kernels in row-major order.
    ///
    /// Each kernel has weight 1 at the centre of its tile. Between centres the weights are
    /// bilinear.
    ///
    /// # Errors
    /// [`OperatorError`] unless there is one kernel per tile and from 1 to 4,096 tiles, or for
    /// kernels of different sizes with [`Padding::Valid`].
    pub fn tiles(
        kernels: Vec<PointSpread>,
        tiles: [usize; 2],
        size: [usize; 2],
        padding: Padding,
    ) -> Result<Self, OperatorError> {
        let [h, w] = size;
        pixels(size)?;
        let count = tiles[0].saturating_mul(tiles[1]);
        let few = (1..=1 << 12).contains(&count);
        require("number of tiles", count as f64, "from 1 to 4,096", few)?;
        if kernels.len() != count {
            return Err(OperatorError::Length {
                values: "the list of kernels",
                found: kernels.len(),
                expected: count,
            });
        }
        let hat = |place: usize, n: usize, tile: usize, tiles: usize| {
            // The position in units of tiles, from the centre of the first tile.
            let at = (place as f64 + 0.5) / n as f64 * tiles as f64 - 0.5;
            let at = at.clamp(0.0, tiles as f64 - 1.0);
            (1.0 - (at - tile as f64).abs()).max(0.0)
        };
        let weights = (0..count * h * w).map(|i| {
            let (tile, row, column) = (i / (h * w), i / w % h, i % w);
            hat(row, h, tile / tiles[1], tiles[0]) * hat(column, w, tile % tiles[1], tiles[1])
        });
        let blurs = kernels.into_iter().map(|kernel| Blur::new(kernel, padding));
        Self::of(
            blurs.collect(),
            Constant::new(weights.collect(), [count, 1, h, w]),
            WeightOrder::First,
        )
    }

    /// Sets whether the weights come before the convolutions or after them.
    ///
    /// # Errors
    /// [`OperatorError::Edge`] for weights that come last with [`Padding::Valid`], where the images
    /// shrink.
    pub fn with_order(self, order: WeightOrder) -> Result<Self, OperatorError> {
        Self::of(self.blurs, self.weights, order)
    }

    fn of(
        blurs: Vec<Blur>,
        weights: Constant<4>,
        order: WeightOrder,
    ) -> Result<Self, OperatorError> {
        let [count, one, h, w] = weights.shape();
        require("number of tiles", count as f64, "at least 1", count > 0)?;
        require("number of channels of a weight", one as f64, "1", one == 1)?;
        if blurs.len() != count {
            return Err(OperatorError::Length {
                values: "the list of kernels",
                found: blurs.len(),
                expected: count,
            });
        }
        // All kernels have to give outputs of the same size.
        let [.., rows, columns] = blurs[0].output_shape([1, 1, h, w])?;
        for blur in &blurs {
            let [.., tall, wide] = blur.output_shape([1, 1, h, w])?;
            let same = [tall, wide] == [rows, columns];
            require(
                "height that a kernel leaves",
                tall as f64,
                "that of the others",
                same,
            )?;
        }
        if order == WeightOrder::Last && [rows, columns] != [h, w] {
            return Err(OperatorError::Edge {
                operator: "a varying blur with weights that come last",
                found: Padding::Valid,
            });
        }
        Ok(Self {
            blurs,
            weights,
            order,
        })
    }

    fn size(&self) -> [usize; 2] {
        let [_, _, h, w] = self.weights.shape();
        [h, w]
    }

    /// `w_k`.
    fn weight(&self, k: usize, like: &Tensor<4>) -> Tensor<4> {
        self.weights.beside(like).narrow(0, k, 1)
    }

    /// The sum over kernels.
    fn sum(&self, term: impl Fn(&Blur, usize) -> Tensor<4>) -> Tensor<4> {
        let rest = self.blurs.iter().enumerate().skip(1);
        rest.fold(term(&self.blurs[0], 0), |sum, (k, blur)| {
            sum + term(blur, k)
        })
    }
}

impl Operator<4> for VaryingBlur {
    fn output_shape(&self, signal: [usize; 4]) -> Result<[usize; 4], OperatorError> {
        let size = self.size();
        self.blurs[0].output_shape(sized("varying blur", signal, size, size)?)
    }

    fn apply_unchecked(&self, x: Tensor<4>) -> Tensor<4> {
        self.sum(|blur, k| match self.order {
            WeightOrder::First => blur.apply_unchecked(x.clone() * self.weight(k, &x)),
            WeightOrder::Last => blur.apply_unchecked(x.clone()) * self.weight(k, &x),
        })
    }
}

impl Linear<4> for VaryingBlur {
    fn input_shape(&self, measured: [usize; 4]) -> Result<[usize; 4], OperatorError> {
        let [h, w] = self.size();
        let [.., rows, columns] = self.output_shape([1, 1, h, w])?;
        sized("varying blur", measured, [rows, columns], [h, w])
    }

    fn adjoint_unchecked(&self, y: Tensor<4>) -> Tensor<4> {
        self.sum(|blur, k| match self.order {
            WeightOrder::First => blur.adjoint_unchecked(y.clone()) * self.weight(k, &y),
            WeightOrder::Last => blur.adjoint_unchecked(y.clone() * self.weight(k, &y)),
        })
    }
}
