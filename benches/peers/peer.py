"""One case of the comparison, in PyTorch: `python peer.py CASE SECONDS MODE` prints the least time of a run in
ms, and the peak memory in MB. MODE is eager, channels_last or compiled. Needs torch and diffusers."""

import resource
import sys
import time

import torch
import torch.nn.functional as F
from diffusers import DDPMScheduler, UNet2DModel

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
}


def least(seconds, run):
    run()
    run()
    best, runs, began = float("inf"), 0, time.perf_counter()
    while runs < 3 or time.perf_counter() - began < seconds:
        start = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - start)
        runs += 1
    return 1e3 * best


def measure(case, seconds, mode):
    network, work, batch = case.split("/")
    torch.manual_seed(0)
    model, batch = UNet2DModel(**NETWORKS[network]), int(batch)
    x = torch.randn(batch, NETWORKS[network]["in_channels"], 32, 32)
    if mode == "channels_last":
        model, x = (v.to(memory_format=torch.channels_last) for v in (model, x))
    f = torch.compile(model) if mode == "compiled" else model
    t = torch.full((batch,), 500)
    if work == "forward":
        model.eval()
        with torch.inference_mode():
            return least(seconds, lambda: f(x, t).sample)
    if work == "training":
        noise, optimizer = torch.randn_like(x), torch.optim.AdamW(model.parameters(), lr=2e-4)

        def train():
            optimizer.zero_grad(set_to_none=True)
            F.mse_loss(f(x, t).sample, noise).backward()
            optimizer.step()

        return least(seconds, train)
    model.eval().requires_grad_(False)
    scheduler = DDPMScheduler(num_train_timesteps=1000)
    mask = (torch.rand(1, 1, 32, 32) > 0.5).float()
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


torch.set_num_threads(2)
milliseconds = measure(sys.argv[1], float(sys.argv[2]), sys.argv[3])
print(milliseconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6)
