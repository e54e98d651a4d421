//! A blur of the light itself, before the camera's response curve.

use super::error::require;
use super::{AnyOperator, Blur, Gamma, Operator, OperatorError, Padding, PointSpread};
use tweedie_core::ValueRange;

/// `(k ∗ x^γ)^{1/γ}` on `[0, 1]`: light adds up linearly, and the image stores its `1/γ`th power.
///
/// Bright points spread farther than in a blur of the stored values. γ = 2.2 is close to sRGB. The
/// kernel has sum 1, and the padding extends the image, so that the formula holds in any range of
/// values.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use tweedie_core::ValueRange;
/// use tweedie_inverse::operator::{Operator, Padding, PointSpread, blur_in_linear_light};
///
/// let kernel = PointSpread::uniform([1, 2])?;
/// let blur = blur_in_linear_light(kernel, Padding::Circular, 2.0, ValueRange::Unit)?;
/// let x = Tensor::<4>::from_floats([[[[0.0, 1.0]]]], &Device::flex());
/// let y = blur.apply(x).into_data().try_into_vec::<f32>()?;
/// assert!((y[0] - 0.5_f32.sqrt()).abs() < 1e-4);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// As [`Gamma::new`]; [`OperatorError::Parameter`] for a kernel whose sum is not 1,
/// [`OperatorError::Edge`] for [`Padding::Zero`].
pub fn blur_in_linear_light(
    kernel: PointSpread,
    padding: Padding,
    gamma: f64,
    range: ValueRange,
) -> Result<AnyOperator, OperatorError> {
    if padding == Padding::Zero {
        return Err(OperatorError::Edge {
            operator: "a blur in linear light",
            found: padding,
        });
    }
    let sum: f64 = kernel.values().iter().sum();
    require("sum of the kernel", sum, "1", (sum - 1.0).abs() < 1e-6)?;
    let light = Gamma::new(gamma, range)?.then(Blur::new(kernel, padding));
    Ok(light.then(Gamma::new(gamma.recip(), range)?).into())
}
