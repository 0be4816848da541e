"""The trained part: a small picture tower and a gated-pointer predictor, ternary or float.

Every block linear is BitNet b1.58 with a scale a row: s = fp16(mean |w|), q = clip(round(w / s), -1, 1);
activations int8 a token by absolute maximum. Both straight-through. With `ternary=False` the same
network runs on its master weights: the float twin.
"""

import math

import torch
import torch.nn.functional as F
from torch import nn

from config import EMBED, ModelConfig

NORM_EPS = 1e-5
HEAD = 64
# The head's own output is scaled by this (export folds it in). Without it the head is thirty times longer than
# the pointed-at embedding it is added to, which then teaches nothing: naming stays at chance for hundreds of steps.
HEAD_GAIN = 0.03
MATCH_GAIN = 5.0  # cosines of texts differ by tenths
GROUND_GAIN = 30.0  # of cosines that become shares of places
WHOLE_PLACES = 0.5  # the places' part in the meaning of the whole picture


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


class Tower(nn.Module):
    """Features [n, T, 966] -> vision tokens [n, T, d]."""

    def __init__(self, c: ModelConfig):
        super().__init__()
        self.config = c
        self.tokens = nn.Linear(c.feature_width, c.width)
        self.position = nn.Parameter(torch.randn(c.tokens, c.width) * 0.02)
        self.blocks = nn.ModuleList(Block(c.width, c.heads, c.mlp, c.vision_blocks)
                                    for _ in range(c.vision_blocks))
        self.norm = Norm(c.width)
        # Standardisation of the low-level part; export folds it into `tokens`.
        self.register_buffer("shift", torch.zeros(c.feature_width))
        self.register_buffer("scale", torch.ones(c.feature_width))

    def forward(self, features):
        x = (features - self.shift) * self.scale
        if self.training and self.config.dropout > 0:
            low = F.dropout(x[..., EMBED + 2:], self.config.dropout)
            x = torch.cat([x[..., :EMBED + 2], low], -1)
        x = self.tokens(x) + self.position
        for block in self.blocks:
            x = block(x)
        return self.norm(x)


def meanings(features):
    """Features [n, T, 966] -> what the pointer reads [n, T, 384]: the stem's reading of each place, and of the whole picture
    the direction of its pooled reading plus half of the places' mean, weighted by their largest class probability. Of 4,950
    crops of training photos that names 0.836 right, the pooled reading alone (ConSE) 0.830."""
    semantics, sure = features[..., :EMBED].float(), features[:, 1:, EMBED:EMBED + 1].float()
    places = (sure * semantics[:, 1:]).sum(1) / sure.sum(1)
    whole = F.normalize(semantics[:, 0] + WHOLE_PLACES * places, dim=-1)
    return torch.cat([whole[:, None], semantics[:, 1:]], 1)


def matches(score, semantics, pointed, question):
    """How well a picture matches its question, [n, 8]: of the pointer's scores [n, T] the largest, the mean, the log of the
    mean exponential and the mean sigmoid; of the cosines between the places' meanings [n, T, 384] and the question's own
    embedding (its tokens' mean) the largest, the mean, that of `pointed` [n, 384] and that of the pooled place, times five."""
    asked = F.normalize(question.sum(1), dim=-1)
    cosine = MATCH_GAIN * (semantics @ asked[..., None])[..., 0]
    return torch.stack([score.amax(1), score.mean(1), score.logsumexp(1) - math.log(score.shape[1]), score.sigmoid().mean(1),
                        cosine.amax(1), cosine.mean(1), MATCH_GAIN * (pointed * asked).sum(-1), cosine[:, 0]], 1)


class Ground(nn.Module):
    """What lies at each place, [n, T, 384] of unit length, for words to be found there: the stem's reading [n, T, 384], which at small things
    is vague and of the ground beside a thing says the thing, plus what the picture's tokens [n, T, d] make of it. Learned from composed
    pictures, whose things are known place by place (train.py `ground_loss`). The first place, the picture as a whole, is left as it is."""

    def __init__(self, c: ModelConfig):
        super().__init__()
        self.blocks = nn.ModuleList(Block(c.width, c.heads, c.mlp, c.ground_blocks) for _ in range(c.ground_blocks))
        self.norm = Norm(c.width)
        self.map = nn.Linear(c.width, EMBED)
        nn.init.zeros_(self.map.weight)
        nn.init.zeros_(self.map.bias)

    def forward(self, vision, semantics):
        for block in self.blocks:
            vision = block(vision)
        more = self.map(self.norm(vision)[:, 1:]).float()
        return torch.cat([semantics[:, :1], F.normalize(semantics[:, 1:] + more, dim=-1)], 1)


