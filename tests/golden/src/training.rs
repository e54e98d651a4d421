//! Training: optimisers, clipping, running averages, learning rates, min-SNR weights, and some
//! steps of a network.

use crate::case::{Case, list};
use crate::compare::{DOUBLE, numbers};
use crate::error::{Done, GoldenError, lacks, skip};
use crate::networks::ToDouble;
use crate::record::Recorded;
use crate::settings::{chain_by_default, indices};
use serde_json::Value;
use tweedie::burn::module::{Module, ModuleVisitor, Param};
use tweedie::burn::optim::{
    AdamConfig, GradientsParams, ModuleOptimizer, RmsPropConfig, SgdConfig,
    decay::WeightDecayConfig, momentum::MomentumConfig,
};
use tweedie::burn::tensor::{DType, Device, Tensor, TensorData};
use tweedie::core::{Preconditioned, TimeInput};
use tweedie::math::{Prediction, Weighting};
use tweedie::models::Checkpoint;
use tweedie::train::{
    AdamW, AdamWSettings, Decay, Ema, EmaDecay, EmaWarmup, LearningRate, ScoreMatching,
    clip_global_norm,
};

/// The tolerance for the steps of a network, whose sinusoids are in `f32`.
const NETWORK: f64 = 1e-5;

/// Returns whether a case is of this kind.
pub(crate) fn knows(case: &Case) -> bool {
    let names = [
        "clip",
        "snr",
        "ema_get_decay",
        "ema_trace",
        "lr_schedules",
        "unet_train",
    ];
    case.id.starts_with("optim/") || names.contains(&case.id.as_str())
}

pub(crate) fn run(case: &Case) -> Done {
    match case.id.as_str() {
        "clip" => clip(case),
        "snr" => weights(case),
        "ema_get_decay" => decays(case),
        "ema_trace" => average(case),
        "lr_schedules" => rates(case),
        "unet_train" => network(case),
        _ => optimiser(case),
    }
}

type Parameter = Param<Tensor<1>>;

/// Makes recorded steps with AdamW of this library, or with another optimiser of burn.
fn optimiser(case: &Case) -> Done {
    // They choose how the peer computes.
    case.implied(&["capturable", "differentiable"]);
    let number = |key: &str, default| case.number_or(key, default);
    let flag = |key: &str| case.flag(key, false);
    let (rate, epsilon) = (case.number("lr")?, number("eps", 1e-8));
    let betas = case.numbers("betas").unwrap_or_else(|_| vec![0.9, 0.999]);
    let (decay, momentum) = (number("weight_decay", 0.0), number("momentum", 0.0));
    let (dampening, nesterov) = (number("dampening", 0.0), flag("nesterov"));
    let name = case.id.trim_start_matches("optim/");
    let (amsgrad, decoupled) = (flag("amsgrad"), flag("decoupled_weight_decay"));
    if flag("maximize") || (amsgrad && decoupled) {
        return skip(format!("no optimiser {name} with these settings"));
    }
    let penalty = (decay > 0.0).then(|| WeightDecayConfig::new(decay as f32));
    let mut other: Option<ModuleOptimizer> = None;
    match name.split('_').next().unwrap_or_default() {
        // Without weight decay, Adam is AdamW.
        "adam" | "adamw" if !amsgrad && (decoupled || decay == 0.0) => {}
        "adam" | "adamw" | "amsgrad" => {
            let config = AdamConfig::new()
                .with_beta_1(betas[0] as f32)
                .with_beta_2(betas[1] as f32)
                .with_epsilon(epsilon as f32)
                .with_amsgrad(amsgrad)
                .with_weight_decay(penalty);
            other = Some(config.init());
        }
        "sgd" => {
            let momentum = (momentum > 0.0).then(|| {
                MomentumConfig::new()
                    .with_momentum(momentum)
                    .with_dampening(dampening)
                    .with_nesterov(nesterov)
            });
            let config = SgdConfig::new()
                .with_momentum(momentum)
                .with_weight_decay(penalty);
            other = Some(config.init());
        }
        "rmsprop" => {
            let config = RmsPropConfig::new()
                .with_alpha(number("alpha", 0.99) as f32)
                .with_epsilon(epsilon as f32)
                .with_momentum(momentum as f32)
                .with_centered(flag("centered"))
                .with_weight_decay(penalty);
            other = Some(config.init());
        }
        _ => return skip(format!("no optimiser {name}")),
    }
    let device = Device::flex().autodiff();
    let start: Tensor<1> = case.tensor("p0")?;
    let start = Tensor::from_data(start.into_data(), (&device, DType::F64));
    let mut parameter: Parameter = Param::from_tensor(start);
    let settings = AdamWSettings::default().with_betas([betas[0], betas[1]]);
    let mut own = AdamW::new(settings.with_epsilon(epsilon).with_weight_decay(decay));
    let recorded = case.shared(&case.id)?.parts();
    for (k, gradient) in case
        .parts::<1>("grads", DType::F64)?
        .into_iter()
        .enumerate()
    {
        let mut gradients = GradientsParams::new();
        gradients.register(parameter.id, gradient);
        parameter = match &mut other {
            Some(other) => other.step(rate, parameter, gradients),
            None => own.step(rate, k + 1, parameter, gradients),
        };
        let found = numbers(parameter.val().inner());
        // burn keeps the parameters of its optimisers in f32.
        let tolerance = if other.is_some() { 1e-6 } else { DOUBLE };
        case.compare_values(
            &format!("step {}", k + 1),
            &found,
            &recorded[k + 1].values,
            tolerance,
        );
    }
    Ok(())
}

