//! Recognising, checking, reading and writing published checkpoints.

mod adapter_files;
mod adapters;
mod checkpoint;
mod diffusers;
mod error;
pub(crate) mod export;
pub(crate) mod fields;
mod flat;
mod guided_diffusion;
mod load;
mod own;
mod pickle;
pub(crate) mod place;
mod publish;
mod recognise;
mod safetensors;
mod stored;
mod transpose;

pub use adapters::Adapters;
pub use checkpoint::Checkpoint;
pub use error::{CheckpointError, Mismatch, Misshapen};
pub use load::Precision;
pub use place::{Naming, Place, Target};
pub use recognise::Layout;

pub(crate) use diffusers::dit::write as dit_json;
pub(crate) use diffusers::names::{Diffusers, DiffusersDit};
pub(crate) use diffusers::unet_write::write as unet_json;
pub(crate) use flat::Flat;
pub(crate) use load::load;
pub(crate) use own::Own;
pub(crate) use place::{Native, pytorch};
pub(crate) use stored::Stored;
