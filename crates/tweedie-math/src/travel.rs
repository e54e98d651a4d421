//! Time travel: a path that repeatedly adds noise and removes it again.
//!
//! # Reference
//! Lugmayr et al. 2022, "RePaint", section 4.2 and figure 9, arXiv:2201.09865; Wang et al. 2023,
//! "DDNM", algorithm 4, arXiv:2212.00490.

use crate::LevelPath;
use crate::level_path::MOST_STEPS;

impl LevelPath {
    /// Repeats every stretch of `jump` moves `repeats` times, with a forward move in between.
    ///
    /// A shorter last stretch is repeated as well. The path is unchanged if `jump = 0` or
    /// `repeats ≤ 1`.
    ///
    /// # Panics
    /// If `repeats` times the number of moves exceeds 10,000,000.
    ///
    /// ```
    /// use tweedie_math::{LevelPath, RectifiedFlow, Span};
    ///
    /// let path = LevelPath::uniform(RectifiedFlow, Span::FULL, 4)?.with_time_travel(2, 2);
    /// let noise: Vec<f64> = path.levels().iter().map(|level| level.sigma()).collect();
    /// assert_eq!(noise, [1.0, 0.75, 0.5, 1.0, 0.75, 0.5, 0.25, 0.0, 0.5, 0.25, 0.0]);
    /// # Ok::<(), tweedie_math::PathError>(())
    /// ```
    #[must_use]
    pub fn with_time_travel(self, jump: usize, repeats: usize) -> Self {
        if jump == 0 || repeats <= 1 {
            return self;
        }
        let moves = self.len().checked_mul(repeats);
        assert!(
            moves.is_some_and(|moves| moves <= MOST_STEPS),
            "{repeats} walks of {} moves each",
            self.len()
        );
        let mut levels = vec![self.start()];
        let mut here = self.start();
        for stretch in self.levels()[1..].chunks(jump) {
            for lap in 0..repeats {
                if lap > 0 {
                    levels.push(here);
                }
                levels.extend_from_slice(stretch);
            }
            here = stretch[stretch.len() - 1];
        }
        Self::trusted(levels)
    }
}