/// Compares gradients clipped by their global norm. The peer adds 10⁻⁶ to the norm.
fn clip(case: &Case) -> Done {
    case.implied(&["what"]);
    let device = Device::flex();
    let parts = [case.record("in0")?, case.record("in1")?];
    let module: Vec<Parameter> = parts
        .iter()
        .map(|part| Param::from_tensor(Tensor::zeros([part.values.len()], (&device, DType::F64))))
        .collect();
    let mut gradients = GradientsParams::new();
    for (parameter, part) in module.iter().zip(parts) {
        let flat = TensorData::new(part.values.clone(), [part.values.len()]);
        let flat = Tensor::<1>::from_data(flat, (&device, DType::F64));
        gradients.register(parameter.id, flat);
    }
    let max = case.number_or("max_norm", 1.5);
    let (gradients, norm) = clip_global_norm(&module, gradients, max);
    let norm = norm.ok_or_else(|| lacks("a norm"))?;
    case.check_values("total_norm", &[norm], DOUBLE)?;
    let peer = (norm + 1e-12) / (norm + 1e-6);
    for (parameter, name) in module.iter().zip(["out0", "out1"]) {
        let found = gradients
            .get::<1>(parameter.id)
            .ok_or_else(|| lacks("a gradient"))?;
        case.check_values(name, &numbers(found * peer), DOUBLE)?;
    }
    Ok(())
}

/// Compares SNRs and min-SNR weights of the nodes of a chain. The peer computes `1 − ᾱ` in `f32`.
fn weights(case: &Case) -> Done {
    let chain = chain_by_default(case, "config.", [1e-4, 0.02])?;
    let nodes = indices(case.record("t")?);
    let (gamma, last) = (case.number_or("gamma", 5.0), (chain.len() - 1) as f64);
    let weight = |prediction: Prediction, t: usize| {
        Weighting::MinSnr { gamma }.weight(&chain, prediction, t as f64 / last)
    };
    for (place, t) in nodes.into_iter().enumerate() {
        let found = [
            ("snr_linear", chain.node(t).snr()),
            ("min_snr5_eps", weight(Prediction::Noise, t)),
            ("min_snr5_v", weight(Prediction::Velocity, t)),
        ];
        let rounding = 4.0 * f64::from(f32::EPSILON) / (1.0 - chain.alpha_bar()[t]);
        for (name, found) in found {
            let recorded = case.record(name)?.values[place];
            case.compare_values(&format!("{name}[{t}]"), &[found], &[recorded], rounding);
        }
    }
    Ok(())
}

