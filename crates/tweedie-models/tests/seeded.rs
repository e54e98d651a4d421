//! Reproducible initialisation. This test has its own process, since all threads share burn's
//! generator.

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Distribution, Tensor};
use tweedie_models::{TimeEncoding, UnetConfig, seeded};

struct Collect(Vec<f32>);

impl ModuleVisitor for Collect {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.0.extend(param.val().into_data().iter::<f32>());
    }
}

#[test]
fn a_seed_fixes_the_parameters() {
    let device = Device::flex();
    let parameters = |seed: u64, disturb: bool| {
        let fourier = TimeEncoding::Fourier {
            width: 8,
            cosine_first: false,
            log: false,
        };
        let config = UnetConfig::new(1).with_widths([8]).with_groups(None);
        let config = config.with_time_encoding(Some(fourier));
        let network = config.init(&device).expect("a network");
        let network = seeded(seed, &device, network);
        if disturb {
            let _ = Tensor::<1>::random([5], Distribution::Default, &device);
        }
        let mut collect = Collect(Vec::new());
        network.visit(&mut collect);
        collect.0
    };
    assert_eq!(parameters(3, false), parameters(3, true));
    assert_ne!(parameters(3, false), parameters(4, false));
}
