//! Three convolutions that predict the noise of patches, in some steps of Adam.

use crate::case::Case;
use crate::compare::{DOUBLE, numbers};
use crate::error::{Done, lacks};
use tweedie::burn;
use tweedie::burn::module::{Module, Param};
use tweedie::burn::optim::GradientsParams;
use tweedie::burn::tensor::module::conv2d;
use tweedie::burn::tensor::ops::ConvOptions;
use tweedie::burn::tensor::{DType, Device, Tensor, activation::relu};
use tweedie::core::{Levels, Network, Preconditioned, TimeInput};
use tweedie::math::{Level, Prediction, Schedule};
use tweedie::train::{AdamW, AdamWSettings, ScoreMatching};

#[derive(Module, Debug)]
struct Tiny {
    weights: Vec<Param<Tensor<4>>>,
    biases: Vec<Param<Tensor<1>>>,
    #[module(skip)]
    rms: f64,
}

impl Network<4> for Tiny {
    fn forward(&self, x: Tensor<4>, _: Tensor<1>, (): &()) -> Tensor<4> {
        // `Preconditioned` divides its input by the root mean square of unit data at the level.
        let mut x = x * self.rms;
        for (i, (weight, bias)) in self.weights.iter().zip(&self.biases).enumerate() {
            if i > 0 {
                x = relu(x);
            }
            let options = ConvOptions::new([1, 1], [1, 1], [1, 1], 1);
            x = conv2d(x, weight.val(), Some(bias.val()), options);
        }
        x
    }
}

/// The level `x₀ + σ ε` at all times.
struct Constant(f64);

impl Schedule for Constant {
    fn level(&self, _: f64) -> Level {
        Level::variance_exploding(self.0).unwrap_or(Level::CLEAN)
    }
}

pub(crate) fn run(case: &Case) -> Done {
    let device = Device::flex().autodiff();
    let (mut weights, mut biases) = (Vec::new(), Vec::new());
    for i in 0..3 {
        let weight: Tensor<4> = case.tensor(&format!("weight_{i}_0"))?;
        let bias: Tensor<1> = case.tensor(&format!("bias_{i}_0"))?;
        let weight = Tensor::from_data(weight.into_data(), (&device, DType::F64));
        let bias = Tensor::from_data(bias.into_data(), (&device, DType::F64));
        weights.push(Param::from_tensor(weight.require_grad()));
        biases.push(Param::from_tensor(bias.require_grad()));
    }
    let sigma = case.number("sigma")?;
    let rms = (1.0 + sigma * sigma).sqrt();
    let tiny = Tiny {
        weights,
        biases,
        rms,
    };
    let mut model = Preconditioned::new(tiny, Prediction::Noise, TimeInput::LogSnr);
    let mut adam = AdamW::new(AdamWSettings::default());
    let objective = ScoreMatching::new(Constant(sigma));
    let clean: Tensor<4> = case.tensor("clean")?;
    for step in 0..case.count("steps")? {
        let noise: Tensor<4> = case.tensor(&format!("noise_{step}"))?;
        let times = vec![0.5; clean.dims()[0]];
        let levels = Levels::new(times.iter().map(|&t| objective.schedule.level(t)).collect());
        let on = |x: &Tensor<4>| Tensor::from_data(x.to_data(), (&device, DType::F64));
        let output = model.predict(levels.corrupt(on(&clean), on(&noise)), &levels);
        case.check_values(&format!("output_{step}"), &numbers(output), DOUBLE)?;
        let loss = objective.loss(&model, on(&clean), &times, on(&noise))?;
        let gradients = loss.backward();
        case.check_values(&format!("loss_{step}"), &numbers(loss), DOUBLE)?;
        for (i, weight) in model.network().weights.iter().enumerate() {
            let gradient = weight.val().grad(&gradients);
            let gradient = gradient.ok_or_else(|| lacks("a gradient"))?;
            case.check_values(&format!("gradient_{i}_{step}"), &numbers(gradient), DOUBLE)?;
        }
        let gradients = GradientsParams::from_grads(gradients, &model);
        model = adam.step(case.number("rate")?, step + 1, model, gradients);
        let network = model.network();
        for (i, (weight, bias)) in network.weights.iter().zip(&network.biases).enumerate() {
            let next = step + 1;
            case.check_values(
                &format!("weight_{i}_{next}"),
                &numbers(weight.val()),
                DOUBLE,
            )?;
            case.check_values(&format!("bias_{i}_{next}"), &numbers(bias.val()), DOUBLE)?;
        }
    }
    Ok(())
}
