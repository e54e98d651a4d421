use crate::{close, schedules};
use proptest::prelude::*;
use tweedie_math::{
    Chain, FromBeta, Level, OrnsteinUhlenbeck, RectifiedFlow, Schedule, ScheduleError,
    SubVariancePreserving, VarianceExploding, VariancePreserving,
};

/// Hides the closed forms of a schedule, to test the default methods of the trait.
struct LevelOnly<'a>(&'a dyn Schedule);

impl Schedule for LevelOnly<'_> {
    fn level(&self, t: f64) -> Level {
        self.0.level(t)
    }
}

proptest! {
    #[test]
    fn the_signal_to_noise_ratio_falls(a in 0.0..1.0_f64, b in 0.0..1.0_f64) {
        prop_assume!((a - b).abs() > 1e-6);
        for (name, schedule) in schedules() {
            let (early, late) = (schedule.level(a.min(b)), schedule.level(a.max(b)));
            prop_assert!(late.is_noisier_than(early), "{name} between {a} and {b}");
        }
    }

    #[test]
    fn a_level_names_its_time(t in 0.001..0.999) {
        for (name, schedule) in schedules() {
            let log_snr = schedule.level(t).log_snr();
            close(name, schedule.time(log_snr), t, 1e-9);
            close(name, LevelOnly(&schedule).time(log_snr), t, 1e-9);
        }
    }

    #[test]
    fn closed_rates_are_the_derivatives_of_the_levels(t in 0.01..0.99) {
        for (name, schedule) in schedules() {
            let (closed, numeric) = (schedule.rates(t), LevelOnly(&schedule).rates(t));
            // The chain's rates are numeric as well, across its kinks.
            close(name, closed.f, numeric.f, 1e-5);
            close(name, closed.g2, numeric.g2, 1e-5);
            let h = 1e-6;
            let (a, b) = (schedule.level(t - h), schedule.level(t + h));
            let slope = schedule.slope(t);
            let tolerance = if name == "chain" { 1e-1 } else { 1e-5 };
            close(name, slope.alpha, (b.alpha() - a.alpha()) / (2.0 * h), tolerance);
            close(name, slope.sigma, (b.sigma() - a.sigma()) / (2.0 * h), tolerance);
        }
    }
}

#[test]
fn rates_integrate_back_to_the_levels() {
    // (ln α)′ = f and (σ²)′ = 2 f σ² + g², by the midpoint rule from 0.1 to 0.9.
    for (name, schedule) in schedules() {
        if name == "chain" {
            continue; // the rates jump at the nodes
        }
        let (steps, start, end) = (20_000, 0.1, 0.9);
        let h = (end - start) / f64::from(steps);
        let from = schedule.level(start);
        let (mut log_alpha, mut variance) = (from.alpha().ln(), from.sigma().powi(2));
        for i in 0..steps {
            let rates = schedule.rates(start + (f64::from(i) + 0.5) * h);
            log_alpha += rates.f * h;
            // This is exact if the rates are constant over the step.
            let growth = (2.0 * rates.f * h).exp();
            let fresh = if rates.f == 0.0 {
                h
            } else {
                (growth - 1.0) / (2.0 * rates.f)
            };
            variance = growth * variance + rates.g2 * fresh;
        }
        let to = schedule.level(end);
        close(name, log_alpha.exp(), to.alpha(), 1e-6);
        close(name, variance.sqrt(), to.sigma(), 1e-6);
    }
}

