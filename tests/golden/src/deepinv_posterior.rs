//! Posterior samplers of deepinv on an exact Gaussian prior.
//!
//! The peer's state is in `[−1, 1]`, while its guidance and σ_y are in `[0, 1]`. Here everything is
//! in `[−1, 1]`, except for DDRM, which the peer runs in `[0, 1]`. The peer's denoiser computes in
//! `f32`.

use crate::case::Case;
use crate::error::{Done, GoldenError, lacks};
use crate::settings::{chain as chain_of, indices};
use tweedie::burn::tensor::{DType, Tensor};
use tweedie::core::{DenoiseError, InputError, Replay, StaticClip, from_fn, try_from_fn};
use tweedie::inverse::measurement::Measurement;
use tweedie::inverse::noise::GaussianNoise;
use tweedie::inverse::operator::{
    CircularBlur, Mask, Operator, Padding, PointSpread, Separable, Spectral, Taps,
};
use tweedie::inverse::posterior::{
    Annealed, DiffPir, Dps, Mmps, Pigdm, ResidualNorm, ScoreGuidance,
};
use tweedie::math::{
    EulerMaruyama, Level, LevelPath, Renoise, Schedule, Span, VarianceExploding, VariancePreserving,
};
use tweedie::ops::Constant;
use tweedie::prelude::{Ancestral, Ddim, Denoiser, Sampler};
use tweedie::samplers::AnyStep;

/// The tolerance for the peer's denoiser, which computes in `f32` whatever the dtype of the state.
pub(crate) const ROUNDED: f64 = 2e-6;

pub(crate) fn run(case: &Case) -> Done {
    match case.text("alg") {
        "ddrm" => crate::deepinv_ddrm::run(case),
        "diffpir" => diffpir(case),
        _ => chain(case),
    }
}

pub(crate) type Physics = Box<dyn Spectral<4> + Send + Sync>;

/// Returns the operator of a case.
pub(crate) fn physics(case: &Case) -> Result<Physics, GoldenError> {
    let [_, channels, h, w] = shape(case)?;
    let size = [h, w];
    Ok(match case.text("physics") {
        "inpainting" => {
            let mask = case.record("mask")?;
            let kept = Constant::new(mask.values.clone(), [1, channels, h, w]);
            Box::new(Mask::try_from(kept)?)
        }
        "blurfft" => {
            // One filter for all channels.
            let filter = case.record("blurfft/filter")?.part(0).part(0);
            let spread = PointSpread::new(filter.values, [filter.shape[0], filter.shape[1]]);
            Box::new(CircularBlur::new(spread?, size)?)
        }
        "down2" => {
            let operator = Separable::decimate(Taps::Bicubic, 2, size, Padding::Circular);
            Box::new(operator?)
        }
        other => return Err(lacks(format!("a known operator: {other}"))),
    })
}

/// The shape of a signal.
pub(crate) fn shape(case: &Case) -> Result<[usize; 4], GoldenError> {
    let out = case.record("out")?.shape.clone();
    out.try_into().map_err(|_| lacks("an image"))
}

/// Returns `E[x₀ | x_t]` for images in `[low, low + length]`; the prior is given in `[0, 1]`.
pub(crate) fn prior(
    case: &Case,
    [low, length]: [f64; 2],
) -> Result<impl Denoiser<4> + Clone + use<>, GoldenError> {
    let std = case.number("s")? * length;
    let mu: Vec<f64> = case
        .numbers("mu")?
        .iter()
        .map(|mu| low + length * mu)
        .collect();
    let mu = Constant::new(mu.clone(), [1, mu.len(), 1, 1]);
    Ok(from_fn(move |x: Tensor<4>, level: Level| {
        let (a, s2) = (level.alpha(), level.sigma().powi(2));
        let all = a * a * std * std + s2;
        let mean = mu.beside(&x) * (s2 / all);
        x * (a * std * std / all) + mean
    }))
}

/// Returns the measurement and its noise in `[−1, 1]`.
fn signed(case: &Case, sigma: f64) -> Result<Measurement<4, Physics, GaussianNoise>, GoldenError> {
    let operator = physics(case)?;
    let y: Tensor<4> = case.tensor(&format!("{}/y", case.text("physics")))?;
    let ones = operator.apply(Tensor::ones(shape(case)?, (&y.device(), DType::F64)));
    let noise = GaussianNoise::new(2.0 * sigma)?;
    Ok(Measurement::new(operator, noise, y * 2.0 - ones))
}

