//! Configurations, conditions, checkpoints.

use super::{Cases, device, file, zeros};
use std::path::{Path, PathBuf};
use tweedie::burn::tensor::{Int, Tensor, TensorData};
use tweedie::core::{Denoiser, TimeInput};
use tweedie::math::{Chain, Prediction};
use tweedie::models::{
    AutoencoderConfig, Checkpoint, Conditions, Context, DitConfig, Ffdnet, Level, MlpConfig, Model,
    ModelConfig, Precision, Resampling, Sampling, UnetConfig,
};

/// A small network.
fn unet() -> UnetConfig {
    UnetConfig::new(3)
        .with_widths([8, 16])
        .with_blocks(1)
        .with_groups(Some(4))
}

/// A transformer of ten classes.
fn classes() -> Model {
    let config = DitConfig::new(3)
        .with_width(24)
        .with_layers(1)
        .with_heads(2)
        .with_classes(10)
        .with_grid(4);
    model(ModelConfig::new(
        config,
        Prediction::Noise,
        TimeInput::LogSnr,
        [8, 8],
    ))
}

fn model(config: ModelConfig) -> Model {
    let network = config.init(&device()).unwrap().into_network();
    Model::new(config, network).unwrap()
}

fn plain() -> ModelConfig {
    ModelConfig::new(unet(), Prediction::Noise, TimeInput::LogSnr, [16, 16])
}

fn labels(values: &[i32]) -> Conditions {
    let count = values.len();
    let data = TensorData::new(values.to_vec(), [count]);
    Conditions::none().with_labels(Tensor::<1, Int>::from_data(data, &device()))
}

fn configurations(all: &mut Cases) {
    all.error("UnetConfig::check", "no channels", || {
        UnetConfig::new(0).check()
    });
    all.error("UnetConfig::check", "no levels", || {
        UnetConfig::new(3).with_widths([]).check()
    });
    all.error("UnetConfig::check", "groups that do not divide", || {
        UnetConfig::new(3)
            .with_widths([10])
            .with_groups(Some(4))
            .check()
    });
    all.error("UnetConfig::check", "a dropout of 1", || {
        unet().with_dropout(1.0).check()
    });
    all.error("UnetConfig::check", "10⁹ blocks", || {
        unet().with_blocks(1_000_000_000).check()
    });
    all.error(
        "UnetConfig::check",
        "65,536 blocks on each of two levels",
        || unet().with_blocks(65_536).check(),
    );
    all.error("DitConfig::check", "heads that do not divide", || {
        DitConfig::new(3).with_width(24).with_heads(7).check()
    });
    all.error("DitConfig::check", "a width of 0", || {
        DitConfig::new(3).with_width(0).check()
    });
    all.error("AutoencoderConfig::init", "no channels", || {
        AutoencoderConfig {
            channels: 0,
            ..AutoencoderConfig::new()
        }
        .init(&device())
    });
    all.error("MlpConfig::init", "points of no dimensions", || {
        MlpConfig::new(0).init(&device())
    });
    all.error("MlpConfig::init", "a width of 0", || {
        MlpConfig::new(2).with_width(0).init(&device())
    });
    all.error("Ffdnet::new", "no channels", || {
        Ffdnet::new(0, 8, 3, &device())
    });
    all.error("Ffdnet::new", "no layers", || {
        Ffdnet::new(1, 8, 0, &device())
    });
    all.error("ModelConfig::init", "a size of 0", || {
        ModelConfig {
            size: [0, 16],
            ..plain()
        }
        .init(&device())
    });
    all.error(
        "ModelConfig::init",
        "images of more channels than the network",
        || {
            ModelConfig {
                channels: 4,
                ..plain()
            }
            .init(&device())
        },
    );
    all.error("ModelConfig::init", "σ_data = 0", || {
        let prediction = Prediction::Karras { sigma_data: 0.0 };
        ModelConfig {
            prediction,
            ..plain()
        }
        .init(&device())
    });
    all.error("ModelConfig::init", "a pyramid on 13×11 pixels", || {
        let level = Level::new(32).with_resampling(Resampling::Pyramid);
        let mut config = UnetConfig::new(3);
        config.levels = vec![level, level];
        ModelConfig::new(config, Prediction::Noise, TimeInput::LogSnr, [13, 11]).init(&device())
    });
    all.error("ModelConfig::init", "two levels on one pixel", || {
        ModelConfig {
            size: [1, 1],
            ..plain()
        }
        .init(&device())
    });
    all.error(
        "Model::new",
        "another network than the configuration's",
        || {
            let other = ModelConfig::new(
                unet().with_blocks(2),
                Prediction::Noise,
                TimeInput::LogSnr,
                [16, 16],
            );
            Model::new(plain(), other.init(&device()).unwrap().into_network())
        },
    );
}

