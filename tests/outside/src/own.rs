//! A custom architecture as a `Model`: saved, loaded, fine-tuned, sampled, conditioned and guided.
//!
//! The network learns pixels of `N(0, s²)`. With a mean as condition, it is the same network around
//! that mean. The expected results are therefore known. Samples have the mean of the condition.
//! Guidance of scale `γ` from the unconditional network gives `γ` times that mean.

use tweedie::burn::{
    self,
    config::Config,
    module::Module,
    nn::{Linear, LinearConfig},
    tensor::activation::silu,
    tensor::{DType, Distribution, TensorData},
};
use tweedie::core::{Condition, ConditionError};
use tweedie::math::VarianceExploding;
use tweedie::models::{Architecture, NetworkError, Precision, seeded};
use tweedie::prelude::*;

/// The mean of each sample's pixels, or one mean for all samples; empty for 0.
#[derive(Clone, Debug, Default)]
struct Means(Vec<f64>);

fn refused(expected: String, found: String) -> ConditionError {
    ConditionError {
        what: "mean",
        expected,
        found,
    }
}

impl Condition for Means {
    fn check(&self, shape: &[usize]) -> Result<(), ConditionError> {
        match self.0.len() {
            0 | 1 => Ok(()),
            rows if rows == shape[0] => Ok(()),
            rows => Err(refused(
                format!("one row, or {}", shape[0]),
                format!("{rows} rows"),
            )),
        }
    }

    fn for_batch(&self, batch: usize) -> Self {
        match self.0[..] {
            [mean] => Self(vec![mean; batch]),
            _ => self.clone(),
        }
    }

    fn select(&self, rows: &[usize]) -> Self {
        match self.0.len() {
            0 | 1 => self.clone(),
            _ => Self(rows.iter().map(|&row| self.0[row]).collect()),
        }
    }

    fn to_device(&self, _: &Device) -> Self {
        self.clone()
    }

    fn cast(&self, _: DType) -> Self {
        self.clone()
    }

    fn join(first: Self, second: Self) -> Result<Self, ConditionError> {
        if first.0.is_empty() != second.0.is_empty() {
            return Err(refused("two of a kind".into(), "one and none".into()));
        }
        Ok(Self([first.0, second.0].concat()))
    }
}

#[derive(Config, Debug, PartialEq)]
struct PixelsConfig {
    channels: usize,
    #[config(default = 32)]
    width: usize,
}

/// `m + F((x − m)/√(σ² + 1), ½ ln σ)`, applied to each value separately.
#[derive(Module, Debug)]
struct Pixels {
    hidden: Linear,
    output: Linear,
}

impl Pixels {
    fn clean(&self, x: Tensor<4>, sigma: Tensor<1>) -> Tensor<4> {
        let sigma = sigma.unsqueeze_dims::<4>(&[1, 2, 3]).expand(x.dims());
        let scaled = x / (sigma.clone().square() + 1.0).sqrt();
        let inputs = Tensor::stack::<5>(vec![scaled, sigma.log() / 2.0], 4);
        self.output
            .forward(silu(self.hidden.forward(inputs)))
            .squeeze_dim(4)
    }
}

impl Network<4> for Pixels {
    fn forward(&self, x: Tensor<4>, sigma: Tensor<1>, (): &()) -> Tensor<4> {
        self.clean(x, sigma)
    }
}

impl Network<4, Means> for Pixels {
    fn forward(&self, x: Tensor<4>, sigma: Tensor<1>, means: &Means) -> Tensor<4> {
        if means.0.is_empty() {
            return self.clean(x, sigma);
        }
        let means = TensorData::new(means.0.clone(), [means.0.len(), 1, 1, 1]);
        let means = Tensor::from_data(means, (&x.device(), x.dtype()));
        self.clean(x - means.clone(), sigma) + means
    }
}

impl Architecture for PixelsConfig {
    type Network = Pixels;
    type Condition = Means;
    const NAME: Option<&'static str> = Some("pixels");

