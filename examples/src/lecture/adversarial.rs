//! The contrast: an adversarial network, one more map `x = G(z)`. A generator learns to deceive a
//! discriminator. Trained in turns, it can miss kinds of data.
//!
//! The losses are `−log D(x) − log (1 − D(G(z)))` for the discriminator and `−log D(G(z))` for the
//! generator.
//!
//! # Reference
//! Goodfellow et al. 2014, arXiv:1406.2661; Radford, Metz & Chintala 2016 (DCGAN),
//! arXiv:1511.06434;
//! Karras et al. 2018, section 3 (the deviation over the batch), arXiv:1710.10196.

use super::layers::{convolution, doubled};
use super::{Drawn, Page, values};
use tweedie::burn;
use tweedie::burn::module::Module;
use tweedie::burn::nn::conv::Conv2d;
use tweedie::burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig};
use tweedie::burn::optim::GradientsParams;
use tweedie::burn::tensor::activation::{leaky_relu, relu, softplus};
use tweedie::image::Sheet;
use tweedie::metrics::energy_distance;
use tweedie::models::seeded;
use tweedie::prelude::*;
use tweedie::train::{AdamW, AdamWSettings, Shuffle};

const LATENT: usize = 32;
const WIDTH: usize = 32;

/// Latents to digits of 8×8 pixels.
#[derive(Module, Debug)]
struct Generator {
    grow: Linear,
    first: Conv2d,
    second: Conv2d,
    last: Conv2d,
    norms: Vec<BatchNorm>,
}

/// Digits to the log-odds of being real.
#[derive(Module, Debug)]
struct Discriminator {
    first: Conv2d,
    second: Conv2d,
    last: Linear,
}

impl Generator {
    fn new(device: &Device) -> Self {
        Self {
            grow: LinearConfig::new(LATENT, WIDTH * 4).init(device),
            first: convolution(WIDTH, WIDTH, 1, device),
            second: convolution(WIDTH, WIDTH, 1, device),
            last: convolution(WIDTH, 1, 1, device),
            norms: (0..3)
                .map(|_| BatchNormConfig::new(WIDTH).init(device))
                .collect(),
        }
    }

    // ANCHOR: generator
    fn forward(&self, z: Tensor<2>) -> Tensor<4> {
        let count = z.dims()[0];
        let x = self.grow.forward(z).reshape([count, WIDTH, 2, 2]);
        let x = relu(self.norms[0].forward(x));
        let x = relu(self.norms[1].forward(self.first.forward(doubled(x))));
        let x = relu(self.norms[2].forward(self.second.forward(doubled(x))));
        self.last.forward(x).tanh()
    }
    // ANCHOR_END: generator
}

