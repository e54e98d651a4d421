//! Single layers: outputs and the gradients of `Σ out·cot`.

use crate::case::{Case, File, GoldenError};
use crate::compare::{Comparison, Outcome};
use std::cell::RefCell;
use tweedie::burn::module::Param;
use tweedie::burn::nn::{GroupNormConfig, LayerNormConfig};
use tweedie::burn::tensor::activation::{sigmoid, softmax, softplus, tanh};
use tweedie::burn::tensor::module::{attention, conv_transpose2d, conv2d, linear};
use tweedie::burn::tensor::ops::{
    AttentionModuleOptions, ConvOptions, ConvTransposeOptions, PadMode,
};
use tweedie::burn::tensor::{DType, Device, Gradients, Tensor};
use tweedie::inverse::operator::{Basis, Operator, Transform};
use tweedie::models::{Activation, Filter};
use tweedie::ops::{Sign, fft2};

const DOUBLE: f64 = 1e-10;

type Check = Box<dyn FnOnce(&Gradients, &mut Comparison) -> Result<(), GoldenError>>;

/// One case. Its inputs are tracked, and their gradients are compared at the end.
struct Run<'a> {
    file: &'a File,
    case: &'a Case,
    checks: RefCell<Vec<Check>>,
}

impl Run<'_> {
    fn input<const D: usize>(&self, name: &str) -> Result<Tensor<D>, GoldenError> {
        let x: Tensor<D> = self.file.tensor(self.case, name)?.tensor(DType::F64)?;
        let x = x.autodiff().require_grad();
        let recorded = self.file.tensor(self.case, &format!("d_{name}"))?.clone();
        let (tracked, name) = (x.clone(), format!("d_{name}"));
        self.checks
            .borrow_mut()
            .push(Box::new(move |gradients, comparison| {
                let found = tracked.grad(gradients);
                let found = found.ok_or_else(|| GoldenError::Lacks(name.clone()))?;
                comparison.scaled(&name, found, &recorded, DOUBLE);
                Ok(())
            }));
        Ok(x)
    }

    fn output<const D: usize>(self, out: Tensor<D>) -> Result<Comparison, GoldenError> {
        let mut comparison = Comparison::default();
        let cotangent: Tensor<D> = self.file.tensor(self.case, "cot")?.tensor(DType::F64)?;
        let recorded = self.file.tensor(self.case, "out")?;
        comparison.scaled("out", out.clone().inner(), recorded, DOUBLE);
        let gradients = (out * cotangent).sum().backward();
        for check in self.checks.into_inner() {
            check(&gradients, &mut comparison)?;
        }
        Ok(comparison)
    }

    fn two(&self, key: &str) -> Result<[usize; 2], GoldenError> {
        self.case.count(key).map(|number| [number; 2])
    }
}

