//! Blur of images of any size, with any padding.
//!
//! `y_i = Σ_k h_k x_{i + c − k}`, where `c` is the centre of the kernel, or its last pixel for
//! [`Padding::Valid`]. [`Padding`] defines the image beyond its edge. The padded image is convolved
//! by FFT, so that the cost hardly depends on the size of the kernel.

use super::error::fits;
use super::{Linear, Operator, OperatorError, Padding, PointSpread};
use burn::tensor::{IndexingUpdateOp, Int, Tensor, TensorData};
use serde::{Deserialize, Serialize};
use std::sync::Mutex;
use tweedie_ops::CircularFilter;

/// A convolution of images with a kernel.
///
/// This is a true convolution: the kernel is mirrored compared with the cross-correlation of neural
/// networks. The kernel's centre is at `h/2`, `w/2`, rounded down. With [`Padding::Valid`] the
/// image shrinks by the kernel's size minus 1; otherwise it keeps its size.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use tweedie_inverse::operator::{Blur, Operator, Padding, PointSpread};
///
/// let x = Tensor::<4>::ones([1, 3, 20, 31], &Device::flex());
/// let kernel = PointSpread::motion(9, 0.5, 1)?;
/// let blurred = Blur::new(kernel.clone(), Padding::Reflect).apply(x.clone());
/// assert!((blurred - x.clone()).abs().max().into_scalar::<f32>() < 1e-5);
/// assert_eq!(Blur::new(kernel, Padding::Valid).apply(x).dims(), [1, 3, 12, 23]);
/// # Ok::<(), tweedie_inverse::operator::OperatorError>(())
/// ```
#[derive(Debug, Serialize, Deserialize)]
pub struct Blur {
    kernel: PointSpread,
    padding: Padding,
    /// A cache of filters by image size.
    #[serde(skip)]
    filters: Mutex<Vec<([usize; 2], CircularFilter)>>,
}

impl Clone for Blur {
    fn clone(&self) -> Self {
        Self::new(self.kernel.clone(), self.padding)
    }
}

impl PartialEq for Blur {
    fn eq(&self, other: &Self) -> bool {
        self.kernel == other.kernel && self.padding == other.padding
    }
}

impl Blur {
    /// The convolution with `kernel`.
    #[must_use]
    pub fn new(kernel: PointSpread, padding: Padding) -> Self {
        Self {
            kernel,
            padding,
            filters: Mutex::default(),
        }
    }

    /// The filter for images of `size`, on a plane that holds the padded image.
    fn filter(&self, size: [usize; 2]) -> CircularFilter {
        const KEPT: usize = 4;
        let mut filters = self.filters.lock().unwrap_or_else(|held| held.into_inner());
        if let Some((_, filter)) = filters.iter().find(|(known, _)| *known == size) {
            return filter.clone();
        }
        let kernel = self.kernel.size();
        let plane = [0, 1].map(|i| smooth(self.padded(size[i], kernel[i])));
        let embedded = self.kernel.embedded(plane, [0, 0]);
        let filter = CircularFilter::of_kernel(&embedded, [1, 1], plane);
        filters.truncate(KEPT - 1);
        filters.insert(0, (size, filter.clone()));
        filter
    }

    /// The length of a row or column of `n` pixels after padding.
    fn padded(&self, n: usize, kernel: usize) -> usize {
        match self.padding {
            Padding::Valid => n,
            _ => n + kernel - 1,
        }
    }

    /// The padding of a row or column of `n` pixels, up to `length`.
    fn frame(&self, n: usize, kernel: usize, length: usize) -> Frame {
        let inner = self.padded(n, kernel);
        let before = match self.padding {
            Padding::Valid => 0,
            _ => kernel - 1 - kernel / 2,
        };
        let edge = |places: std::ops::Range<usize>| -> Vec<i32> {
            let pixels = places.map(|i| self.padding.pixel(i as isize - before as isize, n));
            pixels.flatten().map(|pixel| pixel as i32).collect()
        };
        let (first, last) = (edge(0..before), edge(before + n..inner));
        Frame {
            zeros_before: before - first.len(),
            zeros_after: length - before - n - last.len(),
            before: first,
            after: last,
        }
    }
}

/// The smallest number from `n` on without a prime factor above 5. FFTs of such sizes are fast.
fn smooth(n: usize) -> usize {
    let left = |n: usize| {
        [2, 3, 5].into_iter().fold(n, |mut n, prime| {
            while n.is_multiple_of(prime) {
                n /= prime;
            }
            n
        })
    };
    (n..).find(|&n| left(n) == 1).unwrap_or(n)
}