fn unit(x: Tensor<4>) -> Tensor<4> {
    (x + 1.0) * 0.5
}

/// Returns the guided denoiser of a case.
fn guided(case: &Case) -> Result<Box<dyn Denoiser<4>>, GoldenError> {
    let prior = prior(case, [-1.0, 2.0])?;
    let m = signed(case, case.number("sigma_y")?)?;
    let iterations = case.number_or("cg_max_iter", 3.0) as usize;
    Ok(match case.text("alg") {
        // In the peer's units the norm is half as long.
        name if name.starts_with("dps") && name != "dps_annealed" => {
            let prior: Box<dyn Denoiser<4>> = match case.flag("clip", name.ends_with("clip")) {
                true => Box::new(StaticClip::new(prior, -1.0, 1.0)?),
                false => Box::new(prior),
            };
            let mut parts = name.split('_');
            let weight = parts.find_map(|part| part.strip_prefix('w')?.parse().ok());
            let weight = case.number_or("weight", weight.unwrap_or(1.0));
            Box::new(Dps::new(prior, ResidualNorm::new(m)).with_strength(0.5 * weight)?)
        }
        "dps_annealed" => Box::new(try_from_fn(move |x: Tensor<4>, level: Level| {
            let sigma = m.noise.sigma().hypot(level.noise_to_signal());
            let noise = GaussianNoise::new(sigma).unwrap_or(m.noise);
            let annealed = Measurement::new(&m.operator, noise, m.y.clone());
            Dps::new(&prior, annealed).denoise(x, level)
        })),
        // Unit variance in [0, 1] is a standard deviation of 2 here.
        "pigdm" if case.text("physics") == "down2" => {
            Box::new(try_from_fn(move |x: Tensor<4>, level: Level| {
                stopped(&prior, &m, x, level, iterations)
            }))
        }
        "pigdm" => Box::new(Pigdm::new(prior, m).with_data_std(2.0)?),
        "mmps" => Box::new(Mmps::new(prior, m).with_iterations(iterations)?),
        "ald" => Box::new(ScoreGuidance::new(prior, Annealed::new(m))),
        other => return Err(lacks(format!("a known method: {other}"))),
    })
}

/// The peer's ΠGDM stops after so many iterations of conjugate gradients in measurement space.
/// [`Mmps`] iterates likewise, here with an isotropic prior of covariance `r² I`. Afterwards the
/// change is multiplied by the true gradient's factor, which is a scalar for this prior.
fn stopped(
    prior: &impl Denoiser<4>,
    m: &Measurement<4, Physics, GaussianNoise>,
    x: Tensor<4>,
    level: Level,
    iterations: usize,
) -> Result<Tensor<4>, DenoiseError> {
    let (a, s2) = (level.alpha(), level.sigma().powi(2));
    let r2 = s2 / (a * a + s2 / 4.0);
    let clean = prior.denoise(x.clone(), level)?;
    let (at, value) = (x.clone(), clean.clone());
    let isotropic =
        from_fn(move |x: Tensor<4>, _| (x - at.clone()) * (r2 * a / s2) + value.clone());
    let change = Mmps::new(isotropic, m)
        .with_iterations(iterations)
        .map_err(InputError::from)?
        .denoise(x.clone(), level)?
        - clean.clone();
    // The prior's covariance: its response to a change of 1, times σ²/α.
    let unit = prior.denoise(x.clone() + 1.0, level)? - clean.clone();
    let own = unit.mean().into_scalar::<f64>() * s2 / a;
    Ok(clean + change * (own / r2))
}

