//! Published checkpoints: read, refused, and written back.

#![allow(
    clippy::expect_used,
    clippy::float_cmp,
    reason = "a test may stop at once, and compares exactly where it means to"
)]

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use tweedie_core::{Denoiser, HostNoise, Noise};
use tweedie_math::Level;
use tweedie_models::{
    Checkpoint, CheckpointError, Conditional, Conditions, Context, Latent, Layout, Model,
    Precision, Sampling,
};

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../golden/data/models")
        .join(name)
}

/// A copy of a checkpoint, whose files may be changed.
fn copy(name: &str) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for file in ["config.json", WEIGHTS] {
        fs::copy(golden(name).join(file), folder.path().join(file)).expect("a copy");
    }
    folder
}

const WEIGHTS: &str = "diffusion_pytorch_model.safetensors";

fn device() -> Device {
    Device::flex()
}

/// Replaces text in the configuration.
fn edit(folder: &Path, from: &str, to: &str) {
    let path = folder.join("config.json");
    let text = fs::read_to_string(&path).expect("a configuration");
    assert!(text.contains(from), "{from} in {text}");
    fs::write(path, text.replacen(from, to, 1)).expect("a configuration");
}

fn refusal(path: &Path) -> String {
    match Model::open(path, &device()) {
        Ok(_) => panic!("opened {}", path.display()),
        Err(error) => error.to_string(),
    }
}

/// The output for some input, class and context.
fn output(model: &Model) -> Vec<f32> {
    let [_, channels, h, w] = model.shape(2);
    let x = HostNoise::seeded(1).normal([2, channels, h, w], &device());
    let mut conditions = Conditions::none();
    if let tweedie_models::Architecture::Unet(config) = &model.config().network {
        if let Some(context) = config.context {
            let tokens = HostNoise::seeded(2).normal([1, 5, context.features], &device());
            conditions = conditions.with_context(Context::new(tokens));
        }
        if config.class.is_some() {
            conditions = conditions.with_labels(Tensor::from_ints([1], &device()));
        }
    }
    let level = Level::new(0.6, 0.8).expect("a level");
    let clean = model.with_conditions(conditions).denoise(x, level);
    clean.into_data().iter::<f32>().collect()
}

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
        assert_eq!(checkpoint.layout(), Layout::Pipeline, "{name}");
        let second = checkpoint.model(&device())?;
        assert_eq!(output(&first), output(&second), "{name}");
        assert_eq!(first.config().prediction, second.config().prediction);
        // And once more: nothing is left to change.
        let again = tempfile::tempdir().expect("a folder");
        second.export_diffusers(again.path(), Precision::Full)?;
        let third = Checkpoint::open(again.path())?;
        assert_eq!(checkpoint.network(), third.network(), "{name}");
        let part = if name == "dit" { "transformer" } else { "unet" };
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
    // Heads do not follow from shapes; everything else does.
    let inferred = Checkpoint::open(folder.path())?;
    assert_eq!(inferred.layout(), Layout::GuidedDiffusion);
    let arguments = r#"{"image_size": 16, "in_channels": 3, "model_channels": 32,
        "out_channels": 6, "num_res_blocks": 1, "channel_mult": [1, 1],
        "attention_resolutions": [2], "num_head_channels": 16, "use_scale_shift_norm": true,
        "resblock_updown": true}"#;
    fs::write(folder.path().join("config.json"), arguments).expect("a file");
    let told = Checkpoint::open(folder.path())?;
    let show = |checkpoint: &Checkpoint| format!("{:?}", checkpoint.network());
    let without = |text: String| text.replace("Width(16)", "Count(1)");
    assert_eq!(show(&inferred), without(show(&told)));
    let model = told.model(&device())?;
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
    assert!(posterior.interpolation.is_some());
    Ok(())
}

#[test]
fn every_difference_is_named_at_once() {
    let folder = copy("unet_ddpm");
    let weights = folder.path().join(WEIGHTS);
    let bytes = fs::read(&weights).expect("a file");
    let header = u64::from_le_bytes(bytes[..8].try_into().expect("eight bytes")) as usize;
    let text = String::from_utf8(bytes[8..8 + header].to_vec()).expect("text");
    // One tensor under another name, and one turned on its side: the file keeps its length.
    let text = text
        .replacen("conv_in.weight", "conv_im.weight", 1)
        .replacen("\"shape\":[3,16,3,3]", "\"shape\":[16,3,3,3]", 1);
    assert_eq!(text.len(), header);
    let mut changed = bytes.clone();
    changed[8..8 + header].copy_from_slice(text.as_bytes());
    fs::write(&weights, changed).expect("a file");
    let error = refusal(folder.path());
    for part in [
        "1 missing: conv_in.weight (is it conv_im.weight?)",
        "1 unexpected: conv_im.weight",
        "1 misshapen: conv_out.weight (F32 [16, 3, 3, 3] instead of [3, 16, 3, 3])",
    ] {
        assert!(error.contains(part), "{part}: {error}");
    }
}

