//! FFDNet's parameter names: consecutive layers, where activations count as layers.

use super::place::{Naming, Place, Target, pytorch};

/// Maps `layers.i` to `model.2i`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flat;

impl Naming for Flat {
    fn place(&self, target: &Target) -> Place {
        let mut parts = target.path.split('.');
        let index = parts.nth(1).and_then(|index| index.parse::<usize>().ok());
        let parameter = parts.next().unwrap_or_default();
        let name = format!("model.{}.{parameter}", 2 * index.unwrap_or(0));
        pytorch(target, &name)
    }
}
