//! Checkpoints that are read, and checkpoints that are rejected.

use crate::{WEIGHTS, copy, device, edit, golden, output, refusal};
use approx::{abs_diff_eq, assert_abs_diff_eq};
use burn::module::Module;
use burn::tensor::Tensor;
use std::fs;
use tweedie_core::{Denoiser, HostNoise, Noise, TimeInput};
use tweedie_math::{Level, Prediction};
use tweedie_models::{
    AnyNetwork, Checkpoint, CheckpointError, Conditions, Model, Probed, Sampling, UnetConfig,
};

#[test]
fn every_difference_is_named_at_once() {
    let folder = copy("unet_ddpm");
    let weights = folder.path().join(WEIGHTS);
    let bytes = fs::read(&weights).expect("a file");
    let header = u64::from_le_bytes(bytes[..8].try_into().expect("eight bytes")) as usize;
    let text = String::from_utf8(bytes[8..8 + header].to_vec()).expect("text");
    // Rename one tensor and permute the shape of another; the header keeps its length.
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
        (
            "\"layers_per_block\": 1",
            "\"layers_per_block\": 1000000000",
            "at most 65536",
        ),
        (
            "\"layers_per_block\": 1",
            "\"layers_per_block\": 60000",
            "blocks of all levels has to be at most 65536, got 240001",
        ),
        (
            "\"block_out_channels\": [\n    16,",
            "\"block_out_channels\": [\n    16000000000000,",
            "at most 65536",
        ),
        ("{", "[", "config.json"),
    ] {
        fs::write(folder.path().join("config.json"), &config).expect("a file");
        edit(folder.path(), from, to);
        let error = refusal(folder.path());
        assert!(error.contains(says), "{says}: {error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
    // Fields that are null or false, and metadata with an underscore, change nothing.
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
    assert_eq!(model.config().prediction, Prediction::Velocity);
    let sampling: Sampling = model.config().sampling.clone().expect("a scheduler");
    let path = sampling.path(10).expect("a path");
    let TimeInput::Index(chain) = &sampling.time else {
        panic!("{:?}", sampling.time);
    };
    // ᾱ of the last node, by its definition.
    let betas = (0..1000).map(|i| {
        let (first, last) = (0.00085_f64.sqrt(), 0.012_f64.sqrt());
        (first + (last - first) * f64::from(i) / 999.0).powi(2)
    });
    let alpha_bar: f64 = betas.map(|beta| 1.0 - beta).product();
    assert_abs_diff_eq!(path.start().alpha().powi(2), alpha_bar, epsilon = 1e-12);
    // The last move ends at the first node, whose noise remains.
    assert_eq!((path.len(), path.end()), (10, chain.node(0)));
    // Every hundredth node from the last.
    assert_abs_diff_eq!(chain.index(path.levels()[1]), 899.0, epsilon = 1e-6);
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
            r#"{"_class_name": "DDPMScheduler", "num_train_timesteps": 10000000000000}"#,
            "num_train_timesteps",
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
fn shards_and_old_names_load() -> Result<(), CheckpointError> {
    let expected = output(&Model::open(golden("unet_ddpm"), &device())?);
    let folder = copy("unet_ddpm");
    let weights = folder.path().join(WEIGHTS);
    let bytes = fs::read(&weights).expect("a file");
    let stored = safetensors::SafeTensors::deserialize(&bytes).expect("tensors");
    let mut parts = [Vec::new(), Vec::new()];
    let mut map = serde_json::Map::new();
    for (i, (name, view)) in stored.tensors().into_iter().enumerate() {
        // Old names of the attention parameters.
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
    // Current and older file names for the index of a variant.
    for name in ["safetensors.index.fp16", "fp16.safetensors.index"] {
        let variant = folder
            .path()
            .join(format!("diffusion_pytorch_model.{name}.json"));
        fs::rename(&index, &variant).expect("a name");
        assert_eq!(
            output(&Model::open(folder.path(), &device())?),
            expected,
            "{name}"
        );
        fs::rename(&variant, &index).expect("a name");
    }
    // An index may not lead out of its folder.
    let text = text
        .to_string()
        .replace("part-1.safetensors", "../part-1.safetensors");
    fs::write(&index, text).expect("a file");
    assert!(refusal(folder.path()).contains("not a file's name"));
    Ok(())
}

#[test]
fn dropout_is_off_where_a_gradient_flows() -> Result<(), CheckpointError> {
    let model = Model::open(golden("class_timestep_mish"), &device())?;
    let conditions = Conditions::none().with_labels(Tensor::from_ints([3], &device()));
    let model = model.with_condition(conditions).expect("conditions");
    let level = Level::new(0.6, 0.8).expect("a level");
    let x = HostNoise::seeded(6).normal(model.shape(1), &device());
    let plain = model.denoise(x.clone(), level).expect("an estimate");
    let tracked = model
        .denoise(x.autodiff().require_grad(), level)
        .expect("an estimate")
        .inner();
    // Attention rounds differently under autodiff; dropout would change the first digit.
    let error = (plain - tracked).abs().max().into_scalar::<f32>();
    assert_abs_diff_eq!(error, 0.0, epsilon = 1e-4);
    // The same for a network alone, and for a model of a network in training mode.
    let x = HostNoise::seeded(6).normal(model.shape(1), &device());
    let difference = |network: &AnyNetwork| {
        let labels = Conditions::none().with_labels(Tensor::from_ints([3], &device()));
        let forward = |x: Tensor<4>| {
            let time = Tensor::full([1], 5.0, &device());
            network
                .forward_probed(x, time, &labels, &mut ())
                .without_autodiff()
        };
        let difference = forward(x.clone().autodiff().require_grad()) - forward(x.clone());
        difference.abs().max().into_scalar::<f32>()
    };
    let network = Checkpoint::open(golden("class_timestep_mish"))?.network(&device())?;
    assert_abs_diff_eq!(difference(&network), 0.0, epsilon = 1e-4);
    // With dropout switched on again, the outputs differ.
    let trained = network.train();
    assert!(difference(&trained) > 1e-3);
    let labels = Conditions::none().with_labels(Tensor::from_ints([3], &device()));
    let model = Model::new(model.config().clone(), trained)
        .expect("a model")
        .with_condition(labels)
        .expect("conditions");
    let tracked = model.denoise(x.clone().autodiff().require_grad(), level);
    let plain = model.denoise(x, level).expect("an estimate");
    let error = (plain - tracked.expect("an estimate").inner()).abs().max();
    assert_abs_diff_eq!(error.into_scalar::<f32>(), 0.0, epsilon = 1e-4);
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
        let network = Checkpoint::open(golden(name))?.network(&device())?;
        let table = network.describe([16, 16]);
        assert_eq!(table.parameters(), network.num_params(), "{name}");
        assert!(table.to_string().lines().count() == table.rows().len() + 2);
    }
    let vae = Checkpoint::open(golden("autoencoder_kl"))?.autoencoder(&device())?;
    assert_eq!(vae.describe([16, 16]).parameters(), vae.num_params());
    // Ho et al.'s network: 12.44 GFLOP per image, as counted by PyTorch.
    let cifar = UnetConfig::ddpm_cifar10()
        .init(&device())
        .expect("a network");
    let gigaflops = cifar.describe([32, 32]).flops() / 1e9;
    assert!(
        abs_diff_eq!(gigaflops, 12.44, epsilon = 0.01),
        "{gigaflops}"
    );
    Ok(())
}

/// `EMAModel.save_pretrained` adds its own settings to those of the network.
#[test]
fn a_folder_of_averages_is_a_model() -> Result<(), CheckpointError> {
    let expected = output(&Model::open(golden("unet_ddpm"), &device())?);
    let folder = copy("unet_ddpm");
    let average = r#"{"decay": 0.9999, "min_decay": 0.0, "optimization_step": 7,
        "update_after_step": 0, "use_ema_warmup": true, "inv_gamma": 1.0, "power": 0.75,"#;
    edit(folder.path(), "{", average);
    assert_eq!(output(&Model::open(folder.path(), &device())?), expected);
    Ok(())
}
