//! Metrics of images and of samples, densities, and data terms with their gradients.

use crate::case::{Case, list};
use crate::compare::{DOUBLE, numbers};
use crate::error::{Done, GoldenError, lacks};
use crate::record::Recorded;
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
pub(crate) fn knows(case: &Case) -> bool {
    let names = ["wasserstein", "sliced_w1", "ssim_default_win7_range1"];
    let deepinv = case.find("x_hat").is_some() && case.file.meta["values"].is_object();
    names.into_iter().any(|name| case.has(name)) || deepinv
}

/// Runs one case.
pub(crate) fn run(case: &Case) -> Done {
    match case.id.as_str() {
        "datafid" => data_term(case),
        "poisson" => poisson_term(case),
        "density" => densities(case),
        "values" => image_values(case),
        "noise_moments" => noise_moments(case),
        "nd" => clouds(case),
        _ if case.has("wasserstein") => line(case),
        _ => photograph(case),
    }
}

/// Compares distances between two distributions on the line.
fn line(case: &Case) -> Done {
    let values = |name: &str| case.record(name).map(|record| record.values.clone());
    let (a, b, wa, wb) = (values("a")?, values("b")?, values("wa")?, values("wb")?);
    let weighted = wasserstein_weighted((&a, &wa), (&b, &wb), 1.0);
    let found = [
        ("wasserstein", wasserstein_1d(&a, &b, 1.0)),
        ("wasserstein_weighted", weighted),
        ("w2", wasserstein_1d(&a, &b, 2.0)),
        ("ks", kolmogorov_smirnov(&a, &b)),
        ("energy", energy_distance(&column(&a), &column(&b))),
    ];
    for (what, found) in found.into_iter().filter(|(what, _)| case.has(what)) {
        case.check_number(what, found, 1e-12)?;
    }
    Ok(())
}

fn column(values: &[f64]) -> Tensor<2> {
    let data = TensorData::new(values.to_vec(), [values.len(), 1]);
    Tensor::from_data(data, (&Device::flex(), DType::F64))
}

/// Compares distances between two point clouds.
fn clouds(case: &Case) -> Done {
    let (a, b): (Tensor<2>, Tensor<2>) = (case.tensor("a")?, case.tensor("b")?);
    let directions = case.record("theta")?.rows();
    let h = case.number_or("mmd_h", 1.0);
    let sliced = |p: f64| sliced_wasserstein_along(&a, &b, p, &directions);
    let mmd = |estimate| mmd_squared(&a, &b, h, estimate);
    let found = [
        // This name is the peer's; the cost is the Euclidean distance.
        ("emd_l1cost", wasserstein(&a, &b, 1.0)),
        ("scipy_wasserstein_nd", wasserstein(&a, &b, 1.0)),
        ("w2_squared", wasserstein(&a, &b, 2.0).powi(2)),
        ("mmd2_rbf_h1_biased", mmd(Estimate::Biased)),
        ("mmd2_rbf_h1_unbiased", mmd(Estimate::Unbiased)),
        ("frechet_gauss", frechet_distance(&a, &b)),
        ("sliced_w1", sliced(1.0)),
        ("sliced_w2sq", sliced(2.0).powi(2)),
        ("energy_nd", energy_distance(&a, &b).powi(2)),
    ];
    for (what, found) in found {
        case.check_number(what, found, 1e-12)?;
    }
    Ok(())
}

