//! A small classifier of images, whose features measure the quality of samples.

use std::path::Path;
use tweedie::burn;
use tweedie::burn::module::{Module, Param};
use tweedie::burn::nn::{Initializer, Linear, LinearConfig};
use tweedie::burn::tensor::activation::{log_softmax, relu, softmax};
use tweedie::burn::tensor::{Device, Int, Tensor, TensorData};
use tweedie::core::{InputError, ValueRange};
use tweedie::image::Images;
use tweedie::models::{Class, Conditions, seeded};
use tweedie::ops::{ConvGeometry, conv2d, linear};
use tweedie::train::{
    Batch, Draws, FnExamples, Loss, Losses, Objective, ProgressLine, TrainError, TrainSettings,
    Trainer,
};

/// Three convolutions of stride 1, 2 and 2, a layer of [`FEATURES`] and one of classes.
#[derive(Module, Debug)]
pub struct Classifier {
    kernels: Vec<Param<Tensor<4>>>,
    biases: Vec<Param<Tensor<1>>>,
    features: Linear,
    classes: Linear,
}

/// The number of features before the last layer.
pub const FEATURES: usize = 128;

const WIDTHS: [usize; 3] = [32, 64, 64];

impl Classifier {
    /// A classifier of grey images of 28×28 pixels in 10 classes, with random parameters.
    #[must_use]
    pub fn new(device: &Device) -> Self {
        let initial = Initializer::KaimingNormal {
            gain: 2_f64.sqrt(),
            fan_out_only: false,
        };
        let inputs = [1, WIDTHS[0], WIDTHS[1]];
        let pairs = inputs.into_iter().zip(WIDTHS);
        let kernel = |(from, to): (usize, usize)| {
            initial.init_with([to, from, 3, 3], Some(from * 9), None, device)
        };
        let network = Self {
            kernels: pairs.map(kernel).collect(),
            biases: WIDTHS
                .map(|n| Initializer::Zeros.init([n], device))
                .to_vec(),
            features: LinearConfig::new(WIDTHS[2] * 49, FEATURES).init(device),
            classes: LinearConfig::new(FEATURES, 10).init(device),
        };
        seeded(0, device, network)
    }

    /// The features of images in `[−1, 1]`: `[batch, FEATURES]`.
    #[must_use]
    pub fn features(&self, images: Tensor<4>) -> Tensor<2> {
        let mut x = images;
        for (layer, (kernel, bias)) in self.kernels.iter().zip(&self.biases).enumerate() {
            let stride = [if layer == 0 { 1 } else { 2 }; 2];
            // With stride 2, the padding halves an even side.
            let before = if layer == 0 { 1 } else { 0 };
            let padding = [(before, 1); 2];
            let window = ConvGeometry { stride, padding };
            x = relu(conv2d(x, kernel.val(), Some(bias.val()), window));
        }
        relu(apply(&self.features, x.flatten(1, 3)))
    }

    /// The scores of the classes: `[batch, 10]`.
    #[must_use]
    pub fn scores(&self, features: Tensor<2>) -> Tensor<2> {
        apply(&self.classes, features)
    }
}

fn apply(layer: &Linear, x: Tensor<2>) -> Tensor<2> {
    let bias = layer.bias.as_ref().map(Param::val);
    linear(x, layer.weight.val(), bias)
}

/// The cross-entropy of the labels.
struct CrossEntropy;

impl Objective<Classifier> for CrossEntropy {
    fn check(&self, _: &Classifier) -> Result<(), TrainError> {
        Ok(())
    }
}

impl Loss<Classifier, 4, Conditions> for CrossEntropy {
    fn losses(
        &self,
        model: &Classifier,
        batch: Batch<4, Conditions>,
        _: &mut Draws,
    ) -> Result<Losses, InputError> {
        let Some(Class::Labels(labels)) = batch.condition.class else {
            return Err(InputError::Refused("images without labels".into()));
        };
        // The examples are on the device without autodiff.
        let scores = model.scores(model.features(Tensor::from_inner(batch.clean)));
        let labels = Tensor::from_inner(labels).unsqueeze_dim::<2>(1);
        let chosen = log_softmax(scores, 1).gather(1, labels);
        Ok(Losses::new(-chosen.squeeze_dim(1)))
    }
}

/// Trains a classifier on images with labels, for `epochs` passes.
///
/// # Errors
/// [`TrainError`] if the images have no labels.
pub fn train(images: &Images, epochs: usize, device: &Device) -> Result<Classifier, TrainError> {
    let batch = 128;
    let settings = TrainSettings::default()
        .with_steps((images.count() * epochs).div_ceil(batch))
        .with_batch(batch)
        .with_ema(0.99);
    let examples = FnExamples::new(images.count(), |request| {
        let all = images.labels().ok_or("images without labels")?;
        let labels: Vec<i32> = request.indices.iter().map(|&i| all[i].into()).collect();
        let labels = TensorData::new(labels, [request.indices.len()]);
        let labels = Tensor::<1, Int>::from_data(labels, request.device);
        Ok(Batch {
            clean: images.select(request.indices, ValueRange::Signed, request.device),
            condition: Conditions::none().with_labels(labels),
        })
    });
    let mut line = ProgressLine::new(settings.steps, 0);
    let mut trainer = Trainer::new(Classifier::new(device), CrossEntropy, settings)?;
    while let Some(report) = trainer.step(&examples)? {
        line.show(&report);
    }
    line.finish();
    Ok(trainer.average().clone())
}

/// What a classifier says of images.
#[derive(Debug)]
pub struct Seen {
    /// The features, `[count, FEATURES]`.
    pub features: Tensor<2>,
    /// The most probable class of each image.
    pub classes: Vec<u8>,
    /// Its probability.
    pub probabilities: Vec<f64>,
}

/// Shows images in `[−1, 1]` to a classifier, after a round to bytes.
#[must_use]
pub fn look(classifier: &Classifier, images: &Tensor<4>) -> Seen {
    let count = images.dims()[0];
    let (mut features, mut classes, mut probabilities) = (Vec::new(), Vec::new(), Vec::new());
    for first in (0..count).step_by(250) {
        let part = images.clone().narrow(0, first, 250.min(count - first));
        let bytes = ((part.clamp(-1.0, 1.0) + 1.0) * 127.5).round();
        let found = classifier.features(bytes / 127.5 - 1.0);
        let (most, class) = softmax(classifier.scores(found.clone()), 1).max_dim_with_indices(1);
        probabilities.extend(most.into_data().iter::<f64>());
        classes.extend(class.into_data().iter::<u8>());
        features.push(found);
    }
    Seen {
        features: Tensor::cat(features, 0),
        classes,
        probabilities,
    }
}

/// Opens the classifier in a file, or trains one and writes it there.
///
/// # Errors
/// If the training or the file fails.
pub fn open(
    path: &Path,
    images: &Images,
    epochs: usize,
    device: &Device,
) -> Result<Classifier, Box<dyn std::error::Error>> {
    if path.exists() {
        return Ok(Classifier::new(device).try_load_file(path)?);
    }
    let classifier = train(images, epochs, device)?;
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    classifier.clone().save_file(path)?;
    Ok(classifier)
}
