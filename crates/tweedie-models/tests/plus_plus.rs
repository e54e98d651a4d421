//! DDPM++: the blocks of NCSN++ without its pyramid.

#![allow(clippy::expect_used, reason = "a test may stop at once")]

use approx::assert_abs_diff_eq;
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use tweedie_core::{HostNoise, Network, Noise};
use tweedie_models::{Attend, ResBlockConfig, Resampling, UnetConfig, UnetLevel, seeded};

/// `conv₂` is initialised to zero, so the block only divides its input by √2.
#[test]
fn a_rescaled_block_keeps_the_variance_of_two_equal_parts() {
    let device = Device::flex();
    let block = ResBlockConfig::new(8, 8)
        .with_groups([2, 2])
        .with_scale(std::f64::consts::SQRT_2)
        .init(&device);
    let x = HostNoise::seeded(0).normal([1, 8, 6, 6], &device);
    let expected = x.clone() / std::f64::consts::SQRT_2;
    let error = (block.forward(x, None, None) - expected).abs().max();
    assert_abs_diff_eq!(error.into_scalar::<f32>(), 0.0, epsilon = 1e-6);
}

#[test]
fn ddpm_plus_plus_is_a_configuration() {
    let device = Device::flex();
    let level = |channels| UnetLevel::new(channels).with_resampling(Resampling::Rescaled);
    let mut config = UnetConfig::new(3)
        .with_levels(vec![
            level(16),
            level(32).with_attention(Attend::Pixels),
            level(32),
        ])
        .with_blocks(2)
        .with_groups(None)
        .with_middle_scale(std::f64::consts::SQRT_2);
    let network = seeded(0, &device, config.init(&device).expect("a network"));
    let table = network.describe([16, 16]);
    assert_eq!(table.parameters(), network.num_params());
    for size in [[16, 16], [13, 9]] {
        let x = HostNoise::seeded(1).normal([2, 3, size[0], size[1]], &device);
        let y = network.forward(x, Tensor::full([2], 500.0, &device), &());
        assert_eq!(y.dims(), [2, 3, size[0], size[1]]);
    }
    // On the up path, attention follows only the last block.
    let attentions = |way: &str| {
        let rows = table.rows().iter();
        rows.filter(|row| row.name.starts_with(way) && row.name.contains("attentions"))
            .count()
    };
    assert_eq!(
        (attentions("down_blocks.1"), attentions("up_blocks.1")),
        (2, 1)
    );
    config.levels[0].channels = 34;
    let error = config.check().expect_err("groups").to_string();
    assert!(error.contains("groups of a rescaled block"), "{error}");
}
