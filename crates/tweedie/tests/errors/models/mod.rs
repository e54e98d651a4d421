//! Configurations, conditions, checkpoints.

mod files;

use super::{Cases, device, file, zeros};
use std::path::{Path, PathBuf};
use tweedie::burn::tensor::{Int, Tensor, TensorData};
use tweedie::core::{Denoiser, TimeInput};
use tweedie::math::{Chain, Prediction};
use tweedie::models::{
    AnyArchitecture, AutoencoderConfig, Checkpoint, Conditions, Context, Demosaicnet, DitConfig,
    Dncnn, Drunet, Ffdnet, MlpConfig, Model, ModelConfig, Precision, Resampling, Sampling,
    UnetConfig, UnetLevel,
};

/// A small network.
fn unet() -> UnetConfig {
    UnetConfig::new(3)
        .with_widths([8, 16])
        .with_blocks(1)
        .with_groups(Some(4))
}

/// A small transformer conditioned on ten classes.
fn classes() -> Model {
    let config = DitConfig::new(3)
        .with_width(24)
        .with_layers(1)
        .with_heads(2)
        .with_classes(10)
        .with_grid(4);
    model(ModelConfig::new(
        config.into(),
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
    ModelConfig::new(
        unet().into(),
        Prediction::Noise,
        TimeInput::LogSnr,
        [16, 16],
    )
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
        AutoencoderConfig::new().with_channels(0).init(&device())
    });
    all.error("AutoencoderConfig::init", "64 widths", || {
        AutoencoderConfig::new()
            .with_widths(vec![8; 64])
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
    all.error("Drunet::new", "a width of 0", || {
        Drunet::new(3, [4, 0, 4, 4], 1, &device())
    });
    all.error("Dncnn::new", "no layers", || Dncnn::new(1, 8, 0, &device()));
    all.error("Demosaicnet::new", "no layers", || {
        Demosaicnet::new(8, 0, &device())
    });
    all.error("Ffdnet::new", "no layers", || {
        Ffdnet::new(1, 8, 0, &device())
    });
    all.error("ModelConfig::init", "a size of 0", || {
        plain().with_size([0, 16]).init(&device())
    });
    all.error(
        "ModelConfig::init",
        "images of more channels than the network",
        || plain().with_channels(4).init(&device()),
    );
    all.error("ModelConfig::init", "σ_data = 0", || {
        let prediction = Prediction::Edm { sigma_data: 0.0 };
        plain().with_prediction(prediction).init(&device())
    });
    all.error("ModelConfig::init", "a pyramid on 13×11 pixels", || {
        let level = UnetLevel::new(32).with_resampling(Resampling::Pyramid);
        let mut config = UnetConfig::new(3);
        config.levels = vec![level, level];
        ModelConfig::new(config, Prediction::Noise, TimeInput::LogSnr, [13, 11]).init(&device())
    });
    all.error("ModelConfig::init", "two levels on one pixel", || {
        plain().with_size([1, 1]).init(&device())
    });
    all.error(
        "Model::new",
        "another network than the configuration's",
        || {
            let other = ModelConfig::new(
                AnyArchitecture::from(unet().with_blocks(2)),
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
        "Model::with_condition",
        "label 11 of 10, and no class",
        || classes().with_condition(labels(&[11, 3])),
    );
    all.error("Model::with_condition", "label −1", || {
        classes().with_condition(labels(&[-1, 3]))
    });
    all.error(
        "Model::with_condition",
        "labels, for a network without",
        || model(plain()).with_condition(labels(&[3])),
    );
    all.error("Model::with_condition", "no labels in the list", || {
        classes().with_condition(labels(&[]))
    });
    all.error("Model::accepts", "three labels for a batch of two", || {
        let labelled = classes().with_condition(labels(&[1, 2, 3])).unwrap();
        labelled.accepts([2, 3, 8, 8])
    });
    all.error("Model::with_condition", "a context of no tokens", || {
        let context = Context::new(zeros([1, 0, 8]));
        model(plain()).with_condition(Conditions::none().with_context(context))
    });
    all.error(
        "Model::with_condition",
        "a mask of another number of tokens",
        || {
            let context = Context::new(zeros([1, 4, 8])).with_mask(zeros([1, 1]));
            model(plain()).with_condition(Conditions::none().with_context(context))
        },
    );
    all.error("Model::guided", "a label of none", || {
        classes().guided(labels(&[30]), Conditions::none(), 2.0)
    });
    all.error("Model::guided", "a scale of NaN", || {
        classes().guided(labels(&[3]), Conditions::none(), f64::NAN)
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

pub(crate) fn cases(folder: &Path) -> Cases {
    let mut all = Cases::default();
    configurations(&mut all);
    conditions(&mut all);
    files::weights(&mut all, folder);
    files::folders(&mut all, folder);
    all
}
