//! Operations of training on all parameters of a network, without gradients.
//!
//! The tensors hold millions of values. Each is passed over once, on all cores or in one launch, in
//! place unless another tensor shares the memory.

#[cfg(feature = "cube")]
mod device;
#[cfg(any(feature = "flex", feature = "cube"))]
mod extension;
#[cfg(feature = "flex")]
mod host;
#[cfg(test)]
mod tests;

use burn::tensor::Tensor;

/// The settings of a step of [`adamw`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamWStep {
    /// The learning rate `η`.
    pub learning_rate: f64,
    /// The decay rates of the moments, `β₁` and `β₂`.
    pub keep: [f64; 2],
    /// `ε`, which is added to the root of the second moment.
    pub epsilon: f64,
    /// The weight decay `λ`.
    pub weight_decay: f64,
    /// The number of this step, `k`, from 1.
    pub number: usize,
}

impl AdamWStep {
    /// Returns `1/(1 − βᵏ)`, the correction for moments that start from 0.
    fn corrections(&self) -> [f64; 2] {
        self.keep
            .map(|keep| 1.0 / (1.0 - keep.powf(self.number as f64)))
    }

    /// Returns `1 − η λ`.
    fn kept(&self) -> f64 {
        1.0 - self.learning_rate * self.weight_decay
    }
}

/// Computes one step of AdamW, for a parameter and both of its moments.
///
/// `m ← β₁ m + (1 − β₁) g`, `v ← β₂ v + (1 − β₂) g²`, `θ ← (1 − η λ) θ − η m̂/(√v̂ + ε)` with
/// `m̂ = m/(1 − β₁ᵏ)`, `v̂ = v/(1 − β₂ᵏ)`.
///
/// # Panics
/// If the tensors differ in shape, or if the number of the step is 0.
///
/// # Reference
/// Loshchilov & Hutter 2019, algorithm 2, arXiv:1711.05101.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use tweedie_ops::{AdamWStep, adamw};
///
/// let device = Device::flex();
/// let (parameter, gradient) = (Tensor::<1>::ones([1], &device), Tensor::<1>::ones([1], &device));
/// let step = AdamWStep {
///     learning_rate: 0.1,
///     keep: [0.9, 0.999],
///     epsilon: 0.0,
///     weight_decay: 0.0,
///     number: 1,
/// };
/// // The first step goes as far as the learning rate, whatever the gradient.
/// let moments = [Tensor::zeros([1], &device), Tensor::zeros([1], &device)];
/// let (parameter, _) = adamw(parameter, gradient * 7.0, moments, step);
/// assert!((parameter.into_scalar::<f32>() - 0.9).abs() < 1e-6);
/// ```
#[must_use]
pub fn adamw<const D: usize>(
    parameter: Tensor<D>,
    gradient: Tensor<D>,
    [m, v]: [Tensor<D>; 2],
    step: AdamWStep,
) -> (Tensor<D>, [Tensor<D>; 2]) {
    assert!(
        [&gradient, &m, &v]
            .iter()
            .all(|tensor| tensor.dims() == parameter.dims()),
        "adamw: a gradient and moments of the parameter's shape"
    );
    assert!(step.number > 0, "adamw: steps are numbered from 1");
    #[cfg(any(feature = "flex", feature = "cube"))]
    if extension::takes(&[&parameter, &gradient, &m, &v]) {
        return extension::adamw(parameter, gradient, [m, v], step);
    }
    let [first, second] = step.corrections();
    let m = m * step.keep[0] + gradient.clone() * (1.0 - step.keep[0]);
    let v = v * step.keep[1] + gradient.square() * (1.0 - step.keep[1]);
    let update = m.clone() * first / ((v.clone() * second).sqrt() + step.epsilon);
    let kept = parameter * step.kept();
    (kept - update * step.learning_rate, [m, v])
}

/// Computes `keep·old + (1 − keep)·new`.
///
/// # Panics
/// If the tensors differ in shape.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use tweedie_ops::average;
///
/// let device = Device::flex();
/// let (old, new) = (Tensor::<1>::zeros([1], &device), Tensor::<1>::ones([1], &device));
/// assert_eq!(average(old, new, 0.75).into_scalar::<f32>(), 0.25);
/// ```
#[must_use]
pub fn average<const D: usize>(old: Tensor<D>, new: Tensor<D>, keep: f64) -> Tensor<D> {
    assert_eq!(old.dims(), new.dims(), "average: shapes");
    #[cfg(any(feature = "flex", feature = "cube"))]
    if extension::takes(&[&old, &new]) {
        return extension::average(old, new, keep);
    }
    old * keep + new * (1.0 - keep)
}

/// Computes `factor·x`.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use tweedie_ops::scaled;
///
/// let x = scaled(Tensor::<1>::ones([1], &Device::flex()), 0.5);
/// assert_eq!(x.into_scalar::<f32>(), 0.5);
/// ```
#[must_use]
pub fn scaled<const D: usize>(x: Tensor<D>, factor: f64) -> Tensor<D> {
    #[cfg(feature = "flex")]
    if crate::on_host(&x) && extension::takes(&[&x]) {
        return host::scaled(x, factor);
    }
    x * factor
}

/// Computes `sum + Σ x²`, a single value in the precision of `sum`.
///
/// # Panics
/// If `sum` does not have one element.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use tweedie_ops::add_squares;
///
/// let device = Device::flex();
/// let (sum, x) = (Tensor::ones([1], &device), Tensor::<2>::from_floats([[3.0, 4.0]], &device));
/// assert_eq!(add_squares(sum, x).into_scalar::<f32>(), 26.0);
/// ```
#[must_use]
pub fn add_squares<const D: usize>(sum: Tensor<1>, x: Tensor<D>) -> Tensor<1> {
    assert_eq!(sum.dims(), [1], "add_squares: one sum");
    #[cfg(any(feature = "flex", feature = "cube"))]
    if sum.dtype() == burn::tensor::DType::F32
        && extension::takes(&[&sum])
        && extension::takes(&[&x])
    {
        return extension::add_squares(sum, x);
    }
    let wide = x.cast(sum.dtype());
    sum + wide.square().sum()
}
