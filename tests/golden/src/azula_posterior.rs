//! Posterior samplers of azula on an exact Gaussian, with a matrix as operator.

use crate::azula::{path, prior, times};
use crate::case::{Case, File, GoldenError};
use crate::compare::{Comparison, DOUBLE, Outcome};
use tweedie::burn::tensor::{DType, Device, Tensor, TensorData};
use tweedie::core::oracle::Gaussian;
use tweedie::core::{Replay, from_fn};
use tweedie::inverse::measurement::Measurement;
use tweedie::inverse::noise::GaussianNoise;
use tweedie::inverse::operator::Matrix;
use tweedie::inverse::posterior::{DiffPir, DpsStep, Mmps, PigdmStep, Tmpd};
use tweedie::math::{Ddim, Level};
use tweedie::ops::Constant;
use tweedie::prelude::{Denoiser, Sampler};
use tweedie::samplers::AnyStep;

pub(crate) fn knows(case: &Case) -> bool {
    ["dps", "pgdm", "diffpir_ddim", "mmps_ddim", "tmpd_ddim"].contains(&case.text("sampler"))
}

pub(crate) fn run(file: &File, case: &Case) -> Result<Outcome, GoldenError> {
    // The peer's DPS takes the norm over the batch, so all samples form one signal there.
    let states = file.tensor(case, "xs")?.parts();
    let pooled = match case.text("sampler") {
        "dps" => states[0].shape[0],
        _ => 1,
    };
    let number = |key: &str, otherwise| file.number(case, &format!("params.{key}"), otherwise);
    let law = prior(file)?;
    let (dim, rows) = (law.dim(), file.shared("A")?.rows());
    let width = dim * pooled;
    let law = Gaussian::diagonal(&law.mean().repeat(pooled), &stds(&law).repeat(pooled));
    let law = law?;
    let mut matrix = vec![0.0; rows.len() * pooled * width];
    for (m, row) in rows.iter().enumerate() {
        for copy in 0..pooled {
            let start = (copy * rows.len() + m) * width + copy * dim;
            matrix[start..start + dim].copy_from_slice(row);
        }
    }
    let matrix = Constant::new(matrix, [rows.len() * pooled, width]);
    let operator = Matrix::new(matrix, [1, 1, width])?;
    let y = file.shared("y")?.values.repeat(pooled);
    let y = TensorData::new(y.clone(), [1, 1, 1, y.len()]);
    let y = Tensor::from_data(y, (&Device::flex(), DType::F64));
    let noise = GaussianNoise::new(number("var_y", 0.01).sqrt())?;
    let m = Measurement::new(operator, noise, y);
    let prior = from_fn(move |x: Tensor<4>, level: Level| {
        let shape = x.dims();
        law.posterior_mean(x.reshape([-1, width as i32]), level)
            .reshape(shape)
    });
    // The peer's η scales the variance.
    let kernel = Ddim::new(number("eta", 1.0).sqrt())?;
    let deterministic = AnyStep::new(Ddim::deterministic());
    let (denoiser, step): (Box<dyn Denoiser<4>>, AnyStep<4>) = match case.text("sampler") {
        "dps" => {
            let step = DpsStep::new(kernel, m).with_zeta(number("zeta", 0.5))?;
            (Box::new(prior), AnyStep::new(step))
        }
        "pgdm" => {
            let step = PigdmStep::new(kernel, m);
            (Box::new(prior), AnyStep::new(step))
        }
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
    let path = path(file, case, &times(file, case)?)?;
    let shaped = |values: &[f64]| {
        let shape = [values.len() / width, 1, 1, width];
        let data = TensorData::new(values.to_vec(), shape);
        Tensor::<4>::from_data(data, (&Device::flex(), DType::F64))
    };
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
    for (k, state) in run?.enumerate() {
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
