"""Records `misc/tiny_denoiser`: three convolutions 1-16-16-1 that predict the noise of nine patches,
with their outputs, gradients and parameters in three steps of Adam.

    python tiny_denoiser.py OUT

Needs torch and safetensors.
"""

import json
import sys

import torch
from safetensors.torch import save_file

torch.manual_seed(0)
torch.set_default_dtype(torch.float64)
layers = [torch.nn.Conv2d(a, b, 3, padding=1) for a, b in [(1, 16), (16, 16), (16, 1)]]
network = torch.nn.Sequential(layers[0], torch.nn.ReLU(), layers[1], torch.nn.ReLU(), layers[2])
optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
rows = torch.arange(32.0)
image = 0.5 + 0.3 * torch.sin(rows[:, None] / 4) * torch.cos(rows / 6) + 0.1 * torch.rand(32, 32)
patches = torch.stack([image[i:i + 16, j:j + 16] for i in (0, 8, 16) for j in (0, 8, 16)])
patches = patches[:, None]
sigma, steps, tensors = 0.25, 3, {"adam/clean": patches}


def weights(step):
    for i, layer in enumerate(layers):
        tensors[f"adam/weight_{i}_{step}"] = layer.weight.detach().clone()
        tensors[f"adam/bias_{i}_{step}"] = layer.bias.detach().clone()


weights(0)
for step in range(steps):
    noise = torch.randn_like(patches)
    output = network(patches + sigma * noise)
    loss = ((output - noise) ** 2).mean()
    optimizer.zero_grad()
    loss.backward()
    tensors[f"adam/noise_{step}"] = noise
    tensors[f"adam/output_{step}"] = output.detach()
    tensors[f"adam/loss_{step}"] = loss.detach().reshape(1)
    for i, layer in enumerate(layers):
        tensors[f"adam/gradient_{i}_{step}"] = layer.weight.grad.clone()
    optimizer.step()
    weights(step + 1)
case = {"id": "adam", "kind": "tiny_denoiser", "sigma": sigma, "rate": 1e-2, "steps": steps}
meta = {"source": f"torch {torch.__version__}", "seed": 0}
tensors = {name: value.contiguous() for name, value in tensors.items()}
save_file(tensors, f"{sys.argv[1]}/tiny_denoiser.safetensors")
with open(f"{sys.argv[1]}/tiny_denoiser.json", "w") as file:
    json.dump({"meta": meta, "cases": [case]}, file, indent=1)
    file.write("\n")
