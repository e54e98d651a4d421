//! The denoiser of a restoration, from a file of any layout.

use std::error::Error;
use std::path::Path;
use tweedie::core::Tiled;
use tweedie::models::{Checkpoint, Drunet, Ffdnet};
use tweedie::prelude::*;

/// A denoiser, the image size that it was trained for, and the largest `σ/α`.
pub(super) struct Prior {
    pub(super) denoiser: Box<dyn Denoiser<4>>,
    tile: [usize; 2],
    alignment: usize,
    pub(super) noisiest: f64,
}

/// The noise from which DPIR starts, within what these denoisers were trained for.
const DPIR: f64 = 2.0 * 49.0 / 255.0;

impl Prior {
    pub(super) fn open(path: &Path, device: &Device) -> Result<Self, Box<dyn Error>> {
        if path == Path::new("ffdnet") {
            return Ok(Self {
                denoiser: Box::new(Ffdnet::colour(device)),
                tile: [256, 256],
                alignment: 2,
                noisiest: DPIR,
            });
        }
        // Networks that only denoise have no configuration beside their weights.
        if path.is_file() {
            let plain = |denoiser, alignment| Self {
                denoiser,
                tile: [256, 256],
                alignment,
                noisiest: DPIR,
            };
            if let Ok(network) = Drunet::open(path, device) {
                return Ok(plain(Box::new(network), 8));
            }
            if let Ok(network) = Ffdnet::open(path, device) {
                return Ok(plain(Box::new(network), 2));
            }
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
