//! Low-rank adapters: stored in published layouts, read back, merged, and refused where they do not
//! fit.

#![allow(clippy::expect_used, reason = "a test may stop at once")]

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Device, Tensor, TensorData};
use std::collections::HashMap;
use std::path::Path;
use tweedie_core::{Denoiser, HostNoise, Network, Noise, TimeInput};
use tweedie_math::{Chain, Level, Prediction};
use tweedie_models::{
    Adapters, Checkpoint, CheckpointError, ClassInput, Conditions, Context, LowRank, Model,
    ModelConfig, Unet, UnetConfig, seeded,
};

fn config(width: usize) -> ModelConfig<UnetConfig> {
    let mut network = UnetConfig::new(3)
        .with_widths([width, 2 * width])
        .with_groups(Some(4));
    network.class = Some(ClassInput::table(5));
    let chain = Chain::linear(1000, 1e-4, 0.02).expect("a chain");
    ModelConfig::new(network, Prediction::Noise, TimeInput::Index(chain), [8, 8])
}

fn model(width: usize) -> Model<UnetConfig> {
    let (device, config) = (Device::flex(), config(width));
    let network = seeded(1, &device, config.init(&device).expect("a network"));
    let labels = Tensor::from_ints([2], &device);
    let model = Model::new(config, network.into_network()).expect("a model");
    let class = Conditions::none().with_labels(labels);
    model.with_condition(class).expect("a class")
}

/// A network whose adapters are not zero.
fn trained(model: &Model<UnetConfig>) -> Unet {
    struct Fill(HostNoise, bool);
    impl ModuleMapper for Fill {
        fn enter_module(&mut self, _: &str, container: &str) {
            self.1 |= container == "Reparameterization";
        }

        fn exit_module(&mut self, _: &str, container: &str) {
            self.1 &= container != "Reparameterization";
        }

        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            match self.1 {
                true => param.map(|factor| self.0.normal_like(&factor) * 0.1),
                false => param,
            }
        }
    }
    let rank = LowRank::new(3)
        .and_then(|it| it.with_alpha(6.0))
        .expect("a rank");
    rank.attach(model.network().clone())
        .map(&mut Fill(HostNoise::seeded(4), false))
}

fn estimate(model: &Model<UnetConfig>) -> Vec<f32> {
    let x = HostNoise::seeded(2).normal([2, 3, 8, 8], &Device::flex());
    let level = Level::new(0.6, 0.8).expect("a level");
    let clean = model.denoise(x, level).expect("an estimate").into_data();
    clean.iter::<f32>().collect()
}

fn distance(a: &[f32], b: &[f32]) -> f32 {
    a.iter()
        .zip(b)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, f32::max)
}

fn class(model: Model<UnetConfig>) -> Model<UnetConfig> {
    let labels = Tensor::from_ints([2], &Device::flex());
    let class = Conditions::none().with_labels(labels);
    model.with_condition(class).expect("a class")
}

#[test]
fn both_layouts_bring_the_adapters_back() -> Result<(), CheckpointError> {
    let folder = tempfile::tempdir().expect("a folder");
    let base = model(8);
    let network = trained(&base);
    let merged = Model::new(config(8), network.clone().materialize())?;
    let expected = estimate(&class(merged));
    assert!(
        distance(&expected, &estimate(&base)) > 0.1,
        "the adapters do something"
    );
    let adapters = Adapters::of(&config(8), &network, Some(6.0))?;
    // The table of classes is no layer.
    assert!(adapters.layers().all(|layer| !layer.contains("class")));
    assert!(
        adapters
            .layers()
            .any(|layer| layer == "mid_block.attentions.0.to_q")
    );
    adapters.save_peft(folder.path().join("peft"))?;
    adapters.save_diffusers(folder.path().join("diffusers"))?;
    for name in ["peft", "diffusers"] {
        let read = Adapters::open(folder.path().join(name))?;
        assert_eq!(read.layers().count(), adapters.layers().count());
        let found = class(base.with_adapters(&read, 1.0)?);
        assert!(distance(&estimate(&found), &expected) < 1e-5, "{name}");
        let none = class(base.with_adapters(&read, 0.0)?);
        assert!(distance(&estimate(&none), &estimate(&base)) < 1e-6);
        // Trained further, they are still adapters.
        let attached = read.attach(&config(8), base.network().clone(), 1.0)?;
        let again = Adapters::of(&config(8), &attached, None)?;
        again.save_peft(folder.path().join("again"))?;
        let again = Adapters::open(folder.path().join("again"))?;
        let found = class(base.with_adapters(&again, 1.0)?);
        assert!(distance(&estimate(&found), &expected) < 1e-5, "{name}");
    }
    Ok(())
}

#[test]
fn adapters_of_another_network_are_refused() -> Result<(), CheckpointError> {
    let folder = tempfile::tempdir().expect("a folder");
    let base = model(8);
    let adapters = Adapters::of(&config(8), &trained(&base), Some(6.0))?;
    adapters.save_peft(folder.path())?;
    let read = Adapters::open(folder.path())?;
    let wide = model(16)
        .with_adapters(&read, 1.0)
        .expect_err("another width")
        .to_string();
    assert!(
        wide.contains("mid_block.attentions.0.to_q.weight"),
        "{wide}"
    );
    let mut small = config(8);
    small.network = small.network.with_widths([8]);
    let device = Device::flex();
    let network = small.init(&device)?.into_network();
    let small = Model::new(small, network)?.with_adapters(&read, 1.0);
    let small = small.expect_err("another depth").to_string();
    assert!(small.contains("down_blocks.1"), "{small}");
    let nothing = Adapters::of(&config(8), base.network(), None).expect_err("no adapters");
    assert!(matches!(nothing, CheckpointError::Inexpressible { .. }));
    Ok(())
}