/// Compares metrics of `uint8` images `[rows, columns, channels]` with scikit-image and
/// torchmetrics.
fn photograph(case: &Case) -> Done {
    let (photo, damage) = case.id.split_once('/').unwrap_or_default();
    let image = |name: &str| -> Result<Tensor<4>, GoldenError> {
        let Recorded { shape, values } = case.record(&format!("{photo}/{name}"))?;
        let channels = shape.get(2).copied().unwrap_or(1);
        let data = TensorData::new(values.clone(), [1, shape[0], shape[1], channels]);
        let x = Tensor::<4>::from_data(data, (&Device::flex(), DType::F64));
        Ok(x.permute([0, 3, 1, 2]))
    };
    let (bytes, damaged) = (image("a")?, image(damage)?);
    let (a, b) = (bytes.clone() / 255.0, damaged.clone() / 255.0);
    let ssim = Ssim::new(1.0);
    let uniform = |ssim: Ssim, size| {
        ssim.with_window(Window::Uniform { size })
            .with_sample_covariance(true)
    };
    let bytewise = uniform(Ssim::new(255.0), 7);
    let of = |ssim: Ssim| ssim.of(b.clone(), a.clone())[0];
    let range1 = psnr(b.clone(), a.clone(), 1.0)[0];
    let found = [
        (
            "psnr_u8",
            psnr(damaged.clone(), bytes.clone(), 255.0)[0],
            DOUBLE,
        ),
        ("psnr_float_range1", range1, DOUBLE),
        ("mse_float", mse(b.clone(), a.clone())[0], DOUBLE),
        ("nrmse_euclid", nmse(b.clone(), a.clone())[0].sqrt(), DOUBLE),
        ("ssim_default_win7_range1", of(uniform(ssim, 7)), DOUBLE),
        ("ssim_u8_win7", bytewise.of(damaged, bytes)[0], DOUBLE),
        ("ssim_win11_uniform", of(uniform(ssim, 11)), DOUBLE),
        ("ssim_gauss_sigma1_5_popcov_range1", of(ssim), DOUBLE),
        (
            "torchmetrics_ssim_gauss11_range1",
            of(ssim.with_border(Border::Reflect)),
            DOUBLE,
        ),
        // torchmetrics rounds its constant 10/ln 10 to f32.
        ("torchmetrics_psnr", range1, 1e-7),
    ];
    for (what, found, tolerance) in found {
        case.check_number(what, found, tolerance)?;
    }
    Ok(())
}

/// Compares metrics with deepinv's, which are in `f32`.
fn image_values(case: &Case) -> Done {
    let (found, clean): (Tensor<4>, Tensor<4>) = (case.tensor("x_hat")?, case.tensor("x")?);
    let reflect = Ssim::new(1.0).with_border(Border::Reflect);
    let count = clean.dims()[1..].iter().product::<usize>() as f64;
    let of = |f: &dyn Fn(Tensor<4>, Tensor<4>) -> Vec<f64>| f(found.clone(), clean.clone());
    let largest = case.number_or("max_pixel", 2.0);
    let rows = [
        ("PSNR", of(&|x, y| psnr(x, y, 1.0)), 1e-6),
        ("PSNR_maxpixel", of(&|x, y| psnr(x, y, largest)), 2e-6),
        ("SSIM", of(&|x, y| reflect.of(x, y)), 5e-6),
        ("MSE", of(&mse), 1e-8),
        ("MAE", of(&mae), 1e-7),
        ("NMSE", of(&nmse), 1e-7),
        ("SNR", of(&snr), 3e-6),
        // ‖e‖², without a root or a mean.
        (
            "LpNorm2",
            of(&mse).iter().map(|mse| mse * count).collect(),
            1e-6,
        ),
    ];
    for (name, found, tolerance) in rows {
        // A name may spell a setting.
        let values = &case.file.meta["values"];
        let mut named = values.as_object().into_iter().flatten();
        let named = named
            .find(|(key, _)| key.starts_with(name))
            .map(|(_, list)| list);
        let recorded = values.get(name).filter(|list| list.is_array()).or(named);
        let recorded = recorded.ok_or_else(|| lacks(name))?;
        case.compare_values(name, &found, &list(recorded), tolerance);
    }
    Ok(())
}

fn blur(case: &Case) -> Result<Blur, GoldenError> {
    let filter = case.record("datafid/filter")?;
    let kernel = PointSpread::new(filter.values.clone(), [filter.shape[2], filter.shape[3]]);
    Ok(Blur::new(kernel?, Padding::Circular))
}

