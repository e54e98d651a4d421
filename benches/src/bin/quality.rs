//! Sample quality as a number: the Fréchet distance of a classifier's features.
//!
//! `cargo run -p tweedie-benches --bin quality -- --model DIR`
//!
//! A classifier of Fashion-MNIST, trained on the bundled images in a minute or on those of `--data`
//! and `--labels`, gives 128 features. The tool prints the distance between the features of the
//! training images and those of test images and of samples, the energy distance of their pixels,
//! the mean of the largest class probability, and how often the class found is the class asked for.
//! Another classifier or another number of images gives other numbers: compare with the row of the
//! test images. The variational bound on test images, in bits per dimension, needs no classifier.

use clap::Parser;
use std::error::Error;
use std::path::PathBuf;
use tweedie::burn::tensor::{Int, TensorData};
use tweedie::image::Images;
use tweedie::metrics::{energy_distance, frechet_distance};
use tweedie::models::{AnyArchitecture, ClassInput};
use tweedie::prelude::*;
use tweedie::samplers::likelihood::VariationalBound;
use tweedie_benches::classifier::{Seen, look, open};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures the quality of samples of Fashion-MNIST.
#[derive(Parser)]
struct Arguments {
    /// The folder of the model
    #[arg(long)]
    model: PathBuf,
    /// An IDX file of training images; by default the 5,000 bundled ones
    #[arg(long, requires = "labels")]
    data: Option<PathBuf>,
    /// An IDX file with their classes
    #[arg(long, requires = "data")]
    labels: Option<PathBuf>,
    /// An IDX file of test images; by default the 500 bundled ones
    #[arg(long, requires = "test_labels")]
    test: Option<PathBuf>,
    /// An IDX file with their classes
    #[arg(long, requires = "test")]
    test_labels: Option<PathBuf>,
    /// The number of samples and of test images, at most the test images there are
    #[arg(long, default_value_t = 2048)]
    count: usize,
    /// Moves of Heun's method on the path of Karras et al.
    #[arg(long, default_value_t = 18)]
    moves: usize,
    /// Guidance scales, each for one set of samples; for networks with classes
    #[arg(long, value_delimiter = ',', default_value = "1")]
    guidance: Vec<f64>,
    /// Test images for the variational bound, in bits per dimension; 0 for none
    #[arg(long, default_value_t = 64)]
    bits: usize,
    /// The file of the classifier, which is trained if it does not exist
    #[arg(long, default_value = "out/quality/classifier.bpk")]
    classifier: PathBuf,
    /// Passes over the training images
    #[arg(long, default_value_t = 8)]
    epochs: usize,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let device = Device::default();
    if arguments.moves < 2 || arguments.count < 2 {
        return Err("--moves and --count have to be at least 2".into());
    }
    let train = read(&arguments.data, &arguments.labels, Images::fashion_train)?;
    let test = read(
        &arguments.test,
        &arguments.test_labels,
        Images::fashion_test,
    )?;
    let model = Model::open(&arguments.model, &device)?;
    let AnyArchitecture::Unet(unet) = &model.config().network else {
        return Err("the model is no U-Net".into());
    };
    if model.shape(1) != [1, 1, 28, 28] {
        return Err("the model draws no grey images of 28×28 pixels".into());
    }
    // A distance depends on the number of images.
    let count = arguments.count.min(test.count());
    let classifier = open(&arguments.classifier, &train, arguments.epochs, &device)?;

