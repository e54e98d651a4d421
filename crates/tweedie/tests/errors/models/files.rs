//! Weight files and model folders.

use super::*;

/// Writes a safetensors file with this header and `bytes` zeros.
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

pub(super) fn weights(all: &mut Cases, folder: &Path) {
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
    all.error("Drunet::open", "a device", || {
        Drunet::open("/dev/zero", &device())
    });
    let ffdnet = include_bytes!("../../../../tweedie-models/tests/data/ffdnet.safetensors");
    let path = file(folder, "ffdnet.safetensors", ffdnet);
    all.error("Drunet::open", "the weights of FFDNet", move || {
        Drunet::open(path, &device())
    });
    let path = file(folder, "ffdnet-again.safetensors", ffdnet);
    all.error("Dncnn::open", "the weights of FFDNet", move || {
        Dncnn::open(path, &device())
    });
    let path = file(folder, "ffdnet-third.safetensors", ffdnet);
    all.error("Demosaicnet::open", "the weights of FFDNet", move || {
        Demosaicnet::open(path, &device())
    });
    let names = ["a.model.0.weight", "b.model.0.weight"];
    let header = format!("{{{},{}}}", entry(names[0], 0, 4), entry(names[1], 4, 8));
    let path = tensors(folder, "two.safetensors", &header, 8);
    all.error("Ffdnet::open", "the weights of two networks", move || {
        Ffdnet::open(path, &device())
    });
    // A pickle that broadcasts one number to 2³⁰ elements.
    let broadcast = include_bytes!("../../../../tweedie-models/tests/data/broadcast.pt");
    let path = file(folder, "broadcast.pt", broadcast);
    all.error(
        "Ffdnet::open",
        "4 GB in a pickle of a kilobyte",
        move || Ffdnet::open(path, &device()),
    );
    let nowhere = folder.join("nowhere");
    let place = folder.join("no-adapters");
    all.error("Adapters::open", "a file that is not there", move || {
        tweedie::models::Adapters::open(place)
    });
    all.error("Model::open", "a folder that is not there", move || {
        Model::open(nowhere, &device())
    });
}

pub(super) fn folders(all: &mut Cases, folder: &Path) {
    let long = format!("{{\"network\": [{}0]}}", "0,".repeat(1 << 24));
    file(folder, "long/config.json", long.as_bytes());
    let path = folder.join("long");
    all.error("Checkpoint::open", "a configuration of 32 MB", move || {
        Checkpoint::open(path)
    });
    // A model of this library with an unknown field.
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
    // Configurations in the layout of diffusers that are incomplete or not supported.
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
    // Arguments of guided-diffusion's scripts, given as a JSON file.
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
    use tweedie::models::{End, Grid};
    let grid = Grid::Chain {
        chain: chain.clone(),
        spacing: Spacing::Linspace,
        end: End::Clean,
    };
    Sampling::new(Prediction::Noise, TimeInput::Index(chain.clone()), grid)
}