#[test]
fn a_configuration_is_known_to_the_last_field() -> Result<(), CheckpointError> {
    let folder = copy("unet_ddpm");
    let config = fs::read_to_string(folder.path().join("config.json")).expect("a file");
    for (from, to, says) in [
        (
            "\"act_fn\": \"silu\"",
            "\"act_fn\": \"snake\"",
            "act_fn: \"snake\" is not silu",
        ),
        (
            "\"act_fn\"",
            "\"act_gain\": 2, \"act_fn\"",
            "unknown fields, which may change the result: act_gain = 2",
        ),
        (
            "\"AttnDownBlock2D\"",
            "\"KDownBlock2D\"",
            "\"KDownBlock2D\" is not one of",
        ),
        (
            "\"in_channels\": 3",
            "\"in_channels\": \"three\"",
            "in_channels",
        ),
        (
            "\"UNet2DModel\"",
            "\"UNet3DModel\"",
            "\"UNet3DModel\" is not UNet2DModel",
        ),
        (
            "\"norm_num_groups\": 8",
            "\"norm_num_groups\": 5",
            "groups = 5 has to divide",
        ),
        (
            "\"layers_per_block\": 1",
            "\"layers_per_block\": 0",
            "blocks has to be at least 1",
        ),
        (
            "\"layers_per_block\": 1",
            "\"layers_per_block\": 2",
            "missing",
        ),
        ("{", "[", "config.json"),
    ] {
        fs::write(folder.path().join("config.json"), &config).expect("a file");
        edit(folder.path(), from, to);
        let error = refusal(folder.path());
        assert!(error.contains(says), "{says}: {error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
    // Fields that switch nothing on, and notes of the writer, change nothing.
    fs::write(folder.path().join("config.json"), &config).expect("a file");
    edit(
        folder.path(),
        "\"act_fn\"",
        "\"_note\": \"x\", \"new\": null, \"newer\": false, \"act_fn\"",
    );
    Model::open(folder.path(), &device()).map(|_| ())
}

#[test]
fn a_scheduler_says_which_levels_and_what_the_output_means() -> Result<(), CheckpointError> {
    let folder = copy("unet_ddpm");
    let write = |text: &str| fs::write(folder.path().join("scheduler_config.json"), text);
    write(
        r#"{"_class_name": "DDIMScheduler", "num_train_timesteps": 1000, "beta_start": 0.00085,
        "beta_end": 0.012, "beta_schedule": "scaled_linear", "prediction_type": "v_prediction",
        "timestep_spacing": "trailing", "clip_sample": false, "set_alpha_to_one": false}"#,
    )
    .expect("a file");
    let model = Model::open(folder.path(), &device())?;
    assert_eq!(
        model.config().prediction,
        tweedie_math::Prediction::Velocity
    );
    let sampling: Sampling = model.config().sampling.clone().expect("a scheduler");
    let path = sampling.path(10).expect("a path");
    // ᾱ of the last node, by its definition.
    let betas = (0..1000).map(|i| {
        let (first, last) = (0.00085_f64.sqrt(), 0.012_f64.sqrt());
        (first + (last - first) * f64::from(i) / 999.0).powi(2)
    });
    let alpha_bar: f64 = betas.map(|beta| 1.0 - beta).product();
    assert!((path.start().alpha().powi(2) - alpha_bar).abs() < 1e-12);
    assert_eq!((path.len(), path.end()), (10, Level::CLEAN));
    for (text, says) in [
        (r#"{"_class_name": "KarrasVeScheduler"}"#, "_class_name"),
        (
            r#"{"_class_name": "DDPMScheduler", "beta_schedule": "quadratic"}"#,
            "beta_schedule",
        ),
        (
            r#"{"_class_name": "DDPMScheduler", "beta_end": 2}"#,
            "scheduler_config.json",
        ),
        (
            r#"{"_class_name": "DDPMScheduler", "gamma": 2}"#,
            "gamma = 2",
        ),
        (
            r#"{"_class_name": "DDPMScheduler", "prediction_type": "flow"}"#,
            "prediction_type",
        ),
    ] {
        write(text).expect("a file");
        let error = refusal(folder.path());
        assert!(error.contains(says), "{says}: {error}");
    }
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
    // Half as it is stored: the network computes in it.
    let half = checkpoint
        .with_precision(Precision::Stored)
        .backbone(&device())?;
    let [x, t] = [vec![2, 3, 16, 16], vec![2]].map(|shape| {
        let noise: Tensor<1> = HostNoise::seeded(3).normal([shape.iter().product()], &device());
        (noise, shape)
    });
    let x =
        x.0.reshape([2, 3, 16, 16])
            .cast(burn::tensor::FloatDType::F16);
    let t = t.0.cast(burn::tensor::FloatDType::F16);
    let y = half.forward_conditional(x, t, &Conditions::none(), &mut ());
    assert_eq!(y.dtype(), burn::tensor::DType::F16);
    Ok(())
}

#[test]
fn shards_and_old_names_load() -> Result<(), CheckpointError> {
    let expected = output(&Model::open(golden("unet_ddpm"), &device())?);
    let folder = copy("unet_ddpm");
    let weights = folder.path().join(WEIGHTS);
    let bytes = fs::read(&weights).expect("a file");
    let stored = safetensors::SafeTensors::deserialize(&bytes).expect("tensors");
    let mut parts = [Vec::new(), Vec::new()];
    let mut map = serde_json::Map::new();
    for (i, (name, view)) in stored.tensors().into_iter().enumerate() {
        // Names that attention had once.
        let name = name
            .replace(".to_q.", ".query.")
            .replace(".to_k.", ".key.")
            .replace(".to_v.", ".value.")
            .replace(".to_out.0.", ".proj_attn.");
        map.insert(name.clone(), format!("part-{}.safetensors", i % 2).into());
        parts[i % 2].push((name, view));
    }
    for (i, part) in parts.into_iter().enumerate() {
        let bytes = safetensors::serialize(part, None).expect("bytes");
        fs::write(folder.path().join(format!("part-{i}.safetensors")), bytes).expect("a file");
    }
    fs::remove_file(&weights).expect("a file");
    let index = folder.path().join(format!("{WEIGHTS}.index.json"));
    let text = serde_json::json!({ "metadata": { "total_size": 0 }, "weight_map": map });
    fs::write(&index, text.to_string()).expect("a file");
    assert_eq!(output(&Model::open(folder.path(), &device())?), expected);
    // An index may not lead out of its folder.
    let text = text
        .to_string()
        .replace("part-1.safetensors", "../part-1.safetensors");
    fs::write(&index, text).expect("a file");
    assert!(refusal(folder.path()).contains("not a file's name"));
    Ok(())
}

#[test]
fn a_latent_model_keeps_its_autoencoder() -> Result<(), CheckpointError> {
    let vae = Checkpoint::open(golden("autoencoder_kl"))?;
    assert!(vae.model(&device()).is_err() && vae.network().is_none());
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
    // The draw has the encoder's variance.
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
        "diffusers' layout has no place for pixels folded into channels"
    );
    assert!(!place.exists());
    Ok(())
}

#[test]
fn dropout_is_off_where_a_gradient_flows() -> Result<(), CheckpointError> {
    let model = Model::open(golden("class_timestep_mish"), &device())?;
    let conditions = Conditions::none().with_labels(Tensor::from_ints([3], &device()));
    let model = model.with_conditions(conditions);
    let level = Level::new(0.6, 0.8).expect("a level");
    let x = HostNoise::seeded(6).normal(model.shape(1), &device());
    let plain = model.denoise(x.clone(), level);
    let tracked = model.denoise(x.autodiff().require_grad(), level).inner();
    // Attention rounds otherwise under autodiff; dropout would change the first digit.
    let error = (plain - tracked).abs().max().into_scalar::<f32>();
    assert!(error < 1e-4, "{error}");
    Ok(())
}

#[test]
fn the_table_adds_up() -> Result<(), CheckpointError> {
    for name in [
        "unet_ddpm",
        "unet_ncsnpp",
        "unet_cond_linear",
        "adm_class",
        "dit",
    ] {
        let network = Checkpoint::open(golden(name))?.backbone(&device())?;
        let table = network.describe([16, 16]);
        assert_eq!(table.parameters(), network.num_params(), "{name}");
        assert!(table.to_string().lines().count() == table.rows().len() + 2);
    }
    let vae = Checkpoint::open(golden("autoencoder_kl"))?.autoencoder(&device())?;
    assert_eq!(vae.describe([16, 16]).parameters(), vae.num_params());
    // Ho et al.'s network: 12.44 GFLOP an image as counted by PyTorch.
    let cifar = tweedie_models::UnetConfig::ddpm_cifar10()
        .init(&device())
        .expect("a network");
    let gigaflops = cifar.describe([32, 32]).flops() / 1e9;
    assert!((gigaflops - 12.44).abs() < 0.01, "{gigaflops}");
    Ok(())
}
