"""The things that a question names: which of its words they are, where these were found, how they lie to each other and what lies beside them."""

import math

import torch
from torch import nn

from config import EMBED, ModelConfig

FOUND = 10  # numbers that a word is told of where it was found (found.grounded)
LOOKED = 3  # weights of a place's direction and distance from a thing, and how far what lies there is read


def beside(direction, found, places):
    """How each of a grid's places lies to a thing, [n, g*g, 2]: tanh(u . d) and exp(-d^2), of the `direction` u [n, 2] asked for and the difference d between the
    place and the thing, in fifths of the picture. `found` [n, >= 2] begins with the thing's mean column and row as layout() has them, `places` is g*g."""
    g = math.isqrt(places)
    at = 5 * ((torch.arange(g, device=found.device) + 0.5) / g - 0.5)
    apart = torch.stack([at.repeat(g), at.repeat_interleave(g)], -1) - found[:, None, :2]
    return torch.stack([(apart @ direction[..., None])[..., 0].tanh(), (-apart.square().sum(-1)).exp()], -1)


class Referents(nn.Module):
    """Three pointers over a question's words: two at things that it names, before and after ("is the {x} left of the {y}"), a third at the word that
    says how they lie (after subject, relationship and object of Compositional Modular Networks, arXiv 1611.09978). They read what the text
    tower says of the words: the blocks' own states hardly tell left from right (cosine of the mean states 0.994, of the text tower's 0.79).
    That word gives a direction u in the picture. How far the first thing lies that way from the second, and what both were told of
    where they were found, goes to the answer, through a gate that the question opens feature by feature; places that lie that way from the second
    are pointed at the more; and at what is pointed at, what lies there (found.Ground) may be read instead of what the stem says."""

    def __init__(self, c: ModelConfig):
        super().__init__()
        self.role = nn.Linear(EMBED, 3, bias=False)
        self.side = nn.Parameter(torch.tensor([-1.0, 1.0]))
        self.direction = nn.Linear(EMBED, 2)
        self.told = nn.Linear(2 * FOUND + 2, c.told_width)
        self.ask = nn.Linear(EMBED + c.width, c.told_width)
        self.out = nn.Linear(c.told_width, c.width, bias=False)
        self.look = nn.Linear(EMBED + c.width, LOOKED)
        nn.init.constant_(self.ask.bias, 1.0)  # open: what is shut teaches nothing
        nn.init.normal_(self.out.weight, 0, 0.02)
        nn.init.zeros_(self.look.weight)
        with torch.no_grad():
            self.look.bias.copy_(torch.tensor([0.0, 0.0, -4.0]))  # shut

    def find(self, question, told, inside):
        """Of the words' features [n, L, 384] and what they are told [n, L, 10], of which the first ones are words (`inside` [n, L] bool), what
        the two things are told, [n, 2, 10], and the features of the word that says how they lie, [n, 384]."""
        score = self.role(question).transpose(1, 2).float().masked_fill(~inside[:, None], -1e4)
        relation = score[:, 2].softmax(-1)
        at = torch.arange(question.shape[1], device=question.device, dtype=torch.float)
        behind = (at - (relation * at).sum(1, keepdim=True)).tanh()
        things = (score[:, :2] + self.side[:, None] * behind[:, None]).softmax(-1)
        return things @ told, (relation[:, None] @ question)[:, 0]

    def forward(self, answer, question, told, inside, places):
        """What the answer token [n, d] takes in [n, d], what the places of a grid gain as pointed at, [n, places], and how far what lies
        there is read, [n, 1]. Others as find()."""
        things, relation = self.find(question, told, inside)
        direction = self.direction(relation)
        along = (direction * (things[:, 0, :2] - things[:, 1, :2])).sum(1, keepdim=True)
        asked = torch.cat([relation, answer], 1)
        more = self.out(self.told(torch.cat([things.flatten(1), along, along.tanh()], 1)) * self.ask(asked).tanh())
        look = self.look(asked)
        return more, (beside(direction, things[:, 1], places) @ look[:, :2, None])[..., 0], look[:, 2:].sigmoid()
