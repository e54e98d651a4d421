//! Examples that threads read ahead: the same batches, in any number of threads, in bounded
//! memory.

#![allow(clippy::expect_used, reason = "a test may stop at once")]

use burn::tensor::{Device, Tensor, TensorData};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tweedie_train::{
    Batch, Cropped, ExampleError, Examples, Mirrored, ReadAhead, Request, Shuffle,
};

fn stack(items: &[f32], request: &Request<'_>) -> Result<Batch<2>, ExampleError> {
    let data = TensorData::new(items.to_vec(), [items.len(), 1]);
    Ok(Batch {
        clean: Tensor::from_data(data, request.device),
        condition: (),
    })
}

fn values(examples: &impl Examples<2, Condition = ()>, indices: &[usize]) -> Vec<usize> {
    let device = Device::flex();
    let batch = examples.batch(&Request::new(indices, &device, 0));
    let values = batch.expect("a batch").clean.into_data();
    values.iter::<f32>().map(|value| value as usize).collect()
}

/// Batches are complete and in order, also across epochs and with repeated examples.
#[test]
fn the_order_is_that_of_the_request() {
    for threads in [1, 2, 7] {
        let read = |index: usize| {
            // Later examples are read faster.
            std::thread::sleep(Duration::from_micros(300 / (index as u64 + 1)));
            Ok(index as f32)
        };
        let examples = ReadAhead::new(10, threads, read, stack);
        let mut order = Shuffle::new(10, 3);
        for step in 0..20 {
            let indices = order.batch(7 * step, 7);
            examples.prepare(&order.batch(7 * (step + 1), 7));
            assert_eq!(values(&examples, &indices), indices);
        }
        assert_eq!(values(&examples, &[4, 4, 1]), [4, 4, 1]);
    }
}

/// Nothing is read before it is announced, and an announced batch only once.
#[test]
fn two_batches_are_in_memory() {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let read = move |index: usize| {
        counted.fetch_add(1, Ordering::SeqCst);
        Ok(index as f32)
    };
    let examples = ReadAhead::new(1_000_000, 2, read, stack);
    assert_eq!(count.load(Ordering::SeqCst), 0);
    let first: Vec<usize> = (0..50).collect();
    let second: Vec<usize> = (50..100).collect();
    examples.prepare(&first);
    examples.prepare(&second);
    assert_eq!(values(&examples, &first), first);
    assert_eq!(values(&examples, &second), second);
    assert_eq!(count.load(Ordering::SeqCst), 100);
    // What a batch has taken is gone: it is read once more.
    assert_eq!(values(&examples, &first), first);
    assert_eq!(count.load(Ordering::SeqCst), 150);
}

/// Two threads may ask for the same examples.
#[test]
fn consumers_share_examples() {
    let read = |index: usize| {
        std::thread::sleep(Duration::from_micros(200));
        Ok(index as f32)
    };
    let examples = Arc::new(ReadAhead::new(50, 2, read, stack));
    let ask = |_| {
        let examples = Arc::clone(&examples);
        std::thread::spawn(move || {
            for _ in 0..20 {
                assert_eq!(values(&*examples, &[1, 2, 3]), [1, 2, 3]);
            }
        })
    };
    let threads: Vec<_> = (0..3).map(ask).collect();
    threads
        .into_iter()
        .for_each(|thread| thread.join().expect("a thread"));
}

/// An unreadable example is the error of its batch; a panic does not hang the run.
#[test]
fn errors_arrive() {
    let read = |index: usize| match index {
        3 => Err("example 3 is damaged".into()),
        4 => panic!("example 4 is too much"),
        _ => Ok(index as f32),
    };
    let examples = ReadAhead::new(9, 2, read, stack);
    let device = Device::flex();
    for (indices, text) in [([2, 3], "damaged"), ([4, 5], "panicked")] {
        let error = examples.batch(&Request::new(&indices, &device, 0));
        let error = error.expect_err("an unreadable example").to_string();
        assert!(error.contains(text), "{error}");
    }
    assert_eq!(values(&examples, &[5, 2]), [5, 2]);
}

/// Half of the images are mirrored, others in the next epoch; a crop is part of its image.
#[test]
fn mirrored_and_cropped() {
    let device = Device::flex();
    let values: Vec<f32> = (0..64 * 20).map(|i| i as f32).collect();
    let images = Tensor::<4>::from_data(TensorData::new(values, [64, 1, 4, 5]), &device);
    let indices: Vec<usize> = (0..64).collect();
    let corner = |x: &Tensor<4>| -> Vec<f32> {
        let corner = x.clone().narrow(2, 0, 1).narrow(3, 0, 1);
        corner.into_data().iter::<f32>().collect()
    };
    let mirrored = |seed| {
        let batch = Mirrored(images.clone()).batch(&Request::new(&indices, &device, seed));
        corner(&batch.expect("a batch").clean)
    };
    let (first, second) = (mirrored(1), mirrored(2));
    let turned = |of: &[f32]| of.iter().filter(|&&value| value as usize % 20 == 4).count();
    assert!((16..48).contains(&turned(&first)), "{}", turned(&first));
    assert_ne!(first, second);
    // Row 20 alone gets what it gets in the batch.
    let one = Request::new(&indices[20..21], &device, 1).starting_at(20);
    let one = Mirrored(images.clone()).batch(&one).expect("a batch");
    assert_eq!(corner(&one.clean), [first[20]]);

    let crops = Cropped::new(images.clone(), [3, 2]).expect("a size");
    let batch = crops
        .batch(&Request::new(&indices, &device, 1))
        .expect("a batch");
    assert_eq!(batch.clean.dims(), [64, 1, 3, 2]);
    let mut places: Vec<usize> = Vec::new();
    for (index, value) in corner(&batch.clean).into_iter().enumerate() {
        let place = value as usize - 20 * index;
        assert!(place / 5 <= 1 && place % 5 <= 3, "{place}");
        places.push(place);
    }
    places.sort_unstable();
    places.dedup();
    assert_eq!(places.len(), 8, "every place is drawn");
    let large = Cropped::new(images, [5, 5]).expect("a size");
    assert!(large.batch(&Request::new(&indices, &device, 1)).is_err());
}
