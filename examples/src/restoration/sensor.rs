//! The noise of a measurement, as on the command line.

use super::damage::numbered;
use std::error::Error;
use std::str::FromStr;
use std::sync::Arc;
use tweedie::inverse::noise::{
    Anscombe, GaussianNoise, InRange, LaplaceNoise, NoiseModel, PoissonNoise,
};
use tweedie::prelude::*;

/// The noise of a measurement.
#[derive(Clone, Debug)]
pub struct Sensor {
    /// The words of the command line.
    pub(super) text: String,
    /// The deviation on `[0, 1]` of the noise, or of a white pixel's.
    deviation: f64,
}

impl FromStr for Sensor {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let deviation = match text.split(':').next().unwrap_or_default() {
            "gaussian" => numbered(text, 1e-4, 1.0)?,
            "laplace" => numbered(text, 1e-4, 1.0)? * 2.0_f64.sqrt(),
            "poisson" => numbered(text, 0.1, 1e6)?.sqrt().recip(),
            _ => {
                let all = "gaussian:DEVIATION, laplace:SCALE, poisson:PHOTONS";
                return Err(format!("{text} is none of {all}"));
            }
        };
        Ok(Self {
            text: text.to_owned(),
            deviation,
        })
    }
}

pub(super) type AnySensor = Arc<dyn NoiseModel<4> + Send + Sync>;

impl Sensor {
    /// The model, unless it is Gaussian.
    pub(super) fn other(&self) -> Result<Option<AnySensor>, Box<dyn Error>> {
        let value = numbered(&self.text, 0.0, f64::INFINITY)?;
        let (from, to) = (ValueRange::Unit, ValueRange::Signed);
        Ok(match self.text.split(':').next() {
            Some("laplace") => Some(Arc::new(LaplaceNoise::new(value)?.converted(from, to))),
            Some("poisson") => {
                let counts = PoissonNoise::new(1.0 / value)?.gaussian_approximation();
                Some(Arc::new(InRange::new(counts, from, to)))
            }
            _ => None,
        })
    }

    /// The transform to Gaussian noise, if the noise is that of photon counts.
    pub(super) fn stabilised(&self) -> Result<Option<Anscombe>, Box<dyn Error>> {
        let photons = self.text.strip_prefix("poisson:").map(str::parse::<f64>);
        Ok(match photons.transpose()? {
            Some(photons) => Some(Anscombe::of(PoissonNoise::new(1.0 / photons)?)),
            None => None,
        })
    }

    /// Gaussian noise of the same deviation.
    pub(super) fn gaussian(&self) -> Result<GaussianNoise, Box<dyn Error>> {
        let noise = GaussianNoise::new(self.deviation)?;
        Ok(noise.converted(ValueRange::Unit, ValueRange::Signed))
    }
}