/// Runs the schedules and solvers of the peer's SDE framework.
fn chain(case: &Case) -> Done {
    let steps = case.count("N_timesteps")? - 1;
    let solver = case.text("solver");
    let end = if solver == "euler" { 1e-3 } else { 0.0 };
    let span = Span::new(1.0, end);
    let number = |kind: &str, key: &str, otherwise| {
        let general = case.number_or(&format!("{kind}.{key}"), otherwise);
        case.number_or(&format!("sde_params.{key}"), general)
    };
    let betas = [("beta_min", 0.1), ("beta_max", 20.0)].map(|(key, it)| number("vp", key, it));
    let sigmas = [("sigma_min", 0.005), ("sigma_max", 5.0)].map(|(key, it)| number("ve", key, it));
    let vp = VariancePreserving::new(betas[0], betas[1])?;
    let ve = VarianceExploding::new(sigmas[0], sigmas[1])?;
    let ddim = Ddim::new(case.number_or("eta", 0.0))?;
    let (schedule, step): (Box<dyn Schedule>, AnyStep<4>) = match (case.text("sde"), solver) {
        ("vp", "ddpm") => (Box::new(vp), AnyStep::new(Ancestral::default())),
        ("vp", "ddim") => (Box::new(vp), AnyStep::new(ddim)),
        ("vp", _) => (Box::new(vp), AnyStep::new(EulerMaruyama::new(vp))),
        _ => (Box::new(ve), AnyStep::new(EulerMaruyama::new(ve))),
    };
    let path = LevelPath::uniform(&*schedule, span, steps)?;
    let alphas: Vec<f64> = path.levels().iter().map(|level| level.alpha()).collect();
    case.check_values("scale_t", &alphas, 1e-12)?;
    let denoiser = guided(case)?;
    let mut last: Tensor<4> = case.tensor("x_init")?;
    let mut noise = Replay::new(case.parts_if_any("noises", DType::F64)?);
    let recorded = case.record("trajectory")?.parts();
    case.compare("trajectory[0]", unit(last.clone()), &recorded[0], ROUNDED);
    // After three iterations the results differ by the peer's ε of 10⁻⁸.
    let tolerance = match (case.text("alg"), case.text("physics")) {
        ("pigdm", "down2") => 2e-5,
        _ => ROUNDED,
    };
    let sampler = Sampler::new(step, path.clone());
    let states = sampler.trajectory(&*denoiser, last.clone(), &mut noise)?;
    for (k, state) in (1..).zip(states) {
        last = state?.x;
        case.compare(
            &format!("trajectory[{k}]"),
            unit(last.clone()),
            &recorded[k],
            tolerance,
        );
    }
    if solver == "euler" {
        // The peer denoises once more, unguided, at its own choice of level, and keeps its scale.
        let before = path.levels()[steps - 1];
        let (t, dt) = (
            (1.0 + end * (steps as f64 - 1.0)) / steps as f64,
            (1.0 - end) / steps as f64,
        );
        let t = t.max(end + dt);
        let noise = (schedule.rates(t).g2 * dt).sqrt();
        let level = Level::new(before.alpha(), noise)?;
        last = prior(case, [-1.0, 2.0])?.denoise(last, level)? * before.alpha();
    }
    case.check("out", unit(last), tolerance)
}

/// Runs DiffPIR on a chain of 1,000 nodes. The peer's λ refers to twice the variance.
fn diffpir(case: &Case) -> Done {
    // The nodes are recorded.
    case.implied(&["max_iter"]);
    let sigma = case.number("sigma")?;
    let chain = chain_of(case)?;
    let mut nodes = indices(case.record("seq")?);
    nodes.sort_unstable();
    let nodes = nodes.into_iter().map(|i| chain.len() - 1 - i);
    let path = LevelPath::through(nodes.map(|i| chain.node(i)).collect())?;
    let m = signed(case, sigma)?;
    let clipped = StaticClip::new(prior(case, [-1.0, 2.0])?, -1.0, 1.0)?;
    let guided = DiffPir::new(clipped, &m).with_lambda(0.5 * case.number("lambda_")?)?;
    let mut draws = case.parts("noises", DType::F64)?;
    let start = path.start();
    let first = draws.remove(0);
    let init: Tensor<4> = case.tensor("x_init")?;
    let added = (start.noise_to_signal().powi(2) - (2.0 * sigma).powi(2)).sqrt();
    let x = (init * 2.0 - 1.0 + first * added) * start.alpha();
    let sampler = Sampler::new(Renoise::new(case.number("zeta")?)?, path);
    let x = sampler.sample(&guided, x, &mut Replay::new(draws));
    // The peer's proximal step in f32 subtracts numbers of 10⁵, except for a mask.
    let tolerance = match case.text("physics") {
        "inpainting" => 5e-6,
        "blurfft" => 3e-4,
        _ => 5e-4,
    };
    case.check("out", unit(x?), tolerance)
}