impl Discriminator {
    fn new(device: &Device) -> Self {
        Self {
            first: convolution(1, WIDTH, 2, device),
            second: convolution(WIDTH, WIDTH, 2, device),
            last: LinearConfig::new(WIDTH * 4 + 1, 1).init(device),
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<2> {
        let x = leaky_relu(self.first.forward(x), 0.2);
        let x = leaky_relu(self.second.forward(x), 0.2);
        let x = x.flatten::<2>(1, 3);
        // The deviation over the batch shows a generator that draws one digit only.
        let deviation = (x.clone() - x.clone().mean_dim(0)).square().mean_dim(0);
        let deviation = (deviation + 1e-8).sqrt().mean_dim(1);
        let deviation = deviation.repeat_dim(0, x.dims()[0]);
        self.last.forward(Tensor::cat(vec![x, deviation], 1))
    }
}

const STEPS: usize = 1500;
const BATCH: usize = 64;

pub(super) fn draw(page: &Page) -> Drawn {
    let images = Images::digits()?;
    let labels = images.labels().ok_or("labels")?.to_vec();
    let digits = images.tensor(ValueRange::Signed, &page.device);
    let count = digits.dims()[0];
    let mut generator = seeded(1, &page.device, Generator::new(&page.device)).train();
    let mut discriminator = seeded(2, &page.device, Discriminator::new(&page.device)).train();
    let settings = AdamWSettings::default().with_betas([0.5, 0.999]);
    let (mut first, mut second) = (AdamW::new(settings), AdamW::new(settings));
    let mut order = Shuffle::new(count, 3);
    let (mut noise, mut noise_of_digits) = (HostNoise::seeded(4), HostNoise::seeded(5));
    let traced = page.device.clone().autodiff();
    for step in 1..=STEPS {
        let chosen = order.batch(((step - 1) * BATCH) as u64, BATCH);
        let real = images.select(&chosen, ValueRange::Signed, &traced);
        // A little noise on both kinds of digits keeps the discriminator from certainty.
        let mut blurred = |x: Tensor<4>| {
            let noise = noise_of_digits.normal_like(&x);
            x + noise * 0.2
        };
        let mut latents = || noise.normal([BATCH, LATENT], &traced);
        // ANCHOR: losses
        let fake = generator.forward(latents()).detach();
        let loss = softplus(-discriminator.forward(blurred(real)), 1.0)
            + softplus(discriminator.forward(blurred(fake)), 1.0);
        let gradients = GradientsParams::from_grads(loss.mean().backward(), &discriminator);
        discriminator = second.step(5e-4, step, discriminator, gradients);

        let fake = blurred(generator.forward(latents()));
        let loss = softplus(-discriminator.forward(fake), 1.0);
        let gradients = GradientsParams::from_grads(loss.mean().backward(), &generator);
        generator = first.step(3e-4, step, generator, gradients);
        // ANCHOR_END: losses
    }
    let generator = generator.valid();
    let drawn = 500;
    let z = noise.normal([drawn, LATENT], &page.device);
    let adversarial = generator.forward(z);

    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/digits");
    let model = Model::open(folder, &page.device)?;
    let path = LevelPath::uniform(Cosine::default(), Span::new(0.999, 0.0), 50)?;
    let sampler = Sampler::new(Ddim::ancestral(), path);
    let start = sampler.start(model.shape(drawn), &page.device, &mut noise)?;
    let diffusion = sampler.sample(&model, start, &mut noise)?;

    let some: Vec<usize> = (0..drawn).map(|i| i * 3).collect();
    let real = images.select(&some, ValueRange::Signed, &page.device);
    let rest: Vec<usize> = (0..drawn).map(|i| i * 3 + 1).collect();
    let rest = images.select(&rest, ValueRange::Signed, &page.device);
    println!("             energy distance   digits 0 to 9 drawn, in per cent");
    let mut sheet = Sheet::new().with_scale(6);
    for (name, x) in [
        ("digits", rest),
        ("diffusion", diffusion),
        ("adversarial", adversarial),
    ] {
        let distance = energy_distance(&x.clone().flatten(1, 3), &real.clone().flatten(1, 3));
        let classes = nearest(&x, &digits, &labels);
        let share = |class: u8| {
            let found = classes.iter().filter(|&&found| found == class).count();
            format!("{:3.0}", 100.0 * found as f64 / drawn as f64)
        };
        let shares: Vec<String> = (0..10).map(share).collect();
        println!("{name:12} {distance:15.3}   {}", shares.join(" "));
        sheet = sheet.with_row(name, x.narrow(0, 0, 14), ValueRange::Signed)?;
    }
    Ok(sheet.save(page.picture("adversarial.png"))?)
}

/// The class of the nearest digit to each image.
fn nearest(x: &Tensor<4>, digits: &Tensor<4>, labels: &[u8]) -> Vec<u8> {
    let rows = |x: &Tensor<4>| x.clone().flatten::<2>(1, 3);
    let (x, digits) = (rows(x), rows(digits));
    // ‖x − d‖² without ‖x‖², which is the same for all digits.
    let squares = digits.clone().square().sum_dim(1).transpose();
    let distance = squares - x.matmul(digits.transpose()) * 2.0;
    let chosen = values(distance.argmin(1).float());
    chosen.into_iter().map(|i| labels[i as usize]).collect()
}
