//! Posterior samplers of azula on an exact Gaussian, with a matrix as operator and σ_y = 0.1.

use crate::azula::{level, prior};
use crate::case::{Case, File, GoldenError, refused};
use crate::compare::{Comparison, DOUBLE, Outcome};
use tweedie::burn::tensor::{DType, Device, Tensor, TensorData};
use tweedie::core::oracle::Gaussian;
use tweedie::core::{Replay, from_fn};
use tweedie::inverse::measurement::Measurement;
use tweedie::inverse::noise::GaussianNoise;
use tweedie::inverse::operator::Matrix;
use tweedie::inverse::posterior::{DiffPir, DpsStep, Mmps, PigdmStep, Tmpd};
use tweedie::math::{Ddim, Level, LevelPath};
use tweedie::ops::Constant;
use tweedie::prelude::{Denoiser, Sampler};
use tweedie::samplers::AnyStep;

pub(crate) fn knows(case: &Case) -> bool {
    ["dps", "pgdm", "diffpir_ddim", "mmps_ddim", "tmpd_ddim"].contains(&case.text("sampler"))
}

pub(crate) fn run(file: &File, case: &Case) -> Result<Outcome, GoldenError> {
    // The peer's DPS takes the norm over the batch, so both samples form one signal there.
    let pooled = if case.text("sampler") == "dps" { 2 } else { 1 };
    let law = prior(file)?;
    let (dim, rows) = (law.dim(), file.shared("A")?.rows());
    let width = dim * pooled;
    let law = Gaussian::diagonal(&law.mean().repeat(pooled), &stds(&law).repeat(pooled));
    let law = law.map_err(refused)?;
    let mut matrix = vec![0.0; rows.len() * pooled * width];
    for (m, row) in rows.iter().enumerate() {
        for copy in 0..pooled {
            let start = (copy * rows.len() + m) * width + copy * dim;
            matrix[start..start + dim].copy_from_slice(row);
        }
    }
    let matrix = Constant::new(matrix, [rows.len() * pooled, width]);
    let operator = Matrix::new(matrix, [1, 1, width]).map_err(refused)?;
    let y = file.shared("y")?.values.repeat(pooled);
    let y = TensorData::new(y.clone(), [1, 1, 1, y.len()]);
    let y = Tensor::from_data(y, (&Device::flex(), DType::F64));
    let noise = GaussianNoise::new(0.1).map_err(refused)?;
    let m = Measurement::new(operator, noise, y);
    let prior = from_fn(move |x: Tensor<4>, level: Level| {
        let shape = x.dims();
        law.posterior_mean(x.reshape([-1, width as i32]), level)
            .reshape(shape)
    });
    let deterministic = AnyStep::new(Ddim::deterministic());
    let (denoiser, step): (Box<dyn Denoiser<4>>, AnyStep<4>) = match case.text("sampler") {
        "dps" => {
            let step = DpsStep::new(Ddim::ancestral(), m).with_zeta(0.5)?;
            (Box::new(prior), AnyStep::new(step))
        }
        "pgdm" => {
            let step = PigdmStep::new(Ddim::ancestral(), m);
            (Box::new(prior), AnyStep::new(step))
        }
        "diffpir_ddim" => {
            let guided = DiffPir::new(prior, m).with_lambda(10.0)?;
            (Box::new(guided), deterministic)
        }
        "mmps_ddim" => {
            let guided = Mmps::new(prior, m).with_iterations(20)?;
            (Box::new(guided), deterministic)
        }
        _ => (Box::new(Tmpd::new(prior, m)), deterministic),
    };
    let times = &file.tensor(case, "timesteps")?.values;
    let levels = times.iter().map(|&t| level(case.text("schedule"), t));
    let path = LevelPath::through(levels.collect::<Result<_, _>>()?).map_err(refused)?;
    let shaped = |values: &[f64]| {
        let shape = [values.len() / width, 1, 1, width];
        let data = TensorData::new(values.to_vec(), shape);
        Tensor::<4>::from_data(data, (&Device::flex(), DType::F64))
    };
    let states = file.tensor(case, "xs")?.parts();
    let draws = file.tensor(case, "noises")?.parts();
    let mut draws = Replay::new(draws.iter().map(|z| shaped(&z.values)).collect());
    let sampler = Sampler::new(step, path);
    let run = sampler.trajectory(&*denoiser, shaped(&states[0].values), &mut draws);
    // The proximal step divides rounding errors in the null space of A by λσ_y²α²/σ², down to 10⁻⁷.
    let tolerance = match case.text("sampler") {
        "diffpir_ddim" => 1e-8,
        _ => DOUBLE,
    };
    let mut comparison = Comparison::default();
    for (k, state) in run.map_err(refused)?.enumerate() {
        let found: Vec<f64> = state?.x.into_data().iter::<f64>().collect();
        let name = format!("xs[{}]", k + 1);
        comparison.values(&name, &found, &states[k + 1].values, tolerance);
    }
    Ok(Outcome::Ran(comparison))
}

fn stds(law: &Gaussian) -> Vec<f64> {
    let covariance = law.covariance();
    (0..law.dim()).map(|i| covariance[i][i].sqrt()).collect()
}
