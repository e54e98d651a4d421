use crate::close;
use tweedie_math::{Level, gaussian};

#[test]
fn kl_is_its_integral() {
    let normal = |x: f64, mean: f64, std: f64| {
        let z = (x - mean) / std;
        (-0.5 * z * z).exp() / (std * std::f64::consts::TAU.sqrt())
    };
    for (p, q) in [
        ((0.3, 1.0), (-0.5, 2.0)),
        ((1.0, 0.4), (1.2, 0.3)),
        ((0.0, 2.0), (3.0, 1.5)),
    ] {
        let h = 1e-3;
        let integral: f64 = (-20_000..20_000)
            .map(|i| {
                let x = f64::from(i) * h;
                let (a, b) = (normal(x, p.0, p.1), normal(x, q.0, q.1));
                if a > 0.0 { a * (a / b).ln() * h } else { 0.0 }
            })
            .sum();
        close("KL", gaussian::kl(p, q), integral, 1e-6);
    }
}

#[test]
fn the_prior_costs_what_is_left_of_the_signal() {
    let level = Level::new(0.01, 1.0).expect("a level");
    assert_eq!(gaussian::prior_std(level), 1.0);
    close(
        "KL",
        gaussian::prior_kl(level, 2.0),
        0.5 * 0.02 * 0.02,
        1e-12,
    );
    assert_eq!(gaussian::prior_kl(Level::PURE_NOISE, 2.0), 0.0);
}