    let reference = look(&classifier, &train.tensor(ValueRange::Signed, &device));
    let some: Vec<usize> = (0..count).collect();
    let images = test.select(&some, ValueRange::Signed, &device);
    // As many training images as samples, from all over the set.
    let spread: Vec<usize> = (0..count).map(|i| i * train.count() / count).collect();
    let spread = train.select(&spread, ValueRange::Signed, &device);
    let reference = (reference, spread.flatten(1, 3));
    let labels = test.labels().ok_or("test images without classes")?;
    println!(
        "| images | number | Fréchet distance | energy distance | largest probability | class as asked |"
    );
    println!("|---|---|---|---|---|---|");
    let shown = |name: &str, images: Tensor<4>, asked: Option<&[u8]>| {
        let seen = look(&classifier, &images);
        print(name, &reference, (&seen, images.flatten(1, 3)), asked);
    };
    shown("test images", images.clone(), Some(&labels[..count]));
    let few = arguments.bits.min(count);
    let few_images = images.narrow(0, 0, few.max(1));
    let (few_labels, has_classes) = (
        &labels[..few],
        unet.class.and_then(ClassInput::null).is_some(),
    );
    if !has_classes {
        shown(
            "samples",
            samples(&arguments, count, &model, &device)?,
            None,
        );
        if few > 0 {
            println!(
                "bits per dimension: at most {:.3}",
                bits(&model, few_images)?
            );
        }
        return Ok(());
    }
    let asked = of(few_labels, &device);
    let labels: Vec<u8> = (0..count).map(|i| (i % 10) as u8).collect();
    for &guidance in &arguments.guidance {
        let mut parts = Vec::new();
        let mut noise = HostNoise::seeded(0);
        for labels in labels.chunks(BATCH) {
            let guided = model.guided(of(labels, &device), Conditions::none(), guidance)?;
            parts.push(draw(
                &arguments,
                &model,
                &guided,
                labels.len(),
                &mut noise,
                &device,
            )?);
        }
        let name = format!("samples, guidance {guidance}");
        shown(&name, Tensor::cat(parts, 0), Some(&labels));
    }
    if few > 0 {
        let with = bits(&model.with_condition(asked)?, few_images.clone())?;
        let without = bits(&model, few_images)?;
        println!("bits per dimension: at most {without:.3}, {with:.3} with the class");
    }
    Ok(())
}

/// The variational bound on 8-bit images, in bits per dimension, over 300 levels.
fn bits(denoiser: &dyn Denoiser<4>, images: Tensor<4>) -> Result<f64, Box<dyn Error>> {
    let path = LevelPath::karras(Edm::default(), Span::new(1.0, 2.5e-5), 300, 7.0)?;
    let bound = VariationalBound::of_bytes(path)?;
    let dimensions: usize = images.dims()[1..].iter().product();
    let terms = bound.terms(denoiser, images, &mut HostNoise::seeded(0))?;
    let total = terms.in_bits(dimensions).total();
    Ok(total.mean().into_scalar::<f64>())
}

/// Samples that are drawn together.
const BATCH: usize = 256;

fn read(
    images: &Option<PathBuf>,
    labels: &Option<PathBuf>,
    bundled: fn() -> Result<Images, tweedie::image::ImageError>,
) -> Result<Images, Box<dyn Error>> {
    Ok(match (images, labels) {
        (Some(images), Some(labels)) => Images::idx(images)?.with_idx_labels(labels)?,
        _ => bundled()?,
    })
}

fn of(labels: &[u8], device: &Device) -> Conditions {
    let rows: Vec<i32> = labels.iter().map(|&label| label.into()).collect();
    let rows = TensorData::new(rows, [labels.len()]);
    Conditions::none().with_labels(Tensor::<1, Int>::from_data(rows, device))
}

fn samples(
    arguments: &Arguments,
    count: usize,
    model: &Model,
    device: &Device,
) -> Result<Tensor<4>, Box<dyn Error>> {
    let (mut parts, mut left) = (Vec::new(), count);
    let mut noise = HostNoise::seeded(0);
    while left > 0 {
        let count = left.min(BATCH);
        parts.push(draw(arguments, model, model, count, &mut noise, device)?);
        left -= count;
    }
    Ok(Tensor::cat(parts, 0))
}

fn draw(
    arguments: &Arguments,
    model: &Model,
    denoiser: &dyn Denoiser<4>,
    count: usize,
    noise: &mut HostNoise,
    device: &Device,
) -> Result<Tensor<4>, Box<dyn Error>> {
    // From σ = 80 to 0.002, then to the clean image.
    let span = Span::new(1.0, 2.5e-5);
    let path = LevelPath::karras(Edm::default(), span, arguments.moves - 1, 7.0)?.then_clean();
    let sampler = Sampler::new(RungeKutta::heun(), path);
    let x = sampler.start(model.shape(count), device, noise)?;
    Ok(sampler.sample(denoiser, x, noise)?)
}

fn print(
    name: &str,
    (reference, pixels): &(Seen, Tensor<2>),
    (seen, own): (&Seen, Tensor<2>),
    asked: Option<&[u8]>,
) {
    let distance = frechet_distance(&reference.features, &seen.features);
    let energy = energy_distance(pixels, &own);
    let count = seen.classes.len() as f64;
    let probability = seen.probabilities.iter().sum::<f64>() / count;
    let agreement = asked.map_or("".into(), |asked| {
        let same = seen.classes.iter().zip(asked).filter(|(a, b)| a == b);
        format!("{:.1} %", 100.0 * same.count() as f64 / count)
    });
    println!("| {name} | {count} | {distance:.2} | {energy:.4} | {probability:.3} | {agreement} |");
}
