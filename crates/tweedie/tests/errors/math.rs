//! Levels, schedules, paths, kernels.

use super::Cases;
use tweedie::math::multistep::{AdamsBashforth, DpmSolverMultistep, Multistep, Order};
use tweedie::math::{
    Ancestral, Chain, Cosine, Ddim, Edm, EulerMaruyama, Kernel, Level, LevelPath, Move,
    OrnsteinUhlenbeck, PosteriorVariance, Prediction, RectifiedFlow, Renoise, Schedule, Sigmoid,
    Spacing, Span, SubVariancePreserving, TimeDensity, VarianceExploding, VariancePreserving,
    Weighting, gaussian, stratified,
};

fn vp() -> VariancePreserving {
    VariancePreserving::default()
}

pub(crate) fn cases() -> Cases {
    let mut all = Cases::default();
    let (noisy, clean) = (
        Level::variance_preserving(-1.0),
        Level::variance_preserving(1.0),
    );
    all.error("Level::new", "α = −1", || Level::new(-1.0, 1.0));
    all.error("Level::new", "α = σ = 0", || Level::new(0.0, 0.0));
    all.error("Level::new", "σ = NaN", || Level::new(1.0, f64::NAN));
    all.error("Level::variance_exploding", "σ = ∞", || {
        Level::variance_exploding(f64::INFINITY)
    });
    all.panic("Level::variance_preserving", "NaN", || {
        Level::variance_preserving(f64::NAN)
    });
    all.panic("Level::at_angle", "NaN", || Level::at_angle(f64::NAN));
    all.error("VariancePreserving::new", "β from −1", || {
        VariancePreserving::new(-1.0, 20.0)
    });
    all.error("VariancePreserving::new", "β to NaN", || {
        VariancePreserving::new(0.1, f64::NAN)
    });
    all.panic("VariancePreserving::level", "t = NaN", || {
        vp().level(f64::NAN)
    });
    all.error("SubVariancePreserving::new", "β to 0", || {
        SubVariancePreserving::new(0.1, 0.0)
    });
    all.error("VarianceExploding::new", "σ from 2 to 1", || {
        VarianceExploding::new(2.0, 1.0)
    });
    all.error("VarianceExploding::new", "σ from 1e-300 to 1e300", || {
        VarianceExploding::new(1e-300, 1e300)
    });
    all.error("OrnsteinUhlenbeck::new", "a horizon of 0", || {
        OrnsteinUhlenbeck::new(0.0)
    });
    all.error("Cosine::new", "s = −1", || Cosine::new(-1.0));
    all.error("Cosine::new", "s = 1e17", || Cosine::new(1e17));
    all.error("Sigmoid::new", "τ = 0", || Sigmoid::new(-3.0, 3.0, 0.0));
    all.error("Sigmoid::new", "τ = 1e-320", || {
        Sigmoid::new(-3.0, 3.0, 1e-320)
    });
    all.error("Edm::new", "σ = −80", || Edm::new(-80.0));
    all.panic("RectifiedFlow::rates", "t = NaN", || {
        RectifiedFlow.rates(f64::NAN)
    });
    all.error("Chain::linear", "0 steps", || Chain::linear(0, 1e-4, 0.02));
    all.error("Chain::linear", "10¹² steps", || {
        Chain::linear(1_000_000_000_000, 1e-4, 0.02)
    });
    all.error("Chain::scaled_linear", "β from −1", || {
        Chain::scaled_linear(10, -1.0, 0.02)
    });
    all.error("Chain::squared_cosine", "β up to 2", || {
        Chain::squared_cosine(10, 2.0)
    });
    all.error("Chain::sigmoid", "β to 2", || {
        Chain::sigmoid(10, 1e-4, 2.0)
    });
    all.error("Chain::from_betas", "none", || Chain::from_betas(&[]));
    all.error("Chain::from_betas", "β₁ = NaN", || {
        Chain::from_betas(&[0.1, f64::NAN])
    });
    all.error("Chain::from_alpha_bar", "ᾱ that rises", || {
        Chain::from_alpha_bar(vec![0.5, 0.6])
    });
    all.error("Chain::with_zero_terminal_snr", "one node", || {
        Chain::from_betas(&[0.5])?.with_zero_terminal_snr()
    });
    all.panic("Chain::at", "NaN", || {
        Chain::from_betas(&[0.5, 0.5]).unwrap().at(f64::NAN)
    });
    all.error("LevelPath::uniform", "0 steps", || {
        LevelPath::uniform(vp(), Span::FULL, 0)
    });
    all.error("LevelPath::uniform", "a span from 0 to 1", || {
        LevelPath::uniform(vp(), Span::new(0.0, 1.0), 4)
    });
    all.error("LevelPath::uniform", "a chain of one node", || {
        LevelPath::uniform(Chain::from_betas(&[0.5]).unwrap(), Span::FULL, 10)
    });
    all.error("LevelPath::uniform", "2⁶³ steps", || {
        LevelPath::uniform(vp(), Span::FULL, 1 << 63)
    });
    all.error("LevelPath::log_snr", "to t = 0", || {
        LevelPath::log_snr(vp(), Span::FULL, 4)
    });
    all.error("LevelPath::karras", "ρ = 0", || {
        LevelPath::karras(vp(), Span::default(), 4, 0.0)
    });
    all.error("LevelPath::karras", "ρ = 0.005", || {
        LevelPath::karras(vp(), Span::default(), 4, 0.005)
    });
    all.error("LevelPath::karras", "ρ = 1e17", || {
        LevelPath::karras(vp(), Span::default(), 4, 1e17)
    });
    all.error("LevelPath::exponential", "0 steps", || {
        LevelPath::exponential(vp(), Span::default(), 0)
    });
    all.error("LevelPath::respaced", "11 steps of 10 nodes", || {
        LevelPath::respaced(
            &Chain::linear(10, 1e-4, 0.02).unwrap(),
            Spacing::Linspace,
            11,
        )
    });
    all.error(
        "LevelPath::respaced",
        "an offset that leaves the chain",
        || {
            let chain = Chain::linear(10, 1e-4, 0.02).unwrap();
            LevelPath::respaced(&chain, Spacing::Leading { offset: 10 }, 2)
        },
    );
    all.error(
        "LevelPath::respaced",
        "as many nodes as there are, without the cleanest",
        || {
            let chain = Chain::linear(10, 1e-4, 0.02).unwrap();
            LevelPath::respaced(&chain, Spacing::OpenLinspace, 10)
        },
    );
    all.error("LevelPath::through", "one level", || {
        LevelPath::through(vec![Level::CLEAN])
    });
    all.error("LevelPath::staying", "2⁶³ moves", move || {
        LevelPath::staying(noisy, 1 << 63)
    });
    all.error("LevelPath::without_scaling", "from pure noise", || {
        LevelPath::uniform(RectifiedFlow, Span::FULL, 4)?.without_scaling()
    });
    all.panic("LevelPath::with_time_travel", "2⁶³ repeats", || {
        let path = LevelPath::uniform(vp(), Span::FULL, 4).unwrap();
        path.with_time_travel(1, 1 << 63)
    });
    all.error("Ddim::new", "η = NaN", || Ddim::new(f64::NAN));
    all.error("Ddim::new", "η = −1", || Ddim::new(-1.0));
    all.error("Ancestral::transition", "upwards", move || {
        Ancestral::default().transition(clean, noisy)
    });
    all.error("Ddim::transition", "from clean data", move || {
        Ddim::deterministic().transition(Level::CLEAN, noisy)
    });
    all.error("EulerMaruyama::transition", "off the schedule", move || {
        EulerMaruyama::new(RectifiedFlow).transition(noisy, clean)
    });
    all.error("Ancestral::new", "a variance at 5 between two", || {
        Ancestral::new(PosteriorVariance::Interpolated(5.0))
    });
    all.error("Renoise::new", "ζ = 2", || Renoise::new(2.0));
    all.error("gaussian::posterior", "upwards", move || {
        gaussian::posterior(clean, noisy)
    });
    all.error("DpmSolverMultistep::with_eta", "η = −1", || {
        DpmSolverMultistep::plus_plus(Order::Second).with_eta(-1.0)
    });
    all.error(
        "AdamsBashforth::combination",
        "from pure noise",
        move || AdamsBashforth::new(Order::First).combination(&[Level::PURE_NOISE], clean),
    );
    all.error("Prediction::check", "σ_data = −0.5", || {
        Prediction::Edm { sigma_data: -0.5 }.check()
    });
    all.error("Weighting::check", "γ = NaN", || {
        Weighting::MinSnr { gamma: f64::NAN }.check()
    });
    all.error("Weighting::check", "0 steps", || {
        Weighting::Elbo { steps: 0 }.check()
    });
    all.error("TimeDensity::check", "from 1 to 0", || {
        TimeDensity::Uniform { min: 1.0, max: 0.0 }.check()
    });
    all.error("TimeDensity::check", "a deviation of −1", || {
        TimeDensity::LogNormal {
            mean: 0.0,
            std: -1.0,
        }
        .check()
    });
    all.panic("TimeDensity::time", "a share of 2", || {
        TimeDensity::default().time(vp(), 2.0)
    });
    all.panic("stratified", "a shift of 5", || stratified(5.0, 3));
    all.error("Move::log_linear", "from pure noise", move || {
        let mv = Move {
            from: Level::PURE_NOISE,
            to: clean,
        };
        mv.log_linear(0.5)
            .ok_or("none: an end has no finite log-SNR")
    });
    all
}
