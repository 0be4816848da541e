"""The trained part: a small picture tower and a gated-pointer predictor, ternary or float (blocks.py)."""

import torch
import torch.nn.functional as F
from torch import nn

from blocks import Block, Norm, TernaryLinear
from config import EMBED, ModelConfig
from found import Ground, closer, grounded, layout, matches, meanings
from referents import Referents

# The head's own output is scaled by this (export folds it in). Without it the head is thirty times longer than
# the pointed-at embedding it is added to, which then teaches nothing: naming stays at chance for hundreds of steps.
HEAD_GAIN = 0.03


class Tower(nn.Module):
    """Features [n, T, 966 + 384] -> vision tokens [n, T, d], of the first 966."""

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
        x = (features[..., :self.config.feature_width] - self.shift) * self.scale
        if self.training and self.config.dropout > 0:
            low = F.dropout(x[..., EMBED + 2:], self.config.dropout)
            x = torch.cat([x[..., :EMBED + 2], low], -1)
        x = self.tokens(x) + self.position
        for block in self.blocks:
            x = block(x)
        return self.norm(x)


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
        self.referents = Referents(c)
        self.head_scale = 1.0  # fitted after training (calibrate.py), kept beside the weights
        for told in (self.match, self.word_found, self.place_found, self.pointer_found):
            nn.init.zeros_(told.weight)
        nn.init.constant_(self.pointer_found.bias, 0.3)
        nn.init.zeros_(self.gate.weight)
        nn.init.constant_(self.gate.bias, 0.0)

    def forward(self, question, length, vision, semantics, ground):
        """question [n, L, 384] padded to L, length [n], vision [n, T, d], semantics [n, T, 384] -> embedding [n, 384]
        and where it pointed: alpha [n, T], sums to one. `ground` [n, T, 384] is self.ground's. What the pointed-at places look like is read twice: as their
        meaning (`pointed`, added to the answer) and as their vision tokens (`looked`, into the head, gated feature by
        feature by the question; without it colours are not learned within a thousand steps). Beside these, how well the
        picture matches what is asked about at all, which the pointer's softmax hides and yes or no depends on, and the
        pointed-at places' layout, for where and how many; and what its named things are to each other (Referents)."""
        n, longest, t = question.shape[0], question.shape[1], vision.shape[1]
        with torch.autocast(question.device.type, enabled=False):
            place, word = grounded(question.float(), ground.float())
        z = torch.cat([self.answer.expand(n, 1, -1), self.question(question) + self.word_found(word), self.vision(vision) + self.place_found(place)], 1)
        mask, inside = None, torch.arange(longest, device=length.device)[None] < length[:, None]
        if int(length.min()) < longest:
            keep = torch.ones(n, t + 1, dtype=torch.bool, device=length.device)
            seen = torch.cat([keep[:, :1], inside, keep[:, 1:]], 1)
            mask = torch.zeros(seen.shape, device=z.device).masked_fill(~seen, -1e4)[:, None, None, :]
        for block in self.blocks:
            z = block(z, mask)
        z = self.norm(z)
        answer, places = z[:, 0], z[:, 1 + longest:]
        score = (self.pointer_key(places) @ self.pointer_query(answer)[..., None])[..., 0].float() * self.config.pointer_width ** -0.5
        score = score + (place @ self.pointer_found(answer).float()[..., None])[..., 0]
        with torch.autocast(question.device.type, enabled=False):
            more, beside, lies = self.referents(answer.float(), question.float(), word, inside, t - 1)
        score = torch.cat([score[:, :1], score[:, 1:] + beside], 1)
        alpha = score.softmax(-1)
        pointed = (alpha[:, None] @ semantics)[:, 0]
        looked = (alpha[:, None].to(vision.dtype) @ vision)[:, 0]
        told = torch.cat([matches(score, semantics, pointed, question.float()), layout(score)], 1)
        found = self.read(looked) + self.match(told)
        e = HEAD_GAIN * self.head_scale * self.head(answer + self.read_gate(answer).sigmoid() * found + more)
        said = self.gate(answer).float().sigmoid() * pointed + lies * (alpha[:, None] @ ground.float())[:, 0]
        return F.normalize(e.float() + said, dim=-1), alpha


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
        """Measure the low-level part of training features [n, T, 966 + 384]; semantics stay as they are."""
        flat = features[..., :self.config.feature_width].flatten(0, 1).float()
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
        ground = self.predictor.ground(vision, closer(features))
        return *self.predictor(question, length, vision[owner], semantics[owner], ground.detach()[owner]), ground
