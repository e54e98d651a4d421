//! The files and figures of a restoration.

use std::error::Error;
use std::path::Path;
use std::time::Duration;
use tweedie::image::{Npz, Sheet, film_strip, save, save_gif};
use tweedie::inverse::Split;
use tweedie::inverse::operator::Linear;
use tweedie::metrics::{Lpips, Ssim, psnr};
use tweedie::prelude::*;

/// The file of all arrays.
pub(super) const ARRAYS: &str = "restoration.npz";

/// Prints how far each restoration and their mean are from the truth.
pub(super) fn report(draws: &Tensor<4>, truth: Option<&Tensor<4>>, lpips: Option<&Lpips>) {
    let Some(truth) = truth else { return };
    let count = draws.dims()[0];
    let length = ValueRange::Signed.length();
    let one = |name: &str, x: Tensor<4>| {
        let decibels = psnr(x.clone(), truth.clone(), length)[0];
        let [.., h, w] = x.dims();
        let mut text = format!("{name}: {decibels:.2} dB");
        if h.min(w) >= 11 {
            let ssim = Ssim::new(length).of(x.clone(), truth.clone())[0];
            text += &format!(", SSIM {ssim:.3}");
        }
        if let Some(lpips) = lpips {
            let distance = lpips.distance(x, truth.clone());
            text += &format!(", LPIPS {:.3}", distance.into_scalar::<f32>());
        }
        println!("{text}");
    };
    for i in 0..count {
        one(&format!("draw {}", i + 1), draws.clone().narrow(0, i, 1));
    }
    if count > 1 {
        one("mean", draws.clone().mean_dim(0));
    }
}

/// Writes pictures and arrays. The spread needs two draws.
pub(super) fn write(
    out: &Path,
    operator: &impl Linear<4>,
    y: &Tensor<4>,
    draws: &Tensor<4>,
    truth: Option<Tensor<4>>,
    sigma: f64,
) -> Result<(), Box<dyn Error>> {
    let count = draws.dims()[0];
    let one = |i: usize| draws.clone().narrow(0, i, 1);
    for i in 0..count {
        let path = out.join(format!("draw-{}.png", i + 1));
        save(path, one(i), ValueRange::Signed)?;
    }
    let mut names: Vec<&str> = truth.iter().map(|_| "original").collect();
    let mut row: Vec<Tensor<4>> = truth.into_iter().collect();
    let seen = match y.dims()[1..] == draws.dims()[1..] {
        true => y.clone(),
        false => operator.pinv(y.clone())?.x,
    };
    names.extend(["measured", "draw"]);
    row.extend([seen, one(0)]);
    let mut arrays = Npz::new().with("draws", draws.clone()).with("y", y.clone());
    if count > 1 {
        let mean = draws.clone().mean_dim(0);
        save(out.join("mean.png"), mean.clone(), ValueRange::Signed)?;
        let spread = |x: Tensor<4>| x.var(0).sqrt();
        // Signals of deviation ½: below this gain the prior decides.
        let parts = Split::of(operator, draws.clone(), (sigma / 0.5).powi(2))?;
        let (std, of_prior) = (spread(draws.clone()), spread(parts.prior));
        let bright = |x: &Tensor<4>| x.clone() * 8.0 - 1.0;
        names.extend(["mean", "spread x 4", "of the prior x 4"]);
        row.extend([mean.clone(), bright(&std), bright(&of_prior)]);
        let (low, high) = (draws.clone().min_dim(0), draws.clone().max_dim(0));
        arrays = arrays.with("mean", mean).with("std", std);
        arrays = arrays.with("std_of_prior", of_prior);
        arrays = arrays.with("low", low).with("high", high);
    }
    arrays.save(out.join(ARRAYS))?;
    drop(arrays);
    let [.., h, w] = draws.dims();
    Sheet::new()
        .with_scale(if h.max(w) <= 64 { 4 } else { 1 })
        .with_columns(names)
        .with_row("", Tensor::cat(row, 0), ValueRange::Signed)?
        .save(out.join("sheet.png"))?;
    Ok(())
}

/// States and estimates of the first draw, at ten to twenty moments.
pub(super) struct Film {
    every: Option<usize>,
    states: Vec<(String, Tensor<4>)>,
    estimates: Vec<(String, Tensor<4>)>,
}

impl Film {
    pub(super) fn new(wanted: bool, steps: usize) -> Self {
        Self {
            every: wanted.then(|| (steps / 10).max(1)),
            states: Vec::new(),
            estimates: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, k: usize, state: &State<4>) {
        let Some(every) = self.every else { return };
        if (k + 1).is_multiple_of(every) {
            let first = |x: &Tensor<4>| x.clone().narrow(0, 0, 1);
            let label = format!("{}", k + 1);
            let x = first(&state.x) / state.level.rms();
            self.states.push((label.clone(), x));
            self.estimates
                .extend(state.clean.as_ref().map(|x| (label, first(x))));
        }
    }

    pub(super) fn save(&self, out: &Path) -> Result<(), Box<dyn Error>> {
        for (name, moments) in [("states", &self.states), ("estimates", &self.estimates)] {
            if moments.is_empty() {
                continue;
            }
            let every = moments.len().div_ceil(20);
            let moments: Vec<_> = moments.iter().step_by(every).cloned().collect();
            film_strip(&moments, ValueRange::Signed, 1)?.save(out.join(format!("{name}.png")))?;
            let frames: Vec<Tensor<4>> = moments.iter().map(|(_, x)| x.clone()).collect();
            let path = out.join(format!("{name}.gif"));
            save_gif(
                path,
                &frames,
                ValueRange::Signed,
                1,
                1,
                Duration::from_millis(250),
            )?;
        }
        Ok(())
    }
}