#[test]
fn both_ends_are_levels() {
    for (name, schedule) in schedules() {
        let (clean, noisy) = (schedule.level(0.0), schedule.level(1.0));
        assert!(noisy.is_noisier_than(clean), "{name}");
        assert!(
            !noisy.log_snr().is_nan() && !clean.log_snr().is_nan(),
            "{name}"
        );
        let numeric = LevelOnly(&schedule);
        for schedule in [&schedule as &dyn Schedule, &numeric] {
            close(name, schedule.time(f64::INFINITY), 0.0, 0.0);
            close(name, schedule.time(f64::NEG_INFINITY), 1.0, 0.0);
        }
        close(name, schedule.time(clean.log_snr()), 0.0, 1e-9);
        close(name, schedule.time(noisy.log_snr()), 1.0, 1e-9);
    }
    for name in ["cosine", "sigmoid", "rectified"] {
        let found = schedules().into_iter().find(|(other, _)| *other == name);
        let (_, schedule) = found.expect("in the list");
        assert_eq!(
            schedule.level(1.0).alpha(),
            0.0,
            "{name} ends in pure noise"
        );
        assert_eq!(schedule.level(0.0).sigma(), 0.0, "{name} starts clean");
    }
}

#[test]
fn conventions() -> Result<(), ScheduleError> {
    let t = 0.37;
    // VP: f = −β/2, g² = β.
    let vp = VariancePreserving::default();
    close("VP f", vp.rates(t).f, -0.5 * (0.1 + t * 19.9), 1e-12);
    close("VP g²", vp.rates(t).g2, 0.1 + t * 19.9, 1e-12);
    close("VP variance", vp.level(t).rms(), 1.0, 1e-12);
    // OU is VP with β ≡ 2.
    let (ou, vp) = (
        OrnsteinUhlenbeck::new(1.0)?,
        VariancePreserving::new(2.0, 2.0)?,
    );
    close("OU α", ou.level(t).alpha(), vp.level(t).alpha(), 1e-12);
    close("OU σ", ou.level(t).sigma(), vp.level(t).sigma(), 1e-12);
    assert_eq!(ou.rates(t), vp.rates(t));
    // sub-VP: the same α, σ = 1 − α², g² = β (1 − e^{−2∫β}).
    let sub = SubVariancePreserving::default();
    let level = sub.level(t);
    let vp = VariancePreserving::default();
    close("sub-VP α", level.alpha(), vp.level(t).alpha(), 1e-12);
    close(
        "sub-VP σ",
        level.sigma(),
        1.0 - level.alpha().powi(2),
        1e-12,
    );
    let g2 = vp.beta(t) * (1.0 - (-2.0 * vp.beta_integral(t)).exp());
    close("sub-VP g²", sub.rates(t).g2, g2, 1e-12);
    // VE: σ = σ_min (σ_max/σ_min)^t.
    close(
        "VE",
        VarianceExploding::default().level(0.5).sigma(),
        0.5_f64.sqrt(),
        1e-12,
    );
    // At pure noise a rectified flow has finite slopes but infinite rates.
    assert_eq!(RectifiedFlow.slope(1.0).alpha, -1.0);
    Ok(())
}

#[test]
fn a_chain_is_exact_at_its_nodes() -> Result<(), ScheduleError> {
    let chains = [
        Chain::linear(1000, 1e-4, 0.02)?,
        Chain::scaled_linear(1000, 0.00085, 0.012)?,
        Chain::squared_cosine(100, 0.999)?,
        Chain::sigmoid(50, 1e-4, 0.02)?,
        Chain::linear(1000, 1e-4, 0.02)?.with_zero_terminal_snr()?,
    ];
    for chain in chains {
        let betas = chain.betas();
        let mut product = 1.0;
        for (i, beta) in betas.into_iter().enumerate() {
            product *= 1.0 - beta;
            close("ᾱ", chain.node(i).alpha().powi(2), product, 1e-12);
            close("index", chain.index(chain.node(i)), i as f64, 1e-12);
            let t = i as f64 / (chain.len() - 1) as f64;
            assert_eq!(chain.level(t).alpha(), chain.node(i).alpha(), "node {i}");
        }
        let half = chain.at(chain.len() as f64 - 1.5);
        close("between", chain.index(half), chain.len() as f64 - 1.5, 1e-9);
        close("unit variance", half.rms(), 1.0, 1e-12);
    }
    Ok(())
}

