//! The order of the examples: a new permutation in each epoch, determined by the seed.

use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

/// Assigns examples to steps, as a pure function of the seed. Epoch `e` is a permutation drawn from
/// the generator's stream `e`. Batches run across the ends of epochs, so that every example is used
/// equally often.
///
/// ```
/// use tweedie_train::Shuffle;
///
/// let mut order = Shuffle::new(5, 7);
/// let (first, second) = (order.batch(0, 4), order.batch(4, 1));
/// let mut epoch: Vec<usize> = first.into_iter().chain(second).collect();
/// epoch.sort_unstable();
/// assert_eq!(epoch, [0, 1, 2, 3, 4]);
/// ```
#[derive(Clone, Debug)]
pub struct Shuffle {
    len: usize,
    seed: u64,
    /// The epoch of the last batch and its permutation.
    epoch: Option<(u64, Vec<usize>)>,
}

impl Shuffle {
    /// Creates the order of `len` examples.
    #[must_use]
    pub fn new(len: usize, seed: u64) -> Self {
        Self {
            len,
            seed,
            epoch: None,
        }
    }

    /// The next `size` examples of a run that has used `used`.
    ///
    /// # Panics
    /// If there are no examples.
    pub fn batch(&mut self, used: u64, size: usize) -> Vec<usize> {
        assert!(self.len > 0, "an order of no examples");
        let len = self.len as u64;
        (used..used + size as u64)
            .map(|place| {
                let (epoch, at) = (place / len, (place % len) as usize);
                match &self.epoch {
                    Some((last, permutation)) if *last == epoch => permutation[at],
                    _ => {
                        let drawn = permutation(self.len, self.seed, epoch);
                        let example = drawn[at];
                        self.epoch = Some((epoch, drawn));
                        example
                    }
                }
            })
            .collect()
    }
}

fn permutation(len: usize, seed: u64, epoch: u64) -> Vec<usize> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(epoch);
    let mut permutation: Vec<usize> = (0..len).collect();
    permutation.shuffle(&mut rng);
    permutation
}