def grounded(question, semantics):
    """Where in the picture the question's words find what they mean: what each place is told, [n, T, 2], and each word, [n, L, 10]. Of
    the cosines c between the words' features [n, L, 384] (zeros behind the last) and what lies at the places [n, T, 384] (Ground), less each word's
    mean over the places (the pooled one is none of them), times five: of a place that of the question's own embedding and the largest of
    a word; of a word how c lies in the picture (`layout` of 30 c), its largest and that mean."""
    n, longest, t = question.shape[0], question.shape[1], semantics.shape[1]
    asked = F.normalize(question.sum(1), dim=-1)[:, None]
    cosine = torch.cat([asked, F.normalize(question, dim=-1)], 1) @ semantics.transpose(1, 2)
    mean = cosine[..., 1:].mean(-1, keepdim=True)
    cosine = cosine - mean
    there = (question != 0).any(-1)[..., None]
    best = cosine[:, 1:].masked_fill(~there, -torch.inf).amax(1)
    lie = layout(GROUND_GAIN * cosine[:, 1:].reshape(n * longest, t)).reshape(n, longest, 8)
    top = cosine[:, 1:, 1:].amax(-1, keepdim=True)
    return MATCH_GAIN * torch.stack([cosine[:, 0], best], -1), torch.cat([lie, MATCH_GAIN * top, MATCH_GAIN * mean[:, 1:]], -1)


def layout(score):
    """Where and in how many parts the pointer's places lie, [n, 8], from its scores [n, 1 + g*g] without the pooled place's:
    with beta their softmax the mean column and row (from -2.5 left or above to 2.5), their standard deviations (in
    quarters of the picture), the entropy by that of g*g equal shares, and the number of local maxima among 3 x 3 places,
    counted softly in three ways: a place weighs exp(4 (s - the largest s about it)) times sigmoid(s), beta by the largest
    beta, or beta by half of the largest at most 1."""
    n, places = score.shape[0], score[:, 1:]
    g = math.isqrt(places.shape[1])
    beta = places.softmax(-1)
    at = (torch.arange(g, device=score.device) + 0.5) / g - 0.5
    x, y = at.repeat(g), at.repeat_interleave(g)
    mean = [(beta * v).sum(1) for v in (x, y)]
    deviation = [((beta * v.square()).sum(1) - m.square()).clamp(min=1e-6).sqrt() for v, m in zip((x, y), mean)]
    entropy = -(beta * beta.clamp(min=1e-9).log()).sum(1) / math.log(g * g)
    about = F.max_pool2d(places.reshape(n, 1, g, g), 3, 1, 1).reshape(n, g * g)
    top = (4 * (places - about)).exp()
    relative = (places - places.amax(1, keepdim=True)).exp()
    peaks = [(top * w).sum(1) for w in (places.sigmoid(), relative, (2 * relative).clamp(max=1))]
    return torch.stack([5 * mean[0], 5 * mean[1], 4 * deviation[0], 4 * deviation[1], entropy, *peaks], 1)


