use crate::{close, schedules};
use proptest::prelude::*;
use tweedie_math::{
    Chain, Level, LevelPath, PathError, RectifiedFlow, Schedule, Spacing, Span, VariancePreserving,
};

proptest! {
    #[test]
    fn every_path_falls_from_its_noisiest_level_to_its_cleanest(steps in 1_usize..60,
        rho in 1.0..10.0) {
        let span = Span::new(0.98, 0.02);
        for (name, schedule) in schedules() {
            let paths = [
                LevelPath::uniform(&schedule, span, steps),
                LevelPath::log_snr(&schedule, span, steps),
                LevelPath::karras(&schedule, span, steps, rho),
                LevelPath::exponential(&schedule, span, steps),
            ];
            for path in paths {
                let path = path.expect("a path");
                prop_assert_eq!(path.len(), steps);
                prop_assert_eq!(path.start(), schedule.level(0.98));
                prop_assert_eq!(path.end(), schedule.level(0.02));
                for mv in path.moves() {
                    prop_assert!(!mv.is_forward() && mv.from.is_noisier_than(mv.to), "{name}");
                }
                let levels = path.levels();
                prop_assert!(path.moves().zip(levels.windows(2))
                    .all(|(mv, pair)| mv.from == pair[0] && mv.to == pair[1]));
            }
        }
    }

    #[test]
    fn respaced_chains_visit_falling_nodes_and_end_clean(steps in 1_usize..200) {
        let chain = Chain::linear(200, 1e-4, 0.05).expect("a chain");
        for spacing in [Spacing::Leading { offset: 0 }, Spacing::Linspace, Spacing::Trailing] {
            let nodes = spacing.indices(200, steps).expect("nodes");
            prop_assert_eq!(nodes.len(), steps);
            prop_assert!(nodes.windows(2).all(|pair| pair[0] > pair[1]), "{spacing:?}");
            let path = LevelPath::respaced(&chain, spacing, steps).expect("a path");
            prop_assert_eq!(path.len(), steps);
            prop_assert_eq!(path.end(), Level::CLEAN);
        }
        prop_assert_eq!(Spacing::Trailing.indices(200, steps).expect("nodes")[0], 199);
    }

    #[test]
    fn time_travel_repeats_every_stretch(steps in 1_usize..40, jump in 1_usize..12,
        repeats in 2_usize..5) {
        let plain = LevelPath::uniform(RectifiedFlow, Span::FULL, steps).expect("a path");
        let path = plain.clone().with_time_travel(jump, repeats);
        let (down, up): (Vec<_>, Vec<_>) = path.moves().partition(|mv| !mv.is_forward());
        prop_assert_eq!(down.len(), steps * repeats);
        prop_assert_eq!(up.len(), steps.div_ceil(jump) * (repeats - 1));
        prop_assert_eq!(path.end(), plain.end());
        let moves: Vec<_> = plain.moves().collect();
        prop_assert!(down.iter().all(|mv| moves.contains(mv)));
    }
}

#[test]
fn ties_of_a_trailing_spacing_are_rounded_before_they_count_from_zero() {
    // 1000 − 12.5 i, rounded half to even, minus 1, as in diffusers.
    let found = Spacing::Trailing.indices(1000, 80).expect("indices");
    assert_eq!(found[..5], [999, 987, 974, 961, 949]);
    let positions = Spacing::Trailing.positions(1000, 80).expect("positions");
    assert_eq!(positions[..3], [999.0, 986.5, 974.0]);
}

#[test]
fn spacings_are_even_where_they_say() {
    let vp = VariancePreserving::default();
    let span = Span::default();
    let gaps = |path: &LevelPath, f: &dyn Fn(Level) -> f64| {
        let values: Vec<f64> = path.levels().iter().map(|&level| f(level)).collect();
        let gaps: Vec<f64> = values.windows(2).map(|pair| pair[1] - pair[0]).collect();
        for gap in &gaps {
            close("gap", *gap / gaps[0], 1.0, 1e-6);
        }
    };
    gaps(&LevelPath::uniform(vp, span, 20).expect("a path"), &|l| {
        vp.time(l.log_snr())
    });
    gaps(&LevelPath::log_snr(vp, span, 20).expect("a path"), &|l| {
        l.log_snr()
    });
    let karras = LevelPath::karras(vp, span, 20, 7.0).expect("a path");
    gaps(&karras, &|l| l.noise_to_signal().powf(1.0 / 7.0));
}

#[test]
fn nonsense_is_refused_with_its_numbers() {
    let vp = VariancePreserving::default();
    let text = |path: Result<LevelPath, PathError>| path.map_err(|error| error.to_string()).err();
    let none = text(LevelPath::uniform(vp, Span::FULL, 0));
    assert_eq!(none.as_deref(), Some("a path needs at least 1 step, got 0"));
    for (start, end) in [
        (1.0, 1.0),
        (0.5, 0.7),
        (1.1, 0.0),
        (1.0, -0.1),
        (f64::NAN, 0.0),
    ] {
        let path = LevelPath::uniform(vp, Span::new(start, end), 5);
        assert!(
            matches!(path, Err(PathError::Span { .. })),
            "{start} to {end}"
        );
    }
    // A log-SNR spacing cannot start at pure noise or end at clean data.
    let unbounded = LevelPath::log_snr(RectifiedFlow, Span::default(), 5);
    assert!(
        matches!(unbounded, Err(PathError::Unbounded { time: 1.0, log_snr })
            if log_snr == f64::NEG_INFINITY)
    );
    assert!(LevelPath::karras(vp, Span::FULL, 5, 7.0).is_err());
    assert!(LevelPath::karras(vp, Span::default(), 5, 0.0).is_err());
    let chain = Chain::linear(10, 0.1, 0.2).expect("a chain");
    assert!(matches!(
        LevelPath::respaced(&chain, Spacing::Linspace, 11),
        Err(PathError::TooManySteps {
            steps: 11,
            nodes: 10
        })
    ));
    assert!(matches!(
        LevelPath::respaced(&chain, Spacing::Leading { offset: 1 }, 10),
        Err(PathError::NoNode {
            index: 10,
            nodes: 10
        })
    ));
    assert!(LevelPath::through(vec![Level::CLEAN]).is_err());
}
