//! Learned variance: `L_hybrid = L_simple + λ L_vlb`.
//!
//! The network has twice the channels. The first half is the prediction, trained by `L_simple`. The
//! second half, `v`, defines the variance `exp(w ln β + (1 − w) ln β̃)` with `w = (v + 1)/2`. It is
//! trained by the variational bound, whose mean is a constant for the gradient.
//!
//! # Reference
//! Nichol & Dhariwal 2021, eq. 15 and 16, arXiv:2102.09672. `L_vlb` is in bits per dimension, and
//! the sum over the nodes is estimated by their number times a random term, as in their code.

use crate::score_matching::{of_clean, wide};
use crate::{Batch, Draws, Loss, Losses, Objective, ScoreMatching, TrainError};
use burn::module::Module;
use burn::tensor::{Bool, Tensor, TensorData};
use serde::{Deserialize, Serialize};
use std::f64::consts::LN_2;
use tweedie_core::{
    Condition, Decoder, InputError, Levels, Network, Preconditioned, column, gaussian_kl,
    per_sample_sum,
};
use tweedie_math::{
    Ancestral, Chain, Kernel, Level, ParameterError, Schedule, TimeDensity, forward, gaussian,
};

/// The hybrid loss of a chain, for networks with learned variance.
///
/// Sample the trained network with `with_condition(…).with_learned_variance()`.
///
/// ```
/// use tweedie_math::Chain;
/// use tweedie_train::Hybrid;
///
/// let objective = Hybrid::new(Chain::squared_cosine(1000, 0.999)?).with_weight(1e-3);
/// # let _ = objective;
/// # Ok::<(), tweedie_math::ScheduleError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Hybrid {
    /// The loss of the prediction.
    pub simple: ScoreMatching<Chain>,
    /// λ, the weight of the bound, at least 0; default 0.001.
    pub weight: f64,
    /// How the last estimate defines a distribution of the data.
    pub decoder: Decoder,
}

impl Hybrid {
    /// DDPM's simple loss at the nodes of a chain, with the bound for the variance.
    #[must_use]
    pub fn new(chain: Chain) -> Self {
        let count = chain.len();
        Self {
            simple: ScoreMatching::new(chain).with_density(TimeDensity::Nodes { count }),
            weight: 1e-3,
            decoder: Decoder::Density,
        }
    }

    /// Sets λ.
    #[must_use]
    pub fn with_weight(self, weight: f64) -> Self {
        Self { weight, ..self }
    }

    /// Sets the decoder.
    #[must_use]
    pub fn with_decoder(self, decoder: Decoder) -> Self {
        Self { decoder, ..self }
    }

    /// The loss of each sample at the given nodes, `[batch]`; `noise` is `ε`.
    ///
    /// # Errors
    /// [`InputError::Shape`] if the noise does not have the shape of `clean`, or if the network's
    /// output does not have twice its channels.
    ///
    /// # Panics
    /// If there is not one node for each sample, or a node is not on the chain.
    pub fn losses_at<const D: usize, N: Module + Network<D>>(
        &self,
        model: &Preconditioned<N>,
        clean: Tensor<D>,
        nodes: &[usize],
        noise: Tensor<D>,
    ) -> Result<Tensor<1>, InputError> {
        let chain = &self.simple.schedule;
        assert_eq!(nodes.len(), clean.dims()[0], "one node for each sample");
        let on_chain = |node: &usize| *node < chain.len();
        assert!(
            nodes.iter().all(on_chain),
            "nodes {nodes:?} of {}",
            chain.len()
        );
        let last = (chain.len() - 1).max(1) as f64;
        let times: Vec<f64> = nodes.iter().map(|&node| node as f64 / last).collect();
        let condition = ();
        self.each(model, Batch { clean, condition }, &times, noise)
    }

    fn each<const D: usize, C: Condition, N: Module + Network<D, C>>(
        &self,
        model: &Preconditioned<N>,
        Batch { clean, condition }: Batch<D, C>,
        times: &[f64],
        noise: Tensor<D>,
    ) -> Result<Tensor<1>, InputError> {
        let (shape, chain) = (clean.dims(), &self.simple.schedule);
        of_clean("the noise", shape, noise.dims())?;
        let nodes: Vec<usize> = times
            .iter()
            .map(|&t| chain.index(chain.level(t)).round() as usize)
            .collect();
        let levels = Levels::new(times.iter().map(|&t| chain.level(t)).collect());
        let noisy = levels.corrupt(clean.clone(), noise.clone());
        let output = model.predict_with(noisy.clone(), &levels, &condition);
        let mut doubled = shape;
        doubled[1] *= 2;
        if output.dims() != doubled {
            return Err(InputError::Shape {
                name: "the network's output, with learned variance,",
                found: output.dims().to_vec(),
                expected: format!("{doubled:?}"),
            });
        }
        let halves = [0, 1].map(|half| output.clone().narrow(1, half * shape[1], shape[1]));
        let [prediction, v] = halves.map(wide);
        let [clean, noise, noisy] = [clean, noise, noisy].map(wide);
        let simple = self
            .simple
            .weighted(model, &clean, times, noise, prediction.clone())?;
        // The bound trains the variance alone.
        let estimate = model.clean_at(noisy, prediction.detach(), &levels);
        let terms = self.terms(&nodes, clean, estimate, (v + 1.0) * 0.5);
        let values = shape[1..].iter().product::<usize>() as f64;
        let bound = terms * (self.weight * chain.len() as f64 / (values * LN_2));
        Ok(simple + bound)
    }