    fn init(&self, device: &Device) -> Result<Pixels, NetworkError> {
        if self.width == 0 {
            return Err(NetworkError::Zero { name: "width" });
        }
        Ok(Pixels {
            hidden: LinearConfig::new(2, self.width).init(device),
            output: LinearConfig::new(self.width, 1).init(device),
        })
    }

    fn channels(&self) -> [usize; 2] {
        [self.channels; 2]
    }

    fn check_condition(&self, _: usize, Means(means): &Means) -> Result<(), ConditionError> {
        match means.iter().find(|mean| !mean.is_finite()) {
            Some(mean) => Err(refused("finite numbers".into(), mean.to_string())),
            None => Ok(()),
        }
    }

    fn with_defaults(&self, Means(means): Means, _: &Device) -> Means {
        Means(if means.is_empty() { vec![0.0] } else { means })
    }
}

pub fn main() -> Result<(), tweedie::Error> {
    let device = Device::default();
    let data: Tensor<4> = HostNoise::seeded(0).normal([2000, 1, 2, 2], &device) * 0.5;
    let schedule = VarianceExploding::new(0.05, 20.0)?;
    let train = |network: Preconditioned<Pixels>, steps| -> Result<Pixels, tweedie::Error> {
        let settings = TrainSettings::default().with_steps(steps).with_batch(128);
        let mut trainer = Trainer::new(network, ScoreMatching::new(schedule), settings)?;
        while trainer.step(&data)?.is_some() {}
        Ok(trainer.average().network().clone())
    };

    let time = TimeInput::NoiseLevel;
    let config = ModelConfig::new(PixelsConfig::new(1), Prediction::Clean, time, [2, 2]);
    let trained = train(seeded(0, &device, config.init(&device)?), 200)?;
    let folder = std::env::temp_dir().join(format!("tweedie-outside-{}", std::process::id()));
    Model::new(config.clone(), trained)?.save(&folder, Precision::Full)?;
    let model = Model::<PixelsConfig>::load(&folder, &device)?;
    println!(
        "{}",
        match Model::open(&folder, &device) {
            Err(error) => format!("without its architecture: {error}"),
            Ok(_) => return Err("a network of another crate was opened without it".into()),
        }
    );
    std::fs::remove_dir_all(&folder)?;
    let model = Model::new(config, train(model.preconditioned().clone(), 400)?)?;

    let path = LevelPath::karras(schedule, Span::default(), 30, 7.0)?.then_clean();
    let sampler = Sampler::new(RungeKutta::heun(), path);
    let mean = |denoiser: &dyn Denoiser<4>| -> Result<f32, tweedie::Error> {
        let mut noise = HostNoise::seeded(1);
        let x = sampler.start([500, 1, 2, 2], &device, &mut noise)?;
        Ok(sampler
            .sample(denoiser, x, &mut noise)?
            .mean()
            .into_scalar())
    };
    let means = |mean| Means(vec![mean]);
    let answers = [
        ("none", mean(&model)?, 0.0),
        ("1", mean(&model.with_condition(means(1.0))?)?, 1.0),
        (
            "1, by a scale of 2",
            mean(&model.guided(means(1.0), Means::default(), 2.0)?)?,
            2.0,
        ),
    ];
    for (what, found, expected) in answers {
        println!("condition {what}: a mean of {found:.2}, expected {expected}");
        if (found - expected).abs() > 0.2 {
            return Err("the samples are not those of the condition".into());
        }
    }
    let nan = model
        .with_condition(means(f64::NAN))
        .err()
        .ok_or("a mean of NaN was taken")?;
    println!("condition NaN: {nan}");
    let two = model.with_condition(Means(vec![1.0, 2.0]))?;
    let error = mean(&two)
        .err()
        .ok_or("two rows were taken for a batch of 500")?;
    println!("condition of two rows: {error}");
    Ok(())
}
