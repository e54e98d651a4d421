//! Reproducible initialisation.

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Tensor};
use tweedie_core::lock_generator;

/// Draws a module's initial parameters so that they depend on `seed` alone.
///
/// burn initialises a parameter at its first use, from one global generator, so the values depend
/// on the order of first uses. This function initialises all remaining parameters at once, in the
/// module's order. The whole process shares the generator; see
/// [`lock_generator`](tweedie_core::lock_generator).
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
    let _turn = lock_generator();
    device.seed(seed);
    module.visit(&mut Touch);
    module
}
