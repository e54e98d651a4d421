//! Samplers against exact answers: order, law, invariance, reproducibility.

#![allow(
    clippy::expect_used,
    clippy::float_cmp,
    reason = "a test may stop at once, and compares exactly where it means to"
)]

use burn::tensor::{DType, Device, Tensor};
use std::cell::Cell;
use tweedie_core::oracle::{Gaussian, GaussianMixture};
use tweedie_core::{Denoiser, HostNoise, Noise, Replay, from_fn};
use tweedie_math::{
    Ancestral, Cosine, Ddim, Edm, EulerMaruyama, Kernel, Level, OrnsteinUhlenbeck, Path,
    PosteriorVariance, ProbabilityFlow, Rectified, ReverseDiffusion, Schedule, Span,
    SubVariancePreserving, VarianceExploding, VariancePreserving, forward,
};
use tweedie_metrics::sliced_wasserstein;
use tweedie_samplers::{Heun, SampleError, Sampler, Step};

const VP: fn() -> VariancePreserving = VariancePreserving::default;

fn device() -> Device {
    Device::flex()
}

fn mixture() -> GaussianMixture {
    let component = |x, y, std| Gaussian::isotropic(&[x, y], std).expect("a Gaussian");
    let components = vec![
        (0.5, component(1.5, 0.0, 0.3)),
        (0.3, component(-1.0, 1.0, 0.4)),
        (0.2, component(0.0, -1.5, 0.2)),
    ];
    GaussianMixture::new(components).expect("a mixture")
}

fn values<const D: usize>(x: Tensor<D>) -> Vec<f64> {
    x.into_data().iter::<f64>().collect()
}

/// The order by which the error of a deterministic step falls, fitted over 16 to 256 steps on the
/// exact flow of a Gaussian.
fn order<T: Step<2>>(step: &T, path: impl Fn(usize) -> Path) -> f64 {
    let prior = Gaussian::diagonal(&[2.0, -1.0], &[0.3, 0.7]).expect("a Gaussian");
    let z = [[0.7, -0.4], [-1.1, 0.9], [0.2, 1.6]];
    let z = Tensor::<2>::from_data(z, (&device(), DType::F64));
    let points: Vec<(f64, f64)> = [16_u32, 32, 64, 128, 256]
        .into_iter()
        .map(|steps| {
            let path = path(steps as usize);
            let exact = prior.flow(z.clone(), path.start(), path.end());
            let mut memory = T::Memory::default();
            let last = path.moves().fold(z.clone(), |x, mv| {
                step.step(&prior, x, mv, &mut Replay::new(vec![]), &mut memory)
                    .x
            });
            let error = (last - exact).square().sum().sqrt().into_scalar::<f64>();
            (f64::from(steps).ln(), error.ln())
        })
        .collect();
    let n = points.len() as f64;
    let (mx, my) = points
        .iter()
        .fold((0.0, 0.0), |(a, b), (x, y)| (a + x / n, b + y / n));
    let slope =
        |f: &dyn Fn(f64, f64) -> f64| points.iter().map(|&(x, y)| f(x - mx, y - my)).sum::<f64>();
    -slope(&|x, y| x * y) / slope(&|x, _| x * x)
}

#[track_caller]
fn assert_order(name: &str, found: f64, declared: f64) {
    assert!(
        (found - declared).abs() < 0.15,
        "{name}: order {found:.3} instead of {declared}"
    );
}

#[test]
fn every_deterministic_step_converges_at_its_declared_order() {
    let karras = |steps| Path::karras(VP(), Span::default(), steps, 7.0).expect("a path");
    let edm = |steps| {
        let span = Span::new(1.0, 1e-4);
        Path::karras(Edm::default(), span, steps, 7.0).expect("a path")
    };
    let late = |steps| Path::uniform(VP(), Span::new(1.0, 0.2), steps).expect("a path");
    assert_order("DDIM", order(&Ddim::deterministic(), karras), 1.0);
    assert_order("DDIM, EDM", order(&Ddim::deterministic(), edm), 1.0);
    assert_order("flow", order(&ProbabilityFlow::new(VP()), late), 1.0);
    assert_order("Heun", order(&Heun, karras), 2.0);
    assert_order("Heun, EDM", order(&Heun, edm), 2.0);
}

