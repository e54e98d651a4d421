//! A computation that runs on both devices.

use tweedie::prelude::*;
use tweedie_benches::CaseError;

/// A computation that runs on both devices.
pub(crate) struct Seam {
    pub(crate) name: String,
    /// The largest difference allowed, relative to the root mean square of the CPU's result.
    pub(crate) tolerance: f64,
    pub(crate) run: Run,
}

pub(crate) type Run = Box<dyn Fn(&Device) -> Result<Vec<f32>, CaseError>>;

impl Seam {
    pub(crate) fn new(
        name: impl Into<String>,
        tolerance: f64,
        run: impl Fn(&Device) -> Result<Vec<f32>, CaseError> + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            tolerance,
            run: Box::new(run),
        }
    }
}

/// Returns the values of a tensor.
pub(crate) fn numbers<const D: usize>(x: Tensor<D>) -> Vec<f32> {
    x.into_data().iter::<f32>().collect()
}
