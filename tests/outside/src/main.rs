//! Custom networks, trained and sampled through the facade crate alone.

mod own;

// burn's derive macros need the name `burn` in scope.
use tweedie::burn::{
    self,
    module::Module,
    nn::{Linear, LinearConfig},
    tensor::activation::silu,
};
use tweedie::core::oracle::Gaussian;
use tweedie::models::seeded;
use tweedie::prelude::*;

#[derive(Module, Debug)]
struct Small {
    hidden: Linear,
    output: Linear,
}

impl Network<2> for Small {
    fn forward(&self, x: Tensor<2>, time: Tensor<1>, (): &()) -> Tensor<2> {
        let time = time.reshape([-1, 1]) / 10.0;
        let hidden = self.hidden.forward(Tensor::cat(vec![x, time], 1));
        self.output.forward(silu(hidden))
    }
}

fn main() -> Result<(), tweedie::Error> {
    let device = Device::default();
    let data = Gaussian::isotropic(&[2.0, -1.0], 0.3)?.sample(2000, 0, &device);
    let network = Small {
        hidden: LinearConfig::new(3, 64).init(&device),
        output: LinearConfig::new(64, 2).init(&device),
    };
    let network = seeded(0, &device, network);
    let model = Preconditioned::new(network, Prediction::Velocity, TimeInput::LogSnr);
    let schedule = VariancePreserving::default();
    let settings = TrainSettings::default().with_steps(400).with_batch(128);
    let mut trainer = Trainer::new(model, ScoreMatching::new(schedule), settings)?;
    while trainer.step(&data)?.is_some() {}

    let sampler = Sampler::new(
        RungeKutta::heun(),
        LevelPath::karras(schedule, Span::default(), 20, 7.0)?.then_clean(),
    );
    let mut noise = HostNoise::seeded(1);
    let x = sampler.start([500, 2], &device, &mut noise)?;
    let x = sampler.sample(trainer.average(), x, &mut noise)?;
    let mean: Vec<f32> = x.mean_dim(0).into_data().try_into_vec()?;
    println!("mean of 500 samples: {mean:.2?}, of the data: [2.0, -1.0]");
    if (mean[0] - 2.0).abs() > 0.2 || (mean[1] + 1.0).abs() > 0.2 {
        return Err("the samples are not those of the data".into());
    }
    own::main()
}
