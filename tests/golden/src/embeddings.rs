//! Encodings of the level: sinusoids and random frequencies.

use crate::case::{Case, File, GoldenError};
use crate::compare::{Comparison, Outcome};
use tweedie::burn::module::{Module, ModuleMapper, Param};
use tweedie::burn::tensor::{DType, Device, Tensor};
use tweedie::models::{Activation, TimeEmbedding, TimeEncoding};

/// Runs one case: sinusoids such as `dim32_flip0_shift1_scale1`, or random frequencies.
pub(crate) fn run(file: &File, case: &Case) -> Result<Outcome, GoldenError> {
    let embedding =
        |waves, scale| TimeEmbedding::new(waves, 1, scale, Activation::Silu, &Device::flex());
    let mut comparison = Comparison::default();
    if case.id == "gfp" {
        let frequencies = file.tensor(case, "weight")?;
        let waves = TimeEncoding::Fourier {
            width: 2 * frequencies.shape[0],
            cosine_first: true,
            log: true,
        };
        let frequencies = frequencies.tensor(DType::F32)?;
        let embedding = embedding(waves, 1.0).map(&mut Frequencies(frequencies));
        let found = embedding.waves(file.tensor(case, "sigma")?.tensor(DType::F32)?);
        comparison.scaled("waves", found, file.tensor(case, "out_log_flip")?, 1e-4);
        return Ok(Outcome::Ran(comparison));
    }
    let setting = |name: &str| case.spelled(name, name);
    let waves = TimeEncoding::Sinusoidal {
        width: setting("dim")? as usize,
        cosine_first: setting("flip")? > 0.0,
        shift: setting("shift")?,
    };
    let embedding = embedding(waves, setting("scale")?);
    let found = embedding.waves(file.shared("t")?.tensor(DType::F64)?);
    let recorded = file.shared(&format!("{}_f64", case.id))?;
    comparison.tensor("waves in f64", found, recorded, 1e-10);
    let found = embedding.waves(file.shared("t")?.tensor(DType::F32)?);
    let rounding = case.number("max_f32_err")?;
    // In f32 both sides are off by the rounding of their angles.
    comparison.tensor("waves", found, file.shared(&case.id)?, 2.0 * rounding);
    Ok(Outcome::Ran(comparison))
}

/// Replaces the random frequencies of an embedding.
struct Frequencies(Tensor<1>);

impl ModuleMapper for Frequencies {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if D != 1 || param.lazy_shape() != self.0.shape() {
            return param;
        }
        let frequencies = self.0.clone().reshape(self.0.shape().dims::<1>());
        param.map(|value| frequencies.reshape::<D, _>(value.shape()))
    }
}
