//! Whether conditions are those that a network takes, before it runs.

use crate::{Architecture, Class, ClassInput, Conditions};
use burn::tensor::{Int, Tensor};

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
        conditions.check()?;
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
        if let Some(Class::Labels(labels)) = &conditions.class {
            self.knows(labels)?;
        }
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

    /// `Ok` if the network has every one of some labels.
    fn knows(&self, labels: &Tensor<1, Int>) -> Result<(), ConditionError> {
        let most = match self {
            // One more row stands for no class.
            Self::Dit(config) => config.classes as i64,
            Self::Unet(config) => match config.class {
                Some(ClassInput::Table { count }) => count as i64 - 1,
                _ => i64::MAX,
            },
        };
        let unknown = |label: &i64| *label < 0 || *label > most;
        match labels.to_data().iter::<i64>().find(unknown) {
            None => Ok(()),
            Some(label) => Err(ConditionError {
                what: "class",
                expected: match most {
                    i64::MAX => "labels from 0".into(),
                    _ => format!("labels from 0 to {most}"),
                },
                found: format!("label {label}"),
            }),
        }
    }
}

impl Conditions {
    /// Whether the conditions make sense by themselves: one row, or one and the same number of rows, and
    /// a context of at least a token with a bias for each.
    pub(crate) fn check(&self) -> Result<(), ConditionError> {
        let wrong = |what, expected: String, found: String| {
            Err(ConditionError {
                what,
                expected,
                found,
            })
        };
        if let Some(context) = &self.context {
            let [rows, tokens, _] = context.tokens.dims();
            if tokens == 0 {
                return wrong("context", "at least one token".into(), "none".into());
            }
            let found = context.bias.as_ref().map(|bias| bias.dims());
            if found.is_some_and(|found| found != [rows, tokens]) {
                let expected = format!("a mask of {rows} rows of {tokens} tokens");
                return wrong("context", expected, format!("one of {found:?}"));
            }
        }
        let rows = self.rows();
        let most = rows.iter().copied().max().unwrap_or(1);
        match rows.iter().all(|&rows| rows == 1 || rows == most) && !rows.contains(&0) {
            true => Ok(()),
            false => wrong(
                "conditions",
                "one row each, or as many".into(),
                format!("{rows:?}"),
            ),
        }
    }

    /// How many rows class, context and image have.
    fn rows(&self) -> Vec<usize> {
        let class = self.class.as_ref().map(|class| match class {
            Class::Labels(labels) => labels.dims()[0],
            Class::Vectors(rows) => rows.dims()[0],
        });
        let context = self
            .context
            .as_ref()
            .map(|context| context.tokens.dims()[0]);
        let image = self.image.as_ref().map(|image| image.dims()[0]);
        [class, context, image].into_iter().flatten().collect()
    }

    /// Whether they serve a batch of images `[batch, channels, height, width]`.
    pub(crate) fn serve(&self, [batch, _, h, w]: [usize; 4]) -> Result<(), ConditionError> {
        let rows = self.rows();
        if let Some(&found) = rows.iter().find(|&&rows| rows != 1 && rows != batch) {
            return Err(ConditionError {
                what: "conditions",
                expected: format!("1 row, or {batch}, one for each sample"),
                found: format!("{found} rows"),
            });
        }
        let found = self.image.as_ref().map(|image| image.dims());
        match found.filter(|found| found[2..] != [h, w]) {
            None => Ok(()),
            Some(found) => Err(ConditionError {
                what: "image",
                expected: format!("{h}×{w} pixels"),
                found: format!("{}×{}", found[2], found[3]),
            }),
        }
    }
}
