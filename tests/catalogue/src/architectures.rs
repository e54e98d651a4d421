//! Architectures of networks.

use tweedie_models::{
    AnyArchitecture, Attend, Conditioning, DitConfig, Heads, Resampling, UnetConfig, UnetLevel,
};

/// An architecture, small: 3 channels, 16×16 pixels.
#[derive(Clone, Debug)]
pub struct NamedArchitecture {
    /// The published name.
    pub name: &'static str,
    /// The configuration.
    pub config: AnyArchitecture,
}

/// Every architecture, and every variant of a U-Net.
#[must_use]
pub fn architectures() -> Vec<NamedArchitecture> {
    let adm = unet(Resampling::Residual).with_conditioning(Conditioning::ScaleShift);
    let dit = DitConfig::new(3)
        .with_width(48)
        .with_layers(2)
        .with_heads(4)
        .with_classes(5)
        .with_grid(8);
    let all: [(&str, AnyArchitecture); 5] = [
        ("U-Net of DDPM", unet(Resampling::Convolution).into()),
        ("U-Net of ADM", adm.into()),
        ("U-Net of NCSN++", unet(Resampling::Pyramid).into()),
        ("U-Net of DDPM++", unet(Resampling::Rescaled).into()),
        ("DiT", dit.into()),
    ];
    all.map(|(name, config)| NamedArchitecture { name, config })
        .to_vec()
}

fn unet(resampling: Resampling) -> UnetConfig {
    let attending = UnetLevel::new(64)
        .with_attention(Attend::Pixels)
        .with_heads(Heads::Width(32));
    let levels = [UnetLevel::new(32), attending].map(|level| level.with_resampling(resampling));
    UnetConfig::new(3)
        .with_blocks(1)
        .with_levels(levels.to_vec())
}