#[test]
fn zero_terminal_snr_moves_the_last_node_alone_to_pure_noise() -> Result<(), ScheduleError> {
    let chain = Chain::linear(1000, 1e-4, 0.02)?;
    let rescaled = chain.with_zero_terminal_snr()?;
    assert_eq!(rescaled.node(999), Level::PURE_NOISE);
    close(
        "first",
        rescaled.node(0).alpha(),
        chain.node(0).alpha(),
        1e-15,
    );
    assert!(matches!(
        Chain::from_betas(&[0.1])?.with_zero_terminal_snr(),
        Err(ScheduleError::TooShort {
            expected: 2,
            count: 1
        })
    ));
    Ok(())
}

#[test]
fn nonsense_is_refused_with_its_numbers() {
    let text = |error: Result<Chain, ScheduleError>| error.map_err(|error| error.to_string());
    assert_eq!(
        text(Chain::from_betas(&[0.1, 1.5])),
        Err("node 1: β has to be within (0, 1], got 1.5".into())
    );
    assert_eq!(
        text(Chain::linear(0, 1e-4, 0.02)),
        Err("a chain needs at least 1 nodes, got 0".into())
    );
    assert!(Chain::from_betas(&[0.1, f64::NAN]).is_err());
    assert!(Chain::from_alpha_bar(vec![0.5, 0.6]).is_err());
    assert!(VarianceExploding::new(2.0, 1.0).is_err());
    assert!(VariancePreserving::new(f64::NAN, 1.0).is_err());
    assert!(VariancePreserving::new(0.1, f64::INFINITY).is_err());
    assert!(OrnsteinUhlenbeck::new(0.0).is_err());
}

/// The process of a linear β is the closed one, and any other β has its integral.
#[test]
fn a_schedule_from_any_beta() {
    let closed = VariancePreserving::default();
    let linear = FromBeta::new(|t| closed.beta(t)).expect("a schedule");
    let waves = |t: f64| 10.0 + 9.0 * (20.0 * t).sin();
    let any = FromBeta::new(waves).expect("a schedule");
    for i in 0..=50 {
        let t = f64::from(i) / 50.0;
        let (a, b) = (linear.level(t), closed.level(t));
        close("α", a.alpha(), b.alpha(), 1e-12);
        close("σ", a.sigma(), b.sigma(), 1e-7);
        close("f", linear.rates(t).f, closed.rates(t).f, 1e-12);
        let integral = 10.0 * t + 0.45 * (1.0 - (20.0 * t).cos());
        close("B", any.beta_integral(t), integral, 1e-10);
        close("time", any.time(any.level(t).log_snr()), t, 1e-9);
    }
    assert!(FromBeta::new(|t: f64| t - 0.5).is_err());
    assert!(FromBeta::new(|_| 0.0).is_err());
    assert!(FromBeta::new(|_| f64::NAN).is_err());
}

/// A chain of `β(i/N)/N` tends to the process of `β` like `1/N`.
#[test]
fn chains_converge_to_the_continuous_process() {
    let process = VariancePreserving::default();
    let error = |n: u32| {
        let betas = (1..=n).map(|i| process.beta(f64::from(i) / f64::from(n)) / f64::from(n));
        let chain = Chain::from_betas(&betas.collect::<Vec<_>>()).expect("a chain");
        let nodes = 1..=n;
        let gaps = nodes.map(|i| {
            let level = process.level(f64::from(i) / f64::from(n));
            (chain.node(i as usize - 1).alpha() - level.alpha()).abs()
        });
        gaps.fold(0.0, f64::max)
    };
    let errors = [100, 200, 400, 800].map(error);
    for pair in errors.windows(2) {
        let ratio = pair[0] / pair[1];
        assert!((1.9..2.1).contains(&ratio), "{errors:?}");
    }
}
