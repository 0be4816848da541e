"""What a picture's places say and what lies at them, and what a question finds there."""

import math

import torch
import torch.nn.functional as F
from torch import nn

from blocks import Block, Norm
from config import EMBED, ModelConfig

MATCH_GAIN = 5.0  # cosines of texts differ by tenths
GROUND_GAIN = 30.0  # of cosines that become shares of places
WHOLE_PLACES = 0.5  # the places' part in the meaning of the whole picture


def meanings(features):
    """Features [n, T, 966 + 384] -> what the pointer reads [n, T, 384]: the stem's reading of each place, and of the whole picture
    the direction of its pooled reading plus half of the places' mean, weighted by their largest class probability. Of 4,950
    crops of training photos that names 0.836 right, the pooled reading alone (ConSE) 0.830."""
    semantics, sure = features[..., :EMBED].float(), features[:, 1:, EMBED:EMBED + 1].float()
    places = (sure * semantics[:, 1:]).sum(1) / sure.sum(1)
    whole = F.normalize(semantics[:, 0] + WHOLE_PLACES * places, dim=-1)
    return torch.cat([whole[:, None], semantics[:, 1:]], 1)


def closer(features):
    """meanings() with the stem's reading of each place of the larger picture: where words are found."""
    return torch.cat([meanings(features)[:, :1], features[:, 1:, -EMBED:].float()], 1)


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


def middles(g: int, device):
    """Columns and rows of a grid's places, row by row, [g*g] each: of their middles, from -0.5 to 0.5."""
    at = (torch.arange(g, device=device) + 0.5) / g - 0.5
    return at.repeat(g), at.repeat_interleave(g)


def layout(score):
    """Where and in how many parts the pointer's places lie, [n, 8], from its scores [n, 1 + g*g] without the pooled place's:
    with beta their softmax the mean column and row (from -2.5 left or above to 2.5), their standard deviations (in
    quarters of the picture), the entropy by that of g*g equal shares, and the number of local maxima among 3 x 3 places,
    counted softly in three ways: a place weighs exp(4 (s - the largest s about it)) times sigmoid(s), beta by the largest
    beta, or beta by half of the largest at most 1."""
    n, places = score.shape[0], score[:, 1:]
    g = math.isqrt(places.shape[1])
    beta = places.softmax(-1)
    x, y = middles(g, score.device)
    mean = [(beta * v).sum(1) for v in (x, y)]
    deviation = [((beta * v.square()).sum(1) - m.square()).clamp(min=1e-6).sqrt() for v, m in zip((x, y), mean)]
    entropy = -(beta * beta.clamp(min=1e-9).log()).sum(1) / math.log(g * g)
    about = F.max_pool2d(places.reshape(n, 1, g, g), 3, 1, 1).reshape(n, g * g)
    top = (4 * (places - about)).exp()
    relative = (places - places.amax(1, keepdim=True)).exp()
    peaks = [(top * w).sum(1) for w in (places.sigmoid(), relative, (2 * relative).clamp(max=1))]
    return torch.stack([5 * mean[0], 5 * mean[1], 4 * deviation[0], 4 * deviation[1], entropy, *peaks], 1)
