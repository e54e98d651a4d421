use crate::{close, schedules};
use proptest::prelude::*;
use tweedie_math::{
    Chain, Cosine, Prediction, Schedule, TimeDensity, VariancePreserving, Weighting, gaussian,
    stratified,
};

const VP: fn() -> VariancePreserving = VariancePreserving::default;

#[test]
fn weightings_meet_where_the_papers_say() {
    for t in [0.05, 0.3, 0.8] {
        let level = VP().level(t);
        let snr = level.snr();
        let weight = |weighting: Weighting, prediction| weighting.weight(VP(), prediction, t);
        // DDPM's simple loss on the noise equals the SNR weight on x₀.
        close(
            "SNR of noise",
            weight(Weighting::Snr, Prediction::Noise),
            1.0,
            1e-9,
        );
        close(
            "SNR of x₀",
            weight(Weighting::Snr, Prediction::Clean),
            snr,
            1e-9,
        );
        // Hang et al., section 3.4.
        let min = Weighting::MinSnr { gamma: 5.0 };
        close(
            "min of noise",
            weight(min, Prediction::Noise),
            snr.min(5.0) / snr,
            1e-9,
        );
        close(
            "min of velocity",
            weight(min, Prediction::Velocity),
            snr.min(5.0) / (snr + 1.0),
            1e-9,
        );
        // EDM's weighting is uniform for EDM's own prediction.
        let karras = Prediction::Edm { sigma_data: 0.5 };
        close(
            "EDM",
            weight(Weighting::Edm { sigma_data: 0.5 }, karras),
            1.0,
            1e-9,
        );
        close("uniform", weight(Weighting::Uniform, karras), 1.0, 0.0);
        // Song et al.: λ = g² (times ½) on the score.
        let rates = VP().rates(t);
        close(
            "likelihood",
            weight(Weighting::Likelihood, Prediction::Score),
            0.5 * rates.g2,
            1e-9,
        );
    }
}

#[test]
fn weights_are_finite_at_both_ends() {
    let karras = Prediction::Edm { sigma_data: 0.5 };
    for t in [0.0, 1.0] {
        let weight =
            |weighting: Weighting, prediction| weighting.weight(Cosine::default(), prediction, t);
        close("SNR", weight(Weighting::Snr, Prediction::Noise), 1.0, 0.0);
        close(
            "EDM",
            weight(Weighting::Edm { sigma_data: 0.5 }, karras),
            1.0,
            0.0,
        );
        let cut = Weighting::MinSnr { gamma: 5.0 };
        for prediction in [Prediction::Noise, Prediction::Velocity, karras] {
            assert!(weight(cut, prediction).is_finite(), "{prediction:?} at {t}");
        }
    }
    assert!(Weighting::Elbo { steps: 0 }.check().is_err());
    assert!(Weighting::MinSnr { gamma: f64::NAN }.check().is_err());
    assert!(TimeDensity::Uniform { min: 0.5, max: 0.5 }.check().is_err());
    assert!(
        TimeDensity::LogNormal {
            mean: 0.0,
            std: 0.0
        }
        .check()
        .is_err()
    );
    assert!(Prediction::Edm { sigma_data: 0.0 }.check().is_err());
    assert!(TimeDensity::default().check().is_ok());
}

/// The weight of `x₀` in DDPM's bound is half the decrease of the SNR over the step.
///
/// In DDPM's notation the weight is `ᾱ_{t−1} (1 − α_t)²/(1 − ᾱ_t)²/(2 σ_q²)`.
#[test]
fn the_weight_of_the_bound_is_half_a_fall_of_the_snr() {
    let chain = Chain::linear(1000, 1e-4, 0.02).expect("a chain");
    let (bar, beta) = (chain.alpha_bar(), chain.betas());
    for i in [1, 10, 500, 999] {
        let posterior = gaussian::posterior(chain.node(i), chain.node(i - 1)).expect("a move");
        let weight = 0.5 * (posterior.clean / posterior.noise).powi(2);
        let printed = bar[i - 1] * beta[i].powi(2) / (1.0 - bar[i]).powi(2);
        close(
            "printed",
            weight,
            printed / (2.0 * posterior.noise.powi(2)),
            1e-9,
        );
        let fall = chain.node(i - 1).snr() - chain.node(i).snr();
        close("fall", weight, 0.5 * fall, 1e-9);
    }
}

