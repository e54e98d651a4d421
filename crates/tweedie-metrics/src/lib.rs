//! tweedie-metrics
