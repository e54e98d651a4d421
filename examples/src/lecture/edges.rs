//! Image to image: a U-Net turns edges into clothes. It learns the absolute difference to the truth
//! and deceives a discriminator of patches, which makes the picture sharp.
//!
//! The generator's loss is `−log D(e, G(e)) + λ |x − G(e)|` with `λ = 20`, averaged over patches
//! and pixels.
//!
//! # Reference
//! Isola et al. 2017, "Image-to-image translation with conditional adversarial networks" (pix2pix),
//! arXiv:1611.07004.

use super::layers::{convolution, doubled};
use super::{Drawn, Page};
use tweedie::burn;
use tweedie::burn::module::Module;
use tweedie::burn::nn::conv::Conv2d;
use tweedie::burn::optim::GradientsParams;
use tweedie::burn::tensor::activation::{leaky_relu, relu, softplus};
use tweedie::image::Sheet;
use tweedie::metrics::psnr;
use tweedie::models::seeded;
use tweedie::prelude::*;
use tweedie::train::{AdamW, AdamWSettings, Shuffle};

const WIDTH: usize = 16;

/// Edges to images, with skips between equal resolutions.
#[derive(Module, Debug)]
struct Generator {
    first: Conv2d,
    down: Vec<Conv2d>,
    up: Vec<Conv2d>,
    last: Conv2d,
}

/// The log-odds that each patch of an image belongs to its edges.
#[derive(Module, Debug)]
struct Patches {
    layers: Vec<Conv2d>,
}

impl Generator {
    fn new(device: &Device) -> Self {
        let conv = |from, to, stride| convolution(from * WIDTH, to * WIDTH, stride, device);
        Self {
            first: convolution(1, WIDTH, 1, device),
            down: vec![conv(1, 2, 2), conv(2, 4, 2)],
            up: vec![conv(6, 2, 1), conv(3, 1, 1)],
            last: convolution(WIDTH, 1, 1, device),
        }
    }

    // ANCHOR: generator
    fn forward(&self, edges: Tensor<4>) -> Tensor<4> {
        let fine = relu(self.first.forward(edges));
        let middle = relu(self.down[0].forward(fine.clone()));
        let coarse = relu(self.down[1].forward(middle.clone()));
        let middle = Tensor::cat(vec![doubled(coarse), middle], 1);
        let middle = relu(self.up[0].forward(middle));
        let fine = Tensor::cat(vec![doubled(middle), fine], 1);
        self.last.forward(relu(self.up[1].forward(fine)))
    }
    // ANCHOR_END: generator
}

impl Patches {
    fn new(device: &Device) -> Self {
        let layers = vec![
            convolution(2, WIDTH, 2, device),
            convolution(WIDTH, 2 * WIDTH, 2, device),
            convolution(2 * WIDTH, 1, 1, device),
        ];
        Self { layers }
    }

    fn forward(&self, edges: Tensor<4>, x: Tensor<4>) -> Tensor<4> {
        let x = Tensor::cat(vec![edges, x], 1);
        let x = leaky_relu(self.layers[0].forward(x), 0.2);
        let x = leaky_relu(self.layers[1].forward(x), 0.2);
        self.layers[2].forward(x)
    }
}

/// Where neighbours differ by more than a fifth of the range: 1, elsewhere 0.
fn edges(x: &Tensor<4>) -> Tensor<4> {
    let step = |axis: i64| (x.clone() - x.clone().roll(&[1], &[axis])).abs();
    step(2).max_pair(step(3)).greater_elem(0.4).float()
}

const STEPS: usize = 600;
const BATCH: usize = 16;

pub(super) fn draw(page: &Page) -> Drawn {
    let images = Images::fashion_train()?;
    let mut generator = seeded(1, &page.device, Generator::new(&page.device)).train();
    let mut patches = seeded(2, &page.device, Patches::new(&page.device)).train();
    let settings = AdamWSettings::default().with_betas([0.5, 0.999]);
    let (mut first, mut second) = (AdamW::new(settings), AdamW::new(settings));
    let mut order = Shuffle::new(images.count(), 3);
    let traced = page.device.clone().autodiff();
    for step in 1..=STEPS {
        let chosen = order.batch(((step - 1) * BATCH) as u64, BATCH);
        let real = images.select(&chosen, ValueRange::Signed, &traced);
        let seen = edges(&real);
        // ANCHOR: losses
        let fake = generator.forward(seen.clone()).detach();
        let loss = softplus(-patches.forward(seen.clone(), real.clone()), 1.0)
            + softplus(patches.forward(seen.clone(), fake), 1.0);
        let gradients = GradientsParams::from_grads(loss.mean().backward(), &patches);
        patches = second.step(3e-4, step, patches, gradients);

        let fake = generator.forward(seen.clone());
        let deceived = softplus(-patches.forward(seen, fake.clone()), 1.0).mean();
        let loss = deceived + (real - fake).abs().mean() * 20.0;
        let gradients = GradientsParams::from_grads(loss.backward(), &generator);
        generator = first.step(7e-4, step, generator, gradients);
        // ANCHOR_END: losses
    }
    let test = Images::fashion_test()?.select(
        &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
        ValueRange::Signed,
        &page.device,
    );
    let seen = edges(&test);
    let drawn = generator.valid().forward(seen.clone());
    let all = psnr(drawn.clone(), test.clone(), ValueRange::Signed.length());
    println!(
        "{:.1} dB on ten test images",
        all.iter().sum::<f64>() / all.len() as f64
    );
    Sheet::new()
        .with_scale(3)
        .with_row("edges", seen, ValueRange::Unit)?
        .with_row("drawn", drawn, ValueRange::Signed)?
        .with_row("clothes", test, ValueRange::Signed)?
        .save(page.picture("edges.png"))?;
    Ok(())
}
