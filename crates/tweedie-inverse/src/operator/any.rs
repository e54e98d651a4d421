//! Every operator on images as one serialisable type. `operator/mod.rs` lists them.

use super::{AnyLinear, AnyOperator, Compose, Operator, Scaled};

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

            fn solve_unchecked(
        &self,
        b: Tensor<4>,
        shift: f64,
        iterations: ConjugateGradient,
    ) -> Result<Solution<4>, SolveError> {
                match self {
                    $(Self::$variant(operator) => operator.solve_unchecked(b, shift, iterations),)*
                }
            }

            fn pinv_unchecked(
        &self,
        y: Tensor<4>,
        iterations: ConjugateGradient,
    ) -> Result<Solution<4>, SolveError> {
                match self {
                    $(Self::$variant(operator) => operator.pinv_unchecked(y, iterations),)*
                }
            }
        }
    };
}

/// Defines `AnyLinear`, its methods, and the conversion of each operator into `AnyOperator`.
macro_rules! linear_operators {
    ($($(#[$about:meta])* $variant:ident($type:ty),)*) => {
        any! {
            /// Any linear operator on images.
            AnyLinear { $($(#[$about])* $variant($type),)* }
        }

        linear! { $($variant)* }

        $(impl From<$type> for AnyOperator {
            fn from(operator: $type) -> Self {
                Self::Linear(operator.into())
            }
        })*
    };
}

/// Defines `AnyOperator` and its methods.
macro_rules! operators {
    ($($(#[$about:meta])* $variant:ident($type:ty),)*) => {
        any! {
            /// Any operator on images.
            AnyOperator { $($(#[$about])* $variant($type),)* }
        }
    };
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
