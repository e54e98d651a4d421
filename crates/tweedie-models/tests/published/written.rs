//! Checkpoints that are written and read back.

use crate::{WEIGHTS, device, golden, output};
use burn::tensor::{DType, FloatDType, Int, Tensor};
use std::fs;
use std::path::Path;
use tempfile::TempDir;
use tweedie_core::{Denoiser, HostNoise, Noise};
use tweedie_math::Level;
use tweedie_models::{
    Checkpoint, CheckpointError, Conditions, Latent, Layout, Model, Precision, Probed,
};

#[test]
fn what_is_written_reads_back_as_it_was() -> Result<(), CheckpointError> {
    let names = [
        "unet_ddpm",
        "unet_class_scaleshift",
        "unet_noattn_rect",
        "unet_resnet_resample",
        "unet_ncsnpp",
        "unet_cond",
        "unet_cond_linear",
        "mixed_asym",
        "learned_time",
        "class_timestep_mish",
        "cond_odd",
        "dit",
    ];
    for name in names {
        let first = Model::open(golden(name), &device())?;
        let folder = tempfile::tempdir().expect("a folder");
        first.export_diffusers(folder.path(), Precision::Full)?;
        let checkpoint = Checkpoint::open(folder.path())?;
        let transformer = name == "dit";
        let layout = if transformer {
            Layout::Diffusers
        } else {
            Layout::Pipeline
        };
        assert_eq!(checkpoint.layout(), layout, "{name}");
        let second = checkpoint.model(&device())?;
        assert_eq!(output(&first), output(&second), "{name}");
        assert_eq!(first.config().prediction, second.config().prediction);
        // A second export writes identical files.
        let again = tempfile::tempdir().expect("a folder");
        second.export_diffusers(again.path(), Precision::Full)?;
        let third = Checkpoint::open(again.path())?;
        assert_eq!(checkpoint.architecture(), third.architecture(), "{name}");
        let part = if transformer { "" } else { "unet" };
        for file in ["config.json", WEIGHTS] {
            let read = |folder: &TempDir| fs::read(folder.path().join(part).join(file));
            assert_eq!(
                read(&folder).expect("a file"),
                read(&again).expect("a file"),
                "{name}"
            );
        }
    }
    Ok(())
}

#[test]
fn weights_of_guided_diffusion_become_a_pipeline() -> Result<(), CheckpointError> {
    let folder = tempfile::tempdir().expect("a folder");
    let weights = folder.path().join("model.safetensors");
    fs::copy(golden("adm_updown").join("model.safetensors"), weights).expect("a copy");
    // Shapes determine everything but the heads.
    let inferred = Checkpoint::open(folder.path())?;
    assert_eq!(inferred.layout(), Layout::GuidedDiffusion);
    let error = inferred.model(&device()).expect_err("heads").to_string();
    assert!(error.contains("num_head_channels"), "{error}");
    let arguments = r#"{"image_size": 16, "in_channels": 3, "model_channels": 32,
        "out_channels": 6, "num_res_blocks": 1, "channel_mult": [1, 1],
        "attention_resolutions": [2], "num_head_channels": 16, "use_scale_shift_norm": true,
        "resblock_updown": true}"#;
    fs::write(folder.path().join("config.json"), arguments).expect("a file");
    let guided = Checkpoint::open(folder.path())?;
    let show = |checkpoint: &Checkpoint| format!("{:?}", checkpoint.architecture());
    let without = |text: String| text.replace("Width(16)", "Count(1)");
    assert_eq!(show(&inferred), without(show(&guided)));
    let model = guided.model(&device())?;
    assert_eq!(
        model.config().channels,
        3,
        "half of the output is a variance"
    );
    let exported = tempfile::tempdir().expect("a folder");
    model.export_diffusers(exported.path(), Precision::Full)?;
    let back = Model::open(exported.path(), &device())?;
    assert_eq!(output(&model), output(&back));
    let x = HostNoise::seeded(1).normal(model.shape(1), &device());
    let posterior = back.estimate(x, Level::new(0.6, 0.8).expect("a level"));
    assert!(posterior.expect("an estimate").interpolation.is_some());
    Ok(())
}

