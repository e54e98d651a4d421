//! Methods that wrap the step: how the measurement moves the chain.

mod dps;

pub use dps::DpsStep;
