//! Every operator on images as one serialisable enum.

use super::{
    AveragePool, Blur, ChannelMix, Channels, CircularBlur, Compose, ConjugateGradient,
    FourierPhase, Gamma, Identity, Jpeg, Linear, Mask, Matrix, MultiCoil, Operator, OperatorError,
    RandomPhase, Sampled, Saturation, Scaled, Separable, Solution, SolveError, Stack, Tomography,
    Transform, VaryingBlur,
};
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

/// Defines an enum of operators that forwards their methods, with conversions into it.
macro_rules! any {
    ($(#[$doc:meta])* $name:ident { $($(#[$about:meta])* $variant:ident($type:ty),)* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$about])* $variant($type),)*
        }

        $(impl From<$type> for $name {
            fn from(operator: $type) -> Self {
                Self::$variant(operator)
            }
        })*

        impl Operator<4> for $name {
            fn output_shape(&self, signal: [usize; 4]) -> Result<[usize; 4], OperatorError> {
                match self {
                    $(Self::$variant(operator) => operator.output_shape(signal),)*
                }
            }

            fn apply_unchecked(&self, x: Tensor<4>) -> Tensor<4> {
                match self {
                    $(Self::$variant(operator) => operator.apply_unchecked(x),)*
                }
            }

            fn observed(&self, y: Tensor<4>) -> Tensor<4> {
                match self {
                    $(Self::$variant(operator) => operator.observed(y),)*
                }
            }
        }

        impl $name {
            /// The name of the operator's kind; files spell it in snake case.
            #[must_use]
            pub fn kind(&self) -> &'static str {
                match self {
                    $(Self::$variant(_) => stringify!($variant),)*
                }
            }

            /// The names of all kinds.
            pub const KINDS: &'static [&'static str] = &[$(stringify!($variant),)*];
        }
    };
}

/// Forwards every method of [`Linear`] to the operator of the variant.
macro_rules! linear {
    ($($variant:ident)*) => {
        impl Linear<4> for AnyLinear {
            fn input_shape(&self, measured: [usize; 4]) -> Result<[usize; 4], OperatorError> {
                match self {
                    $(Self::$variant(operator) => operator.input_shape(measured),)*
                }
            }

            fn adjoint_unchecked(&self, y: Tensor<4>) -> Tensor<4> {
                match self {
                    $(Self::$variant(operator) => operator.adjoint_unchecked(y),)*
                }
            }

            fn solve_fitting(
        &self,
        b: Tensor<4>,
        shift: f64,
        iterations: ConjugateGradient,
    ) -> Result<Solution<4>, SolveError> {
                match self {
                    $(Self::$variant(operator) => operator.solve_fitting(b, shift, iterations),)*
                }
            }

            fn pinv_fitting(
        &self,
        y: Tensor<4>,
        iterations: ConjugateGradient,
    ) -> Result<Solution<4>, SolveError> {
                match self {
                    $(Self::$variant(operator) => operator.pinv_fitting(y, iterations),)*
                }
            }
        }
    };
}

any! {
    /// Any linear operator on images.
    AnyLinear {
        /// The identity, for denoising.
        Identity(Identity),
        /// A mask, for inpainting and demosaicing.
        Mask(Mask<4>),
        /// A matrix that mixes channels.
        ChannelMix(ChannelMix),
        /// A selection of channels.
        Channels(Channels),
        /// A blur with any padding.
        Blur(Blur),
        /// A circular convolution.
        CircularBlur(CircularBlur),
        /// A blur that varies over the image.
        VaryingBlur(VaryingBlur),
        /// Average pooling.
        AveragePool(AveragePool),
        /// Resampling: a matrix for rows and one for columns.
        Separable(Separable),
        /// A matrix.
        Matrix(Matrix),
        /// An orthogonal transform.
        Transform(Transform),
        /// A subset of the coefficients of an orthogonal transform.
        Sampled(Sampled),
        /// Multi-coil magnetic resonance imaging.
        MultiCoil(MultiCoil),
        /// Parallel-beam tomography.
        Tomography(Tomography),
        /// The composition of two operators.
        Compose(Box<Compose<AnyLinear, AnyLinear>>),
        /// Several operators applied to one signal.
        Stack(Stack<AnyLinear>),
        /// An operator times a factor.
        Scaled(Box<Scaled<AnyLinear>>),
    }
}

linear! {
    Identity Mask ChannelMix Channels Blur CircularBlur VaryingBlur AveragePool Separable Matrix Transform
    Sampled MultiCoil Tomography Compose Stack Scaled
}

any! {
    /// Any operator on images.
    AnyOperator {
        /// A linear operator.
        Linear(AnyLinear),
        /// The magnitude or intensity of a Fourier transform.
        FourierPhase(FourierPhase),
        /// The magnitude or intensity of a random transform.
        RandomPhase(RandomPhase),
        /// A sensor that saturates.
        Saturation(Saturation),
        /// A power law, `x^γ`.
        Gamma(Gamma),
        /// JPEG compression.
        Jpeg(Jpeg),
        /// The composition of two operators, not both linear.
        Compose(Box<Compose<AnyOperator, AnyOperator>>),
    }
}

impl<A: Into<Self>, B: Into<Self>> From<Compose<A, B>> for AnyLinear {
    fn from(operator: Compose<A, B>) -> Self {
        let (first, next) = operator.into_parts();
        Self::Compose(Box::new(Compose::new(first.into(), next.into())))
    }
}

impl<A: Into<Self>> From<Scaled<A>> for AnyLinear {
    fn from(operator: Scaled<A>) -> Self {
        let (operator, factor) = operator.into_parts();
        Self::Scaled(Box::new(Scaled::new(operator.into(), factor)))
    }
}

/// The composition of two linear operators becomes `Linear`.
impl<A: Into<Self>, B: Into<Self>> From<Compose<A, B>> for AnyOperator {
    fn from(operator: Compose<A, B>) -> Self {
        let (first, next) = operator.into_parts();
        match (first.into(), next.into()) {
            (Self::Linear(first), Self::Linear(next)) => Self::Linear(first.then(next).into()),
            (first, next) => Self::Compose(Box::new(Compose::new(first, next))),
        }
    }
}

impl<A: Into<AnyLinear>> From<Scaled<A>> for AnyOperator {
    fn from(operator: Scaled<A>) -> Self {
        Self::Linear(operator.into())
    }
}

/// Conversions of linear operators into [`AnyOperator`].
macro_rules! as_linear {
    ($($type:ty,)*) => {
        $(impl From<$type> for AnyOperator {
            fn from(operator: $type) -> Self {
                Self::Linear(operator.into())
            }
        })*
    };
}

as_linear! {
    Identity, Mask<4>, ChannelMix, Channels, Blur, CircularBlur, VaryingBlur, AveragePool, Separable, Matrix,
    Transform, Sampled, MultiCoil, Tomography, Stack<AnyLinear>,
}
