//! Spellings, flags and parts found in published checkpoints.

use crate::{WEIGHTS, copy, device, edit, golden, output, refusal};
use burn::module::Module;
use std::fs;
use tweedie_core::TimeInput;
use tweedie_math::{Chain, Prediction};
use tweedie_models::{
    AnyArchitecture, Attend, Checkpoint, CheckpointError, Clip, Heads, Model, UnetConfig,
};

/// The configuration for arguments of guided-diffusion.
fn guided(arguments: &str) -> Result<(UnetConfig, Checkpoint), CheckpointError> {
    let arguments = serde_json::from_str(arguments).expect("arguments");
    let checkpoint = Checkpoint::open(golden("adm_updown").join("model.safetensors"))?
        .with_guided_diffusion_args(arguments)?;
    match checkpoint.architecture() {
        Some(AnyArchitecture::Unet(config)) => Ok((config.clone(), checkpoint)),
        other => panic!("{other:?}"),
    }
}

fn attending(config: &UnetConfig) -> Vec<usize> {
    let levels = config.levels.iter().enumerate();
    let levels = levels.filter(|(_, level)| level.down == Attend::Pixels);
    levels.map(|(i, _)| i).collect()
}

#[test]
fn flags_of_the_published_scripts_are_understood() -> Result<(), CheckpointError> {
    // ImageNet 256×256, unconditional, as its model card says.
    let (config, checkpoint) = guided(
        r#"{"attention_resolutions": "32,16,8", "class_cond": false, "diffusion_steps": 1000,
        "image_size": 256, "learn_sigma": true, "noise_schedule": "linear", "num_channels": 256,
        "num_head_channels": 64, "num_res_blocks": 2, "resblock_updown": true, "use_fp16": true,
        "use_scale_shift_norm": true, "timestep_respacing": "", "rescale_timesteps": false}"#,
    )?;
    let widths: Vec<usize> = config.levels.iter().map(|level| level.channels).collect();
    assert_eq!(widths, [256, 256, 512, 512, 1024, 1024]);
    assert_eq!(attending(&config), [3, 4, 5]);
    assert_eq!((config.channels, config.outputs()), (3, 6));
    let network = config.init(&device()).expect("a network");
    assert_eq!(network.num_params(), 552_814_086);
    let sampling = checkpoint.sampling().expect("a diffusion");
    let chain = Chain::linear(1000, 1e-4, 0.02).expect("a chain");
    assert_eq!(sampling.time, TimeInput::Index(chain));
    assert_eq!(sampling.prediction, Prediction::Noise);
    assert!(sampling.learned_variance);

    // FFHQ, as DPS configures it: one number as attention side, and a field of the calling code.
    let (config, _) = guided(
        r#"{"image_size": 256, "num_channels": 128, "num_res_blocks": 1, "channel_mult": "",
        "learn_sigma": true, "class_cond": false, "use_checkpoint": false,
        "attention_resolutions": 16, "num_heads": 4, "num_head_channels": 64,
        "num_heads_upsample": -1, "use_scale_shift_norm": true, "dropout": 0.0,
        "resblock_updown": true, "use_fp16": false, "use_new_attention_order": false,
        "model_path": "models/ffhq_10m.pt"}"#,
    )?;
    assert_eq!(attending(&config), [4]);
    assert_eq!(config.levels[5].heads, Heads::Width(64));

    // Missing flags of a script have the script's defaults, not the constructor's.
    let (config, _) = guided(
        r#"{"image_size": 64, "num_channels": 128, "diffusion_steps": 100,
        "rescale_timesteps": false}"#,
    )?;
    assert_eq!(config.levels[3].heads, Heads::Count(4));
    assert_eq!(attending(&config), [2, 3]);
    for (arguments, says) in [
        (r#"{"channel_mult": {"a": 1}}"#, "channel_mult"),
        (
            r#"{"attention_resolutions": ["a"]}"#,
            "attention_resolutions",
        ),
        (r#"{"noise_schedule": "sqrt"}"#, "noise_schedule"),
        (r#"{"num_classes": 10, "learn_tau": true}"#, "learn_tau"),
        (
            r#"{"model_channels": 18446744073709551615}"#,
            "at most 65536",
        ),
    ] {
        let error = guided(arguments).expect_err("a refusal").to_string();
        assert!(error.contains(says), "{says}: {error}");
    }
    Ok(())
}

#[test]
fn what_other_versions_wrote_is_read() -> Result<(), CheckpointError> {
    // Infinities, which JSON does not allow; settings of another scheduler; and old fields.
    let folder = copy("unet_ddpm");
    let scheduler = folder.path().join("scheduler_config.json");
    let text = r#"{"_class_name": "DPMSolverMultistepScheduler", "lambda_min_clipped": -Infinity,
        "clip_sample": true, "thresholding": false, "tensor_format": "pt",
        "use_flow_sigmas": false}"#;
    fs::write(&scheduler, text).expect("a file");
    let model = Model::open(folder.path(), &device())?;
    let sampling = model.config().sampling.clone().expect("a scheduler");
    assert_eq!(sampling.clip, Clip::None, "this scheduler does not clip");
    edit(folder.path(), "\"DownBlock2D\"", "\"UNetResDownBlock2D\"");
    let expected = output(&Model::open(golden("unet_ddpm"), &device())?);
    fs::remove_file(&scheduler).expect("a file");
    assert_eq!(output(&Model::open(folder.path(), &device())?), expected);
    for text in [
        r#"{"_class_name": "DPMSolverMultistepScheduler", "use_flow_sigmas": true}"#,
        r#"{"_class_name": "EulerDiscreteScheduler", "timestep_type": "continuous"}"#,
        r#"{"_class_name": "DDPMScheduler", "variance_type": "learned"}"#,
        r#"{"_class_name": "DDPMScheduler", "clip_sample_range": -1}"#,
    ] {
        fs::write(&scheduler, text).expect("a file");
        assert!(
            refusal(folder.path()).contains("scheduler_config.json"),
            "{text}"
        );
    }
    // A learned variance needs twice as many output channels; otherwise there is none.
    let text = r#"{"_class_name": "DDPMScheduler", "variance_type": "learned_range"}"#;
    fs::write(&scheduler, text).expect("a file");
    assert_eq!(
        Model::open(folder.path(), &device())?.shape(1),
        [1, 3, 16, 16]
    );
    Ok(())
}

#[test]
fn random_frequencies_load_under_their_old_name() -> Result<(), CheckpointError> {
    let expected = output(&Model::open(golden("unet_ncsnpp"), &device())?);
    let folder = copy("unet_ncsnpp");
    let weights = folder.path().join(WEIGHTS);
    let bytes = fs::read(&weights).expect("a file");
    let stored = safetensors::SafeTensors::deserialize(&bytes).expect("tensors");
    let tensors = stored.tensors().into_iter().map(|(name, view)| {
        let name = name.replace("time_proj.weight", "time_proj.W");
        (name, view)
    });
    let bytes = safetensors::serialize(tensors, None).expect("bytes");
    fs::write(&weights, bytes).expect("a file");
    assert_eq!(output(&Model::open(folder.path(), &device())?), expected);
    Ok(())
}

#[test]
fn a_pyramid_that_cannot_be_is_refused() {
    let folder = copy("unet_ncsnpp");
    edit(folder.path(), "32,\n    32", "34,\n    34");
    assert!(refusal(folder.path()).contains("groups of a rescaled block = 8 has to divide the 34"));
    let folder = copy("unet_ncsnpp");
    edit(folder.path(), "\"out_channels\": 3", "\"out_channels\": 6");
    assert!(refusal(folder.path()).contains("for a pyramid"));
}

#[test]
fn a_pipeline_may_have_parts_that_are_not_needed() -> Result<(), CheckpointError> {
    let folder = tempfile::tempdir().expect("a folder");
    let unet = folder.path().join("unet");
    fs::create_dir(&unet).expect("a folder");
    for file in ["config.json", WEIGHTS] {
        fs::copy(golden("unet_ddpm").join(file), unet.join(file)).expect("a copy");
    }
    let other = folder.path().join("vqvae");
    fs::create_dir(&other).expect("a folder");
    fs::write(other.join("config.json"), r#"{"_class_name": "VQModel"}"#).expect("a file");
    fs::write(other.join(WEIGHTS), b"").expect("a file");
    let index = r#"{"_class_name": "LDMPipeline", "unet": ["diffusers", "UNet2DModel"],
        "vqvae": ["diffusers", "VQModel"], "safety_checker": [null, null], "vae": [null, null]}"#;
    fs::write(folder.path().join("model_index.json"), index).expect("a file");
    let checkpoint = Checkpoint::open(folder.path())?;
    checkpoint.model(&device())?;
    assert!(checkpoint.latent(&device()).is_err());
    Ok(())
}

/// Names and shapes of the published 64×64 ImageNet network, without its gigabyte of weights.
#[test]
fn a_published_network_is_known_by_its_widths() -> Result<(), CheckpointError> {
    let widths = [192, 384, 576, 768];
    let mut shapes: Vec<(String, Vec<usize>)> = vec![
        ("input_blocks.0.0.weight".into(), vec![192, 3, 3, 3]),
        ("out.2.weight".into(), vec![6, 192, 3, 3]),
        ("time_embed.0.weight".into(), vec![768, 192]),
        ("label_emb.weight".into(), vec![1000, 768]),
    ];
    for (level, width) in widths.into_iter().enumerate() {
        // Three blocks, and a downsampling block on all levels but the last.
        for block in 0..4 - usize::from(level == 3) {
            let at = format!("input_blocks.{}.", 1 + 4 * level + block);
            shapes.push((
                format!("{at}0.out_layers.3.weight"),
                vec![width, width, 3, 3],
            ));
            shapes.push((format!("{at}0.emb_layers.1.weight"), vec![2 * width, 768]));
            if level > 0 && block < 3 {
                shapes.push((format!("{at}1.qkv.weight"), vec![3 * width, width, 1]));
            }
        }
    }
    for (i, width) in [(3, 768), (7, 576), (11, 384)] {
        let name = format!("output_blocks.{i}.2.out_layers.3.weight");
        shapes.push((name, vec![width, width, 3, 3]));
    }
    let mut end = 0;
    let entries = shapes.into_iter().map(|(name, shape)| {
        let start = end;
        end += 4 * shape.iter().product::<usize>();
        let entry =
            serde_json::json!({"dtype": "F32", "shape": shape, "data_offsets": [start, end]});
        (name, entry)
    });
    let header = serde_json::Value::Object(entries.collect()).to_string();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("64x64_diffusion.safetensors");
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    fs::write(&path, bytes).expect("a file");
    let file = fs::OpenOptions::new()
        .write(true)
        .open(&path)
        .expect("a file");
    file.set_len((8 + header.len() + end) as u64)
        .expect("a file with a hole");

    let checkpoint = Checkpoint::open(&path)?;
    let model = checkpoint.model_config()?;
    let AnyArchitecture::Unet(config) = &model.network else {
        panic!("{:?}", model.network);
    };
    assert_eq!(attending(config), [1, 2, 3]);
    assert_eq!(
        (config.blocks, model.size, model.channels),
        (3, [64, 64], 3)
    );
    assert!(
        config
            .levels
            .iter()
            .all(|level| level.heads == Heads::Width(64))
    );
    // The network was trained on a cosine chain.
    let chain = Chain::squared_cosine(1000, 0.999).expect("a chain");
    assert_eq!(model.time, TimeInput::Index(chain));
    // Some tensors are missing, and the error names the first one.
    let error = checkpoint
        .model(&device())
        .expect_err("tensors")
        .to_string();
    assert!(
        error.contains("missing") && error.contains("input_blocks.0.0.bias"),
        "{error}"
    );
    Ok(())
}
