//! The implementation of `Architecture` for the transformer.

use super::{Dit, DitConfig};
use crate::expect;
use crate::import::{CheckpointError, DiffusersDit, dit_json};
use crate::{Architecture, Conditions, NetworkError, Published};
use burn::tensor::{Device, Tensor};
use tweedie_core::ConditionError;

impl Architecture for DitConfig {
    type Network = Dit;
    type Condition = Conditions;
    const NAME: Option<&'static str> = Some("dit");

    fn init(&self, device: &Device) -> Result<Dit, NetworkError> {
        Self::init(self, device)
    }

    fn channels(&self) -> [usize; 2] {
        [self.channels, self.outputs()]
    }

    fn patch(&self) -> usize {
        self.patch
    }

    fn min_side(&self) -> usize {
        self.patch
    }

    fn check_condition(
        &self,
        channels: usize,
        conditions: &Conditions,
    ) -> Result<(), ConditionError> {
        // Without a class, the network uses its row for no class.
        if conditions.class.is_some() {
            expect::class(conditions, Some(None))?;
            expect::labels(conditions, Some(self.classes))?;
        }
        expect::context(conditions, None)?;
        expect::image(conditions, self.channels, channels)
    }

    /// Fills in the label of the row for no class.
    fn with_defaults(&self, conditions: Conditions, device: &Device) -> Conditions {
        match conditions.class {
            Some(_) => conditions,
            None => conditions.with_labels(Tensor::from_ints([self.classes as i32], device)),
        }
    }

    fn min_tensors(&self) -> usize {
        self.layers
    }

    /// diffusers has no pipeline for a transformer on images.
    fn published(&self, size: [usize; 2]) -> Result<Published, CheckpointError> {
        Ok(Published {
            folder: "transformer",
            config: dit_json(self, size)?,
            naming: Box::new(DiffusersDit),
            pipeline: None,
            latent: ["DiTPipeline", "vae"],
        })
    }
}
