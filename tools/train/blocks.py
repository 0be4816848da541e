"""BitNet b1.58 blocks, ternary or float.

Every block linear has a scale a row: s = fp16(mean |w|), q = clip(round(w / s), -1, 1); activations int8 a token by
absolute maximum. Both straight-through. With `ternary=False` the same runs on its master weights: the float twin.
"""

import torch
import torch.nn.functional as F
from torch import nn

NORM_EPS = 1e-5
HEAD = 64


def ternary_weight(w: torch.Tensor) -> torch.Tensor:
    """Row-wise absmean ternary values of `w`; the gradient passes straight through."""
    s = w.detach().abs().mean(1, keepdim=True).half().float().clamp(min=6e-8)
    q = (w.detach() / s).round().clamp(-1, 1) * s
    return w + (q - w.detach())


def absmax_int8(x: torch.Tensor) -> torch.Tensor:
    """The values of absmax int8 a row; the gradient passes straight through."""
    d = x.detach()
    top = d.abs().amax(-1, keepdim=True).clamp(min=1e-12)
    return x + ((d * (127.0 / top)).round().clamp(-127, 127) * (top / 127.0) - d)


def prepare(x: torch.Tensor, gain: torch.Tensor, squared: bool, ternary: bool, low: bool) -> torch.Tensor:
    """What enters a block linear: RMSNorm(x) (of relu(x)^2 if `squared`), as the values of absmax int8 if `ternary`.

    Straight-through gradient. `low` gives bf16 for autocast. One function so that a compiler can fuse its passes.
    """
    x = x.float()
    if squared:
        x = F.relu(x).square()
    x = x * torch.rsqrt(x.square().mean(-1, keepdim=True) + NORM_EPS) * gain
    if ternary:
        x = absmax_int8(x)
    return x.bfloat16() if low else x


class Norm(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x):
        return F.rms_norm(x.float(), (x.shape[-1],), self.weight, NORM_EPS)


class TernaryLinear(nn.Module):
    """y = prepare(x) W^T without bias; [out, in]. The norm before it belongs to the block."""

    prepare = staticmethod(prepare)
    quantised = staticmethod(ternary_weight)

    def __init__(self, inner: int, outer: int):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outer, inner) * inner ** -0.5)
        self.ternary = True

    def forward(self, x, norm: Norm, squared: bool = False):
        low = torch.is_autocast_enabled(x.device.type)
        x = TernaryLinear.prepare(x, norm.weight, squared, self.ternary, low)
        return F.linear(x, TernaryLinear.quantised(self.weight) if self.ternary else self.weight)


def attend(q, k, v, mask):
    """softmax(q k^T / 8 + mask) v. Written out: at some sixty positions PyTorch's fused attention is several times slower on a CPU."""
    score = (q * HEAD ** -0.5) @ k.transpose(-1, -2)
    return (score if mask is None else score + mask).softmax(-1).to(v.dtype) @ v


def fuse(device: str):
    """Compiles the element-wise part of training (needs a C++ compiler); results stay the same up to rounding."""
    torch._dynamo.config.recompile_limit = 64  # a program for each width, type and mode
    TernaryLinear.prepare = staticmethod(torch.compile(prepare, dynamic=True))
    if device == "cuda":
        TernaryLinear.quantised = staticmethod(torch.compile(ternary_weight))
        Block.attend = staticmethod(torch.compile(attend, dynamic=True))


class Block(nn.Module):
    """Pre-norm block with BitNet sub-norms: attention over all positions, squared-ReLU MLP."""

    attend = staticmethod(attend)

    def __init__(self, width: int, heads: int, mlp: int, depth: int):
        super().__init__()
        assert width == heads * HEAD
        self.heads = heads
        self.attn_norm, self.attn_out_norm = Norm(width), Norm(width)
        self.mlp_norm, self.mlp_mid_norm = Norm(width), Norm(mlp)
        self.qkv = TernaryLinear(width, 3 * width)
        self.attn_out = TernaryLinear(width, width)
        self.mlp_up = TernaryLinear(width, mlp)
        self.mlp_down = TernaryLinear(mlp, width)
        with torch.no_grad():
            for out in (self.attn_out, self.mlp_down):
                out.weight.mul_((2 * depth) ** -0.5)

    def forward(self, x, mask=None):
        n, t, d = x.shape
        q, k, v = self.qkv(x, self.attn_norm).reshape(n, t, 3, self.heads, HEAD).permute(2, 0, 3, 1, 4)
        o = Block.attend(q, k, v, mask)
        x = x + self.attn_out(o.transpose(1, 2).reshape(n, t, d), self.attn_out_norm)
        return x + self.mlp_down(self.mlp_up(x, self.mlp_norm), self.mlp_mid_norm, squared=True)
