//! Denoising: `A = I`.

use super::spectral::{Spectral, closed_form};
use super::{Linear, Operator, OperatorError, Solution, SolveError};
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

/// The identity, `A x = x`: the inverse problem is denoising.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity;

impl<const D: usize> Operator<D> for Identity {
    fn output_shape(&self, signal: [usize; D]) -> Result<[usize; D], OperatorError> {
        Ok(signal)
    }

    fn apply_unchecked(&self, x: Tensor<D>) -> Tensor<D> {
        x
    }
}

impl<const D: usize> Linear<D> for Identity {
    fn input_shape(&self, measured: [usize; D]) -> Result<[usize; D], OperatorError> {
        Ok(measured)
    }

    fn adjoint_unchecked(&self, y: Tensor<D>) -> Tensor<D> {
        y
    }

    closed_form!(D);
}

impl<const D: usize> Spectral<D> for Identity {
    fn singular_values(&self, like: &Tensor<D>) -> Tensor<D> {
        Tensor::ones([1; D], (&like.device(), like.dtype()))
    }

    fn signal_to_spectrum(&self, x: Tensor<D>) -> Tensor<D> {
        x
    }

    fn spectrum_to_signal(&self, c: Tensor<D>) -> Tensor<D> {
        c
    }

    fn measured_to_spectrum(&self, y: Tensor<D>) -> Tensor<D> {
        y
    }

    fn spectrum_to_measured(&self, c: Tensor<D>) -> Tensor<D> {
        c
    }
}
