//! The likelihood of data under a model.
//!
//! * [`FlowLikelihood`]: the density of the probability flow, by the change of variables.
//! * [`VariationalBound`]: the discrete bound of DDPM, term by term.
//!
//! Both are in nats per sample; [`bits_per_dimension`] converts them for quantised data.

mod bound;
mod flow;
mod quantised;
mod trace;

pub use bound::{Bound, VariationalBound};
pub use flow::{FlowLikelihood, LogDensity};
pub use quantised::{bits_per_dimension, dequantise};
pub use trace::{Trace, TraceProbe};
pub use tweedie_core::Decoder;
