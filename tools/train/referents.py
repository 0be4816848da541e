"""The things that a question names: which of its words they are, where these were found, how they lie to each other and what lies beside them."""

import math

import torch
from torch import nn

from config import EMBED, ModelConfig
from found import middles

LOOKED = 4  # weights of a place's direction and distance from a thing, how far what lies there is read, how far the answer takes in how things lie


def beside(direction, found, places):
    """How each of a grid's places lies to a thing, [n, g*g, 2]: tanh(u . d) and exp(-d^2), of the `direction` u [n, 2] asked for and the difference d between the
    place and the thing, in fifths of the picture. `found` [n, >= 2] begins with the thing's mean column and row as layout() has them, `places` is g*g."""
    apart = 5 * torch.stack(middles(math.isqrt(places), found.device), -1) - found[:, None, :2]
    return torch.stack([(apart @ direction[..., None])[..., 0].tanh(), (-apart.square().sum(-1)).exp()], -1)


class Referents(nn.Module):
    """Three pointers over a question's words: two at things that it names, before and after ("is the {x} left of the {y}"), a third at the word that
    says how they lie (after subject, relationship and object of Compositional Modular Networks, arXiv 1611.09978). They read what the text
    tower says of the words: the blocks' own states hardly tell left from right (cosine of the mean states 0.994, of the text tower's 0.79).
    That word gives a direction u in the picture. How far the first thing lies that way from the second (where both were found: found.grounded)
    goes to the answer; places that lie that way from the second are pointed at the more; and at what is pointed at, what lies there (found.Ground)
    may be read instead of what the stem says. All of it as far as there is such a word."""

    def __init__(self, c: ModelConfig):
        super().__init__()
        self.role = nn.Linear(EMBED, 3, bias=False)
        self.side = nn.Parameter(torch.tensor([-1.0, 1.0, 0.0]))
        self.direction = nn.Linear(EMBED, 2)
        self.held = nn.Linear(2, c.width, bias=False)
        self.look = nn.Linear(EMBED + c.width, LOOKED)
        nn.init.normal_(self.held.weight, 0, 0.02)
        nn.init.zeros_(self.look.weight)
        with torch.no_grad():
            self.look.bias.copy_(torch.tensor([0.0, 0.0, -4.0, 0.0]))  # the third: shut

    def scores(self, question, inside):
        """How much each word [n, L, 384], of which the first ones are words (`inside` [n, L] bool), is in each role, [n, 3, L]; and whether any says how
        things lie, [n, 1]; the sigmoid of that is how far anything here is done."""
        score = self.role(question).transpose(1, 2).float().masked_fill(~inside[:, None], -1e4)
        return score, score[:, 2].amax(1, keepdim=True) + self.side[2]

    def find(self, score, question, told):
        """Of scores() and what the words are told [n, L, 10], what the two things are told, [n, 2, 10], and the features of the word that says how
        they lie, [n, 384]."""
        relation = score[:, 2].softmax(-1)
        at = torch.arange(question.shape[1], device=question.device, dtype=torch.float)
        behind = (at - (relation * at).sum(1, keepdim=True)).tanh()
        things = (score[:, :2] + self.side[:2, None] * behind[:, None]).softmax(-1)
        return things @ told, (relation[:, None] @ question)[:, 0]

    def forward(self, answer, question, told, inside, places):
        """What the answer token [n, d] takes in [n, d], what the places of a grid gain as pointed at, [n, places], and how far what lies
        there is read, [n, 1]. Others as find()."""
        score, said = self.scores(question, inside)
        things, relation = self.find(score, question, told)
        direction = self.direction(relation)
        along = (direction * (things[:, 0, :2] - things[:, 1, :2])).sum(1, keepdim=True)
        look, said = self.look(torch.cat([relation, answer], 1)), said.sigmoid()
        more = look[:, 3:].sigmoid() * self.held(torch.cat([along, along.tanh()], 1))
        gains = (beside(direction, things[:, 1], places) @ look[:, :2, None])[..., 0]
        return said * more, said * gains, said * look[:, 2:3].sigmoid()
