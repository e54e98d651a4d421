//! Reproducible construction.

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Tensor};
use tweedie_core::own_generator;

/// Fixes a module's initial parameters by `seed` alone.
///
/// burn draws parameters from one global generator when they are first used, so that the order of
/// first uses would matter; here every parameter that has not been used is drawn at once, in the
/// module's order. The generator is one for the whole process; see
/// [`own_generator`](tweedie_core::own_generator).
///
/// ```
/// use burn::tensor::Device;
/// use tweedie_models::{MlpConfig, seeded};
///
/// let device = Device::flex();
/// let mlp = seeded(7, &device, MlpConfig::new(2).init(&device)?);
/// # Ok::<(), tweedie_models::NetworkError>(())
/// ```
pub fn seeded<M: Module>(seed: u64, device: &Device, module: M) -> M {
    struct Touch;
    impl ModuleVisitor for Touch {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let _ = param.val();
        }
    }
    let _turn = own_generator();
    device.seed(seed);
    module.visit(&mut Touch);
    module
}
