//! tweedie-inverse
