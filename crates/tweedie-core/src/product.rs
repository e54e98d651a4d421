//! Independent priors of two parts of a state, for unknowns beside the signal: a blur's kernel, a
//! noise level, a gain.
//!
//! If the parts are independent, `p(x, k) = p(x) p(k)`, the estimate of both is that of each. A
//! likelihood of both, such as that of an unknown blur, then makes them dependent, and every
//! posterior method for differentiable operators restores them together.
//!
//! # Reference
//! Chung, Kim, Kim & Ye 2023, "Parallel Diffusion Models of Operator and Image for Blind Inverse
//! Problems", arXiv:2211.10656.

use crate::{DenoiseError, Denoiser, InputError};
use burn::tensor::Tensor;
use tweedie_math::{Level, ParameterError};

/// Two independent priors, of the first channels of a state and of the others.
///
/// Channels are dimension 1, so that a state of shape `[batch, values]` can be split too.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use tweedie_core::{Denoiser, Product, oracle::Gaussian};
/// use tweedie_math::Level;
///
/// let signal = Gaussian::isotropic(&[0.0, 0.0], 1.0)?;
/// let gain = Gaussian::isotropic(&[1.0], 0.1)?;
/// let joint = Product::new(signal, 2, gain)?;
/// let x = Tensor::<2>::from_floats([[0.5, -0.5, 3.0]], &Device::flex());
/// let clean = joint.denoise(x, Level::variance_exploding(1.0)?)?;
/// let clean = clean.into_data().try_into_vec::<f32>()?;
/// assert!((clean[0] - 0.25).abs() < 1e-6 && (clean[2] - 1.02).abs() < 1e-2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Product<A, B> {
    first: A,
    channels: usize,
    second: B,
}

impl<A, B> Product<A, B> {
    /// Takes `first` for the first `channels` channels and `second` for the rest.
    ///
    /// # Errors
    /// [`ParameterError`] if `channels` is 0.
    pub fn new(first: A, channels: usize, second: B) -> Result<Self, ParameterError> {
        Ok(Self {
            first,
            channels: ParameterError::require_count("the channels of the first prior", channels)?,
            second,
        })
    }
}

impl<A, B> Product<A, B> {
    /// `Ok` for a state with channels for both parts.
    fn wide_enough(&self, shape: &[usize]) -> Result<(), InputError> {
        match shape.get(1) {
            Some(&channels) if channels > self.channels => Ok(()),
            _ => Err(InputError::Shape {
                name: "a state of two parts",
                found: shape.to_vec(),
                expected: format!("more than {} channels", self.channels),
            }),
        }
    }
}

impl<const D: usize, A: Denoiser<D>, B: Denoiser<D>> Denoiser<D> for Product<A, B> {
    fn denoise(&self, x: Tensor<D>, level: Level) -> Result<Tensor<D>, DenoiseError> {
        self.wide_enough(&x.dims())?;
        let rest = x.dims()[1] - self.channels;
        let first = x.clone().narrow(1, 0, self.channels);
        let second = x.narrow(1, self.channels, rest);
        let both = vec![
            self.first.denoise(first, level)?,
            self.second.denoise(second, level)?,
        ];
        Ok(Tensor::cat(both, 1))
    }

    fn supports(&self, level: Level) -> bool {
        self.first.supports(level) && self.second.supports(level)
    }

    fn accepts(&self, shape: [usize; D]) -> Result<(), InputError> {
        self.wide_enough(&shape)?;
        let (mut first, mut second) = (shape, shape);
        (first[1], second[1]) = (self.channels, shape[1] - self.channels);
        self.first.accepts(first)?;
        self.second.accepts(second)
    }
}

/// A prior of the upper-left corner of an image. The rest is 0.
///
/// With [`Product`], a state holds an image and a smaller array beside it, such as a kernel.
#[derive(Clone, Debug)]
pub struct Corner<M> {
    inner: M,
    size: [usize; 2],
}

impl<M> Corner<M> {
    /// Takes the prior of a corner of `size` (height, width).
    ///
    /// # Errors
    /// [`ParameterError`] for a size of 0.
    pub fn new(inner: M, size: [usize; 2]) -> Result<Self, ParameterError> {
        for length in size {
            ParameterError::require_count("the size of the corner", length)?;
        }
        Ok(Self { inner, size })
    }
}

impl<M> Corner<M> {
    /// `Ok` for an image that contains the corner.
    fn large_enough(&self, shape: [usize; 4]) -> Result<(), InputError> {
        let ([_, _, height, width], [rows, columns]) = (shape, self.size);
        match height >= rows && width >= columns {
            true => Ok(()),
            false => Err(InputError::Shape {
                name: "an image with a corner",
                found: shape.to_vec(),
                expected: format!("[batch, channels, {rows} or more, {columns} or more]"),
            }),
        }
    }
}

impl<M: Denoiser<4>> Denoiser<4> for Corner<M> {
    fn denoise(&self, x: Tensor<4>, level: Level) -> Result<Tensor<4>, DenoiseError> {
        let [batch, channels, height, width] = x.dims();
        let [rows, columns] = self.size;
        self.large_enough(x.dims())?;
        let corner = x.narrow(2, 0, rows).narrow(3, 0, columns);
        let clean = self.inner.denoise(corner, level)?;
        let (device, dtype) = (clean.device(), clean.dtype());
        let zeros = |h: usize, w: usize| Tensor::zeros([batch, channels, h, w], (&device, dtype));
        let mut wide = vec![clean];
        if width > columns {
            wide.push(zeros(rows, width - columns));
        }
        let mut tall = vec![Tensor::cat(wide, 3)];
        if height > rows {
            tall.push(zeros(height - rows, width));
        }
        Ok(Tensor::cat(tall, 2))
    }

    fn supports(&self, level: Level) -> bool {
        self.inner.supports(level)
    }

    fn accepts(&self, shape: [usize; 4]) -> Result<(), InputError> {
        self.large_enough(shape)?;
        let ([batch, channels, _, _], [rows, columns]) = (shape, self.size);
        self.inner.accepts([batch, channels, rows, columns])
    }
}
