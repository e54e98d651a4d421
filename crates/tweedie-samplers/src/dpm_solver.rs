//! DPM-Solver and DPM-Solver++, singlestep.
//!
//! With `h = λ_s − λ_t`, `λ = ln(α/σ)`, and `m_r` the estimate at `λ_t + r h`:
//!
//! * order 2: `m_½` by the first-order move, then the midpoint rule with it;
//! * order 3: `m_⅓` by the first-order move, `m_⅔` by the move with the line through `m_0` and
//!   `m_⅓`, then the whole move with the line through `m_0` and `m_⅔`.
//!
//! Order 2 takes two evaluations per move, order 3 takes three. A move falls back to first order
//! when either endpoint has infinite `λ`.
//!
//! # Reference
//! Lu et al. 2022, "DPM-Solver", algorithms 1 and 2, arXiv:2206.00927 (on `ε̂`); Lu et al. 2022,
//! "DPM-Solver++", algorithm 1, arXiv:2211.01095 (on `x̂₀`).

use crate::history::{History, estimate};
use crate::{Convergence, State, Step, StepContext, StepError};
use burn::tensor::Tensor;
use tweedie_math::multistep::{Combination, Variable};
use tweedie_math::{Level, Move, MoveError};
use tweedie_math::{exponential_move, midpoint_move};

/// DPM-Solver (on the noise) or DPM-Solver++ (on the clean signal) of order 2 or 3.
///
/// ```
/// use tweedie_math::multistep::Variable;
/// use tweedie_math::{LevelPath, Span, VariancePreserving};
/// use tweedie_samplers::{DpmSolver, Sampler};
///
/// let path = LevelPath::karras(VariancePreserving::default(), Span::default(), 7, 7.0)?;
/// let sampler = Sampler::new(DpmSolver::third(Variable::Clean), path.then_clean());
/// # Ok::<(), tweedie_math::PathError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DpmSolver {
    stages: Stages,
    variable: Variable,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stages {
    Two,
    Three,
}

impl DpmSolver {
    /// "DPM-Solver-2" or "DPM-Solver++(2S)".
    #[must_use]
    pub fn second(variable: Variable) -> Self {
        Self {
            stages: Stages::Two,
            variable,
        }
    }

    /// "DPM-Solver-3" or "DPM-Solver++(3S)".
    #[must_use]
    pub fn third(variable: Variable) -> Self {
        Self {
            stages: Stages::Three,
            variable,
        }
    }
}

impl<const D: usize> Step<D> for DpmSolver {
    type Memory = ();

    fn step(
        &self,
        x: Tensor<D>,
        mv: Move,
        context: &mut StepContext<'_, D>,
        (): &mut (),
    ) -> Result<State<D>, StepError> {
        let Move { from, to } = mv;
        let clean = context.denoise(x.clone(), from)?;
        // `moved` applies a rule's weights to the known estimates; `look` adds the estimate at a
        // level.
        let mut known = History::default();
        known.remember(from, estimate(self.variable, &x, &clean, from), 1);
        let moved = |known: &History<D>, rule: Result<Combination, MoveError>| {
            Ok::<_, StepError>(known.combine(&rule?, x.clone()))
        };
        let look = |known: &mut History<D>, x: Tensor<D>, level: Level| {
            let clean = context.denoise(x.clone(), level)?;
            known.remember(level, estimate(self.variable, &x, &clean, level), 2);
            Ok::<_, StepError>(())
        };
        let line =
            |nodes: &[Level], to: Level| exponential_move(self.variable, 0.0, nodes, from, to);
        let x = match (
            self.stages,
            mv.log_linear(1.0 / 3.0),
            mv.log_linear(2.0 / 3.0),
        ) {
            (Stages::Two, Some(_), Some(_)) => {
                let middle = mv.log_linear(0.5).unwrap_or(from);
                let there = moved(&known, line(&[from], middle))?;
                look(&mut known, there, middle)?;
                moved(
                    &known,
                    midpoint_move(self.variable, 0.0, [middle, from], from, to),
                )?
            }
            (Stages::Three, Some(third), Some(two_thirds)) => {
                let start = known.clone();
                let there = moved(&known, line(&[from], third))?;
                look(&mut known, there, third)?;
                let there = moved(&known, line(&[third, from], two_thirds))?;
                known = start;
                look(&mut known, there, two_thirds)?;
                moved(&known, line(&[two_thirds, from], to))?
            }
            _ => moved(&known, line(&[from], to))?,
        };
        Ok(State::new(to, x, Some(clean)))
    }

    fn check(&self, mv: Move) -> Result<(), StepError> {
        mv.from.require_noise()?;
        exponential_move(self.variable, 0.0, &[mv.from], mv.from, mv.to)?;
        Ok(())
    }
}

impl Convergence for DpmSolver {
    fn order(&self) -> usize {
        match self.stages {
            Stages::Two => 2,
            Stages::Three => 3,
        }
    }
}
