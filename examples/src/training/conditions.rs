//! The conditions that the network of the `train` example learns.

use super::{Arguments, Data, Source};
use std::error::Error;
use tweedie::burn::tensor::{Int, TensorData};
use tweedie::inverse::operator::{Operator, Separable};
use tweedie::models::{AnyArchitecture, ClassInput, Conditions};
use tweedie::prelude::*;
use tweedie::train::{Batch, DeriveCondition, Draws, DropCondition, Mirrored};

/// The number of classes of a network, which is also the label for no class.
#[must_use]
pub fn classes(config: &ModelConfig) -> Option<usize> {
    match &config.network {
        AnyArchitecture::Unet(network) => network.class.and_then(ClassInput::null),
        _ => None,
    }
}

/// The condition of the given classes; none if there are none.
#[must_use]
pub fn of_classes(classes: &[usize], device: &Device) -> Conditions {
    if classes.is_empty() {
        return Conditions::none();
    }
    let labels: Vec<i32> = classes.iter().map(|&class| class as i32).collect();
    let labels = TensorData::new(labels, [classes.len()]);
    Conditions::none().with_labels(Tensor::<1, Int>::from_data(labels, device))
}

/// The largest standard deviation of the noise of a low-resolution image.
const MOST_NOISE: f64 = 0.2;

/// Makes low-resolution images: `y = A x₀ + s z`, with a known `s`.
#[derive(Clone, Debug)]
pub struct LowResolution {
    operator: Separable,
    size: [usize; 2],
}

impl LowResolution {
    /// A bicubic reduction of images of this size by a factor.
    ///
    /// # Errors
    /// If the factor does not divide the size.
    pub fn new(size: [usize; 2], factor: usize) -> Result<Self, Box<dyn Error>> {
        let [h, w] = size;
        if factor < 2 || h % factor != 0 || w % factor != 0 {
            let text =
                format!("--enlarge {factor} has to divide {h}×{w} pixels, and be at least 2");
            return Err(text.into());
        }
        let operator = Separable::imresize(size, [h / factor, w / factor])?;
        Ok(Self { operator, size })
    }

    /// The low-resolution images with noise of these standard deviations.
    pub fn measure(&self, clean: &Tensor<4>, std: &[f64], draws: &mut Draws) -> Tensor<4> {
        let y = self.operator.apply(clean.clone());
        let noise = draws.normal_like(&y);
        let std = Tensor::<1>::from_data(TensorData::from(std), &clean.device());
        y + noise * std.reshape([-1, 1, 1, 1])
    }

    /// The condition of a network that enlarges images with noise of these standard deviations.
    #[must_use]
    pub fn condition(&self, y: Tensor<4>, std: &[f64]) -> Conditions {
        let std = Tensor::<1>::from_data(TensorData::from(std), &y.device());
        Conditions::none().with_noisy_low_resolution(y, std, self.size)
    }
}

/// The images to train on and the held-out images, with their conditions. An image that is trained
/// on loses its class with the probability `--drop`, and is mirrored at random with `--mirror`.
///
/// # Errors
/// For a probability outside `[0, 1]`, or a factor that does not divide the size.
pub fn examples(
    arguments: &Arguments,
    images: &Source,
    config: &ModelConfig,
    device: &Device,
) -> Result<[Data; 2], Box<dyn Error>> {
    let count = classes(config);
    let order = images.order();
    let (train, held_out) = order.split_at(order.len() - arguments.held_out);
    let of = |indices| images.examples(indices, count.is_some(), arguments.readers);
    let (train, held_out) = (of(train), of(held_out));
    let train: Data = match arguments.mirror {
        true => Box::new(Mirrored(train)),
        false => train,
    };
    if let Some(factor) = arguments.enlarge {
        let make = LowResolution::new(images.size(), factor)?;
        let derive = move |batch: &Batch<4, Conditions>, draws: &mut Draws| {
            let std: Vec<f64> = draws.uniform().iter().map(|u| MOST_NOISE * u).collect();
            let y = make.measure(&batch.clean, &std, draws);
            Ok(make.condition(y, &std))
        };
        let train = DeriveCondition::new(train, derive.clone());
        let held_out = DeriveCondition::new(held_out, derive);
        return Ok([Box::new(train), Box::new(held_out)]);
    }
    let null = of_classes(&Vec::from_iter(count), device);
    let probability = if count.is_some() { arguments.drop } else { 0.0 };
    let train = DropCondition::new(train, null, probability)?;
    Ok([Box::new(train), held_out])
}