fn conditions(all: &mut Cases) {
    all.error(
        "Model::accepts",
        "grey images, for a colour network",
        || model(plain()).accepts([1, 1, 16, 16]),
    );
    all.error(
        "Model::accepts",
        "images of one pixel, for two levels",
        || model(plain()).accepts([1, 3, 1, 16]),
    );
    all.error("Model::accepts", "9 columns, for patches of 2", || {
        classes().accepts([1, 3, 8, 9])
    });
    all.error(
        "Model::with_conditions",
        "label 11 of 10, and no class",
        || classes().with_conditions(labels(&[11, 3])),
    );
    all.error("Model::with_conditions", "label −1", || {
        classes().with_conditions(labels(&[-1, 3]))
    });
    all.error(
        "Model::with_conditions",
        "labels, for a network without",
        || model(plain()).with_conditions(labels(&[3])),
    );
    all.error("Model::with_conditions", "no labels in the list", || {
        classes().with_conditions(labels(&[]))
    });
    all.error("Model::accepts", "three labels for a batch of two", || {
        let told = classes().with_conditions(labels(&[1, 2, 3])).unwrap();
        told.accepts([2, 3, 8, 8])
    });
    all.error("Model::with_conditions", "a context of no tokens", || {
        let context = Context::new(zeros([1, 0, 8]));
        model(plain()).with_conditions(Conditions::none().with_context(context))
    });
    all.error(
        "Model::with_conditions",
        "a mask of another number of tokens",
        || {
            let context = Context::new(zeros([1, 4, 8])).with_mask(zeros([1, 1]));
            model(plain()).with_conditions(Conditions::none().with_context(context))
        },
    );
    all.error("Model::guided", "a label of none", || {
        classes().guided(labels(&[30]), Conditions::none(), 2.0)
    });
    all.error("Guided::accepts", "a scale of NaN", || {
        let guided = classes()
            .guided(labels(&[3]), Conditions::none(), f64::NAN)
            .unwrap();
        guided.accepts([1, 3, 8, 8])
    });
    all.error("Guided::accepts", "two labels for a batch of three", || {
        let guided = classes()
            .guided(labels(&[3, 4]), Conditions::none(), 2.0)
            .unwrap();
        guided.accepts([3, 3, 8, 8])
    });
    all.error(
        "Ffdnet::accepts",
        "grey images, for the colour network",
        || Ffdnet::colour(&device()).accepts([1, 1, 8, 8]),
    );
}

/// A safetensors file of a header and some bytes.
fn tensors(folder: &Path, name: &str, header: &str, bytes: usize) -> PathBuf {
    let mut all = (header.len() as u64).to_le_bytes().to_vec();
    all.extend(header.as_bytes());
    all.extend(vec![0; bytes]);
    file(folder, name, &all)
}

