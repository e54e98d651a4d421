//! Errors before a run and during one.

use crate::device;
use burn::tensor::Tensor;
use tweedie_core::{DenoiseError, Denoiser};
use tweedie_core::{HostNoise, from_fn, try_from_fn};
use tweedie_math::{
    Ancestral, Ddim, EulerMaruyama, Level, LevelPath, MoveError, RectifiedFlow, Schedule, Span,
    VariancePreserving,
};
use tweedie_samplers::{AnyStep, Churn, Langevin, RungeKutta, SampleError, Sampler, StepError};

const VP: fn() -> VariancePreserving = VariancePreserving::default;

fn uniform(steps: usize) -> LevelPath {
    LevelPath::uniform(VP(), Span::default(), steps).expect("a path")
}

#[test]
fn what_cannot_work_is_refused_before_any_evaluation() {
    struct NoiseOnly;
    impl Denoiser<2> for NoiseOnly {
        fn denoise(&self, _: Tensor<2>, _: Level) -> Result<Tensor<2>, DenoiseError> {
            unreachable!("refused before any evaluation")
        }
        fn supports(&self, level: Level) -> bool {
            level.alpha() > 0.0
        }
    }
    let never = from_fn(|_: Tensor<2>, _| -> Tensor<2> { unreachable!("refused") });
    let x = || Tensor::<2>::ones([1, 2], &device());
    let mut noise = HostNoise::seeded(0);
    let to_pure = LevelPath::uniform(RectifiedFlow, Span::FULL, 5).expect("a path");
    let run = Sampler::new(Ddim::deterministic(), to_pure.clone());
    let run = run.sample(&NoiseOnly, x(), &mut noise);
    assert!(matches!(run, Err(SampleError::Denoiser { level }) if level == Level::PURE_NOISE));
    let singular = Sampler::new(EulerMaruyama::new(RectifiedFlow), to_pure.clone());
    let run = singular.sample(&never, x(), &mut noise);
    assert!(matches!(
        run,
        Err(SampleError::Step {
            reason: StepError::Move(MoveError::Singular { .. }),
            ..
        })
    ));
    // Clean data have no noise to estimate, and stochastic steps cannot move up in noise.
    let full = LevelPath::uniform(VP(), Span::FULL, 5).expect("a path");
    let run = Sampler::new(Ddim::deterministic(), full).encode(&never, x());
    assert!(matches!(run, Err(SampleError::Step { .. })));
    for step in [
        AnyStep::new(Ancestral::default()),
        AnyStep::new(Ddim::ancestral()),
    ] {
        let run = Sampler::new(step, uniform(5)).encode(&never, x());
        assert!(matches!(run, Err(SampleError::Step { .. })));
    }
    // Levels that do not rise cannot be encoded along.
    let stay = LevelPath::staying(VP().level(0.5), 3).expect("a path");
    let run = Sampler::new(Langevin::fixed(0.1).expect("ε"), stay).encode(&never, x());
    assert!(matches!(run, Err(SampleError::Encode { .. })));
    let run = Sampler::new(Ddim::ancestral(), uniform(5).reversed()).encode(&never, x());
    assert!(matches!(run, Err(SampleError::Encode { .. })));
    // Invalid churn.
    for (churn, steps) in [(f64::NAN, 10), (-1.0, 10), (0.0, 0)] {
        assert!(Churn::new(RungeKutta::heun(), churn, steps).is_err());
    }
}

#[test]
fn what_is_not_finite_is_found_where_it_appears() {
    let path = uniform(10);
    let third = path.levels()[3];
    let breaks = |bad: f64| {
        from_fn(move |x: Tensor<2>, level: Level| {
            let level_is_low = !level.is_noisier_than(third);
            if level_is_low { x * bad } else { x * 0.5 }
        })
    };
    let sampler = Sampler::new(Ddim::deterministic(), path.clone()).checking_each();
    for bad in [f64::NAN, f64::INFINITY] {
        let x = Tensor::<2>::ones([1, 2], &device());
        let run = sampler.sample(&breaks(bad), x, &mut HostNoise::seeded(0));
        let expected = SampleError::NotFinite {
            level: path.levels()[4],
            evaluations: 4,
        };
        assert_eq!(run.err(), Some(expected));
    }
}

#[test]
fn what_fails_within_a_move_ends_the_run() {
    let path = uniform(10);
    let third = path.levels()[3];
    let prior = try_from_fn(move |x: Tensor<2>, level: Level| match level == third {
        true => Err(DenoiseError::Failed("no answer".into())),
        false => Ok(x * 0.5),
    });
    let sampler = Sampler::new(Ddim::deterministic(), path.clone());
    let mut noise = HostNoise::seeded(0);
    let x = Tensor::<2>::ones([1, 2], &device());
    let states: Vec<_> = sampler
        .trajectory(&prior, x, &mut noise)
        .expect("a run")
        .collect();
    let mv = path.moves().nth(3).expect("a move");
    let reason = StepError::Denoise(DenoiseError::Failed("no answer".into()));
    assert_eq!(states.len(), 4);
    let last = states.into_iter().last().expect("a state");
    assert_eq!(last.err(), Some(SampleError::Step { mv, reason }));
}
