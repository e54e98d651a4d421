//! Euler's method with churn.

use crate::case::Case;
use crate::error::Done;
use crate::levels::moves;
use crate::model::recorded;
use crate::trajectory::{moved, open_loop, walk_by};
use tweedie::math::{Ddim, Prediction};
use tweedie::samplers::Churn;

/// The peer evaluates its network before the churn, and reads the output at the raised level. It
/// reads a velocity at the level before the churn (a documented bug).
pub(crate) fn run(case: &Case) -> Done {
    // The outputs are recorded.
    case.implied(&["model"]);
    let moves = moves(case)?;
    let number = |key: &str, default| case.number_or(&format!("step_kwargs.{key}"), default);
    let churn = Churn::new(Ddim::deterministic(), number("s_churn", 0.0), moves.len())?
        .within(number("s_tmin", 0.0), number("s_tmax", f64::INFINITY))?
        .with_noise_scale(number("s_noise", 1.0))?;
    let sigma_data = case.number_or("config.sigma_data", 0.5);
    let before: Vec<_> = moves.iter().map(|mv| mv.from).collect();
    let prediction = match (case.text("model_kind"), case.text("prediction_type")) {
        ("edm", _) => Prediction::Edm { sigma_data },
        (_, "v_prediction") => Prediction::Velocity,
        _ => Prediction::Noise,
    };
    let model = |dtype| {
        let before = before.clone();
        recorded(case, dtype, move |k, raised| match prediction {
            Prediction::Velocity => prediction.to_clean(before[k]),
            _ => prediction.to_clean(raised),
        })
    };
    let single = open_loop(case, before.iter().copied())?;
    walk_by(case, &moves, single, model, |model, x, mv, noise, _| {
        moved(&churn, model, x, mv, noise, &mut ())
    })
}
