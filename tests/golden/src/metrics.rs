//! Metrics of images and of samples, densities, and data terms with their gradients.

use crate::case::{Case, File, GoldenError, Recorded};
use crate::compare::{Comparison, DOUBLE, Outcome};
use serde_json::Value;
use tweedie::burn::tensor::{DType, Device, Tensor, TensorData};
use tweedie::core::{HostNoise, vjp};
use tweedie::inverse::measurement::{Likelihood, Measurement};
use tweedie::inverse::noise::{
    AnyNoise, GaussianNoise, LogPoissonNoise, NoiseModel, PoissonGaussianNoise, PoissonNoise,
    UniformNoise,
};
use tweedie::inverse::operator::{Blur, Linear, Operator, Padding, PointSpread};
use tweedie::inverse::solver::ConjugateGradient;
use tweedie::metrics::{
    Border, Estimate, Ssim, Window, energy_distance, frechet_distance, kolmogorov_smirnov, mae,
    mmd_squared, mse, nmse, psnr, sliced_wasserstein_along, snr, wasserstein, wasserstein_1d,
    wasserstein_weighted,
};

/// Returns whether a case is of this kind.
pub(crate) fn knows(file: &File, case: &Case) -> bool {
    let has = |key: &str| case.get(key).is_some();
    has("wasserstein") || has("sliced_w1") || has("ssim_default_win7_range1") || is_deepinv(file)
}

fn is_deepinv(file: &File) -> bool {
    file.find("x_hat").is_some() && file.meta["values"].is_object()
}

/// Runs one case.
pub(crate) fn run(file: &File, case: &Case) -> Result<Outcome, GoldenError> {
    let mut comparison = Comparison::default();
    match case.id.as_str() {
        "datafid" => data_term(file, case, &mut comparison)?,
        "poisson" => poisson_term(file, case, &mut comparison)?,
        "density" => densities(file, case, &mut comparison)?,
        "values" => image_values(file, case, &mut comparison)?,
        "noise_moments" => noise_moments(file, &mut comparison)?,
        "nd" => clouds(file, case, &mut comparison)?,
        _ if case.get("wasserstein").is_some() => line(file, case, &mut comparison)?,
        _ => photograph(file, case, &mut comparison)?,
    }
    Ok(Outcome::Ran(comparison))
}

/// Compares distances between two distributions on the line.
fn line(file: &File, case: &Case, comparison: &mut Comparison) -> Result<(), GoldenError> {
    let values = |name: &str| {
        file.tensor(case, name)
            .map(|recorded| recorded.values.clone())
    };
    let (a, b, wa, wb) = (values("a")?, values("b")?, values("wa")?, values("wb")?);
    let mut compare = |what: &str, found: f64| -> Result<(), GoldenError> {
        if case.get(what).is_some() {
            comparison.values(what, &[found], &[case.number(what)?], 1e-12);
        }
        Ok(())
    };
    compare("wasserstein", wasserstein_1d(&a, &b, 1.0))?;
    compare(
        "wasserstein_weighted",
        wasserstein_weighted((&a, &wa), (&b, &wb), 1.0),
    )?;
    compare("w2", wasserstein_1d(&a, &b, 2.0))?;
    compare("ks", kolmogorov_smirnov(&a, &b))?;
    let column = |values: &[f64]| column(values, 1);
    compare("energy", energy_distance(&column(&a), &column(&b)))
}

fn column(values: &[f64], dim: usize) -> Tensor<2> {
    let data = TensorData::new(values.to_vec(), [values.len() / dim, dim]);
    Tensor::from_data(data, (&Device::flex(), DType::F64))
}

/// Compares distances between two point clouds.
fn clouds(file: &File, case: &Case, comparison: &mut Comparison) -> Result<(), GoldenError> {
    let cloud = |name: &str| file.tensor(case, name)?.tensor::<2>(DType::F64);
    let (a, b) = (cloud("a")?, cloud("b")?);
    let directions = file.tensor(case, "theta")?.rows();
    let h = file.number(case, "mmd_h", 1.0);
    let sliced = |p: f64| sliced_wasserstein_along(&a, &b, p, &directions);
    let found = [
        // This name is the peer's; the cost is the Euclidean distance.
        ("emd_l1cost", wasserstein(&a, &b, 1.0)),
        ("scipy_wasserstein_nd", wasserstein(&a, &b, 1.0)),
        ("w2_squared", wasserstein(&a, &b, 2.0).powi(2)),
        (
            "mmd2_rbf_h1_biased",
            mmd_squared(&a, &b, h, Estimate::Biased),
        ),
        (
            "mmd2_rbf_h1_unbiased",
            mmd_squared(&a, &b, h, Estimate::Unbiased),
        ),
        ("frechet_gauss", frechet_distance(&a, &b)),
        ("sliced_w1", sliced(1.0)),
        ("sliced_w2sq", sliced(2.0).powi(2)),
        ("energy_nd", energy_distance(&a, &b).powi(2)),
    ];
    for (what, found) in found {
        comparison.values(what, &[found], &[case.number(what)?], 1e-12);
    }
    Ok(())
}

