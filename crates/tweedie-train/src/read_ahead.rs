//! Examples that threads read and decode while the device computes.

use crate::{Batch, ExampleError, Examples, Request};
use std::collections::{HashMap, HashSet, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tweedie_core::Condition;

/// Examples that threads read ahead of the step that needs them. The memory holds two batches,
/// whatever the size of the set.
///
/// The number of threads changes the speed and nothing else.
///
/// ```
/// use burn::tensor::{Device, Tensor, TensorData};
/// use tweedie_core::{Preconditioned, TimeInput};
/// use tweedie_math::{Prediction, VariancePreserving};
/// use tweedie_models::{MlpConfig, seeded};
/// use tweedie_train::{Batch, ReadAhead, ScoreMatching, TrainSettings, Trainer};
///
/// // Reads one example; a file would be decoded here.
/// let read = |index: usize| Ok([index as f32, 1.0]);
/// // Stacks the items of a batch.
/// let examples = ReadAhead::new(100, 2, read, |items, request| {
///     let values: Vec<f32> = items.iter().flatten().copied().collect();
///     let data = TensorData::new(values, [items.len(), 2]);
///     Ok(Batch { clean: Tensor::<2>::from_data(data, request.device), condition: () })
/// });
///
/// let device = Device::flex();
/// let network = seeded(0, &device, MlpConfig::new(2).with_width(8).init(&device)?);
/// let model = Preconditioned::new(network, Prediction::Velocity, TimeInput::LogSnr);
/// let objective = ScoreMatching::new(VariancePreserving::default());
/// let settings = TrainSettings::default().with_steps(3).with_batch(8);
/// let mut trainer = Trainer::new(model, objective, settings)?;
/// while trainer.step(&examples)?.is_some() {}
/// println!("waited for {:?}", examples.waited());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct ReadAhead<T, S> {
    len: usize,
    shared: Arc<Shared<T>>,
    threads: Vec<JoinHandle<()>>,
    stack: S,
}

#[derive(Debug)]
struct Shared<T> {
    state: Mutex<Pending<T>>,
    /// Something is wanted, or the end has come.
    work: Condvar,
    /// Something was read.
    news: Condvar,
}

#[derive(Debug)]
struct Pending<T> {
    wanted: VecDeque<usize>,
    running: HashSet<usize>,
    done: HashMap<usize, Result<T, ExampleError>>,
    waited: Duration,
    ended: bool,
}

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, Pending<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Pending<T> {
    fn knows(&self, index: usize) -> bool {
        self.done.contains_key(&index)
            || self.running.contains(&index)
            || self.wanted.contains(&index)
    }
}

impl<T: Clone + Send + 'static, S> ReadAhead<T, S> {
    /// A set of `len` examples, which `threads` threads read by `read`. `stack` makes a batch of
    /// the items for a [`Request`], in the order of its indices.
    ///
    /// # Panics
    /// If `threads` is 0.
    pub fn new<const D: usize, C, R>(len: usize, threads: usize, read: R, stack: S) -> Self
    where
        R: Fn(usize) -> Result<T, ExampleError> + Send + Sync + 'static,
        S: Fn(&[T], &Request<'_>) -> Result<Batch<D, C>, ExampleError>,
    {
        assert!(threads > 0, "at least one thread reads");
        let shared = Arc::new(Shared {
            state: Mutex::new(Pending {
                wanted: VecDeque::new(),
                running: HashSet::new(),
                done: HashMap::new(),
                waited: Duration::ZERO,
                ended: false,
            }),
            work: Condvar::new(),
            news: Condvar::new(),
        });
        let read = Arc::new(read);
        let spawn = |_| {
            let (shared, read) = (Arc::clone(&shared), Arc::clone(&read));
            std::thread::spawn(move || work(&shared, &*read))
        };
        Self {
            len,
            threads: (0..threads).map(spawn).collect(),
            shared,
            stack,
        }
    }
}

impl<T, S> ReadAhead<T, S> {
    /// The time that steps have waited for examples.
    #[must_use]
    pub fn waited(&self) -> Duration {
        self.shared.lock().waited
    }
}

impl<T, S> Drop for ReadAhead<T, S> {
    fn drop(&mut self) {
        self.shared.lock().ended = true;
        self.shared.work.notify_all();
        for thread in self.threads.drain(..) {
            // A panic in `read` has become an error.
            let _ = thread.join();
        }
    }
}

/// Reads what is wanted until the end.
fn work<T>(shared: &Shared<T>, read: &(impl Fn(usize) -> Result<T, ExampleError> + ?Sized)) {
    loop {
        let mut state = shared.lock();
        let index = loop {
            if state.ended {
                return;
            }
            if let Some(index) = state.wanted.pop_front() {
                break index;
            }
            state = shared
                .work
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        };
        state.running.insert(index);
        drop(state);
        let found = catch_unwind(AssertUnwindSafe(|| read(index)));
        let found =
            found.unwrap_or_else(|_| Err(format!("reading example {index} panicked").into()));
        let mut state = shared.lock();
        state.running.remove(&index);
        state.done.insert(index, found);
        shared.news.notify_all();
    }
}

impl<const D: usize, T, C, S> Examples<D> for ReadAhead<T, S>
where
    T: Clone,
    C: Condition,
    S: Fn(&[T], &Request<'_>) -> Result<Batch<D, C>, ExampleError>,
{
    type Condition = C;

    fn len(&self) -> usize {
        self.len
    }

    fn prepare(&self, indices: &[usize]) {
        let mut state = self.shared.lock();
        for &index in indices {
            if !state.knows(index) {
                state.wanted.push_back(index);
            }
        }
        self.shared.work.notify_all();
    }

    fn batch(&self, request: &Request<'_>) -> Result<Batch<D, C>, ExampleError> {
        let began = Instant::now();
        let mut state = self.shared.lock();
        // What is needed now goes before what is read ahead.
        for &index in request.indices {
            state.wanted.retain(|&other| other != index);
        }
        while request
            .indices
            .iter()
            .any(|index| !state.done.contains_key(index))
        {
            // Another thread may have taken an example that both need.
            for &index in request.indices.iter().rev() {
                if !state.knows(index) {
                    state.wanted.push_front(index);
                }
            }
            self.shared.work.notify_all();
            state = self
                .shared
                .news
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        state.waited += began.elapsed();
        let mut items = Vec::with_capacity(request.indices.len());
        let mut failed = None;
        for index in request.indices {
            match state.done.get(index) {
                Some(Ok(item)) => items.push(item.clone()),
                _ => failed = Some(*index),
            }
        }
        if let Some(index) = failed
            && let Some(Err(error)) = state.done.remove(&index)
        {
            return Err(error);
        }
        for index in request.indices {
            state.done.remove(index);
        }
        drop(state);
        // Another thread may wait for what this one has taken.
        self.shared.news.notify_all();
        (self.stack)(&items, request)
    }
}
