//! How an image was damaged, as on the command line.

use super::Physics;
use std::error::Error;
use std::str::FromStr;
use std::sync::Arc;
use tweedie::inverse::operator::{Bayer, CircularBlur, Identity, Mask, PointSpread, Separable};

/// How an image was damaged.
#[derive(Clone, Debug)]
pub struct Damage {
    /// The words of the command line.
    pub(super) text: String,
    kind: Kind,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Identity,
    Blur(f64),
    Motion(usize),
    Reduce(usize),
    Missing(f64),
    Mosaic,
}

/// `kind:value`, with the value in a range.
pub(super) fn numbered(text: &str, low: f64, high: f64) -> Result<f64, String> {
    let value = text.split_once(':').map(|(_, value)| value.parse::<f64>());
    match value {
        Some(Ok(value)) if (low..=high).contains(&value) => Ok(value),
        _ => Err(format!(
            "{text}: expected a number from {low} to {high} after the colon"
        )),
    }
}

impl FromStr for Damage {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let whole = |low, high| numbered(text, low, high).map(|value| value as usize);
        let kind = match text.split(':').next().unwrap_or_default() {
            "identity" => Kind::Identity,
            "blur" => Kind::Blur(numbered(text, 0.1, 50.0)?),
            "motion" => Kind::Motion(whole(3.0, 101.0)?),
            "reduce" => Kind::Reduce(whole(2.0, 16.0)?),
            "missing" => Kind::Missing(numbered(text, 1.0, 99.0)?),
            "mosaic" => Kind::Mosaic,
            _ => {
                let all = "identity, blur:DEVIATION, motion:LENGTH, reduce:FACTOR, missing:PERCENT, mosaic";
                return Err(format!("{text} is none of {all}"));
            }
        };
        Ok(Self {
            text: text.to_owned(),
            kind,
        })
    }
}

impl Damage {
    /// The operator for clean images of this shape.
    pub(super) fn operator(
        &self,
        [_, channels, h, w]: [usize; 4],
    ) -> Result<Physics, Box<dyn Error>> {
        let size = [h, w];
        Ok(match self.kind {
            Kind::Identity => Arc::new(Identity),
            Kind::Blur(sigma) => Arc::new(CircularBlur::new(PointSpread::gaussian(sigma)?, size)?),
            Kind::Motion(length) => {
                let spread = PointSpread::motion(length, 0.5, 4)?;
                Arc::new(CircularBlur::new(spread, size)?)
            }
            Kind::Reduce(factor) if h % factor == 0 && w % factor == 0 => {
                Arc::new(Separable::imresize(size, [h / factor, w / factor])?)
            }
            Kind::Reduce(factor) => {
                return Err(format!("{h}×{w} pixels are no multiple of {factor}").into());
            }
            Kind::Missing(percent) => Arc::new(Mask::random(size, 1.0 - percent / 100.0, 1)?),
            Kind::Mosaic if channels == 3 => Arc::new(Mask::bayer(size, Bayer::Rggb)),
            Kind::Mosaic => return Err("a mosaic is of an image in colour".into()),
        })
    }

    /// The shape of the clean image behind a measurement of this shape.
    pub(super) fn clean(&self, [b, c, h, w]: [usize; 4]) -> [usize; 4] {
        match self.kind {
            Kind::Reduce(factor) => [b, c, h * factor, w * factor],
            _ => [b, c, h, w],
        }
    }
}
