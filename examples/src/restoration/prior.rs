//! The denoiser of a restoration, from a file of any layout.

use std::error::Error;
use std::path::Path;
use tweedie::core::Tiled;
use tweedie::models::{Checkpoint, Ffdnet};
use tweedie::prelude::*;

/// A denoiser, the image size that it was trained for, and the largest `σ/α`.
pub(super) struct Prior {
    pub(super) denoiser: Box<dyn Denoiser<4>>,
    tile: [usize; 2],
    alignment: usize,
    pub(super) noisiest: f64,
}

impl Prior {
    pub(super) fn open(path: &Path, device: &Device) -> Result<Self, Box<dyn Error>> {
        if path == Path::new("ffdnet") {
            return Ok(Self {
                denoiser: Box::new(Ffdnet::colour(device)),
                tile: [256, 256],
                alignment: 2,
                // It was trained for noise of up to 75/255.
                noisiest: 2.0 * 49.0 / 255.0,
            });
        }
        let checkpoint = Checkpoint::open(path)?;
        if checkpoint.autoencoder_config().is_some() {
            return Err("a prior of images is needed, this one is of latents".into());
        }
        let model = checkpoint.model(device)?;
        Ok(Self {
            tile: model.config().size,
            denoiser: Box::new(model),
            alignment: 1,
            noisiest: f64::INFINITY,
        })
    }

    /// The denoiser for images of this size: in tiles if it is larger than a tile.
    pub(super) fn tiled(
        self,
        size: [usize; 2],
        side: Option<usize>,
    ) -> Result<Box<dyn Denoiser<4>>, Box<dyn Error>> {
        let tile = side.map_or(self.tile, |side| [side, side]);
        if size[0] <= tile[0] && size[1] <= tile[1] {
            return Ok(self.denoiser);
        }
        let overlap = tile[0].min(tile[1]) / 4;
        let tiled = Tiled::new(self.denoiser, tile, overlap)?.with_alignment(self.alignment)?;
        println!(
            "{} tiles of {}×{} pixels",
            tiled.tiles(size),
            tile[0],
            tile[1]
        );
        Ok(Box::new(tiled))
    }
}
