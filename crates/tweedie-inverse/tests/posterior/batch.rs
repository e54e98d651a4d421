//! Each sample of a batch of measurements gets the same result as alone.

use crate::{device, inpainting, runs};
use approx::abs_diff_eq;
use burn::tensor::Tensor;
use tweedie_core::{HostNoise, from_fn};
use tweedie_inverse::measurement::Measurement;
use tweedie_inverse::posterior::EnKg;
use tweedie_math::{Ddim, Level};
use tweedie_samplers::Sampler;

#[test]
fn every_sample_of_a_batch_is_what_it_is_alone() {
    // The prior is elementwise: the order of terms in a sum may depend on the batch.
    let prior = from_fn(|x: Tensor<2>, level: Level| {
        (x * (level.alpha() / level.rms().powi(2))).tanh() * 1.5
    });
    let y = Tensor::<2>::from_floats([[0.3, 0.0], [-1.2, 0.0], [2.0, 0.0]], &device());
    let measured = |y: Tensor<2>| Measurement { y, ..inpainting() };
    let host = |x: Tensor<2>| x.into_data().iter::<f32>().collect::<Vec<_>>();
    let m = measured(y.clone());
    let together = runs(&prior, &m, 10);
    let alone: Vec<_> = (0..3)
        .map(|i| measured(y.clone().narrow(0, i, 1)))
        .collect();
    let alone: Vec<_> = alone.iter().map(|m| runs(&prior, m, 10)).collect();
    for (k, run) in together.iter().enumerate() {
        let name = run.name;
        let all = host(run.draw(3, &mut HostNoise::seeded(5)));
        for (i, alone) in alone.iter().enumerate() {
            let mut noise = HostNoise::seeded(5).starting_at(i as u64);
            let one = host(alone[k].draw(1, &mut noise));
            assert_eq!(all[2 * i..2 * i + 2], one[..], "{name} sample {i}");
        }
        assert!(all.iter().all(|x| x.is_finite()), "{name}");
    }
}

#[test]
fn an_ensemble_does_not_see_its_neighbours() {
    let prior = from_fn(|x: Tensor<2>, level: Level| x * (level.alpha() / level.rms().powi(2)));
    let y = Tensor::<2>::from_floats([[0.3, 0.0], [-1.2, 0.0]], &device());
    let run = |y: Tensor<2>, first: u64| {
        let count = y.dims()[0] * 8;
        let m = Measurement { y, ..inpainting() };
        let step = EnKg::new(Ddim::ancestral(), m).with_particles(8);
        let step = step.expect("an ensemble");
        let sampler = Sampler::new(step, crate::path(10));
        let mut noise = HostNoise::seeded(5).starting_at(first);
        let x = sampler.start([count, 2], &device(), &mut noise);
        let x = sampler
            .sample(&prior, x.expect("a run"), &mut noise)
            .expect("a run");
        x.into_data().iter::<f32>().collect::<Vec<_>>()
    };
    let both = run(y.clone(), 0);
    let second = run(y.narrow(0, 1, 1), 8);
    for (a, b) in both[16..].iter().zip(&second) {
        assert!(abs_diff_eq!(a, b, epsilon = 1e-5), "{a} {b}");
    }
}