/// 20,000 points of a mixture by each sampler, on each process: as close to exact draws as other
/// exact draws are, up to a factor and the sampler's discretisation error.
#[test]
fn every_sampler_draws_from_the_right_law() {
    let (prior, count) = (mixture(), 20_000);
    let exact = prior.sample(count, 1, &device());
    let distance = |x: &Tensor<2>| sliced_wasserstein(x, &exact, 2.0, 50, 0);
    let noise_floor = distance(&prior.sample(count, 2, &device()));
    assert!(noise_floor < 0.03, "{noise_floor}");
    let draw = |kernel: &dyn Kernel, path: Path| {
        let mut noise = HostNoise::seeded(5);
        let sampler = Sampler::new(kernel, path);
        let x = sampler.start([count, 2], &device(), &mut noise);
        sampler.sample(&prior, x, &mut noise).expect("a run")
    };
    let uniform = || {
        Path::uniform(VP(), Span::default(), 200)
            .expect("a path")
            .then_clean()
    };
    let large = Ancestral::new(PosteriorVariance::Large);
    let kernels: [(&str, &dyn Kernel); 6] = [
        ("ancestral", &Ancestral::default()),
        ("ancestral, large", &large),
        ("DDIM 0.5", &Ddim::with_eta(0.5)),
        ("flow", &ProbabilityFlow::new(VP())),
        ("Euler–Maruyama", &EulerMaruyama::new(VP())),
        ("reverse diffusion", &ReverseDiffusion),
    ];
    for (name, kernel) in kernels {
        let found = distance(&draw(kernel, uniform()));
        assert!(
            found < 0.05,
            "{name}: {found}, between exact draws {noise_floor}"
        );
    }
    let span = Span::new(0.999, 1e-3);
    let schedules: [(&str, &dyn Schedule); 7] = [
        ("VP", &VP()),
        ("sub-VP", &SubVariancePreserving::default()),
        ("VE", &VarianceExploding::default()),
        ("OU", &OrnsteinUhlenbeck::default()),
        ("cosine", &Cosine::default()),
        ("rectified", &Rectified),
        ("EDM", &Edm::default()),
    ];
    for (name, schedule) in schedules {
        let path = Path::karras(schedule, span, 100, 7.0)
            .expect("a path")
            .then_clean();
        let found = distance(&draw(&Ddim::deterministic(), path));
        assert!(
            found < 0.05,
            "{name}: {found}, between exact draws {noise_floor}"
        );
    }
}

#[test]
fn a_wrong_score_is_seen() {
    // The law test can fail: a denoiser that is 10 % too cautious is told apart.
    let (prior, count) = (mixture(), 20_000);
    let exact = prior.sample(count, 1, &device());
    let wrong = from_fn(|x: Tensor<2>, level: Level| prior.denoise(x, level) * 0.9);
    let path = Path::uniform(VP(), Span::default(), 200)
        .expect("a path")
        .then_clean();
    let mut noise = HostNoise::seeded(5);
    let sampler = Sampler::new(Ancestral::default(), path);
    let x = sampler.start([count, 2], &device(), &mut noise);
    let x = sampler.sample(&wrong, x, &mut noise).expect("a run");
    assert!(sliced_wasserstein(&x, &exact, 2.0, 50, 0) > 0.1);
}

#[test]
fn the_flow_does_not_depend_on_how_it_is_parametrised() {
    let prior = mixture();
    let z = HostNoise::seeded(3).normal([5, 2], &device());
    let end = |schedule: &dyn Schedule| {
        let log_snrs = (0..=40).map(|i| -6.0 + 0.3 * f64::from(i));
        let level = |log_snr: f64| schedule.level(schedule.time(log_snr));
        let path = Path::through(log_snrs.map(level).collect()).expect("a path");
        // Start from the same y = x/α.
        let start = z.clone() * (path.start().sigma());
        let sampler = Sampler::new(Ddim::deterministic(), path.clone());
        let x = sampler
            .sample(&prior, start, &mut Replay::new(vec![]))
            .expect("a run");
        values(x / path.end().alpha())
    };
    let reference = end(&VP());
    for (name, schedule) in [
        ("VE", &VarianceExploding::default() as &dyn Schedule),
        ("rectified", &Rectified),
        ("cosine", &Cosine::default()),
        ("EDM", &Edm::default()),
    ] {
        for (a, b) in end(schedule).iter().zip(&reference) {
            assert!((a - b).abs() < 2e-4, "{name}: {a} instead of {b}");
        }
    }
}

