//! Tweedie's formula for data N(0, 1), and a step of gradient ascent on a posterior.

use super::{Drawn, Page, values};
use tweedie::core::oracle::Gaussian;
use tweedie::prelude::*;

pub(super) fn draw(page: &Page) -> Drawn {
    // ANCHOR: tweedie
    let data = Gaussian::isotropic(&[0.0], 1.0)?;
    let level = Level::variance_exploding(0.7)?;
    let y = Tensor::<1>::from_floats([-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0], &page.device);
    let y = y.reshape([7, 1]);
    let estimate = y.clone() + DenoiserExt::score(&data, y.clone(), level)? * 0.7 * 0.7;
    // ANCHOR_END: tweedie
    println!("      y   E[x | y]   y/(1 + σ²)");
    for (y, x) in values(y).into_iter().zip(values(estimate)) {
        println!("{y:7.4}   {x:8.4}   {:8.4}", y / 1.49);
    }
    let prior = Gaussian::isotropic(&[0.0, 0.0], 1.0)?;
    let a = [vec![1.0, 0.0], vec![0.0, 0.5]];
    let posterior = prior.posterior(&a, &[0.8, -0.2], 0.1_f64.sqrt())?;
    let x = Tensor::<2>::from_floats([[1.5, -1.0]], &page.device);
    let next = values(x.clone() + posterior.score(x, Level::CLEAN) * 0.2);
    println!(
        "a step of 0.2 from (1.5, −1): ({:.4}, {:.4})",
        next[0], next[1]
    );
    Ok(())
}
