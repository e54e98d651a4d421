//! Priors on images with closed forms.
//!
//! They stand in for a network where an exact answer is wanted. `tweedie_core::oracle` has more:
//! Gaussians, mixtures, and Gaussians fitted to images.

mod periodic;
mod texture;

pub use periodic::periodic_component;
pub use texture::Texture;