fn entry(name: &str, from: usize, to: usize) -> String {
    let count = to.saturating_sub(from) / 4;
    format!(r#""{name}":{{"dtype":"F32","shape":[{count}],"data_offsets":[{from},{to}]}}"#)
}

fn weights(all: &mut Cases, folder: &Path) {
    for (name, input, header, bytes) in [
        (
            "twice.safetensors",
            "a tensor named twice",
            format!("{{{},{}}}", entry("a", 0, 8), entry("a", 8, 16)),
            16,
        ),
        (
            "overlap.safetensors",
            "tensors that overlap",
            format!("{{{},{}}}", entry("a", 0, 8), entry("b", 4, 12)),
            12,
        ),
        (
            "hole.safetensors",
            "a hole between tensors",
            format!("{{{},{}}}", entry("a", 0, 8), entry("b", 12, 16)),
            16,
        ),
        (
            "trailing.safetensors",
            "bytes behind the last tensor",
            format!("{{{}}}", entry("a", 0, 8)),
            12,
        ),
        (
            "cut.safetensors",
            "a tensor beyond the file's end",
            format!("{{{}}}", entry("a", 0, 1 << 40)),
            8,
        ),
    ] {
        let path = tensors(folder, name, &header, bytes);
        all.error("Checkpoint::open", input, move || Checkpoint::open(path));
    }
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 12345\n";
    for (name, input, text) in [
        ("pointer.safetensors", "a pointer of Git LFS", pointer),
        (
            "page.safetensors",
            "an HTML page",
            "<!DOCTYPE html><html></html>",
        ),
        (
            "page.pt",
            "an HTML page as a pickle",
            "<!DOCTYPE html><html></html>",
        ),
        ("empty.safetensors", "an empty file", ""),
    ] {
        let path = file(folder, name, text.as_bytes());
        all.error("Checkpoint::open", input, move || Checkpoint::open(path));
    }
    all.error("Checkpoint::open", "a device", || {
        Checkpoint::open("/dev/zero")
    });
    all.error("Ffdnet::open", "a device", || {
        Ffdnet::open("/dev/zero", &device())
    });
    let nowhere = folder.join("nowhere");
    all.error("Model::open", "a folder that is not there", move || {
        Model::open(nowhere, &device())
    });
}

fn folders(all: &mut Cases, folder: &Path) {
    let long = format!("{{\"network\": [{}0]}}", "0,".repeat(1 << 24));
    file(folder, "long/config.json", long.as_bytes());
    let path = folder.join("long");
    all.error("Checkpoint::open", "a configuration of 32 MB", move || {
        Checkpoint::open(path)
    });
    // A model of this library with a field that nobody knows.
    let saved = folder.join("saved");
    model(plain()).save(&saved, Precision::Full).unwrap();
    let text = std::fs::read_to_string(saved.join("config.json")).unwrap();
    let typo = text.replacen("\"unet\": {", "\"unet\": { \"wavs\": 1,", 1);
    assert_ne!(text, typo);
    file(folder, "typo/config.json", typo.as_bytes());
    let path = folder.join("typo");
    all.error("Checkpoint::open", "a misspelt field", move || {
        Checkpoint::open(path)
    });
    let elsewhere = text.replacen('{', "{ \"weights\": \"../secret\",", 1);
    file(folder, "elsewhere/config.json", elsewhere.as_bytes());
    let path = folder.join("elsewhere");
    all.error("Checkpoint::open", "weights elsewhere", move || {
        Checkpoint::open(path)
    });
    // Published configurations.
    let published = |name: &str, fields: &str| {
        let config = format!(
            r#"{{"_class_name": "UNet2DModel", "in_channels": 3, "out_channels": 3,
            "block_out_channels": [8, 16], "down_block_types": ["DownBlock2D", "DownBlock2D"],
            "up_block_types": ["UpBlock2D", "UpBlock2D"], "norm_num_groups": 4, {fields}}}"#
        );
        file(folder, &format!("{name}/config.json"), config.as_bytes());
        file(
            folder,
            &format!("{name}/diffusion_pytorch_model.safetensors"),
            b"",
        );
        folder.join(name)
    };
    let path = published("sizeless", r#""sample_size": null"#);
    all.error(
        "Checkpoint::model_config",
        "a network without a size",
        move || Checkpoint::open(path)?.model_config(),
    );
    let path = published("unknown", r#""sample_size": 16, "secret": 1"#);
    all.error("Checkpoint::open", "a field that is not known", move || {
        Checkpoint::open(path)
    });
    for (name, input, fields) in [
        (
            "lu",
            "levels spaced as LU",
            r#""_class_name": "DPMSolverMultistepScheduler", "use_lu_lambdas": true"#,
        ),
        (
            "beta",
            "more β than steps",
            r#""_class_name": "DDPMScheduler", "trained_betas": [0.1, 0.2]"#,
        ),
        (
            "clip",
            "clipped to −1",
            r#""_class_name": "DDPMScheduler", "clip_sample_range": -1.0"#,
        ),
        (
            "ratio",
            "a quantile of 5",
            r#""_class_name": "DDPMScheduler", "thresholding": true, "dynamic_thresholding_ratio": 5.0"#,
        ),
        (
            "sigma",
            "a last noise of another kind",
            r#""_class_name": "EulerDiscreteScheduler", "final_sigmas_type": "other"#,
        ),
    ] {
        let path = published(name, r#""sample_size": 16"#);
        let fields = if fields.ends_with('"') || fields.ends_with('}') || !fields.contains("other")
        {
            fields.to_owned()
        } else {
            format!("{fields}\"")
        };
        file(
            folder,
            &format!("{name}/scheduler_config.json"),
            format!("{{{fields}}}").as_bytes(),
        );
        all.error("Checkpoint::open", input, move || Checkpoint::open(path));
    }
    // Arguments of guided-diffusion's scripts.
    let header = format!("{{{}}}", entry("input_blocks.0.0.weight", 0, 8));
    let path = tensors(folder, "guided/w.safetensors", &header, 8);
    file(
        folder,
        "guided/w.json",
        br#"{"image_size": 64, "num_channels": 32, "diffusion_steps": 4000}"#,
    );
    all.error(
        "Checkpoint::open",
        "4,000 steps, rescaled or not",
        move || Checkpoint::open(path),
    );
    all.error("Sampling::path", "0 steps", || {
        let chain = Chain::linear(10, 1e-4, 0.02).unwrap();
        let text = serde_json_sampling(&chain);
        text.path(0)
    });
}

fn serde_json_sampling(chain: &Chain) -> Sampling {
    use tweedie::math::Spacing;
    use tweedie::models::{Clip, End, Grid};
    Sampling {
        prediction: Prediction::Noise,
        time: TimeInput::Index(chain.clone()),
        grid: Grid::Chain {
            chain: chain.clone(),
            spacing: Spacing::Linspace,
            end: End::Clean,
        },
        clip: Clip::None,
        learned_variance: false,
    }
}

pub(crate) fn cases(folder: &Path) -> Cases {
    let mut all = Cases::default();
    configurations(&mut all);
    conditions(&mut all);
    weights(&mut all, folder);
    folders(&mut all, folder);
    all
}