/// The padding of a dimension: zeros and repeated pixels before and after it.
struct Frame {
    zeros_before: usize,
    before: Vec<i32>,
    after: Vec<i32>,
    zeros_after: usize,
}

impl Frame {
    /// Padding by zeros only.
    fn zeros(before: usize, after: usize) -> Self {
        Self {
            zeros_before: before,
            before: Vec::new(),
            after: Vec::new(),
            zeros_after: after,
        }
    }

    /// Pads dimension `dim` of `x`.
    fn spread(&self, x: Tensor<4>, dim: usize) -> Tensor<4> {
        let zeros = |count: usize| {
            let mut shape = x.dims();
            shape[dim] = count;
            (count > 0).then(|| Tensor::zeros(shape, (&x.device(), x.dtype())))
        };
        let pixels =
            |found: &[i32]| (!found.is_empty()).then(|| x.clone().select(dim, indices(found, &x)));
        let parts = [
            zeros(self.zeros_before),
            pixels(&self.before),
            Some(x.clone()),
            pixels(&self.after),
            zeros(self.zeros_after),
        ];
        Tensor::cat(parts.into_iter().flatten().collect(), dim)
    }

    /// The transpose of [`spread`](Self::spread).
    fn collect(&self, y: Tensor<4>, dim: usize) -> Tensor<4> {
        let around = self.zeros_before + self.before.len() + self.after.len() + self.zeros_after;
        let n = y.dims()[dim] - around;
        let start = self.zeros_before + self.before.len();
        let mut x = y.clone().narrow(dim, start, n);
        for (found, place) in [(&self.before, self.zeros_before), (&self.after, start + n)] {
            if !found.is_empty() {
                let edge = y.clone().narrow(dim, place, found.len());
                x = x.select_assign(dim, indices(found, &y), edge, IndexingUpdateOp::Add);
            }
        }
        x
    }
}

fn indices(found: &[i32], like: &Tensor<4>) -> Tensor<1, Int> {
    let data = TensorData::new(found.to_vec(), [found.len()]);
    Tensor::from_data(data, &like.device())
}

impl Operator<4> for Blur {
    fn output_shape(&self, signal: [usize; 4]) -> Result<[usize; 4], OperatorError> {
        let [b, c, h, w] = signal;
        let [height, width] = self.kernel.size();
        match self.padding {
            Padding::Valid => {
                let holds = h >= height && w >= width;
                fits("blur", &signal, holds, || {
                    format!("[batch, channels, {height} or more, {width} or more]")
                })?;
                Ok([b, c, h + 1 - height, w + 1 - width])
            }
            _ => {
                let holds = h > 0 && w > 0;
                fits("blur", &signal, holds, || {
                    "an image of at least a pixel".into()
                })?;
                Ok(signal)
            }
        }
    }

    fn apply_unchecked(&self, x: Tensor<4>) -> Tensor<4> {
        let [_, _, h, w] = x.dims();
        let filter = self.filter([h, w]);
        let [rows, columns] = filter.size();
        let [height, width] = self.kernel.size();
        let padded = self.frame(h, height, rows).spread(x, 2);
        let padded = self.frame(w, width, columns).spread(padded, 3);
        let out = [self.padded(h, height), self.padded(w, width)];
        let y = filter.forward(padded);
        y.narrow(2, height - 1, out[0] + 1 - height)
            .narrow(3, width - 1, out[1] + 1 - width)
    }
}

impl Linear<4> for Blur {
    fn input_shape(&self, measured: [usize; 4]) -> Result<[usize; 4], OperatorError> {
        let [b, c, h, w] = measured;
        let holds = h > 0 && w > 0;
        fits("blur", &measured, holds, || {
            "an image of at least a pixel".into()
        })?;
        let [height, width] = self.kernel.size();
        Ok(match self.padding {
            Padding::Valid => [b, c, h + height - 1, w + width - 1],
            _ => measured,
        })
    }

    fn adjoint_unchecked(&self, y: Tensor<4>) -> Tensor<4> {
        let [_, _, rows, columns] = y.dims();
        let [height, width] = self.kernel.size();
        let [h, w] = match self.padding {
            Padding::Valid => [rows + height - 1, columns + width - 1],
            _ => [rows, columns],
        };
        let filter = self.filter([h, w]);
        let [tall, wide] = filter.size();
        let rest = [tall - rows, wide - columns];
        let y = Frame::zeros(height - 1, rest[0] + 1 - height).spread(y, 2);
        let y = Frame::zeros(width - 1, rest[1] + 1 - width).spread(y, 3);
        let x = filter.adjoint(y);
        let x = self.frame(h, height, tall).collect(x, 2);
        self.frame(w, width, wide).collect(x, 3)
    }
}
