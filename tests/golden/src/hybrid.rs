//! `L_hybrid`: the loss of a network with learned variance, and its gradient.

use crate::case::Case;
use crate::compare::{DOUBLE, numbers};
use crate::error::{Done, lacks};
use tweedie::burn;
use tweedie::burn::module::{Module, Param};
use tweedie::burn::tensor::{DType, Device, Tensor};
use tweedie::core::{Network, Preconditioned, TimeInput};
use tweedie::math::{Chain, Prediction};
use tweedie::train::Hybrid;

/// A network whose output is recorded.
#[derive(Module, Debug)]
struct Fixed {
    output: Param<Tensor<4>>,
}

impl Network<4> for Fixed {
    fn forward(&self, _: Tensor<4>, _: Tensor<1>, (): &()) -> Tensor<4> {
        self.output.val()
    }
}

pub(crate) fn run(case: &Case) -> Done {
    let steps = case.count("steps")?;
    let chain = match case.text("schedule") {
        "linear" => {
            let scale = 1000.0 / steps as f64;
            Chain::linear(steps, 1e-4 * scale, 0.02 * scale)?
        }
        _ => Chain::squared_cosine(steps, 0.999)?,
    };
    let nodes = case.numbers("nodes")?;
    let nodes: Vec<usize> = nodes.into_iter().map(|node| node as usize).collect();
    let output: Tensor<4> = case.tensor("output")?;
    let device = Device::flex().autodiff();
    let output = Tensor::from_data(output.into_data(), (&device, DType::F64));
    let fixed = Fixed {
        output: Param::from_tensor(output.require_grad()),
    };
    let model = Preconditioned::new(fixed, Prediction::Noise, TimeInput::LogSnr);
    let [clean, noise] = ["clean", "noise"].map(|name| case.tensor::<4>(name));
    let on = |x: Tensor<4>| Tensor::from_data(x.into_data(), (&device, DType::F64));
    let (clean, noise) = (on(clean?), on(noise?));
    let of_weight = |weight| {
        let objective = Hybrid::new(chain.clone()).with_weight(weight);
        objective.losses_at(&model, clean.clone(), &nodes, noise.clone())
    };
    let losses = of_weight(case.number("weight")?)?;
    let bound = losses.clone() - of_weight(0.0)?;
    case.check_values("bound", &numbers(bound), DOUBLE)?;
    let gradients = losses.clone().sum().backward();
    case.check_values("loss", &numbers(losses), DOUBLE)?;
    let output = &model.network().output;
    let gradient = output.val().grad(&gradients);
    let gradient = gradient.ok_or_else(|| lacks("a gradient"))?;
    case.check_values("gradient", &numbers(gradient), DOUBLE)
}
