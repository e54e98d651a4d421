//! Checks that conditions match what an architecture takes.

use crate::conditions::{class_of, or_nothing, unless};
use crate::{Class, Conditions};
use tweedie_core::ConditionError;

/// Checks the class. `wanted` is `None` for no class, `Some(None)` for labels, and
/// `Some(Some(n))` for vectors of `n` features.
pub(crate) fn class(
    conditions: &Conditions,
    wanted: Option<Option<usize>>,
) -> Result<(), ConditionError> {
    conditions.check_alone()?;
    let wanted = or_nothing(wanted.map(|features| match features {
        None => "labels".into(),
        Some(features) => format!("vectors of {features} features"),
    }));
    let found = class_of(conditions);
    unless(wanted != found, "class", || (wanted, found))
}

/// Checks that labels are at least 0 and at most `most`, if there is a limit.
pub(crate) fn labels(conditions: &Conditions, most: Option<usize>) -> Result<(), ConditionError> {
    let Some(Class::Labels(labels)) = &conditions.class else {
        return Ok(());
    };
    let unknown = |label: &i64| *label < 0 || most.is_some_and(|most| *label > most as i64);
    let found = labels.to_data().iter::<i64>().find(unknown);
    unless(found.is_some(), "class", || {
        let expected = match most {
            None => "labels from 0".into(),
            Some(most) => format!("labels from 0 to {most}"),
        };
        (expected, format!("label {}", found.unwrap_or(0)))
    })
}

/// Checks that tokens have `features` features; `None` means no context.
pub(crate) fn context(
    conditions: &Conditions,
    features: Option<usize>,
) -> Result<(), ConditionError> {
    let tokens = |features: usize| format!("tokens of {features} features");
    let found = conditions
        .context
        .as_ref()
        .map(|context| context.tokens.dims()[2]);
    let (wanted, found) = (
        or_nothing(features.map(tokens)),
        or_nothing(found.map(tokens)),
    );
    unless(wanted != found, "context", || (wanted, found))
}

/// Checks the image for states of `channels`: together they have the `inputs` channels of a
/// network.
pub(crate) fn image(
    conditions: &Conditions,
    inputs: usize,
    channels: usize,
) -> Result<(), ConditionError> {
    unless(channels > inputs, "state", || {
        let expected = format!("images of at most {inputs} channels");
        (expected, format!("images of {channels} channels"))
    })?;
    let channels = inputs - channels;
    let image = |channels: usize| match channels {
        0 => "nothing".to_owned(),
        channels => format!("{channels} channels"),
    };
    let found = conditions.image.as_ref().map_or(0, |image| image.dims()[1]);
    unless(channels != found, "image", || {
        (image(channels), image(found))
    })
}

/// Checks that both sides are at least `least` pixels and multiples of `patch`.
pub(crate) fn size(
    [height, width]: [usize; 2],
    patch: usize,
    least: usize,
) -> Result<(), ConditionError> {
    let (patch, least) = (patch.max(1), least.max(1));
    let fits = |side: usize| side >= least && side.is_multiple_of(patch);
    unless(!(fits(height) && fits(width)), "state", || {
        let multiples = match patch {
            1 => String::new(),
            patch => format!(" in multiples of {patch}"),
        };
        let expected = format!("images of at least {least}×{least} pixels{multiples}");
        (expected, format!("images of {height}×{width} pixels"))
    })
}