#[test]
fn a_batch_is_its_samples_and_threads_do_not_matter() {
    let prior = mixture();
    let path = Path::uniform(VP(), Span::FULL, 20)
        .expect("a path")
        .with_time_travel(5, 2);
    let sampler = Sampler::new(Ancestral::default(), path);
    let run = |first: u64, count: usize| {
        let mut noise = HostNoise::seeded(9).starting_at(first);
        let x = sampler.start([count, 2], &device(), &mut noise);
        values(sampler.sample(&prior, x, &mut noise).expect("a run"))
    };
    let both = run(0, 2);
    assert_eq!(both[..2], run(0, 1));
    assert_eq!(both[2..], run(1, 1));
    let threads = std::thread::scope(|scope| {
        let threads = [scope.spawn(|| run(0, 2)), scope.spawn(|| run(0, 2))];
        threads.map(|thread| thread.join().expect("a run"))
    });
    assert!(threads.iter().all(|found| *found == both));
}

#[test]
fn what_cannot_work_is_refused_before_any_evaluation() {
    struct Counting<'a>(&'a Cell<usize>);
    impl Denoiser<2> for Counting<'_> {
        fn denoise(&self, x: Tensor<2>, _: Level) -> Tensor<2> {
            self.0.set(self.0.get() + 1);
            x
        }
        fn supports(&self, level: Level) -> bool {
            level.alpha() > 0.0
        }
    }
    let evaluations = Cell::new(0);
    let x = || Tensor::<2>::ones([1, 2], &device());
    let mut noise = HostNoise::seeded(0);
    let to_pure = Path::uniform(Rectified, Span::FULL, 5).expect("a path");
    let run = Sampler::new(Ddim::deterministic(), to_pure.clone()).sample(
        &Counting(&evaluations),
        x(),
        &mut noise,
    );
    assert!(matches!(run, Err(SampleError::Denoiser { level }) if level == Level::PURE_NOISE));
    let singular = Sampler::new(EulerMaruyama::new(Rectified), to_pure);
    let run = singular.sample(&from_fn(|x: Tensor<2>, _| x), x(), &mut noise);
    assert!(matches!(run, Err(SampleError::Step { .. })));
    assert_eq!(evaluations.get(), 0);
}

#[test]
fn a_forward_move_adds_the_noise_between_its_levels() {
    let (from, to) = (
        Level::new(0.8, 0.6).expect("a level"),
        Level::new(0.6, 0.8).expect("a level"),
    );
    let path = Path::through(vec![from, to]).expect("a path");
    let sampler = Sampler::new(Heun, path);
    let x = Tensor::<2>::ones([1, 1], &device());
    let z = Tensor::<2>::from_floats([[0.5]], &device());
    let never = from_fn(|_: Tensor<2>, _| -> Tensor<2> { unreachable!("no reverse move") });
    let mut states = sampler
        .trajectory(&never, x, &mut Replay::new(vec![z]))
        .expect("a run")
        .collect::<Vec<_>>();
    let state = states.pop().expect("one move");
    let up = forward::conditional(from, to);
    let expected = up.state + 0.5 * up.noise;
    assert!((values(state.x)[0] - expected).abs() < 1e-6);
    assert!(state.clean.is_none() && state.level == to);
}

#[test]
fn samplers_are_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Sampler<Ancestral>>();
    shared::<Sampler<Heun>>();
    shared::<Sampler<EulerMaruyama<VariancePreserving>>>();
    shared::<GaussianMixture>();
}
