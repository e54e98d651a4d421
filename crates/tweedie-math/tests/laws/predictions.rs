use crate::{close, schedules};
use proptest::prelude::*;
use tweedie_math::{Level, Prediction, Schedule};

const ALL: [Prediction; 7] = [
    Prediction::Clean,
    Prediction::Noise,
    Prediction::Score,
    Prediction::ScaledScore,
    Prediction::Velocity,
    Prediction::Flow,
    Prediction::Edm { sigma_data: 0.5 },
];

/// Returns the output of a perfect network by definition.
fn output(prediction: Prediction, level: Level, clean: f64, noise: f64) -> f64 {
    let (a, s) = (level.alpha(), level.sigma());
    match prediction {
        Prediction::Clean => clean,
        Prediction::Noise => noise,
        Prediction::Score => -noise / s,
        // The score of x/α, which has noise of standard deviation σ/α.
        Prediction::ScaledScore => -noise / (s / a),
        Prediction::Velocity => (a * noise - s * clean) / level.rms(),
        Prediction::Flow => noise - clean,
        Prediction::Edm { sigma_data: d } => {
            // Karras et al., table 1, in the coordinate y = x/α.
            let (y, v) = (clean + s / a * noise, s / a);
            let (skip, out) = (d * d / (v * v + d * d), v * d / (v * v + d * d).sqrt());
            (clean - skip * y) / out
        }
        other => panic!("no definition of {other:?}"),
    }
}

proptest! {
    #[test]
    fn each_row_inverts(t in 0.01..0.99, clean in -2.0..2.0, noise in -2.0..2.0) {
        for (name, schedule) in schedules() {
            let level = schedule.level(t);
            let noisy = level.alpha() * clean + level.sigma() * noise;
            for prediction in ALL {
                let row = prediction.to_clean(level);
                let output = output(prediction, level, clean, noise);
                let name = format!("{name}, {prediction:?}");
                // Relative to the size of the terms that cancel.
                let size = (row.skip * noisy).abs() + (row.out * output).abs();
                close(&name, row.skip * noisy + row.out * output, clean, 1e-9 * (1.0 + size));
                let target = prediction.target(level);
                close(&name, target.clean * clean + target.noise * noise, output,
                    1e-9 * (1.0 + output.abs()));
            }
        }
    }

    #[test]
    fn a_network_sees_the_same_input_on_every_schedule(log_snr in -6.0..6.0, clean in -2.0..2.0,
        noise in -2.0..2.0) {
        for prediction in ALL {
            let mut seen = Vec::new();
            for (_, schedule) in schedules() {
                let level = schedule.level(schedule.time(log_snr));
                if (level.log_snr() - log_snr).abs() > 1e-6 {
                    continue; // outside the schedule's range
                }
                let noisy = level.alpha() * clean + level.sigma() * noise;
                seen.push(prediction.input_scale(level) * noisy);
            }
            prop_assert!(seen.len() >= 5);
            for input in &seen {
                close(&format!("{prediction:?}"), *input, seen[0], 1e-6);
            }
        }
    }
}

#[test]
fn edm_gives_input_and_target_unit_variance() {
    let d = 0.5;
    let prediction = Prediction::Edm { sigma_data: d };
    for (name, schedule) in schedules() {
        for t in [0.1, 0.5, 0.9] {
            let level = schedule.level(t);
            let (a, s) = (level.alpha(), level.sigma());
            let input = prediction.input_scale(level).powi(2) * (a * a * d * d + s * s);
            close(name, input, 1.0, 1e-12);
            // F* = (x₀ − skip (α x₀ + σ ε))/out.
            let row = prediction.to_clean(level);
            let variance = ((1.0 - row.skip * a) * d).powi(2) + (row.skip * s).powi(2);
            close(name, variance / row.out.powi(2), 1.0, 1e-9);
        }
    }
}

#[test]
fn pure_noise_is_an_end_for_noise_and_score_alone() {
    let refused: Vec<_> = ALL
        .into_iter()
        .filter(|prediction| !prediction.determines_clean(Level::PURE_NOISE))
        .collect();
    assert_eq!(
        refused,
        [
            Prediction::Noise,
            Prediction::Score,
            Prediction::ScaledScore
        ]
    );
    for prediction in ALL {
        assert!(prediction.determines_clean(Level::CLEAN), "{prediction:?}");
    }
    // v-prediction at pure noise: x̂₀ = −F.
    let row = Prediction::Velocity.to_clean(Level::PURE_NOISE);
    assert_eq!((row.skip, row.out), (0.0, -1.0));
}
