//! How likely a model thinks data are.
//!
//! * [`FlowLikelihood`]: the density of the probability flow, by the change of variables.
//! * [`VariationalBound`]: the discrete bound of DDPM, term by term.
//!
//! Both are in nats for each sample; [`bits_per_dimension`] states them for data that were
//! quantised.

mod bound;
mod flow;
mod quantised;
mod trace;

pub use bound::{Bound, Decoder, VariationalBound};
pub use flow::{FlowLikelihood, LogDensity};
pub use quantised::{bits_per_dimension, dequantise};
pub use trace::{Trace, TraceProbe};
