//! Whether conditions are those that a network takes, before it runs.

use crate::{Architecture, Class, ClassInput, Conditions};

/// Conditions that a network does not take, or lacks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the network takes {expected} as its {what}, and got {found}")]
pub struct ConditionError {
    /// Which condition: class, context or image.
    pub what: &'static str,
    /// What the network takes.
    pub expected: String,
    /// What it was given.
    pub found: String,
}

impl Architecture {
    /// Checks conditions for images of `channels`.
    ///
    /// # Errors
    /// [`ConditionError`] for one that is missing, one too many, or of another kind or size.
    pub fn accepts(&self, channels: usize, conditions: &Conditions) -> Result<(), ConditionError> {
        let equal = |what, expected: String, found: String| {
            if expected == found {
                return Ok(());
            }
            Err(ConditionError {
                what,
                expected,
                found,
            })
        };
        let nothing = || "nothing".to_owned();
        let vectors = |features: usize| format!("vectors of {features} features");
        let class = match &conditions.class {
            None => nothing(),
            Some(Class::Labels(_)) => "labels".to_owned(),
            Some(Class::Vectors(rows)) => vectors(rows.dims()[1]),
        };
        let wanted = match self {
            // Without a class it has a row of its own for none.
            Self::Dit(_) if conditions.class.is_none() => nothing(),
            Self::Dit(_) => "labels".to_owned(),
            Self::Unet(config) => match config.class {
                None => nothing(),
                Some(ClassInput::Table { .. } | ClassInput::Waves) => "labels".to_owned(),
                Some(ClassInput::Identity) => vectors(config.features()),
                Some(ClassInput::Perceptron { features } | ClassInput::Linear { features }) => {
                    vectors(features)
                }
            },
        };
        equal("class", wanted, class)?;
        let tokens = |features: usize| format!("tokens of {features} features");
        let context = conditions.context.as_ref();
        let context = context.map_or_else(nothing, |context| tokens(context.tokens.dims()[2]));
        let wanted = match self {
            Self::Unet(config) => config.context.map(|context| tokens(context.features)),
            Self::Dit(_) => None,
        };
        equal("context", wanted.unwrap_or_else(nothing), context)?;
        let image = |channels: usize| match channels {
            0 => nothing(),
            channels => format!("{channels} channels"),
        };
        let beside = conditions.image.as_ref().map_or(0, |image| image.dims()[1]);
        let [input, _] = self.channels();
        equal(
            "image",
            image(input.saturating_sub(channels)),
            image(beside),
        )
    }
}
