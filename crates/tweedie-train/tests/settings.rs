//! Learning rates and decays of averages.

use approx::assert_abs_diff_eq;
use tweedie_train::{Decay, EmaDecay, EmaWarmup, LearningRate};

#[test]
fn a_rate_rises_to_its_peak_and_falls_by_its_formula() {
    let of = |decay| {
        LearningRate::new(2.0)
            .with_warmup(4)
            .with_decay(decay)
            .with_peak(1.0)
    };
    let polynomial = Decay::Polynomial {
        power: 2.0,
        end: 0.1,
    };
    // Steps 0, 3, 4, 9 and 14 of 14: half of the way down is step 9.
    let cases = [
        (Decay::Constant, [0.25, 1.0, 1.0, 1.0, 1.0]),
        (Decay::Linear, [0.25, 1.0, 1.0, 0.5, 0.0]),
        (Decay::Cosine, [0.25, 1.0, 1.0, 0.5, 0.0]),
        (polynomial, [0.25, 1.0, 1.0, 0.325, 0.1]),
        (
            Decay::InverseRoot,
            [
                0.25,
                1.0,
                0.8_f64.sqrt(),
                0.4_f64.sqrt(),
                (4.0_f64 / 15.0).sqrt(),
            ],
        ),
        (Decay::Restarts { cycles: 2 }, [0.25, 1.0, 1.0, 1.0, 0.0]),
    ];
    for (decay, expected) in cases {
        for (step, expected) in [0, 3, 4, 9, 14].into_iter().zip(expected) {
            assert_abs_diff_eq!(of(decay).at(step, 14), expected, epsilon = 1e-12);
        }
        assert!(of(decay).check().is_ok());
    }
    let end = |end| Decay::Polynomial { power: 1.0, end };
    for decay in [
        end(-0.1),
        end(1.1),
        end(f64::NAN),
        Decay::Restarts { cycles: 0 },
    ] {
        assert!(of(decay).check().is_err(), "{decay:?}");
    }
}

#[test]
fn an_average_warms_up_as_asked() {
    let power = EmaWarmup::Power {
        gamma: 2.0,
        power: 0.5,
    };
    let cases = [
        (EmaWarmup::None, [0.9, 0.9, 0.9]),
        (EmaWarmup::Ratio, [0.1, 4.0 / 13.0, 0.9]),
        // 1 − (1 + 3/2)^(−1/2)
        (power, [0.0, 1.0 - 2.5_f64.powf(-0.5), 0.9]),
    ];
    for (warmup, expected) in cases {
        let decay = EmaDecay::new(0.9).with_warmup(warmup);
        for (k, expected) in [0, 3, 10_000].into_iter().zip(expected) {
            assert_abs_diff_eq!(decay.at(k), expected, epsilon = 1e-12);
        }
        assert!(decay.check().is_ok());
    }
    let never = EmaWarmup::Power {
        gamma: 0.0,
        power: 1.0,
    };
    assert!(EmaDecay::new(0.9).with_warmup(never).check().is_err());
}