#[test]
fn damaged_files_are_refused() -> Result<(), CheckpointError> {
    let folder = tempfile::tempdir().expect("a folder");
    let place = folder.path();
    let base = model(8);
    base.save(place.join("model"), tweedie_models::Precision::Full)?;
    let open = |path: &Path| Adapters::open(path).expect_err("no adapters").to_string();
    let weights = open(&place.join("model/weights.safetensors"));
    assert!(
        weights.contains("no factor of a low-rank adapter"),
        "{weights}"
    );
    assert!(open(&place.join("nowhere")).contains("nowhere"));
    Adapters::of(&config(8), &trained(&base), Some(6.0))?.save_peft(place)?;
    let path = place.join("adapter_config.json");
    let text = std::fs::read_to_string(&path).expect("a file");
    for (from, to, expected) in [
        ("\"LORA\"", "\"IA3\"", "only LORA"),
        ("\"bias\"", "\"use_dora\": true, \"bias\"", "use_dora"),
        (
            "\"alpha_pattern\": {}",
            "\"alpha_pattern\": {\"conv_in\": 9}",
            "alpha_pattern",
        ),
        ("{", "[", "adapter_config.json"),
    ] {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text, "{from}");
        std::fs::write(&path, changed).expect("a file");
        let error = open(place);
        assert!(error.contains(expected), "{error}");
    }
    // peft scales by α/r.
    let doubled = text.replacen("\"lora_alpha\": 3", "\"lora_alpha\": 6", 1);
    std::fs::write(&path, doubled).expect("a file");
    let doubled = class(base.with_adapters(&Adapters::open(place)?, 0.5)?);
    std::fs::write(&path, text).expect("a file");
    let once = class(base.with_adapters(&Adapters::open(place)?, 1.0)?);
    assert!(distance(&estimate(&doubled), &estimate(&once)) < 1e-6);
    Ok(())
}

/// Adapters that peft and diffusers have written, on a network of diffusers, and their output with
/// them (`tests/golden/record/adapters.py`).
#[test]
fn files_of_the_peers_give_their_outputs() -> Result<(), CheckpointError> {
    let place = Path::new(env!("CARGO_MANIFEST_DIR"));
    let data = place.join("tests/data/adapters");
    let checkpoint = place.join("../../tests/golden/data/models/unet_cond");
    let (device, outputs) = (Device::flex(), recorded(&data.join("io.safetensors")));
    let tensor = |name: &str| outputs[name].clone();
    let base = Model::open(&checkpoint, &device)?;
    let output = |model: &Model| {
        let x = Tensor::<4>::from_data(tensor("x"), &device);
        let time = Tensor::<1>::from_data(tensor("time"), &device);
        let context = Context::new(Tensor::from_data(tensor("context"), &device));
        let conditions = Conditions::none().with_context(context);
        model.network().forward(x, time, &conditions).into_data()
    };
    let off = |model: &Model, expected: &str| -> f64 {
        let (found, expected) = (output(model), tensor(expected));
        let pairs = found.iter::<f64>().zip(expected.iter::<f64>());
        pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
    };
    assert!(off(&base, "base") < 4e-5, "{}", off(&base, "base"));
    for (name, expected) in [
        ("peft", "adapted"),
        ("diffusers", "unscaled"),
        ("diffusers-old", "unscaled"),
        // With α = 2 r in its metadata.
        ("diffusers-noted", "adapted"),
    ] {
        let adapters = Adapters::open(data.join(name))?;
        let model = base.with_adapters(&adapters, 1.0)?;
        assert!(
            off(&model, expected) < 4e-5,
            "{name}: {}",
            off(&model, expected)
        );
        assert!(off(&model, "base") > 0.1);
    }
    // Written for this checkpoint, the factors have the shapes that PyTorch expects.
    let folder = tempfile::tempdir().expect("a folder");
    let read = Adapters::open(data.join("peft"))?;
    let network = read.attach(base.config(), base.network().clone(), 1.0)?;
    let own = Adapters::of(base.config(), &network, None)?;
    let own = own.shaped_as(&Checkpoint::open(&checkpoint)?)?;
    own.save_peft(folder.path())?;
    let shapes = |place: &Path| -> HashMap<String, Vec<usize>> {
        let tensors = recorded(&place.join("adapter_model.safetensors")).into_iter();
        tensors
            .map(|(name, data)| (name, data.shape().to_vec()))
            .collect()
    };
    assert_eq!(shapes(folder.path()), shapes(&data.join("peft")));
    Ok(())
}

/// The tensors of a safetensors file of `f32`.
fn recorded(path: &Path) -> HashMap<String, TensorData> {
    let bytes = std::fs::read(path).expect("a file");
    let file = safetensors::SafeTensors::deserialize(&bytes).expect("tensors");
    let data = |view: &safetensors::tensor::TensorView<'_>| {
        let values = view.data().chunks(4);
        let values = values.map(|value| f32::from_le_bytes(value.try_into().expect("4 bytes")));
        TensorData::new(values.collect(), view.shape().to_vec())
    };
    file.iter()
        .map(|(name, view)| (name.to_owned(), data(&view)))
        .collect()
}
