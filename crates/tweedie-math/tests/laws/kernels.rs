use crate::{close, schedules};
use proptest::prelude::*;
use tweedie_math::{
    Ancestral, Chain, Ddim, EulerMaruyama, EulerOde, Kernel, Level, MoveError, PosteriorVariance,
    ReverseDiffusion, Schedule, Transition, forward, gaussian,
};

/// Returns the kernel's move; panics if there is none.
fn moved<K: Kernel + ?Sized>(kernel: &K, from: Level, to: Level) -> Transition {
    let step = kernel.transition(from, to);
    step.unwrap_or_else(|error| panic!("{from:?} → {to:?}: {error}"))
}

/// Returns the mean factor and the variance of `x_s` given `x₀`, for an exact estimate.
fn law(step: Transition, from: Level) -> (f64, f64) {
    let mean = step.state * from.alpha() + step.clean;
    let variance = (step.state * from.sigma()).powi(2) + step.noise.powi(2);
    (mean, variance)
}

proptest! {
    #[test]
    fn exact_kernels_keep_the_marginal(t in 0.02..1.0, share in 0.0..0.99, eta in 0.0..1.0) {
        for (name, schedule) in schedules() {
            let (from, to) = (schedule.level(t), schedule.level(t * share));
            let steps = [
                ("ancestral", Ancestral::default().transition(from, to)),
                ("DDIM", Ddim::new(eta).expect("η").transition(from, to)),
                ("posterior", gaussian::posterior(from, to)),
            ];
            for (kernel, step) in steps {
                let (mean, variance) = law(step.expect("a move"), from);
                let name = format!("{kernel} on {name}");
                close(&name, mean, to.alpha(), 1e-9);
                close(&name, variance / to.sigma().powi(2).max(1e-300),
                    f64::from(u8::from(to.sigma() > 0.0)), 1e-6);
            }
        }
    }

    #[test]
    fn eta_scales_the_standard_deviation(t in 0.02..1.0, share in 0.0..0.99, eta in 0.0..1.0) {
        for (name, schedule) in schedules() {
            let (from, to) = (schedule.level(t), schedule.level(t * share));
            let noise = |eta| moved(&Ddim::new(eta).expect("η"), from, to).noise;
            close(name, noise(eta), eta * noise(1.0), 1e-12);
        }
    }

    #[test]
    fn ddim_at_one_is_ancestral(t in 0.02..1.0, share in 0.0..0.99) {
        for (name, schedule) in schedules() {
            let (from, to) = (schedule.level(t), schedule.level(t * share));
            let a = moved(&Ancestral::default(), from, to);
            let b = moved(&Ddim::ancestral(), from, to);
            close(name, a.state, b.state, 1e-9);
            close(name, a.clean, b.clean, 1e-9);
            close(name, a.noise, b.noise, 1e-9);
        }
    }

    #[test]
    fn deterministic_ddim_runs_both_ways(t in 0.05..0.95, s in 0.05..0.95) {
        for (name, schedule) in schedules() {
            let (a, b) = (schedule.level(t), schedule.level(s));
            let there = moved(&Ddim::deterministic(), a, b);
            let back = moved(&Ddim::deterministic(), b, a);
            close(name, there.state * back.state, 1.0, 1e-9);
            close(name, back.state * there.clean + back.clean, 0.0, 1e-7);
            prop_assert_eq!(there.noise, 0.0);
        }
    }

    #[test]
    fn the_forward_conditional_composes_to_the_marginal(t in 0.0..0.9, share in 0.01..1.0) {
        for (name, schedule) in schedules() {
            let (from, to) = (schedule.level(t), schedule.level(t + share * (1.0 - t)));
            let (mean, variance) = law(forward::conditional(from, to), from);
            close(name, mean, to.alpha(), 1e-9);
            close(name, variance.sqrt(), to.sigma(), 1e-9);
            let marginal = forward::marginal(to);
            prop_assert_eq!((marginal.clean, marginal.noise), (to.alpha(), to.sigma()));
        }
    }
}

