//! An inverse problem as a reverse process: `Y = A X + σ_y Z` is `dx = σ_y dw` from `A X`. Reversed
//! from `y` with the law of `A X`, it ends at `A X` given `y`.

use super::{Drawn, Page, curve, histogram, panel, values};
use tweedie::core::oracle::{Gaussian, GaussianMixture};
use tweedie::image::{Cloud, chart, scatter};
use tweedie::math::Brownian;
use tweedie::prelude::*;
use tweedie::sde::{BrownianPath, Sde, euler_maruyama};

pub(super) fn draw(page: &Page) -> Drawn {
    // Points in space, and A = their shadow from above.
    let peaks = [
        (0.5, [1.2, 0.4, 0.0], 0.3),
        (0.3, [-1.0, 1.0, 0.5], 0.25),
        (0.2, [-0.4, -1.3, 1.0], 0.2),
    ];
    let shadow =
        peaks.map(|(weight, mean, std)| Ok((weight, Gaussian::isotropic(&mean[..2], std)?)));
    let shadow: Result<Vec<_>, Box<dyn std::error::Error>> = shadow.into_iter().collect();
    let law = GaussianMixture::new(shadow?)?;
    let (y, sigma) = ([0.1, 0.5], 0.9);
    // ANCHOR: reverse
    let schedule = Brownian::new(sigma * sigma)?;
    let start = Tensor::<2>::from_floats([y], &page.device).repeat_dim(0, 3000);
    let path = BrownianPath::new(&start, 0.999, 400, 1);
    let end = euler_maruyama(&Sde::reverse(&schedule, &law, 1.0), start, &path);
    // ANCHOR_END: reverse
    let unit = [vec![1.0, 0.0], vec![0.0, 1.0]];
    let exact = law
        .posterior(&unit, &y, sigma)?
        .sample(3000, 3, &page.device);
    let mean = |x: &Tensor<2>| x.clone().mean_dim(0).into_data().try_into_vec::<f32>();
    println!(
        "mean of the reversal {:.3?}, exact {:.3?}",
        mean(&end)?,
        mean(&exact)?
    );
    let clouds = [
        ("A X", law.sample(3000, 2, &page.device)),
        ("reversed from y", end),
        ("exact", exact),
    ];
    let clouds = clouds.map(|(title, points)| Cloud {
        title: title.into(),
        points,
    });
    let reference = law.sample(3000, 4, &page.device);
    scatter(page.picture("measurement.png"), &clouds, &reference, 2.5, 3)?;
    nonlinear(page)
}

/// The same for `A x = |x|`, which is not linear: the law of `A X` is that of a sample.
fn nonlinear(page: &Page) -> Drawn {
    let (y, sigma, width) = (1.2, 0.5, 0.02);
    let sample = crate::three_clusters()?.sample(300, 5, &page.device);
    let lengths = values(sample.square().sum_dim(1).sqrt());
    let points = lengths
        .iter()
        .map(|&r| Ok((1.0 / 300.0, Gaussian::isotropic(&[r], width)?)));
    let law = GaussianMixture::new(points.collect::<Result<_, Box<dyn std::error::Error>>>()?)?;
    let start = Tensor::<2>::full([4000, 1], y, &page.device);
    let path = BrownianPath::new(&start, 0.999, 400, 6);
    let schedule = Brownian::new(sigma * sigma)?;
    let end = values(euler_maruyama(
        &Sde::reverse(&schedule, &law, 1.0),
        start,
        &path,
    ));
    let exact = law.posterior(&[vec![1.0]], &[y], sigma)?;
    let exact = values(exact.sample(20_000, 7, &page.device));
    let mean = |x: &[f64]| x.iter().sum::<f64>() / x.len() as f64;
    println!(
        "|X|: mean of the reversal {:.3}, exact {:.3}",
        mean(&end),
        mean(&exact)
    );
    let curves = [("|X|", lengths), ("reversed from y", end), ("exact", exact)];
    let curves = curves.map(|(name, x)| curve(name, histogram(&x, 0.0, 2.5, 25)));
    let panel = panel("the length of X, seen with noise", "length", curves.into());
    Ok(chart(page.picture("measurement-nonlinear.png"), &[panel])?)
}
