"""One case of the comparison, in PyTorch: `python peer.py CASE SECONDS MODE [DEVICE PRECISION]` prints the least
time of a run in ms, and the peak memory in MB. MODE is eager, channels_last or compiled, PRECISION f32, bf16, or
tf32 (what PyTorch does with convolutions in float32 unless told otherwise, and here with products too).
`python peer.py CASE count` prints FLOP and bytes. Needs torch and diffusers."""

import resource
import sys
import time

import torch
import torch.nn.functional as F
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.flop_counter import FlopCounterMode
from diffusers import DDIMScheduler, DDPMScheduler, UNet2DModel

NETWORKS = {
    "ddpm-cifar10": dict(
        sample_size=32, in_channels=3, out_channels=3, freq_shift=1, flip_sin_to_cos=False,
        down_block_types=("DownBlock2D", "AttnDownBlock2D", "DownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "UpBlock2D", "AttnUpBlock2D", "UpBlock2D"),
        block_out_channels=(128, 256, 256, 256), layers_per_block=2, downsample_padding=0,
        attention_head_dim=None, norm_num_groups=32, norm_eps=1e-6,
    ),
    "mnist-size": dict(
        sample_size=32, in_channels=1, out_channels=1, block_out_channels=(32, 64, 64),
        layers_per_block=1, down_block_types=("DownBlock2D", "DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D", "UpBlock2D"), norm_num_groups=32,
    ),
    "adm-256": dict(
        sample_size=256, in_channels=3, out_channels=3, block_out_channels=(256, 256, 512, 512, 1024, 1024),
        layers_per_block=2, down_block_types=("ResnetDownsampleBlock2D",) * 3 + ("AttnDownBlock2D",) * 3,
        up_block_types=("AttnUpBlock2D",) * 3 + ("ResnetUpsampleBlock2D",) * 3, attention_head_dim=64,
        downsample_type="resnet", upsample_type="resnet", resnet_time_scale_shift="scale_shift",
    ),
}


LAYERS = {
    "convolution": ([(128, 32, 32), (128, 128, 3, 3)], lambda x, w: F.conv2d(x, w, padding=1)),
    "group-norm": ([(128, 32, 32), (128,), (128,)], lambda x, a, d: F.group_norm(x, 32, a, d)),
    "silu": ([(128, 32, 32)], F.silu),
    "attention": ([(4, 256, 64)] * 3, F.scaled_dot_product_attention),
    "product": ([(1, 4096, 4096)] * 2, torch.matmul),
    "copy": ([(1024, 128, 128)], lambda x: x * 1.5),
}


def drawn(name, batch, **where):
    """Random tensors for a layer. What is an image, or tokens, comes in a batch."""
    shapes = LAYERS[name][0]
    batched = len(shapes) if name == "attention" else 1
    return [torch.randn(((batch,) if i < batched else ()) + shape).to(**where) for i, shape in enumerate(shapes)]


def layer(name, work, batch, seconds, mode, where):
    """A layer forwards, and backwards to its input or to all it is given."""
    tensors, f = drawn(name, batch, **where), LAYERS[name][1]
    if mode == "channels_last" and name != "attention":
        tensors = [t.contiguous(memory_format=torch.channels_last) if t.dim() == 4 else t for t in tensors]
    if mode == "compiled":
        f = torch.compile(f)
    if work == "forward":
        with torch.inference_mode():
            return least(seconds, lambda: f(*tensors))
    tracked = [t.requires_grad_() for t in tensors[: {"dps": 1, "training": None}[work]]]

    def gradients():
        y = f(*tensors)
        torch.autograd.grad(y, tracked, torch.ones_like(y))

    return least(seconds, gradients)


def least(seconds, run):
    wait = torch.cuda.synchronize if torch.cuda.is_available() else lambda: None
    run()
    run()
    best, runs, began = float("inf"), 0, time.perf_counter()
    while runs < 3 or time.perf_counter() - began < seconds:
        wait()
        start = time.perf_counter()
        run()
        wait()
        best = min(best, time.perf_counter() - start)
        runs += 1
    return 1e3 * best


def measure(case, seconds, mode, device="cpu", precision="f32"):
    network, work, batch = case.split("/")
    torch.manual_seed(0)
    where = dict(device=device, dtype=torch.bfloat16 if precision == "bf16" else torch.float32)
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
    if network in LAYERS:
        return layer(network, work, int(batch), seconds, mode, where)
    model, batch, side = UNet2DModel(**NETWORKS[network]), int(batch), NETWORKS[network]["sample_size"]
    model, x = model.to(**where), torch.randn(batch, NETWORKS[network]["in_channels"], side, side).to(**where)
    if mode == "channels_last":
        model, x = (v.to(memory_format=torch.channels_last) for v in (model, x))
    f = torch.compile(model) if mode == "compiled" else model
    t = torch.full((batch,), 500, device=device)
    if work == "forward":
        model.eval()
        with torch.inference_mode():
            return least(seconds, lambda: f(x, t).sample)
    if work == "training":
        optimizer = torch.optim.AdamW(model.parameters(), lr=2e-4, fused=True)
        average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.999))

        def train():
            optimizer.zero_grad(set_to_none=True)
            noise = torch.randn_like(x)
            F.mse_loss(f(x, t).sample, noise).backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            average.update_parameters(model)

        return least(seconds, train)
    model.eval().requires_grad_(False)
    if work == "ddim":
        scheduler = DDIMScheduler(num_train_timesteps=1000)
        scheduler.set_timesteps(50)

        def sample():
            z = x
            with torch.inference_mode():
                for time_step in scheduler.timesteps:
                    z = scheduler.step(f(z, time_step.to(device)).sample, time_step, z).prev_sample

        return least(seconds, sample)
    scheduler = DDPMScheduler(num_train_timesteps=1000)
    mask = (torch.rand(1, 1, side, side) > 0.5).to(**where)
    y, a = torch.randn_like(x) * mask, scheduler.alphas_cumprod[500]

    def dps():
        z = x.clone().requires_grad_(True)
        noise = f(z, t).sample
        clean = (z - (1 - a).sqrt() * noise) / a.sqrt()
        norm = torch.linalg.vector_norm(y - mask * clean)
        (gradient,) = torch.autograd.grad(norm, z)
        with torch.no_grad():
            return scheduler.step(noise.detach(), 500, z.detach()).prev_sample - gradient

    return least(seconds, dps)


