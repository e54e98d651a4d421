"""Records `misc/denoisers`: DRUNet, DnCNN and demosaicnet as their papers and authors define them,
small and with random weights.

    python denoisers.py OUT

Needs torch and safetensors.
"""

import json
import sys
from collections import OrderedDict

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


class Demosaicnet(nn.Module):
    """The network for Bayer mosaics, without padding."""

    def __init__(self, width, depth):
        super().__init__()
        layers = [("pack_mosaic", nn.Conv2d(3, 4, 2, stride=2))]
        for i in range(depth):
            wider = 2 * width if i == depth - 1 else width
            layers.append((f"conv{i + 1}", nn.Conv2d(width if i else 4, wider, 3)))
            layers.append((f"relu{i + 1}", nn.ReLU()))
        self.width = width
        self.main_processor = nn.Sequential(OrderedDict(layers))
        self.residual_predictor = nn.Conv2d(width, 12, 1)
        self.upsampler = nn.ConvTranspose2d(12, 3, 2, stride=2, groups=3)
        last = [
            ("post_conv", nn.Conv2d(6, width, 3)),
            ("post_relu", nn.ReLU()),
            ("output", nn.Conv2d(width, 3, 1)),
        ]
        self.fullres_processor = nn.Sequential(OrderedDict(last))

    def forward(self, mosaic):
        features = self.main_processor(mosaic)
        product = features[:, : self.width] * features[:, self.width :]
        estimate = self.upsampler(self.residual_predictor(product))
        crop = (mosaic.shape[-1] - estimate.shape[-1]) // 2
        seen = mosaic[..., crop:-crop, crop:-crop]
        return self.fullres_processor(torch.cat([seen, estimate], 1))


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
# The mosaic is larger by what the layers without padding take from each side.
wide = torch.rand(2, 3, 40, 32)
network = Demosaicnet(5, 3)
with torch.no_grad():
    output = network(wide)
cases.append({"id": "demosaicnet", "kind": "denoiser"})
tensors |= {"demosaicnet/input": wide, "demosaicnet/output": output}
save_file(network.state_dict(), f"{sys.argv[1]}/demosaicnet.weights.safetensors")

meta = {"source": f"torch {torch.__version__}", "seed": 0}
tensors = {name: value.clone().contiguous() for name, value in tensors.items()}
save_file(tensors, f"{sys.argv[1]}/denoisers.safetensors")
with open(f"{sys.argv[1]}/denoisers.json", "w") as file:
    json.dump({"meta": meta, "cases": cases}, file, indent=1)
    file.write("\n")