/// Compares metrics of `uint8` images `[rows, columns, channels]` with scikit-image and
/// torchmetrics.
fn photograph(file: &File, case: &Case, comparison: &mut Comparison) -> Result<(), GoldenError> {
    let (photo, damage) = case.id.split_once('/').unwrap_or_default();
    let image = |name: &str| -> Result<Tensor<4>, GoldenError> {
        let Recorded { shape, values } = file.shared(&format!("{photo}/{name}"))?;
        let channels = shape.get(2).copied().unwrap_or(1);
        let data = TensorData::new(values.clone(), [1, shape[0], shape[1], channels]);
        let x = Tensor::<4>::from_data(data, (&Device::flex(), DType::F64));
        Ok(x.permute([0, 3, 1, 2]))
    };
    let (bytes, damaged) = (image("a")?, image(damage)?);
    let (a, b) = (bytes.clone() / 255.0, damaged.clone() / 255.0);
    let ssim = Ssim::new(1.0);
    let uniform = |size| {
        ssim.with_window(Window::Uniform { size })
            .with_sample_covariance(true)
    };
    let bytewise = Ssim::new(255.0)
        .with_window(Window::Uniform { size: 7 })
        .with_sample_covariance(true);
    let of = |ssim: Ssim| ssim.of(b.clone(), a.clone())[0];
    let found = [
        (
            "psnr_u8",
            psnr(damaged.clone(), bytes.clone(), 255.0)[0],
            DOUBLE,
        ),
        (
            "psnr_float_range1",
            psnr(b.clone(), a.clone(), 1.0)[0],
            DOUBLE,
        ),
        ("mse_float", mse(b.clone(), a.clone())[0], DOUBLE),
        ("nrmse_euclid", nmse(b.clone(), a.clone())[0].sqrt(), DOUBLE),
        ("ssim_default_win7_range1", of(uniform(7)), DOUBLE),
        ("ssim_u8_win7", bytewise.of(damaged, bytes)[0], DOUBLE),
        ("ssim_win11_uniform", of(uniform(11)), DOUBLE),
        ("ssim_gauss_sigma1_5_popcov_range1", of(ssim), DOUBLE),
        (
            "torchmetrics_ssim_gauss11_range1",
            of(ssim.with_border(Border::Reflect)),
            DOUBLE,
        ),
        // torchmetrics rounds its constant 10/ln 10 to f32.
        (
            "torchmetrics_psnr",
            psnr(b.clone(), a.clone(), 1.0)[0],
            1e-7,
        ),
    ];
    for (what, found, tolerance) in found {
        comparison.values(what, &[found], &[case.number(what)?], tolerance);
    }
    Ok(())
}

/// Compares metrics with deepinv's, which are in `f32`.
fn image_values(file: &File, case: &Case, comparison: &mut Comparison) -> Result<(), GoldenError> {
    let image = |name: &str| file.shared(name)?.tensor::<4>(DType::F64);
    let (found, clean) = (image("x_hat")?, image("x")?);
    let reflect = Ssim::new(1.0).with_border(Border::Reflect);
    let count = clean.dims()[1..].iter().product::<usize>() as f64;
    let both = || (found.clone(), clean.clone());
    let (x, y) = both();
    let squared = mse(x, y);
    let largest = file.number(case, "max_pixel", 2.0);
    let rows: [(&str, Vec<f64>, f64); 8] = [
        ("PSNR", psnr(both().0, both().1, 1.0), 1e-6),
        ("PSNR_maxpixel", psnr(both().0, both().1, largest), 2e-6),
        ("SSIM", reflect.of(both().0, both().1), 5e-6),
        ("MSE", squared.clone(), 1e-8),
        ("MAE", mae(both().0, both().1), 1e-7),
        ("NMSE", nmse(both().0, both().1), 1e-7),
        ("SNR", snr(both().0, both().1), 3e-6),
        // ‖e‖², without a root or a mean.
        (
            "LpNorm2",
            squared.iter().map(|mse| mse * count).collect(),
            1e-6,
        ),
    ];
    for (name, found, tolerance) in rows {
        // A name may spell a setting.
        let mut values = file.meta["values"].as_object().into_iter().flatten();
        let exact = &file.meta["values"][name];
        let named = values
            .find(|(key, _)| key.starts_with(name))
            .map(|(_, list)| list);
        let recorded = Some(exact).filter(|list| list.is_array()).or(named);
        let recorded = recorded.ok_or_else(|| GoldenError::Lacks(name.into()))?;
        comparison.values(name, &found, &numbers(recorded), tolerance);
    }
    Ok(())
}

