//! Posterior samplers of azula on an exact Gaussian, with a matrix as operator.

use crate::azula::{path, prior};
use crate::case::Case;
use crate::compare::{DOUBLE, numbers};
use crate::error::{Done, refused};
use crate::model::of_images;
use tweedie::burn::tensor::{DType, Device, Tensor, TensorData};
use tweedie::core::Replay;
use tweedie::core::oracle::Gaussian;
use tweedie::inverse::measurement::Measurement;
use tweedie::inverse::noise::GaussianNoise;
use tweedie::inverse::operator::Matrix;
use tweedie::inverse::posterior::{DiffPir, DpsStep, Mmps, PigdmStep, Tmpd};
use tweedie::math::Ddim;
use tweedie::ops::Constant;
use tweedie::prelude::{Denoiser, Sampler};
use tweedie::samplers::AnyStep;

pub(crate) fn knows(case: &Case) -> bool {
    ["dps", "pgdm", "diffpir_ddim", "mmps_ddim", "tmpd_ddim"].contains(&case.text("sampler"))
}

pub(crate) fn run(case: &Case) -> Done {
    // The peer's DPS takes the norm over the batch, so all samples form one signal there.
    let states = case.record("xs")?.parts();
    let name = case.text("sampler");
    let pooled = if name == "dps" { states[0].shape[0] } else { 1 };
    let number = |key: &str, default| case.number_or(&format!("params.{key}"), default);
    let (law, rows) = (prior(case)?, case.record("A")?.rows());
    let (dim, width) = (law.dim(), law.dim() * pooled);
    let stds: Vec<f64> = case
        .record("var")?
        .values
        .iter()
        .map(|v| v.sqrt())
        .collect();
    let law = Gaussian::diagonal(&law.mean().repeat(pooled), &stds.repeat(pooled))?;
    let mut matrix = vec![0.0; rows.len() * pooled * width];
    for (m, row) in rows.iter().enumerate() {
        for copy in 0..pooled {
            let start = (copy * rows.len() + m) * width + copy * dim;
            matrix[start..start + dim].copy_from_slice(row);
        }
    }
    let matrix = Constant::new(matrix, [rows.len() * pooled, width]);
    let rows_of = |values: &[f64], width: usize| {
        let data = TensorData::new(values.to_vec(), [values.len() / width, 1, 1, width]);
        Tensor::<4>::from_data(data, (&Device::flex(), DType::F64))
    };
    let y = case.record("y")?.values.repeat(pooled);
    let y = rows_of(&y, y.len());
    let noise = GaussianNoise::new(number("var_y", 0.01).sqrt())?;
    let m = Measurement::new(Matrix::new(matrix, [1, 1, width])?, noise, y);
    let prior = of_images(law);
    // The peer's η scales the variance.
    let kernel = Ddim::new(number("eta", 1.0).sqrt())?;
    let deterministic = AnyStep::new(Ddim::deterministic());
    let (denoiser, step): (Box<dyn Denoiser<4>>, AnyStep<4>) = match name {
        "dps" => {
            let step = DpsStep::new(kernel, m).with_zeta(number("zeta", 0.5))?;
            (Box::new(prior), AnyStep::new(step))
        }
        "pgdm" => (Box::new(prior), AnyStep::new(PigdmStep::new(kernel, m))),
        "diffpir_ddim" => {
            let guided = DiffPir::new(prior, m).with_lambda(number("lmbda", 10.0))?;
            (Box::new(guided), deterministic)
        }
        "mmps_ddim" => {
            let guided = Mmps::new(prior, m).with_iterations(number("iterations", 20.0) as usize)?;
            (Box::new(guided), deterministic)
        }
        _ => (Box::new(Tmpd::new(prior, m)), deterministic),
    };
    let draws = case.record("noises")?.parts();
    let draws = draws.iter().map(|z| rows_of(&z.values, width));
    let mut draws = Replay::new(draws.collect());
    let sampler = Sampler::new(step, path(case)?);
    let run = sampler.trajectory(&*denoiser, rows_of(&states[0].values, width), &mut draws);
    // The proximal step divides rounding errors in the null space of A by λσ_y²α²/σ², down to 10⁻⁷.
    let tolerance = if name == "diffpir_ddim" { 1e-8 } else { DOUBLE };
    let found = run?.collect::<Result<Vec<_>, _>>()?;
    if found.len() + 1 != states.len() {
        return Err(refused(format!(
            "{} states of {}",
            found.len() + 1,
            states.len()
        )));
    }
    for (k, state) in (1..).zip(found) {
        case.compare_values(
            &format!("xs[{k}]"),
            &numbers(state.x),
            &states[k].values,
            tolerance,
        );
    }
    Ok(())
}