    /// The terms of the bound at one level for each sample, in nats: `[batch]`.
    ///
    /// `interpolation` is `w`, and `estimate` is `x̂₀`. The first node has the decoder's term.
    ///
    /// # Panics
    /// If there is not one node for each sample, or a node is not on the chain.
    #[must_use]
    pub fn terms<const D: usize>(
        &self,
        nodes: &[usize],
        clean: Tensor<D>,
        estimate: Tensor<D>,
        interpolation: Tensor<D>,
    ) -> Tensor<1> {
        let moves: Vec<Move> = nodes.iter().map(|&i| self.reverse_move(i)).collect();
        let of = |f: &dyn Fn(&Move) -> f64| {
            let values: Vec<f64> = moves.iter().map(f).collect();
            column(&values, &clean)
        };
        let shift = (estimate.clone() - clean.clone()).square() * of(&|mv| mv.shift);
        let kl = per_sample_sum(gaussian_kl(interpolation * of(&|mv| mv.log_ratio), shift));
        // The first node has no variance to learn.
        if !nodes.contains(&0) {
            return kl;
        }
        let std = forward::conditional(Level::CLEAN, self.simple.schedule.node(0)).noise;
        let cost = self.decoder.cost(&clean, estimate, std);
        let is_first: Vec<bool> = nodes.iter().map(|&node| node == 0).collect();
        let is_first = TensorData::new(is_first, [nodes.len()]);
        let is_first = Tensor::<1, Bool>::from_data(is_first, &clean.device());
        kl.mask_where(is_first, cost)
    }

    /// The coefficients of the move from node `i` to the one before.
    fn reverse_move(&self, i: usize) -> Move {
        let chain = &self.simple.schedule;
        if i == 0 {
            return Move::default();
        }
        let (from, to) = (chain.node(i), chain.node(i - 1));
        let posterior = gaussian::posterior(from, to);
        let large = Ancestral::large().transition(from, to);
        match (posterior, large) {
            (Ok(q), Ok(large)) => Move {
                log_ratio: (q.noise / large.noise).ln(),
                shift: 0.5 * (q.clean / q.noise).powi(2),
            },
            // The levels of a chain rise strictly.
            (Err(error), _) | (_, Err(error)) => panic!("node {i} of a chain: {error}"),
        }
    }
}

/// The coefficients of a term: `ln √(β̃/β)`, and the factor of `(x̂₀ − x₀)²`.
#[derive(Clone, Copy, Default)]
struct Move {
    log_ratio: f64,
    shift: f64,
}

impl<N: Module> Objective<Preconditioned<N>> for Hybrid {
    /// # Errors
    /// As [`ScoreMatching`], and [`TrainError::Parameter`] for a weight or a decoder outside its
    /// range, or a density that does not draw the nodes of the chain.
    fn check(&self, model: &Preconditioned<N>) -> Result<(), TrainError> {
        self.simple.check(model)?;
        ParameterError::require_non_negative("the weight of the bound", self.weight)?;
        self.decoder.check()?;
        let count = match self.simple.density {
            TimeDensity::Nodes { count } => count,
            _ => 0,
        };
        let (name, expected) = ("the number of nodes drawn", "that of the chain");
        let fits = count == self.simple.schedule.len();
        Ok(ParameterError::require(fits, name, expected, count as f64).map(drop)?)
    }
}

impl<const D: usize, C: Condition, N> Loss<Preconditioned<N>, D, C> for Hybrid
where
    N: Module + Network<D, C>,
{
    fn losses(
        &self,
        model: &Preconditioned<N>,
        Batch { clean, condition }: Batch<D, C>,
        draws: &mut Draws,
    ) -> Result<Losses, InputError> {
        let shape = clean.dims();
        let fits = model.network().accepts(shape, &condition);
        fits.map_err(InputError::from)?;
        ParameterError::require_count("channels", shape.get(1).copied().unwrap_or(0))?;
        let times = self.simple.times(draws);
        let noise = self.simple.noise(&clean, draws);
        let chain = &self.simple.schedule;
        let log_snr = times.iter().map(|&t| chain.level(t).log_snr());
        let log_snr = log_snr.collect();
        let values = self.each(model, Batch { clean, condition }, &times, noise)?;
        Ok(Losses::new(values).with_log_snr(log_snr))
    }
}
