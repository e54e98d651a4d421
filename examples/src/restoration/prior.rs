//! The denoiser of a restoration, from a file of any layout.

use std::error::Error;
use std::path::Path;
use tweedie::core::Tiled;
use tweedie::models::{Checkpoint, Drunet, Ffdnet};
use tweedie::prelude::*;

/// A denoiser, the image size that it was trained for, and the largest `σ/α`.
pub struct Prior {
    denoiser: Box<dyn Denoiser<4>>,
    channels: usize,
    tile: [usize; 2],
    alignment: usize,
    /// The radius of the receptive field, where it is small.
    reach: usize,
    pub(super) noisiest: f64,
}

impl std::fmt::Debug for Prior {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Prior")
            .field("tile", &self.tile)
            .finish_non_exhaustive()
    }
}

/// The noise from which DPIR starts, within what these denoisers were trained for.
const DPIR: f64 = 2.0 * 49.0 / 255.0;

impl Prior {
    /// Opens `ffdnet`, which is part of the library, a file of FFDNet or DRUNet, or a model of any
    /// layout.
    ///
    /// # Errors
    /// If it cannot be read, or is a model of latents.
    pub fn open(path: &Path, device: &Device) -> Result<Self, Box<dyn Error>> {
        if path == Path::new("ffdnet") {
            return Ok(Self {
                reach: Ffdnet::colour(device).reach(),
                denoiser: Box::new(Ffdnet::colour(device)),
                channels: 3,
                tile: [256, 256],
                alignment: 2,
                noisiest: DPIR,
            });
        }
        // Networks that only denoise have no configuration beside their weights.
        if path.is_file() {
            let plain = |denoiser, alignment, reach| Self {
                denoiser,
                channels: 3,
                tile: [256, 256],
                alignment,
                reach,
                noisiest: DPIR,
            };
            if let Ok(network) = Drunet::open(path, device) {
                return Ok(plain(Box::new(network), 8, 0));
            }
            if let Ok(network) = Ffdnet::open(path, device) {
                let reach = network.reach();
                return Ok(plain(Box::new(network), 2, reach));
            }
        }
        let checkpoint = Checkpoint::open(path).map_err(|error| match path.is_file() {
            true => format!("neither FFDNet nor DRUNet, nor a model: {error}"),
            false => error.to_string(),
        })?;
        if checkpoint.autoencoder_config().is_some() {
            return Err("a prior of images is needed, this one is of latents".into());
        }
        let model = checkpoint.model(device)?;
        let [_, channels, ..] = model.shape(1);
        Ok(Self {
            channels,
            tile: model.config().size,
            denoiser: Box::new(model),
            alignment: 1,
            reach: 0,
            noisiest: f64::INFINITY,
        })
    }

    /// Channels, height and width of the images that it was trained for.
    pub(super) fn image(&self) -> [usize; 3] {
        let [h, w] = self.tile;
        [self.channels, h, w]
    }

    /// The denoiser for images of this size: in tiles if it is larger than a tile.
    ///
    /// # Errors
    /// For a tile of no pixels.
    pub fn tiled(
        self,
        size: [usize; 2],
        side: Option<usize>,
    ) -> Result<Box<dyn Denoiser<4>>, Box<dyn Error>> {
        let tile = side.map_or(self.tile, |side| [side, side]);
        if size[0] <= tile[0] && size[1] <= tile[1] {
            return Ok(self.denoiser);
        }
        let side = tile[0].min(tile[1]);
        let overlap = (side / 4).max(2 * self.reach).min(side / 2);
        let halo = self.reach.max(overlap / 4).min(overlap / 2);
        if halo < self.reach {
            let least = 4 * self.reach;
            println!("tiles below {least} pixels lack a part of what the network sees");
        }
        let tiled = Tiled::new(self.denoiser, tile, overlap)?.with_halo(halo)?;
        let tiled = tiled.with_alignment(self.alignment)?;
        println!(
            "{} tiles of {}×{} pixels",
            tiled.tiles(size),
            tile[0],
            tile[1]
        );
        Ok(Box::new(tiled))
    }
}
