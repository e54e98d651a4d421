//! Methods that wrap the denoiser: what is believed about `x₀` also from the measurement.

mod dps;

pub use dps::Dps;
