//! Blur of images of any size, with any edge.
//!
//! `y_i = Σ_k h_k x_{i + c − k}` with the centre `c` of the kernel; the image goes on beyond its edge
//! as [`Padding`] says. The padded image is convolved by Fourier transforms, so that the cost does
//! not depend on the size of the kernel.

use super::error::fits;
use super::{Linear, Operator, OperatorError, Padding, PointSpread};
use burn::tensor::{IndexingUpdateOp, Int, Tensor, TensorData};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::Mutex;
use tweedie_kernels::CircularFilter;

/// A true convolution (the kernel is mirrored against the correlation of networks). The kernel's
/// centre is at `h/2`, `w/2`, rounded down. With [`Padding::Valid`] the image loses the kernel's
/// size less 1, else it keeps its size.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use tweedie_inverse::{Blur, Operator, Padding, PointSpread};
///
/// let x = Tensor::<4>::ones([1, 3, 20, 31], &Device::flex());
/// let kernel = PointSpread::motion(9, 0.5, 1)?;
/// let blurred = Blur::new(kernel.clone(), Padding::Reflect).apply(x.clone());
/// assert!((blurred - x.clone()).abs().max().into_scalar::<f32>() < 1e-5);
/// assert_eq!(Blur::new(kernel, Padding::Valid).apply(x).dims(), [1, 3, 12, 23]);
/// # Ok::<(), tweedie_inverse::OperatorError>(())
/// ```
#[derive(Debug, Serialize, Deserialize)]
pub struct Blur {
    kernel: PointSpread,
    padding: Padding,
    /// The filters of the sizes that were asked for.
    #[serde(skip)]
    filters: Mutex<HashMap<[usize; 2], CircularFilter>>,
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

    /// The filter of a plane that holds the padded image of a size.
    fn filter(&self, size: [usize; 2]) -> CircularFilter {
        let kernel = self.kernel.size();
        let plane = [0, 1].map(|i| smooth(self.padded(size[i], kernel[i])));
        let mut filters = self.filters.lock().unwrap_or_else(|held| held.into_inner());
        let make =
            || CircularFilter::of_kernel(&self.kernel.embedded(plane, [0, 0]), [1, 1], plane);
        filters.entry(size).or_insert_with(make).clone()
    }

    /// How many of `n` pixels there are with those beyond the edge.
    fn padded(&self, n: usize, kernel: usize) -> usize {
        match self.padding {
            Padding::Valid => n,
            _ => n + kernel - 1,
        }
    }

    /// For each pixel of a padded row or column of `n`, which pixel it repeats.
    fn pixels(&self, n: usize, kernel: usize) -> Vec<Option<usize>> {
        let before = match self.padding {
            Padding::Valid => 0,
            _ => kernel - 1 - kernel / 2,
        };
        let places = (0..self.padded(n, kernel)).map(|i| i as isize - before as isize);
        places.map(|place| self.padding.pixel(place, n)).collect()
    }
}

/// The next number without a prime factor above 5: transforms of such sizes are fast.
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

/// Pixels of a dimension by index, zeros where there is none, up to `length`.
fn spread(x: Tensor<4>, dim: usize, pixels: &[Option<usize>], length: usize) -> Tensor<4> {
    let (first, found) = present(pixels);
    let index = indices(&found, &x);
    let picked = x.select(dim, index);
    let zeros = |count: usize| {
        let mut shape = picked.dims();
        shape[dim] = count;
        Tensor::zeros(shape, (&picked.device(), picked.dtype()))
    };
    let after = length - first - found.len();
    Tensor::cat(vec![zeros(first), picked.clone(), zeros(after)], dim)
}

/// The transpose of [`spread`] onto `n` pixels.
fn collect(y: Tensor<4>, dim: usize, pixels: &[Option<usize>], n: usize) -> Tensor<4> {
    let (first, found) = present(pixels);
    let index = indices(&found, &y);
    let inner = y.narrow(dim, first, found.len());
    let mut shape = inner.dims();
    shape[dim] = n;
    let zeros = Tensor::zeros(shape, (&inner.device(), inner.dtype()));
    zeros.select_assign(dim, index, inner, IndexingUpdateOp::Add)
}

/// Where pixels start that are there, and which they are.
fn present(pixels: &[Option<usize>]) -> (usize, Vec<i32>) {
    let first = pixels.iter().take_while(|pixel| pixel.is_none()).count();
    let found = pixels.iter().flatten().map(|&pixel| pixel as i32);
    (first, found.collect())
}

fn indices(found: &[i32], like: &Tensor<4>) -> Tensor<1, Int> {
    let data = TensorData::new(found.to_vec(), [found.len()]);
    Tensor::from_data(data, &like.device())
}

impl Operator<4> for Blur {
    fn measured(&self, signal: [usize; 4]) -> Result<[usize; 4], OperatorError> {
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

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let [_, _, h, w] = x.dims();
        let filter = self.filter([h, w]);
        let [rows, columns] = filter.size();
        let [height, width] = self.kernel.size();
        let padded = spread(x, 2, &self.pixels(h, height), rows);
        let padded = spread(padded, 3, &self.pixels(w, width), columns);
        let out = [self.padded(h, height), self.padded(w, width)];
        let y = filter.forward(padded);
        y.narrow(2, height - 1, out[0] + 1 - height)
            .narrow(3, width - 1, out[1] + 1 - width)
    }
}

impl Linear<4> for Blur {
    fn signal(&self, measured: [usize; 4]) -> Result<[usize; 4], OperatorError> {
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

    fn transpose(&self, y: Tensor<4>) -> Tensor<4> {
        let [_, _, rows, columns] = y.dims();
        let [height, width] = self.kernel.size();
        let [h, w] = match self.padding {
            Padding::Valid => [rows + height - 1, columns + width - 1],
            _ => [rows, columns],
        };
        let filter = self.filter([h, w]);
        let [tall, wide] = filter.size();
        let embedded = |first: usize, count: usize, length: usize| {
            let place = |i: usize| (first..first + count).contains(&i).then(|| i - first);
            (0..length).map(place).collect::<Vec<_>>()
        };
        let y = spread(y, 2, &embedded(height - 1, rows, tall), tall);
        let y = spread(y, 3, &embedded(width - 1, columns, wide), wide);
        let x = filter.adjoint(y);
        let x = collect(x, 2, &self.pixels(h, height), h);
        collect(x, 3, &self.pixels(w, width), w)
    }
}