/// For data from `N(0, c)` the exact variance of a step is `β v_s/v_t`. `β̃` and `β` are two cases
/// of it; `β` is the second one on variance-preserving levels only.
#[test]
fn the_variance_of_a_step_on_gaussian_data() {
    let variance = |kernel: Ancestral, from, to| moved(&kernel, from, to).noise.powi(2);
    let exact = |c: f64, from: Level, to: Level| {
        // Var(x_s ∣ x_t) of two Gaussian variables with covariance r v_s.
        let [v_s, v_t] = [to, from].map(|level| level.alpha().powi(2) * c + level.sigma().powi(2));
        let r = from.alpha() / to.alpha();
        v_s - (r * v_s).powi(2) / v_t
    };
    for (name, schedule) in schedules() {
        let (from, to) = (schedule.level(0.7), schedule.level(0.4));
        let (small, large) = (Ancestral::small(), Ancestral::large());
        let [beta_tilde, beta] = [small, large].map(|kernel| variance(kernel, from, to));
        close(name, exact(0.0, from, to), beta_tilde, 1e-9);
        for c in [0.0, 0.3, 1.0, 5.0] {
            let [v_s, v_t] = [to, from].map(|l| l.alpha().powi(2) * c + l.sigma().powi(2));
            close(name, exact(c, from, to), beta * v_s / v_t, 1e-9);
        }
    }
    let preserving = [-1.0, 1.0].map(Level::variance_preserving);
    let [from, to] = preserving;
    close(
        "VP",
        exact(1.0, from, to),
        variance(Ancestral::large(), from, to),
        1e-9,
    );
    let [from, to] = [1.0, 0.5].map(|sigma| Level::new(1.0, sigma).expect("a level"));
    close(
        "β of VE",
        variance(Ancestral::large(), from, to),
        0.75,
        1e-12,
    );
    close("exact in VE", exact(1.0, from, to), 0.46875, 1e-12);
}

/// The law of one Euler step of length `h` differs from the marginal by `O(h²)`.
#[test]
fn euler_kernels_are_right_to_first_order() {
    for (name, schedule) in schedules() {
        if name == "chain" {
            continue; // the rates jump at the nodes
        }
        let t = 0.6;
        let kernels: [(&str, Box<dyn Kernel>); 3] = [
            ("flow", Box::new(EulerOde::new(&schedule))),
            ("Euler–Maruyama", Box::new(EulerMaruyama::new(&schedule))),
            ("reverse diffusion", Box::new(ReverseDiffusion)),
        ];
        for (kernel, step) in kernels {
            let error = |h: f64| {
                let (from, to) = (schedule.level(t), schedule.level(t - h));
                let (mean, variance) = law(moved(&*step, from, to), from);
                let scale = to.sigma().powi(2);
                (mean - to.alpha()).abs() / to.rms() + (variance - scale).abs() / scale
            };
            // Straight flows are exact up to rounding.
            let order = (error(1e-3) / error(1e-4).max(1e-14)).log10();
            let exact = error(1e-3) < 1e-11;
            assert!(
                exact || order > 1.9,
                "{kernel} on {name}: local order {order}"
            );
        }
        let forward_error = |h: f64| {
            let (from, to) = (schedule.level(t), schedule.level(t + h));
            let (mean, variance) = law(forward::euler_maruyama(&schedule, t, h), from);
            (mean - to.alpha()).abs() + (variance - to.sigma().powi(2)).abs()
        };
        let order = (forward_error(1e-3) / forward_error(1e-4).max(1e-14)).log10();
        let exact = forward_error(1e-3) < 1e-11;
        assert!(
            exact || order > 1.9,
            "forward on {name}: local order {order}"
        );
    }
}

#[test]
fn ancestral_is_ddpm() {
    let chain = Chain::linear(1000, 1e-4, 0.02).expect("DDPM's chain");
    let (bar, beta) = (chain.alpha_bar(), chain.betas());
    for i in [1, 2, 417, 999] {
        let small = moved(&Ancestral::default(), chain.node(i), chain.node(i - 1));
        // Ho et al. 2020, eq. 7.
        let denominator = 1.0 - bar[i];
        close(
            "clean",
            small.clean,
            bar[i - 1].sqrt() * beta[i] / denominator,
            1e-10,
        );
        let state = (1.0 - beta[i]).sqrt() * (1.0 - bar[i - 1]) / denominator;
        close("state", small.state, state, 1e-10);
        let tilde = (1.0 - bar[i - 1]) / denominator * beta[i];
        close("β̃", small.noise.powi(2), tilde, 1e-12);
        // Algorithm 2: (x − β/√(1−ᾱ) ε̂)/√α, with x̂₀ = (x − √(1−ᾱ) ε̂)/√ᾱ.
        let alpha = 1.0 - beta[i];
        close(
            "x",
            small.state + small.clean / bar[i].sqrt(),
            1.0 / alpha.sqrt(),
            1e-9,
        );
        let noise = -small.clean * denominator.sqrt() / bar[i].sqrt();
        close(
            "ε̂",
            noise,
            -beta[i] / denominator.sqrt() / alpha.sqrt(),
            1e-9,
        );
        let with = |variance| {
            let kernel = Ancestral::new(variance).expect("a variance");
            moved(&kernel, chain.node(i), chain.node(i - 1))
        };
        close(
            "β",
            with(PosteriorVariance::Large).noise.powi(2),
            beta[i],
            1e-12,
        );
        let between = with(PosteriorVariance::Interpolated(0.25)).noise.powi(2);
        close(
            "between",
            between.ln(),
            0.25 * beta[i].ln() + 0.75 * tilde.ln(),
            1e-10,
        );
    }
    for variance in [PosteriorVariance::Small, PosteriorVariance::Large] {
        let kernel = Ancestral::new(variance).expect("a variance");
        let last = moved(&kernel, chain.node(0), Level::CLEAN);
        assert_eq!((last.state, last.noise), (0.0, 0.0));
        close("last", last.clean, 1.0, 1e-12);
    }
}

