use serde::{Serialize, de::DeserializeOwned};
use std::fmt::Debug;
use tweedie_math::{
    Affine, Ancestral, AnySchedule, Chain, Cosine, Ddim, EulerMaruyama, EulerOde, Level, LevelPath,
    Move, PosteriorVariance, Prediction, Rates, RectifiedFlow, ReverseDiffusion, Schedule, Slope,
    Spacing, Span, TimeDensity, Transition, Weighting,
};

#[track_caller]
fn round<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T) {
    let text = serde_json::to_string(value).expect("a value serialises");
    let back: T = serde_json::from_str(&text).expect("what was written is read");
    assert_eq!(&back, value, "{text}");
}

#[test]
fn every_value_comes_back() {
    let chain = Chain::linear(10, 1e-3, 0.2).expect("a chain");
    let level = chain.node(3);
    round(&level);
    round(&chain);
    for (_, schedule) in crate::schedules() {
        round(&schedule);
    }
    round(&Prediction::Edm { sigma_data: 0.5 });
    round(&Affine {
        skip: 0.1,
        out: 0.2,
    });
    round(&Ancestral::new(PosteriorVariance::Interpolated(0.3)).expect("a variance"));
    round(&Ddim::new(0.3).expect("η"));
    round(&EulerOde::new(RectifiedFlow));
    round(&EulerMaruyama::new(Cosine::default()));
    round(&ReverseDiffusion);
    round(&Transition::IDENTITY);
    round(&Move {
        from: level,
        to: Level::CLEAN,
    });
    round(&LevelPath::uniform(RectifiedFlow, Span::FULL, 3).expect("a path"));
    round(&Span::default());
    round(&Spacing::Leading { offset: 1 });
    round(&Weighting::MinSnr { gamma: 5.0 });
    round(&TimeDensity::default());
    round(&RectifiedFlow.rates(0.5));
    round(&Rates { f: 0.0, g2: 1.0 });
    round(&Slope {
        alpha: 0.0,
        sigma: 1.0,
    });
}

#[test]
fn what_no_constructor_makes_no_file_makes() {
    let refused = |text: &str| serde_json::from_str::<AnySchedule>(text).is_err();
    assert!(refused(
        r#"{"variance_exploding":{"sigma_min":2.0,"sigma_max":1.0}}"#
    ));
    assert!(refused(r#"{"chain":{"alpha_bar":[0.5,0.7]}}"#));
    assert!(refused(r#"{"cosine":{"offset":0.008,"unknown":1.0}}"#));
    assert!(serde_json::from_str::<Ddim>(r#"{"eta":-1.0}"#).is_err());
    assert!(serde_json::from_str::<Ancestral>(r#"{"variance":{"interpolated":2.0}}"#).is_err());
    assert!(serde_json::from_str::<LevelPath>(r#"[{"alpha":1.0,"sigma":0.0}]"#).is_err());
}