def count(case):
    """FLOP of a case, and bytes that its layers read and write if each does so once."""
    network, work, batch = case.split("/")
    # Backwards, each product is taken by one of its factors or by both.
    passes = {"forward": 1, "dps": 2, "training": 3, "ddim": 50}[work]
    if network in LAYERS:
        tensors, f = drawn(network, int(batch)), LAYERS[network][1]
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            y = f(*tensors)
        return passes * counter.get_total_flops(), passes * 4 * sum(t.numel() for t in [*tensors, y])
    settings = NETWORKS[network]
    model, shape = UNet2DModel(**settings), (int(batch), settings["in_channels"]) + (settings["sample_size"],) * 2
    moved = 0

    def hook(module, inputs, output):
        nonlocal moved
        tensors = [*inputs, output, *module.parameters(recurse=False)]
        moved += sum(4 * t.numel() for t in tensors if torch.is_tensor(t))

    for module in model.modules():
        if not any(module.children()):
            module.register_forward_hook(hook)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(torch.randn(shape), torch.full(shape[:1], 500))
    return passes * counter.get_total_flops(), passes * moved


torch.set_num_threads(2)
if sys.argv[2:] == ["count"]:
    print(*count(sys.argv[1]))
    sys.exit()
milliseconds = measure(sys.argv[1], float(sys.argv[2]), *sys.argv[3:])
on_gpu = torch.cuda.is_available() and torch.cuda.max_memory_allocated()
print(milliseconds, (on_gpu or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024) / 1e6)