fn blur(file: &File) -> Result<Blur, GoldenError> {
    let filter = file.shared("datafid/filter")?;
    let kernel = PointSpread::new(filter.values.clone(), [filter.shape[2], filter.shape[3]]);
    Ok(Blur::new(kernel?, Padding::Circular))
}

/// Compares `‖A u − y‖²/(2σ²)`, its gradient, and its proximal step.
fn data_term(file: &File, case: &Case, comparison: &mut Comparison) -> Result<(), GoldenError> {
    let tensor = |name: &str| file.tensor(case, name)?.tensor::<4>(DType::F64);
    let (u, y, blur) = (tensor("u")?, tensor("y")?, blur(file)?);
    let [b, c, h, w] = u.dims();
    let sigma = file.number(case, "sigma", 0.2);
    let noise = GaussianNoise::new(sigma)?;
    let measured = Measurement::new(&blur, noise, y.clone());
    let (value, pullback) = vjp(u.clone(), |u| measured.log_likelihood(u));
    let pixels = (c * h * w) as f64;
    let width = 0.5 * pixels * (std::f64::consts::TAU * sigma * sigma).ln();
    let gradient = -pullback.apply(Tensor::ones([b], (&Device::flex(), DType::F64)));
    comparison.tensor("value", -value - width, file.tensor(case, "l2_fn")?, 1e-11);
    comparison.tensor("gradient", gradient, file.tensor(case, "l2_grad")?, 1e-11);
    // The recorded iteration stopped 1.9e-4 short of the solution, so ours is also compared with
    // the equation.
    let gamma = file.number(case, "prox_gamma", 0.3) / (sigma * sigma);
    let tight = ConjugateGradient::default().with_tolerance(1e-12);
    let right = blur.adjoint(y) + u / gamma;
    let found = tight.solve(&blur, right.clone(), 1.0 / gamma)?;
    let left = blur.adjoint(blur.apply(found.x.clone())) + found.x.clone() / gamma - right;
    let left = left.abs().max().into_scalar::<f64>();
    comparison.values("the equation", &[left], &[0.0], 1e-10);
    comparison.tensor(
        "proximal step",
        found.x,
        file.spelled(case, "l2_prox")?,
        3e-4,
    );
    Ok(())
}

/// Compares the Poisson data term. The peer's gradient is off by the square of the gain, as its
/// notes say.
fn poisson_term(file: &File, case: &Case, comparison: &mut Comparison) -> Result<(), GoldenError> {
    let gain = file.number(case, "gain", 0.05);
    let u: Tensor<4> = file.shared("datafid/u")?.tensor(DType::F64)?;
    let y: Tensor<4> = file.shared("datafid/poisson_y")?.tensor(DType::F64)?;
    let blur = blur(file)?;
    let noise = PoissonNoise::new(gain)?;
    let measured = Measurement::new(&blur, noise, y.clone());
    let (value, pullback) = vjp(u.narrow(0, 0, 1), |u| measured.log_likelihood(u));
    // The recorded value is Σ z − Y − Y ln z.
    let counts: Vec<f64> = y
        .into_data()
        .iter::<f64>()
        .map(|y| (y / gain).round())
        .collect();
    let rest: f64 = counts
        .iter()
        .map(|&k| k + (1..=k as u32).map(|i| f64::from(i).ln()).sum::<f64>())
        .sum();
    let found = -value.into_scalar::<f64>() - rest;
    let recorded = file.shared("datafid/poisson_fn")?;
    comparison.values("value", &[found], &recorded.values, 1e-11);
    let gradient = pullback.apply(Tensor::ones([1], (&Device::flex(), DType::F64)));
    let peer = -gradient * (gain * gain);
    comparison.tensor(
        "gradient",
        peer,
        file.shared("datafid/poisson_grad")?,
        1e-11,
    );
    Ok(())
}