/// Runs one case.
pub(crate) fn run(file: &File, case: &Case) -> Result<Outcome, GoldenError> {
    let run = Run {
        file,
        case,
        checks: RefCell::default(),
    };
    let id = case.id.as_str();
    let ran = match id {
        "conv_downpad0" => {
            let x = run
                .input::<4>("x")?
                .pad((0, 1, 0, 1), PadMode::Constant(0.0));
            let options = ConvOptions::new([2, 2], [0, 0], [1, 1], 1);
            let out = conv2d(x, run.input("w")?, Some(run.input("b")?), options);
            run.output::<4>(out)
        }
        "convT_s2" => {
            let options = ConvTransposeOptions::new(
                run.two("stride")?,
                run.two("padding")?,
                run.two("output_padding")?,
                [1, 1],
                1,
            );
            let (x, w, b) = (run.input("x")?, run.input("w")?, run.input("b")?);
            run.output::<4>(conv_transpose2d(x, w, Some(b), options))
        }
        _ if id.starts_with("conv_") => {
            let [stride, padding, dilation] = [
                run.two("stride")?,
                run.two("padding")?,
                run.two("dilation")?,
            ];
            let options = ConvOptions::new(stride, padding, dilation, case.count("groups")?);
            let (x, w, b) = (run.input("x")?, run.input("w")?, run.input("b")?);
            run.output::<4>(conv2d(x, w, Some(b), options))
        }
        _ if id.starts_with("groupnorm") => {
            let (x, w, b) = (
                run.input::<4>("x")?,
                run.input::<1>("w")?,
                run.input::<1>("b")?,
            );
            let mut norm = GroupNormConfig::new(case.count("groups")?, x.dims()[1])
                .with_epsilon(case.number("eps")?)
                .init(&Device::flex());
            norm.gamma = Some(Param::from_tensor(w));
            norm.beta = Some(Param::from_tensor(b));
            run.output::<4>(norm.forward(x))
        }
        "layernorm" => {
            let (x, w, b) = (
                run.input::<3>("x")?,
                run.input::<1>("w")?,
                run.input::<1>("b")?,
            );
            let mut norm = LayerNormConfig::new(x.dims()[2]).init(&Device::flex());
            norm.gamma = Param::from_tensor(w);
            norm.beta = Some(Param::from_tensor(b));
            run.output::<3>(norm.forward(x))
        }
        _ if id.starts_with("act_") => {
            let x = run.input::<1>("x")?;
            let out = match id {
                "act_silu" => Activation::Silu.forward(x),
                "act_gelu" => Activation::Gelu.forward(x),
                "act_gelu_tanh" => Activation::GeluTanh.forward(x),
                "act_relu" => Activation::Relu.forward(x),
                "act_mish" => Activation::Mish.forward(x),
                "act_softplus" => softplus(x, 1.0),
                "act_sigmoid" => sigmoid(x),
                "act_tanh" => tanh(x),
                other => return Ok(Outcome::skipped(format!("no activation {other}"))),
            };
            run.output::<1>(out)
        }
        "softmax" => {
            let out = softmax(run.input::<2>("x")?, 1);
            run.output::<2>(out)
        }
        "linear" => {
            let (x, w, b) = (run.input("x")?, run.input::<2>("w")?, run.input("b")?);
            run.output::<3>(linear(x, w.transpose(), Some(b)))
        }
        "sdpa" | "sdpa_scale1" => {
            let options = AttentionModuleOptions {
                scale: case.number("scale").ok(),
                ..AttentionModuleOptions::default()
            };
            let (q, k, v) = (run.input("q")?, run.input("k")?, run.input("v")?);
            run.output::<4>(attention(q, k, v, None, None, options))
        }
        "avgpool2" => {
            let out = Filter::Box.halve(run.input("x")?);
            run.output::<4>(out)
        }
        "nearest_up2" => {
            let x = run.input::<4>("x")?;
            let [_, _, h, w] = x.dims();
            run.output::<4>(Filter::Box.enlarge(x, [2 * h, 2 * w]))
        }
        "matmul_batched" => {
            let out = run.input::<3>("a")?.matmul(run.input("b")?);
            run.output::<3>(out)
        }
        "logsumexp" => {
            let x = run.input::<2>("x")?;
            let largest = x.clone().detach().max_dim(1);
            let out = (x - largest.clone()).exp().sum_dim(1).log() + largest;
            run.output::<1>(out.squeeze_dim(1))
        }
        "l2norm" => {
            let out = run.input::<2>("x")?.square().sum().sqrt();
            run.output::<1>(out)
        }
        "reduce" => return reduce(file, case),
        "fft" => return fourier(file, case),
        other => return Ok(Outcome::skipped(format!("no layer {other}"))),
    };
    ran.map(Outcome::Ran)
}

/// Compares transforms of 6×7 points of a real image: plain, centred and unitary, and the half that
/// a real transform keeps.
fn fourier(file: &File, case: &Case) -> Result<Outcome, GoldenError> {
    let mut comparison = Comparison::default();
    let x: Tensor<3> = file.tensor(case, "x")?.tensor(DType::F64)?;
    let [n, h, w] = x.dims();
    let real = x.reshape([n, 1, h, w]);
    let z = Tensor::cat(vec![real.clone(), real.zeros_like()], 1);
    let last = |z: Tensor<4>| z.permute([0, 2, 3, 1]);
    let plain = last(fft2(z.clone(), Sign::Forward)) * ((h * w) as f64).sqrt();
    let half = plain.clone().narrow(2, 0, w / 2 + 1);
    comparison.scaled("fft2", plain, file.tensor(case, "fft2")?, DOUBLE);
    comparison.scaled("rfft2", half, file.tensor(case, "rfft2")?, DOUBLE);
    let centred = Transform::new(Basis::Fourier, [h, w])?;
    let centred = last(centred.apply(z));
    let recorded = file.tensor(case, "fft2_ortho_centered")?;
    comparison.scaled("centred", centred, recorded, DOUBLE);
    Ok(Outcome::Ran(comparison))
}

/// Compares reductions, without gradients. Quantiles are not compared, because no layer uses them.
fn reduce(file: &File, case: &Case) -> Result<Outcome, GoldenError> {
    let mut comparison = Comparison::default();
    let x: Tensor<3> = file.tensor(case, "x")?.tensor(DType::F64)?;
    let variance = x.clone().var(2).squeeze_dim::<2>(2);
    let recorded = file.tensor(case, "var_unbiased_dim-1")?;
    comparison.scaled("var", variance, recorded, DOUBLE);
    let all = x.clone().reshape([1, x.dims().iter().product()]);
    let found: Vec<f64> = all.var(1).sqrt().into_data().iter::<f64>().collect();
    let recorded = file.tensor(case, "std_all")?;
    comparison.values("std", &found, &recorded.values, DOUBLE);
    let recorded = file.tensor(case, "cumprod")?;
    let found = x.clone().cumprod(2);
    comparison.scaled("cumprod", found, recorded, DOUBLE);
    Ok(Outcome::Ran(comparison))
}