/// Returns the decay of the peer's average at an optimiser's step, from 1. Its first update copies
/// the parameters.
fn decay_at(decay: EmaDecay, step: usize, after: usize) -> f64 {
    match step.saturating_sub(after + 1) {
        0 => 0.0,
        k => decay.at(k),
    }
}

fn decays(case: &Case) -> Done {
    let kinds = case.file.meta["ema_get_decay"].as_object();
    for (name, kind) in kinds.into_iter().flatten() {
        let setting = |key: &str| kind["kwargs"].get(key).or(kind.get(key));
        let number = |key: &str, default| setting(key).and_then(Value::as_f64).unwrap_or(default);
        let warmup = match setting("use_ema_warmup").and_then(Value::as_bool) {
            Some(true) => EmaWarmup::Power {
                gamma: number("inv_gamma", 1.0),
                power: number("power", 2.0 / 3.0),
            },
            _ => EmaWarmup::Ratio,
        };
        let decay = EmaDecay::new(number("max_decay", number("decay", 0.9999))).with_warmup(warmup);
        let (after, least) = (
            number("update_after_step", 0.0) as usize,
            number("min_decay", 0.0),
        );
        let found = list(&kind["steps"]).into_iter().map(|step| {
            match decay_at(decay, step as usize, after) {
                0.0 => 0.0,
                decay => decay.max(least),
            }
        });
        case.compare_values(
            name,
            &found.collect::<Vec<_>>(),
            &list(&kind["decay"]),
            DOUBLE,
        );
    }
    Ok(())
}

/// Compares the average of a sequence of parameters.
fn average(case: &Case) -> Done {
    let trace = &case.file.meta["ema_trace"];
    let decay = EmaDecay::new(trace["decay"].as_f64().ok_or_else(|| lacks("a decay"))?);
    let values = |value: f64| Tensor::<1>::full([1], value, (&Device::flex(), DType::F64));
    let parameters = list(&trace["params"]);
    let first: Parameter = Param::from_tensor(values(parameters[0]));
    let mut ema = Ema::new(&first, decay);
    let mut found = vec![parameters[0]];
    // The first update copies; update k + 1 has the decay of k.
    for (k, &value) in parameters.iter().enumerate().skip(1) {
        let next = first.clone().map(|_| values(value));
        ema = ema.update(&next, k);
        found.extend(numbers(ema.average().val()));
    }
    case.compare_values("shadow", &found, &list(&trace["shadow"]), DOUBLE);
    Ok(())
}

/// Compares learning rates. The peer's warm-up begins at 0, one step before this library's.
fn rates(case: &Case) -> Done {
    let all = case.file.meta.as_object().into_iter().flatten();
    let mut all = all.filter(|(key, value)| key.starts_with("lr_schedules") && value.is_object());
    let all = all.find(|(key, _)| *key != "lr_schedules_params");
    let all = all.and_then(|(_, value)| value.as_object());
    let setting =
        |key: &str, default| case.number_or(&format!("lr_schedules_params.{key}"), default);
    let (base, warmup) = (setting("base", 1.0), setting("warmup", 5.0) as usize);
    let steps = setting("total", 20.0) as usize;
    for (name, recorded) in all.into_iter().flatten() {
        let (decay, warmup) = match name.as_str() {
            "constant" => (Decay::Constant, 0),
            "constant_with_warmup" => (Decay::Constant, warmup),
            "linear" => (Decay::Linear, warmup),
            "cosine" => (Decay::Cosine, warmup),
            "cosine_with_restarts" => {
                let cycles = setting("num_cycles", 1.0) as usize;
                (Decay::Restarts { cycles }, warmup)
            }
            "polynomial" => {
                let (power, end) = (setting("power", 1.0), setting("lr_end", 1e-7));
                (Decay::Polynomial { power, end }, warmup)
            }
            other => return Err(lacks(format!("a known schedule: {other}"))),
        };
        let rate = LearningRate::new(base)
            .with_warmup(warmup)
            .with_decay(decay);
        // Beyond the last step the peer's cosine rises again.
        let mut recorded = list(recorded);
        recorded.truncate(steps + 1);
        let found: Vec<f64> = (0..recorded.len())
            .map(|step| match step {
                0 if warmup > 0 => 0.0,
                _ if step < warmup => rate.at(step - 1, steps),
                _ => rate.at(step, steps),
            })
            .collect();
        case.compare_values(name, &found, &recorded, DOUBLE);
    }
    Ok(())
}