/// Compares log-densities with scipy's.
fn densities(file: &File, case: &Case, comparison: &mut Comparison) -> Result<(), GoldenError> {
    let z = file.tensor(case, "z")?;
    let noise = GaussianNoise::new(file.number(case, "std", 0.7))?;
    let (y, mean) = (column(&z.values, 1), file.number(case, "mean", 0.3));
    let found = NoiseModel::log_likelihood(&noise, y.clone(), y.full_like(mean));
    let recorded = file.spelled(case, "normal_logpdf")?;
    comparison.tensor("normal", found, recorded, 1e-12);
    let (k, rates) = (file.tensor(case, "k")?, file.tensor(case, "lam")?);
    let recorded = file.tensor(case, "poisson_logpmf")?;
    let photons = PoissonNoise::new(1.0)?;
    let y = column(&k.values, 1);
    for (rate, recorded) in rates.values.iter().zip(recorded.parts()) {
        let found = NoiseModel::log_likelihood(&photons, y.clone(), y.full_like(*rate));
        comparison.tensor("Poisson", found, &recorded, 1e-11);
    }
    Ok(())
}

/// The noise that a name spells, such as `PoissonGaussian gain=.1 sigma=.05`, and the factor of its
/// draws: some are in counts, not in units of the image.
fn noise(name: &str) -> Result<(AnyNoise, f64), GoldenError> {
    let lacks = |what: &str| GoldenError::Lacks(format!("{what} in {name}"));
    let setting = |key: &str| {
        let mut parts = name.split(' ');
        let value = parts.find_map(|part| part.strip_prefix(key)?.strip_prefix('=')?.parse().ok());
        value.ok_or_else(|| lacks(key))
    };
    let scale = match name.ends_with("not normalized") {
        true => 1.0 / setting("gain")?,
        false => 1.0,
    };
    let noise = match name.split(' ').next().unwrap_or_default() {
        "Gaussian" => GaussianNoise::new(setting("sigma")?)?.into(),
        "Poisson" => PoissonNoise::new(setting("gain")?)?.into(),
        "PoissonGaussian" => PoissonGaussianNoise::new(setting("gain")?, setting("sigma")?)?.into(),
        "Uniform" => UniformNoise::new(setting("a")?)?.into(),
        "LogPoisson" => LogPoissonNoise::new(setting("N0")?, setting("mu")?)?.into(),
        _ => return Err(lacks("a known noise")),
    };
    Ok((noise, scale))
}

fn numbers(list: &Value) -> Vec<f64> {
    let list = list.as_array().into_iter().flatten();
    list.filter_map(Value::as_f64).collect()
}

/// Compares means and variances of 100,000 draws with those of 100,000 draws of the peer. They must
/// agree within five standard errors of the difference.
fn noise_moments(file: &File, comparison: &mut Comparison) -> Result<(), GoldenError> {
    const COUNT: usize = 100_000;
    for (name, moments) in file.meta["noise_moments_100k"]
        .as_object()
        .into_iter()
        .flatten()
    {
        let (noise, scale) = noise(name)?;
        let list = |key: &str| numbers(&moments[key]);
        let (means, variances) = (list("mean"), list("var"));
        for (i, x) in list("x").into_iter().enumerate() {
            let clean = Tensor::<2>::full([1, COUNT], x, (&Device::flex(), DType::F64));
            let drawn = noise.corrupt(clean, &mut HostNoise::seeded(i as u64)) * scale;
            let (variance, mean) = drawn.clone().var_mean(1);
            let (variance, mean) = (variance.into_scalar::<f64>(), mean.into_scalar::<f64>());
            let fourth = (drawn - mean).powi_scalar(4).mean().into_scalar::<f64>();
            let n = COUNT as f64;
            let of_mean = 5.0 * (2.0 * variance / n).sqrt();
            let of_variance = 5.0 * (2.0 * (fourth - variance * variance) / n).sqrt();
            let far = |found: f64, recorded: f64, bound: f64| (found - recorded).abs() / bound;
            let worst = far(mean, means[i], of_mean).max(far(variance, variances[i], of_variance));
            comparison.values(name, &[(worst - 1.0).max(0.0)], &[0.0], 1e-12);
        }
    }
    Ok(())
}
