//! Encodings of the level: sinusoids and random frequencies.

use crate::case::Case;
use crate::compare::DOUBLE;
use crate::error::{Done, GoldenError};
use tweedie::burn::module::{Module, ModuleMapper, Param};
use tweedie::burn::tensor::{DType, Device, Tensor};
use tweedie::models::{Activation, TimeEmbedding, TimeEncoding};

/// Runs one case: sinusoids such as `dim32_flip0_shift1_scale1`, or random frequencies.
pub(crate) fn run(case: &Case) -> Done {
    let embedding =
        |waves, scale| TimeEmbedding::new(waves, 1, scale, Activation::Silu, &Device::flex());
    if case.id == "gfp" {
        let frequencies = case.record("weight")?;
        let waves = TimeEncoding::Fourier {
            width: 2 * frequencies.shape[0],
            cosine_first: true,
            log: true,
        };
        let frequencies = frequencies.tensor(DType::F32)?;
        let embedding = embedding(waves, 1.0).map(&mut Frequencies(frequencies));
        let found = embedding.waves(case.record("sigma")?.tensor(DType::F32)?);
        return case.check_scaled("out_log_flip", found, 1e-4);
    }
    let setting = |name: &str| case.spelled(name, name);
    let waves = TimeEncoding::Sinusoidal {
        width: setting("dim")? as usize,
        cosine_first: setting("flip")? > 0.0,
        shift: setting("shift")?,
    };
    let embedding = embedding(waves, setting("scale")?);
    let found = |dtype| -> Result<Tensor<2>, GoldenError> {
        Ok(embedding.waves(case.record("t")?.tensor(dtype)?))
    };
    case.check(&format!("{}_f64", case.id), found(DType::F64)?, DOUBLE)?;
    // In f32 both sides are off by the rounding of their angles.
    case.check(
        &case.id,
        found(DType::F32)?,
        2.0 * case.number("max_f32_err")?,
    )
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
