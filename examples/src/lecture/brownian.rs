//! Brownian motion, Lévy's refinement, and Itô's integral `∫ w dw = ½ (w_T² − T)`.

use super::{Drawn, Page, curve, panel, values};
use tweedie::image::chart;
use tweedie::prelude::*;
use tweedie::sde::{BrownianPath, ito_integral, stratonovich_integral};

pub(super) fn draw(page: &Page) -> Drawn {
    let like = Tensor::<1>::zeros([4], &page.device);
    // ANCHOR: refine
    let coarse = BrownianPath::new(&like, 1.0, 16, 3);
    let fine = (0..5).fold(coarse.clone(), |path, _| path.refined());
    // ANCHOR_END: refine
    let line = |path: &BrownianPath<1>, k: usize| -> Vec<(f64, f64)> {
        let node = |i: usize| (path.time(i), values(path.value(i).clone())[k]);
        (0..=path.steps()).map(node).collect()
    };
    let paths = (0..3).map(|k| curve(format!("path {k}, 512 steps"), line(&fine, k)));
    let same = curve("path 0, 16 steps", line(&coarse, 0));
    let curves = paths.chain([same]).collect();

    let many = Tensor::<1>::zeros([4000], &page.device);
    let mut path = BrownianPath::new(&many, 1.0, 4, 5);
    let mut errors = [Vec::new(), Vec::new()];
    println!("steps   Itô: root mean square error   Stratonovich");
    for _ in 0..8 {
        let end = path.value(path.steps()).clone();
        // ANCHOR: ito
        let ito = ito_integral(&path, |_, w| w) - (end.clone().square() - 1.0) * 0.5;
        let other = stratonovich_integral(&path, |_, w| w) - end.square() * 0.5;
        // ANCHOR_END: ito
        let size = |x: Tensor<1>| x.square().mean().sqrt().into_scalar::<f64>();
        let [ito, other] = [size(ito), size(other)];
        println!(
            "{:5}   {ito:.4}                          {other:.1e}",
            path.steps()
        );
        errors[0].push((path.step(), ito));
        errors[1].push((path.step(), (path.step() / 2.0).sqrt()));
        path = path.refined();
    }
    let [found, exact] = errors;
    let errors = vec![curve("sum − ½ (w² − T)", found), curve("√(h/2)", exact)];
    let panels = [
        panel("Brownian paths and their refinement", "t", curves),
        panel("error of Itô's integral of w", "step h", errors),
    ];
    Ok(chart(page.picture("brownian.png"), &panels)?)
}