/// Compares losses, norms and parameters over some steps of a network, in `f64`.
fn network(case: &Case) -> Done {
    let meta = &case.file.meta["unet_train"];
    let folder = meta["model"].as_str().ok_or_else(|| lacks("a model"))?;
    let root = case.file.folder.parent().unwrap_or(&case.file.folder);
    let device = Device::flex().autodiff();
    let network = Checkpoint::open(root.join(folder))?.network(&device)?;
    let chain = chain_by_default(case, "unet_train.scheduler_config.", [1e-4, 0.02])?;
    let setting =
        |key: &str, default| case.number_or(&format!("unet_train.optimizer_kwargs.{key}"), default);
    let settings = AdamWSettings::default()
        .with_epsilon(setting("eps", 1e-8))
        .with_weight_decay(setting("weight_decay", 0.01));
    let (rate, max) = (setting("lr", 1e-3), case.number_or("unet_train.clip", 1.0));
    let time = TimeInput::Index(chain.clone());
    let mut model = Preconditioned::new(network.map(&mut ToDouble), Prediction::Noise, time);
    model = model.train();
    let (objective, mut optimizer) = (ScoreMatching::new(chain.clone()), AdamW::new(settings));
    let last = (chain.len() - 1) as f64;
    let (clean, noise) = (case.record("x0")?.parts(), case.record("noise")?.parts());
    let (mut losses, mut norms) = (Vec::new(), Vec::new());
    for (k, nodes) in case.record("t")?.rows().into_iter().enumerate() {
        let images = |record: &Recorded| -> Result<Tensor<4>, GoldenError> {
            let plain: Tensor<4> = record.tensor(DType::F64)?;
            Ok(Tensor::from_data(plain.into_data(), (&device, DType::F64)))
        };
        let times: Vec<f64> = nodes.into_iter().map(|t| t / last).collect();
        let loss = objective.loss(&model, images(&clean[k])?, &times, images(&noise[k])?)?;
        losses.extend(numbers(loss.clone().inner()));
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        let (gradients, norm) = clip_global_norm(&model, gradients, max);
        norms.push(norm.ok_or_else(|| lacks("gradients"))?);
        model = optimizer.step(rate, k + 1, model, gradients);
    }
    case.compare_values("losses", &losses, &list(&meta["losses"]), NETWORK);
    case.compare_values(
        "norms",
        &norms,
        &list(&meta["grad_norm_before_clip"]),
        NETWORK,
    );
    // Names differ, and so does the order; norms tell the parameters apart.
    let mut found = Norms::default();
    model.visit(&mut found);
    let recorded = meta["final_param_norms"].as_object().into_iter().flatten();
    let mut recorded: Vec<f64> = recorded.filter_map(|(_, norm)| norm.as_f64()).collect();
    found.0.sort_by(f64::total_cmp);
    recorded.sort_by(f64::total_cmp);
    case.compare_values("parameters", &found.0, &recorded, NETWORK);
    Ok(())
}

/// The norms of a module's parameters.
#[derive(Default)]
struct Norms(Vec<f64>);

impl ModuleVisitor for Norms {
    fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<D>>) {
        let squares = numbers(parameter.val().inner()).into_iter().map(|x| x * x);
        self.0.push(squares.sum::<f64>().sqrt());
    }
}