#[test]
fn the_bound_of_a_chain_tends_to_the_continuous_one() {
    for (name, schedule) in schedules() {
        if name == "chain" {
            continue;
        }
        for t in [0.3, 0.6, 0.9] {
            let weight = |weighting: Weighting| weighting.weight(&schedule, Prediction::Clean, t);
            let exact = weight(Weighting::Likelihood);
            let error = |steps| (weight(Weighting::Elbo { steps }) - exact).abs() / exact;
            assert!(error(10_000) < 0.01, "{name}: {}", error(10_000));
            assert!(error(10_000) < 0.2 * error(1_000), "{name} converges");
            // −½ SNR′ by central differences.
            let h = 1e-6;
            let slope = (schedule.level(t + h).snr() - schedule.level(t - h).snr()) / (2.0 * h);
            close(name, exact, -0.5 * slope, 1e-5);
        }
        let first = Weighting::Elbo { steps: 100 }.weight(&schedule, Prediction::Clean, 0.005);
        assert_eq!(first, 0.0, "{name}: the decoder's interval");
    }
}

/// The weights at the nodes are the terms of DDPM's bound, from the move between the first two
/// nodes on. That move has more than half of the whole weight of `x₀`.
#[test]
fn the_weights_at_the_nodes_of_a_chain_are_its_bound() {
    let chain = Chain::linear(1000, 1e-4, 0.02).expect("a chain");
    let steps = chain.len() - 1;
    let weight = |i: usize| {
        let time = i as f64 / steps as f64;
        Weighting::Elbo { steps }.weight(&chain, Prediction::Clean, time) / steps as f64
    };
    let mut sum = 0.0;
    for i in 1..chain.len() {
        let posterior = gaussian::posterior(chain.node(i), chain.node(i - 1)).expect("a move");
        let term = 0.5 * (posterior.clean / posterior.noise).powi(2);
        close(&format!("node {i}"), weight(i), term, 1e-6);
        sum += term;
    }
    assert_eq!(weight(0), 0.0, "the decoder's term");
    close("the first share", weight(1) / sum, 0.545, 1e-3);
}

proptest! {
    #[test]
    fn times_are_quantiles(u in 0.001..0.999_f64, v in 0.001..0.999_f64) {
        prop_assume!((u - v).abs() > 1e-9);
        let densities = [
            TimeDensity::default(),
            TimeDensity::LogNormal { mean: -1.2, std: 1.2 },
            TimeDensity::LogitNormal { mean: 0.0, std: 1.0 },
        ];
        for density in densities {
            let (a, b) = (density.time(VP(), u.min(v)), density.time(VP(), u.max(v)));
            prop_assert!(a <= b && (0.0..=1.0).contains(&a) && (0.0..=1.0).contains(&b));
        }
    }
}

#[test]
fn the_named_laws_are_normal() {
    // 68.27 % of the times are within one standard deviation of the mean, 95.45 % within two.
    let (mean, std) = (-1.2, 1.2);
    let times: Vec<f64> = stratified(0.5, 100_000);
    let share = |inside: &dyn Fn(f64) -> bool| {
        times.iter().filter(|&&u| inside(u)).count() as f64 / times.len() as f64
    };
    let edm = TimeDensity::LogNormal { mean, std };
    let logit = TimeDensity::LogitNormal {
        mean: 0.5,
        std: 0.7,
    };
    for (k, expected) in [(1.0, 0.682_689), (2.0, 0.954_500)] {
        let found = share(&|u| {
            let t = edm.time(VP(), u);
            let z = (VP().level(t).noise_to_signal().ln() - mean) / std;
            z.abs() < k
        });
        close("log-normal", found, expected, 1e-4);
        let found = share(&|u| {
            let t = logit.time(VP(), u);
            (((t / (1.0 - t)).ln() - 0.5) / 0.7).abs() < k
        });
        close("logit-normal", found, expected, 1e-4);
    }
    let uniform = TimeDensity::Uniform { min: 0.2, max: 0.6 };
    assert_eq!(
        (uniform.time(VP(), 0.0), uniform.time(VP(), 0.5)),
        (0.2, 0.4)
    );
}

#[test]
fn stratified_numbers_fall_once_into_each_part() {
    for u in [0.0, 0.3, 0.999] {
        for (i, v) in stratified(u, 7).into_iter().enumerate() {
            assert_eq!((v * 7.0).floor() as usize, i);
        }
    }
}
