//! Conditioning inputs: class, context and image.

#![allow(
    clippy::expect_used,
    clippy::float_cmp,
    reason = "a test may stop at once, and compares exactly where it means to"
)]

use approx::assert_abs_diff_eq;
use burn::tensor::{Device, Tensor};
use std::path::{Path, PathBuf};
use tweedie_core::{
    ClassifierFree, Condition, Denoiser, HostNoise, Interpolation, Network, Noise, Preconditioned,
    Resize, TimeInput,
};
use tweedie_math::{Level, Prediction};
use tweedie_models::{
    CheckpointError, Conditions, Context, Model, Probed, Unet, UnetConfig, seeded,
};

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/golden/data/models")
        .join(name)
}

fn normal<const D: usize>(seed: u64, shape: [usize; D]) -> Tensor<D> {
    HostNoise::seeded(seed).normal(shape, &Device::flex())
}

fn level() -> Level {
    Level::new(0.6, 0.8).expect("a level")
}

fn largest(x: Tensor<4>) -> f32 {
    x.abs().max().into_scalar()
}

#[test]
fn one_condition_serves_a_batch_of_any_size() -> Result<(), CheckpointError> {
    let device = Device::flex();
    let class = Model::open(golden("unet_class_scaleshift"), &device)?;
    let text = Model::open(golden("unet_cond"), &device)?;
    let tokens = normal(1, [1, 5, 24]);
    let context = |rows: usize| {
        let mask = Tensor::<2>::from_floats([[1.0, 1.0, 0.0, 1.0, 0.0]], &device);
        Context::new(tokens.clone().repeat_dim(0, rows)).with_mask(mask.repeat_dim(0, rows))
    };
    let labels = |rows: usize| Tensor::from_ints([7], &device).repeat_dim(0, rows);
    let pairs = [
        (
            class
                .with_condition(Conditions::none().with_labels(labels(1)))
                .expect("conditions"),
            class
                .with_condition(Conditions::none().with_labels(labels(3)))
                .expect("conditions"),
        ),
        (
            text.with_condition(Conditions::none().with_context(context(1)))
                .expect("conditions"),
            text.with_condition(Conditions::none().with_context(context(3)))
                .expect("conditions"),
        ),
    ];
    for (one, each) in pairs {
        let x = normal(2, one.shape(3));
        let expected = each.denoise(x.clone(), level()).expect("an estimate");
        assert_eq!(
            largest(one.denoise(x, level()).expect("an estimate") - expected),
            0.0
        );
    }
    Ok(())
}

#[test]
fn a_masked_token_does_not_count() -> Result<(), CheckpointError> {
    let device = Device::flex();
    let model = Model::open(golden("unet_cond"), &device)?;
    let tokens = normal(3, [1, 5, 24]);
    let changed = tokens.clone().slice_fill([0..1, 4..5, 0..24], 9.0);
    let output = |tokens: Tensor<3>, mask: [f32; 5]| {
        let mask = Tensor::<2>::from_floats([mask], &device);
        let context = Context::new(tokens).with_mask(mask);
        let model = model
            .with_condition(Conditions::none().with_context(context))
            .expect("conditions");
        model
            .denoise(normal(4, model.shape(1)), level())
            .expect("an estimate")
    };
    let without = [1.0, 1.0, 1.0, 1.0, 0.0];
    let difference = output(tokens.clone(), without) - output(changed.clone(), without);
    assert_eq!(largest(difference), 0.0);
    let all = [1.0; 5];
    assert!(largest(output(tokens, all) - output(changed, all)) > 1e-3);
    Ok(())
}

#[test]
fn guidance_takes_one_network_twice() -> Result<(), CheckpointError> {
    let device = Device::flex();
    let model = Model::open(golden("unet_cond"), &device)?;
    let conditioned = |seed| {
        let context = Context::new(normal(seed, [1, 5, 24]));
        model
            .with_condition(Conditions::none().with_context(context))
            .expect("conditions")
    };
    let (text, nothing) = (conditioned(5), conditioned(6));
    let x = normal(7, model.shape(2));
    let guided = ClassifierFree::new(&text, &nothing, 3.0)
        .expect("a parameter")
        .denoise(x.clone(), level())
        .expect("an estimate");
    let (c, u) = (
        text.denoise(x.clone(), level()).expect("an estimate"),
        nothing.denoise(x.clone(), level()).expect("an estimate"),
    );
    assert!(largest(c.clone() - u.clone()) > 1e-3, "the context counts");
    let gap = largest(guided.clone() - (u.clone() + (c - u) * 3.0));
    assert_abs_diff_eq!(gap, 0.0, epsilon = 1e-4);
    // Both conditions in one pass, one of them masked.
    let conditioned = |seed, tokens| Context::new(normal(seed, [1, tokens, 24]));
    let both = |first, second| {
        let [first, second] = [first, second].map(|c| Conditions::none().with_context(c));
        model.guided(first, second, 3.0)
    };
    let masked = conditioned(6, 5).with_mask(Tensor::ones([1, 5], &device));
    let one = both(conditioned(5, 5), masked).expect("guidance");
    let gap = largest(one.denoise(x, level()).expect("an estimate") - guided);
    assert_abs_diff_eq!(gap, 0.0, epsilon = 1e-4);
    assert!(
        both(conditioned(5, 5), conditioned(6, 4)).is_err(),
        "unequal lengths"
    );
    assert!(
        model
            .guided(Conditions::none(), Conditions::none(), 1.0)
            .is_err(),
        "no context"
    );
    Ok(())
}