class Predictor(nn.Module):
    """Question tokens and vision tokens -> embedding of the answer, L2-normalised."""

    def __init__(self, c: ModelConfig):
        super().__init__()
        self.config = c
        self.answer = nn.Parameter(torch.randn(c.width) * 0.02)
        self.question = nn.Linear(EMBED, c.width)
        self.vision = nn.Linear(c.width, c.width)
        self.ground = Ground(c)
        self.word_found = nn.Linear(10, c.width, bias=False)
        self.place_found = nn.Linear(2, c.width, bias=False)
        self.blocks = nn.ModuleList(Block(c.width, c.heads, c.mlp, c.predictor_blocks)
                                    for _ in range(c.predictor_blocks))
        self.norm = Norm(c.width)
        self.head = nn.Linear(c.width, EMBED)
        self.pointer_query = nn.Linear(c.width, c.pointer_width, bias=False)
        self.pointer_key = nn.Linear(c.width, c.pointer_width, bias=False)
        self.pointer_found = nn.Linear(c.width, 2)
        self.gate = nn.Linear(c.width, 1)
        self.read = nn.Linear(c.width, c.width, bias=False)
        self.read_gate = nn.Linear(c.width, c.width)
        self.match = nn.Linear(16, c.width, bias=False)
        self.head_scale = 1.0  # fitted after training (calibrate.py), kept beside the weights
        for told in (self.match, self.word_found, self.place_found, self.pointer_found):
            nn.init.zeros_(told.weight)
        nn.init.constant_(self.pointer_found.bias, 0.3)
        nn.init.zeros_(self.gate.weight)
        nn.init.constant_(self.gate.bias, 0.0)

    def forward(self, question, length, vision, semantics, ground=None):
        """question [n, L, 384] padded to L, length [n], vision [n, T, d], semantics [n, T, 384] -> embedding [n, 384]
        and where it pointed: alpha [n, T], sums to one. `ground` [n, T, 384] is self.ground's, if that is known already. What the pointed-at places look like is read twice: as their
        meaning (`pointed`, added to the answer) and as their vision tokens (`looked`, into the head, gated feature by
        feature by the question; without it colours are not learned within a thousand steps). Beside these, how well the
        picture matches what is asked about at all, which the pointer's softmax hides and yes or no depends on, and the
        pointed-at places' layout, for where and how many."""
        n, longest, t = question.shape[0], question.shape[1], vision.shape[1]
        if ground is None:
            ground = self.ground(vision, semantics)
        with torch.autocast(question.device.type, enabled=False):
            place, word = grounded(question.float(), ground.float())
        z = torch.cat([self.answer.expand(n, 1, -1), self.question(question) + self.word_found(word), self.vision(vision) + self.place_found(place)], 1)
        mask = None
        if int(length.min()) < longest:
            inside = torch.arange(longest, device=length.device)[None] < length[:, None]
            keep = torch.ones(n, t + 1, dtype=torch.bool, device=length.device)
            seen = torch.cat([keep[:, :1], inside, keep[:, 1:]], 1)
            mask = torch.zeros(seen.shape, device=z.device).masked_fill(~seen, -1e4)[:, None, None, :]
        for block in self.blocks:
            z = block(z, mask)
        z = self.norm(z)
        answer, places = z[:, 0], z[:, 1 + longest:]
        score = (self.pointer_key(places) @ self.pointer_query(answer)[..., None])[..., 0].float() * self.config.pointer_width ** -0.5
        score = score + (place @ self.pointer_found(answer).float()[..., None])[..., 0]
        alpha = score.softmax(-1)
        pointed = (alpha[:, None] @ semantics)[:, 0]
        looked = (alpha[:, None].to(vision.dtype) @ vision)[:, 0]
        told = torch.cat([matches(score, semantics, pointed, question.float()), layout(score)], 1)
        found = self.read(looked) + self.match(told)
        e = HEAD_GAIN * self.head_scale * self.head(answer + self.read_gate(answer).sigmoid() * found)
        return F.normalize(e.float() + self.gate(answer).float().sigmoid() * pointed, dim=-1), alpha


class Net(nn.Module):
    def __init__(self, config: ModelConfig):
        super().__init__()
        self.config = config
        self.vision = Tower(config)
        self.predictor = Predictor(config)

    def set_ternary(self, on: bool):
        for module in self.modules():
            if isinstance(module, TernaryLinear):
                module.ternary = on
        return self

    def standardise(self, features: torch.Tensor):
        """Measure the low-level part of training features [n, T, 966]; semantics stay as they are."""
        flat = features.reshape(-1, features.shape[-1]).float()
        low = slice(EMBED + 2, None)
        # Rare colour bins do not scale up without bound. The few colour numbers get more room than the many
        # of the stem's map: with equal room colours are not learned within a thousand steps.
        self.vision.shift[low] = flat.mean(0)[low]
        self.vision.scale[low] = 0.5 / flat.std(0)[low].clamp(min=0.05)
        self.vision.scale[self.config.feature_width - 4 * 33:] *= 5.0
        self.vision.scale[:EMBED] = EMBED ** 0.5 * 0.7
        self.vision.scale[EMBED:EMBED + 2] = 2.0

    def forward(self, features, question, length, owner):
        """Every question looks at picture `owner[i]` of the batch; the tower runs once a picture. As the predictor's, and what lies at
        the pictures' places, through which the questions send no gradient."""
        vision, semantics = self.vision(features), meanings(features)
        ground = self.predictor.ground(vision, semantics)
        return *self.predictor(question, length, vision[owner], semantics[owner], ground.detach()[owner]), ground
