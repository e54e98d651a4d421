//! tweedie-image