/// SR3: the enlarged low-resolution image is concatenated as three more channels.
#[test]
fn a_low_resolution_image_stands_beside_the_noisy_one() {
    let device = Device::flex();
    let mut config = UnetConfig::new(6).with_widths([8, 16]).with_groups(Some(4));
    config.output = Some(3);
    let network: Unet = seeded(0, &device, config.init(&device).expect("a network"));
    let (x, small) = (normal(8, [2, 3, 16, 16]), normal(9, [1, 3, 4, 4]));
    let time = || Tensor::full([2], 500.0, &device);
    let conditions = Conditions::none().with_low_resolution(small.clone(), [16, 16]);
    let model = Preconditioned::new(network.clone(), Prediction::Noise, TimeInput::LogSnr);
    let large = Resize::new(Interpolation::Bicubic).forward(small, [16, 16]);
    let both = Tensor::cat(vec![x.clone(), large.repeat_dim(0, 2)], 1);
    let expected = network.forward(both, time(), &());
    assert_eq!(expected.dims(), [2, 3, 16, 16]);
    assert_eq!(
        largest(network.forward(x.clone(), time(), &conditions.for_batch(2)) - expected),
        0.0
    );
    // The denoiser holds the condition and needs only the noisy image.
    let model = model.with_condition(conditions);
    assert_eq!(
        model.denoise(x, level()).expect("an estimate").dims(),
        [2, 3, 16, 16]
    );
}

/// EDM's preconditioning is a prediction type, which works with any network.
#[test]
fn any_network_can_be_preconditioned_as_edm() -> Result<(), CheckpointError> {
    let device = Device::flex();
    let dit = tweedie_models::Checkpoint::open(golden("dit"))?.network(&device)?;
    let x = normal(10, [1, 4, 8, 8]);
    let level = Level::variance_exploding(2.0).expect("a level");
    let raw = |network: &tweedie_models::AnyNetwork| {
        // Karras et al., table 1, with σ = 2 and σ_data = 0.5.
        let c_in = 1.0 / (4.0_f64 + 0.25).sqrt();
        let c_noise = 2.0_f64.ln() / 4.0;
        let time = Tensor::full([1], c_noise, &device);
        let output = network.forward_probed(x.clone() * c_in, time, &Conditions::none(), &mut ());
        output.narrow(1, 0, 4)
    };
    let (skip, out) = (0.25 / 4.25, 2.0 * 0.5 / 4.25_f64.sqrt());
    let expected = x.clone() * skip + raw(&dit) * out;
    let tweedie_models::AnyNetwork::Dit(transformer) = &dit else {
        panic!("a transformer");
    };
    let config = tweedie_models::ModelConfig::new(
        tweedie_models::AnyArchitecture::from(transformer.config().clone()),
        Prediction::Edm { sigma_data: 0.5 },
        TimeInput::Edm,
        [8, 8],
    );
    let found = Model::new(config, dit).expect("a model").denoise(x, level);
    let gap = largest(found.expect("an estimate") - expected);
    assert_abs_diff_eq!(gap, 0.0, epsilon = 1e-4);
    Ok(())
}

#[test]
fn conditions_that_do_not_fit_are_refused() -> Result<(), CheckpointError> {
    let device = Device::flex();
    let plain = Model::open(golden("unet_ddpm"), &device)?;
    let class = Model::open(golden("unet_class_scaleshift"), &device)?;
    let vector = Model::open(golden("cond_class_projection"), &device)?;
    let labels = || Conditions::none().with_labels(Tensor::from_ints([1], &device));
    let context = |features| Context::new(normal(1, [1, 5, features]));
    let both = || Conditions::none().with_context(context(12));
    let cases = [
        (
            &class,
            Conditions::none(),
            "labels as its class, and got nothing",
        ),
        (&plain, labels(), "nothing as its class, and got labels"),
        (
            &plain,
            Conditions::none().with_context(context(3)),
            "nothing as its context",
        ),
        (
            &plain,
            Conditions::none().with_image(normal(2, [1, 3, 16, 16])),
            "nothing as its image, and got 3 channels",
        ),
        (
            &vector,
            both().with_class_vectors(normal(3, [1, 8])),
            "vectors of 9 features as its class, and got vectors of 8 features",
        ),
        (
            &vector,
            Conditions::none()
                .with_class_vectors(normal(3, [1, 9]))
                .with_context(context(11)),
            "tokens of 12 features as its context, and got tokens of 11 features",
        ),
    ];
    for (model, conditions, says) in cases {
        let error = model.with_condition(conditions).expect_err("a refusal");
        assert!(error.to_string().contains(says), "{says}: {error}");
    }
    let fits = both().with_class_vectors(normal(3, [1, 9]));
    assert!(vector.with_condition(fits).is_ok());
    assert!(plain.with_condition(Conditions::none()).is_ok());
    Ok(())
}