/// Compares `‖A u − y‖²/(2σ²)`, its gradient, and its proximal step.
fn data_term(case: &Case) -> Done {
    let (u, y, blur): (Tensor<4>, Tensor<4>, _) =
        (case.tensor("u")?, case.tensor("y")?, blur(case)?);
    let [b, c, h, w] = u.dims();
    let sigma = case.number_or("sigma", 0.2);
    let noise = GaussianNoise::new(sigma)?;
    let measured = Measurement::new(&blur, noise, y.clone());
    let (value, pullback) = vjp(u.clone(), |u| measured.log_likelihood(u));
    let pixels = (c * h * w) as f64;
    let width = 0.5 * pixels * (std::f64::consts::TAU * sigma * sigma).ln();
    let gradient = -pullback.apply(Tensor::ones([b], (&Device::flex(), DType::F64)));
    case.check("l2_fn", -value - width, 1e-11)?;
    case.check("l2_grad", gradient, 1e-11)?;
    // The recorded iteration stopped 1.9e-4 short of the solution, so ours is also compared with
    // the equation.
    let gamma = case.number_or("prox_gamma", 0.3) / (sigma * sigma);
    let tight = ConjugateGradient::default().with_tolerance(1e-12);
    let right = blur.adjoint(y) + u / gamma;
    let found = tight.solve(&blur, right.clone(), 1.0 / gamma)?;
    let left = blur.adjoint(blur.apply(found.x.clone())) + found.x.clone() / gamma - right;
    let left = left.abs().max().into_scalar::<f64>();
    case.compare_values("the equation", &[left], &[0.0], 1e-10);
    case.compare(
        "proximal step",
        found.x,
        case.spelled_record("l2_prox")?,
        3e-4,
    );
    Ok(())
}

/// Compares the Poisson data term. The peer's gradient is off by the square of the gain, as its
/// notes say.
fn poisson_term(case: &Case) -> Done {
    let gain = case.number_or("gain", 0.05);
    let u: Tensor<4> = case.tensor("datafid/u")?;
    let y: Tensor<4> = case.tensor("datafid/poisson_y")?;
    let blur = blur(case)?;
    let noise = PoissonNoise::new(gain)?;
    let measured = Measurement::new(&blur, noise, y.clone());
    let (value, pullback) = vjp(u.narrow(0, 0, 1), |u| measured.log_likelihood(u));
    // The recorded value is Σ z − Y − Y ln z.
    let counts = numbers(y).into_iter().map(|y| (y / gain).round());
    let factorial = |k: f64| (1..=k as u32).map(|i| f64::from(i).ln()).sum::<f64>();
    let rest: f64 = counts.map(|k| k + factorial(k)).sum();
    let found = -value.into_scalar::<f64>() - rest;
    case.check_values("datafid/poisson_fn", &[found], 1e-11)?;
    let gradient = pullback.apply(Tensor::ones([1], (&Device::flex(), DType::F64)));
    case.check("datafid/poisson_grad", -gradient * (gain * gain), 1e-11)
}

/// Compares log-densities with scipy's.
fn densities(case: &Case) -> Done {
    let z = case.record("z")?;
    let noise = GaussianNoise::new(case.number_or("std", 0.7))?;
    let (y, mean) = (column(&z.values), case.number_or("mean", 0.3));
    let found = NoiseModel::log_likelihood(&noise, y.clone(), y.full_like(mean));
    let recorded = case.spelled_record("normal_logpdf")?;
    case.compare("normal", found, recorded, 1e-12);
    let (k, rates) = (case.record("k")?, case.record("lam")?);
    let recorded = case.record("poisson_logpmf")?;
    let photons = PoissonNoise::new(1.0)?;
    let y = column(&k.values);
    for (rate, recorded) in rates.values.iter().zip(recorded.parts()) {
        let found = NoiseModel::log_likelihood(&photons, y.clone(), y.full_like(*rate));
        case.compare("Poisson", found, &recorded, 1e-11);
    }
    Ok(())
}

/// The noise that a name spells, such as `PoissonGaussian gain=.1 sigma=.05`, and the factor of its
/// draws: some are in counts, not in units of the image.
fn noise(name: &str) -> Result<(AnyNoise, f64), GoldenError> {
    let lacks = |what: &str| lacks(format!("{what} in {name}"));
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

/// Compares means and variances of 100,000 draws with those of 100,000 draws of the peer. They must
/// agree within five standard errors of the difference.
fn noise_moments(case: &Case) -> Done {
    const COUNT: usize = 100_000;
    for (name, moments) in case.file.meta["noise_moments_100k"]
        .as_object()
        .into_iter()
        .flatten()
    {
        let (noise, scale) = noise(name)?;
        let list = |key: &str| list(&moments[key]);
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
            for (found, recorded, bound) in [
                (mean, means[i], of_mean),
                (variance, variances[i], of_variance),
            ] {
                let tolerance = bound / recorded.abs().max(1.0);
                case.compare_values(name, &[found], &[recorded], tolerance);
            }
        }
    }
    Ok(())
}