#[test]
fn half_precision_loads_and_stays() -> Result<(), CheckpointError> {
    let full = Model::open(golden("unet_ddpm"), &device())?;
    let folder = tempfile::tempdir().expect("a folder");
    full.export_diffusers(folder.path(), Precision::Half)?;
    let size = |folder: &Path| fs::metadata(folder.join(WEIGHTS)).expect("a file").len();
    assert!(size(&folder.path().join("unet")) < size(&golden("unet_ddpm")) * 6 / 10);
    let checkpoint = Checkpoint::open(folder.path())?;
    let single = checkpoint.model(&device())?;
    let errors = output(&full).into_iter().zip(output(&single));
    let error = errors.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(error > 0.0 && error < 0.02, "{error}");
    // Loaded as stored, the network computes in half precision.
    let half = checkpoint
        .with_precision(Precision::Stored)
        .network(&device())?;
    let [x, t] = [vec![2, 3, 16, 16], vec![2]].map(|shape| {
        let noise: Tensor<1> = HostNoise::seeded(3).normal([shape.iter().product()], &device());
        (noise, shape)
    });
    let x = x.0.reshape([2, 3, 16, 16]).cast(FloatDType::F16);
    let t = t.0.cast(FloatDType::F16);
    let y = half.forward_probed(x, t, &Conditions::none(), &mut ());
    assert_eq!(y.dtype(), DType::F16);
    Ok(())
}

#[test]
fn a_latent_model_keeps_its_autoencoder() -> Result<(), CheckpointError> {
    let vae = Checkpoint::open(golden("autoencoder_kl"))?;
    assert!(vae.model(&device()).is_err() && vae.architecture().is_none());
    let autoencoder = vae.autoencoder(&device())?;
    let model = Model::open(golden("unet_cond"), &device())?;
    let latent = Latent::new(autoencoder, model);
    let folder = tempfile::tempdir().expect("a folder");
    latent.export_diffusers(folder.path(), Precision::Full)?;
    let back = Checkpoint::open(folder.path())?.latent(&device())?;
    let images = HostNoise::seeded(4).normal([1, 3, 16, 16], &device());
    let z = latent.encode(images.clone());
    assert_eq!(z.dims(), [1, 4, 8, 8]);
    assert_eq!(
        z.clone().into_data(),
        back.encode(images.clone()).into_data()
    );
    assert_eq!(
        latent.decode(z.clone()).into_data(),
        back.decode(z).into_data()
    );
    // A sample differs from the mean.
    let mut noise = HostNoise::seeded(5);
    let draw = latent.encode_sample(images.clone(), &mut noise);
    assert_eq!(draw.dims(), [1, 4, 8, 8]);
    assert_ne!(draw.into_data(), latent.encode(images).into_data());
    Ok(())
}

#[test]
fn what_a_layout_cannot_hold_is_refused_before_anything_is_written() -> Result<(), CheckpointError>
{
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/fashion-mnist");
    let model = Model::open(model, &device())?;
    let folder = tempfile::tempdir().expect("a folder");
    let place = folder.path().join("exported");
    let error = model
        .export_diffusers(&place, Precision::Full)
        .expect_err("a refusal");
    assert_eq!(
        error.to_string(),
        "diffusers' layout cannot represent pixels folded into channels"
    );
    assert!(!place.exists());
    Ok(())
}

/// Without a class, a table with a row for none uses that row.
#[test]
fn a_network_of_classes_needs_none() -> Result<(), CheckpointError> {
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/fashion-mnist");
    let model = Model::open(model, &device())?;
    let x = HostNoise::seeded(1).normal(model.shape(2), &device());
    let values = |conditions: Conditions| {
        let model = model.with_condition(conditions).expect("a condition");
        assert!(model.accepts(x.dims()).is_ok());
        let clean = model.denoise(x.clone(), Level::variance_preserving(0.0));
        let clean = clean.expect("an estimate").into_data();
        clean.iter::<f32>().collect::<Vec<_>>()
    };
    let of = |label: i32| {
        let labels = Tensor::<1, Int>::from_ints([label], &device());
        Conditions::none().with_labels(labels)
    };
    assert_eq!(values(Conditions::none()), values(of(10)));
    assert_ne!(values(Conditions::none()), values(of(0)));
    assert!(model.with_condition(of(11)).is_err());
    Ok(())
}