#[test]
fn reverse_diffusion_is_song_et_al() {
    // VP, algorithm 3: x_s = (2 − √(1−β)) x + β s + √β z, with s = (√ᾱ x̂₀ − x)/(1 − ᾱ).
    let chain = Chain::linear(1000, 1e-4, 0.02).expect("a chain");
    let (from, beta) = (chain.node(500), chain.betas()[500]);
    let step = moved(&ReverseDiffusion, from, chain.node(499));
    let variance = from.sigma().powi(2);
    close(
        "state",
        step.state,
        2.0 - (1.0 - beta).sqrt() - beta / variance,
        1e-10,
    );
    close("clean", step.clean, beta * from.alpha() / variance, 1e-10);
    close("noise", step.noise, beta.sqrt(), 1e-10);
    // VE, algorithm 2: x_s = x + (σ_t² − σ_s²) s + √(σ_t² − σ_s²) z.
    let level = |sigma| Level::variance_exploding(sigma).expect("a level");
    let step = moved(&ReverseDiffusion, level(2.0), level(1.5));
    close("VE noise", step.noise.powi(2), 1.75, 1e-12);
    close("VE clean", step.clean, 1.75 / 4.0, 1e-12);
    close("VE state", step.state, 1.0 - 1.75 / 4.0, 1e-12);
}

#[test]
fn no_move_between_legal_ends_is_nan() {
    let half = Level::new(0.6, 0.8).expect("a level");
    let kernels: [&dyn Kernel; 4] = [
        &Ancestral::default(),
        &Ancestral::large(),
        &Ddim::ancestral(),
        &Ddim::deterministic(),
    ];
    for kernel in kernels {
        for (from, to) in [
            (Level::PURE_NOISE, half),
            (half, Level::CLEAN),
            (Level::PURE_NOISE, Level::CLEAN),
        ] {
            let (mean, _) = law(moved(kernel, from, to), from);
            close("mean", mean, to.alpha(), 1e-12);
        }
    }
}

#[test]
fn what_makes_no_sense_says_so() {
    let (from, to) = (
        Level::new(0.6, 0.8).expect("a level"),
        Level::new(0.8, 0.6).expect("a level"),
    );
    for eta in [-0.5, f64::NAN] {
        assert!(Ddim::new(eta).is_err(), "η = {eta}");
    }
    assert!(Ancestral::new(PosteriorVariance::Interpolated(f64::NAN)).is_err());
    for kernel in [&Ancestral::default() as &dyn Kernel, &Ddim::ancestral()] {
        assert_eq!(kernel.transition(to, from), Err(MoveError::Uphill));
    }
    // The levels belong to another process than the one that the kernel discretises.
    let ve = tweedie_math::VarianceExploding::default();
    let off = EulerOde::new(ve).transition(from, to);
    assert_eq!(off, Err(MoveError::OffSchedule { level: from }));
    let end = EulerMaruyama::new(ve).transition(ve.level(0.5), Level::CLEAN);
    let level = Level::CLEAN;
    assert_eq!(end, Err(MoveError::OffSchedule { level }));
    moved(&EulerOde::new(ve), ve.level(0.5), ve.level(0.4));
    // DDIM needs noise at the starting level.
    let singular = Ddim::deterministic().transition(Level::CLEAN, from);
    assert!(matches!(singular, Err(MoveError::Singular { .. })));
    // The slope of the probability flow is finite at pure noise.
    let cosine = tweedie_math::Cosine::default();
    moved(&EulerOde::new(cosine), cosine.level(1.0), cosine.level(0.9));
}
