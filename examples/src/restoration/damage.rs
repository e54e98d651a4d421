//! How an image was damaged, as on the command line.

use super::Physics;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use tweedie::core::read_text;
use tweedie::image::{load, load_npy};
use tweedie::inverse::operator::{
    AnyLinear, Bayer, CircularBlur, Identity, Linear as _, Mask, Matrix, Operator as _,
    PointSpread, Separable,
};
use tweedie::ops::Constant;
use tweedie::prelude::*;

/// How an image was damaged.
#[derive(Clone, Debug)]
pub struct Damage {
    /// The words of the command line.
    pub(super) text: String,
    kind: Kind,
}

/// The operator of a damage.
pub(super) enum Damaging {
    /// With a known spectrum, for every method.
    Spectral(Physics),
    /// For the methods of any linear operator.
    Linear(Box<AnyLinear>),
}

#[derive(Clone, Debug)]
enum Kind {
    Identity,
    Blur(f64),
    Motion(usize),
    Reduce(usize),
    Missing(f64),
    Mosaic,
    Kernel(PathBuf),
    Matrix(PathBuf),
    File(PathBuf),
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
        let path = || match text.split_once(':') {
            Some((_, path)) if !path.is_empty() => Ok(PathBuf::from(path)),
            _ => Err(format!("{text}: expected a file after the colon")),
        };
        let whole = |low, high| numbered(text, low, high).map(|value| value as usize);
        let kind = match text.split(':').next().unwrap_or_default() {
            "identity" => Kind::Identity,
            "blur" => Kind::Blur(numbered(text, 0.1, 50.0)?),
            "motion" => Kind::Motion(whole(3.0, 101.0)?),
            "reduce" => Kind::Reduce(whole(2.0, 16.0)?),
            "missing" => Kind::Missing(numbered(text, 1.0, 99.0)?),
            "mosaic" => Kind::Mosaic,
            "kernel" => Kind::Kernel(path()?),
            "matrix" => Kind::Matrix(path()?),
            "json" => Kind::File(path()?),
            _ => {
                let all = "identity, blur:DEVIATION, motion:LENGTH, reduce:FACTOR, \
                           missing:PERCENT, mosaic, kernel:FILE, matrix:FILE, json:FILE";
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
    /// The file that describes the operator.
    pub(super) fn file(&self) -> Option<&Path> {
        match &self.kind {
            Kind::Kernel(path) | Kind::Matrix(path) | Kind::File(path) => Some(path),
            _ => None,
        }
    }

    /// The operator, and the shape of the clean image: that of `image` if it is clean, or the one
    /// behind a measurement of that shape. A matrix does not tell; it is `of_prior` then.
    ///
    /// # Errors
    /// If they do not fit each other, or a file cannot be read.
    pub(super) fn operator(
        &self,
        image: [usize; 4],
        is_clean: bool,
        of_prior: [usize; 3],
    ) -> Result<(Damaging, [usize; 4]), Box<dyn Error>> {
        let [b, c, h, w] = image;
        let clean = match &self.kind {
            _ if is_clean => image,
            Kind::Reduce(factor) => [b, c, h * factor, w * factor],
            Kind::Matrix(_) => [b, of_prior[0], of_prior[1], of_prior[2]],
            Kind::File(path) => opened(path)?.input_shape(image)?,
            _ => image,
        };
        let [_, channels, h, w] = clean;
        let size = [h, w];
        let operator: Physics = match &self.kind {
            Kind::Identity => Arc::new(Identity),
            Kind::Blur(sigma) => Arc::new(CircularBlur::new(PointSpread::gaussian(*sigma)?, size)?),
            Kind::Motion(length) => {
                let spread = PointSpread::motion(*length, 0.5, 4)?;
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
            Kind::Kernel(path) => Arc::new(CircularBlur::new(kernel(path)?, size)?),
            Kind::Matrix(path) => {
                let matrix = load_npy::<2>(path, &Device::flex())?;
                let matrix = Matrix::new(constant(&matrix), [channels, h, w]);
                Arc::new(matrix.map_err(|error| named(path, &error))?)
            }
            Kind::File(path) => {
                let operator = opened(path)?;
                operator.output_shape(clean)?;
                return Ok((Damaging::Linear(Box::new(operator)), clean));
            }
        };
        operator.output_shape(clean)?;
        Ok((Damaging::Spectral(operator), clean))
    }
}

fn named(path: &Path, error: &dyn Error) -> String {
    format!("{}: {error}", path.display())
}

fn constant<const D: usize>(x: &Tensor<D>) -> Constant<D> {
    Constant::new(x.to_data().iter::<f64>().collect(), x.dims())
}

/// A blur's kernel from an array or a grey image; its values are scaled to a sum of 1.
fn kernel(path: &Path) -> Result<PointSpread, Box<dyn Error>> {
    let device = Device::flex();
    let values = match path.extension().is_some_and(|extension| extension == "npy") {
        true => load_npy::<2>(path, &device)?,
        false => {
            let image = load(path, ValueRange::Unit, &device)?.mean_dim(1);
            let [.., h, w] = image.dims();
            image.reshape([h, w])
        }
    };
    let sum = values.clone().sum().into_scalar::<f64>();
    if !(sum.is_finite() && sum > 0.0) {
        let path = path.display();
        return Err(format!("{path}: a kernel's sum has to be above 0, got {sum}").into());
    }
    let values = constant(&(values / sum));
    let spread = PointSpread::new(values.values().to_vec(), values.shape());
    Ok(spread.map_err(|error| named(path, &error))?)
}

/// A linear operator as this library writes it.
fn opened(path: &Path) -> Result<AnyLinear, Box<dyn Error>> {
    let text = read_text(path, 1 << 30).map_err(|error| named(path, &error))?;
    Ok(serde_json::from_str(&text).map_err(|error| named(path, &error))?)
}
