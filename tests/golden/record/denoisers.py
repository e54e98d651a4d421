"""Records `misc/denoisers`: DRUNet and DnCNN as their papers and authors define them, small and with
random weights.

    python denoisers.py OUT

Needs torch and safetensors.
"""

import json
import sys

import torch
from safetensors.torch import save_file
from torch import nn


class Residual(nn.Module):
    """x + conv(relu(conv(x))), without biases."""

    def __init__(self, width):
        super().__init__()
        conv = lambda: nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.res = nn.Sequential(conv(), nn.ReLU(), conv())

    def forward(self, x):
        return x + self.res(x)


class Drunet(nn.Module):
    def __init__(self, channels, widths, blocks):
        super().__init__()
        a, b, c, d = widths
        stack = lambda width: [Residual(width) for _ in range(blocks)]
        half = lambda fine, coarse: nn.Conv2d(fine, coarse, 2, stride=2, bias=False)
        double = lambda coarse, fine: nn.ConvTranspose2d(coarse, fine, 2, stride=2, bias=False)
        self.m_head = nn.Conv2d(channels + 1, a, 3, padding=1, bias=False)
        self.m_down1 = nn.Sequential(*stack(a), half(a, b))
        self.m_down2 = nn.Sequential(*stack(b), half(b, c))
        self.m_down3 = nn.Sequential(*stack(c), half(c, d))
        self.m_body = nn.Sequential(*stack(d))
        self.m_up3 = nn.Sequential(double(d, c), *stack(c))
        self.m_up2 = nn.Sequential(double(c, b), *stack(b))
        self.m_up1 = nn.Sequential(double(b, a), *stack(a))
        self.m_tail = nn.Conv2d(a, channels, 3, padding=1, bias=False)

    def forward(self, images, sigma):
        batch, _, height, width = images.shape
        right, below = -width % 8, -height % 8
        images = nn.functional.pad(images, (0, right, 0, below), mode="replicate")
        noise = torch.full((batch, 1, height + below, width + right), sigma, dtype=images.dtype)
        x1 = self.m_head(torch.cat([images, noise], 1))
        x2 = self.m_down1(x1)
        x3 = self.m_down2(x2)
        x4 = self.m_down3(x3)
        x = self.m_body(x4)
        x = self.m_up3(x + x4)
        x = self.m_up2(x + x3)
        x = self.m_up1(x + x2)
        return self.m_tail(x + x1)[..., :height, :width]


class Dncnn(nn.Module):
    def __init__(self, channels, width, depth):
        super().__init__()
        layers = [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
        for _ in range(depth - 2):
            layers += [nn.Conv2d(width, width, 3, padding=1), nn.ReLU()]
        self.model = nn.Sequential(*layers, nn.Conv2d(width, channels, 3, padding=1))

    def forward(self, x):
        return x - self.model(x)


torch.manual_seed(0)
cases, tensors = [], {}
x = torch.rand(2, 3, 21, 12)
with torch.no_grad():
    for name, network, arguments in [
        ("drunet", Drunet(3, (4, 6, 8, 10), 2), (0.1,)),
        ("dncnn", Dncnn(3, 7, 5), ()),
    ]:
        output = network(x, *arguments)
        sigma = {"sigma": arguments[0]} if arguments else {}
        cases.append({"id": name, "kind": "denoiser", **sigma})
        tensors |= {f"{name}/input": x, f"{name}/output": output}
        weights = {key: value.contiguous() for key, value in network.state_dict().items()}
        save_file(weights, f"{sys.argv[1]}/{name}.weights.safetensors")
meta = {"source": f"torch {torch.__version__}", "seed": 0}
tensors = {name: value.clone().contiguous() for name, value in tensors.items()}
save_file(tensors, f"{sys.argv[1]}/denoisers.safetensors")
with open(f"{sys.argv[1]}/denoisers.json", "w") as file:
    json.dump({"meta": meta, "cases": cases}, file, indent=1)
    file.write("\n")
