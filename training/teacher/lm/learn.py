"""Training the language model: next-token prediction and distributions to match, in one loss.

At a marked place the loss is the divergence of the model's softmax over its whole vocabulary
from the distribution that is wanted there, so that all mass goes to the tokens that are asked
for (Hinton et al. 2015, arXiv 1503.02531).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import nn
from torch.nn import functional

from training.optimise import adamw, descend, remaining, set_rate, warmed_up
from training.settings import Positive, Schedule
from training.teacher.lm.batch import Batch, Data
from training.teacher.lm.model import Decoder


class Learning(BaseModel):
    """How the language model is trained."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = Field(1, ge=0, description="of all chance but the initial weights")
    steps: Positive = Field(1000, description="updates, a batch each")
    learning_rate: float = Field(1e-3, gt=0, description="of AdamW, at its highest")
    warm_up: Positive = Field(50, description="updates in which the learning rate rises to that")
    schedule: Schedule = Field("cosine", description="how the learning rate goes to zero then")
    weight_decay: float = Field(0.1, ge=0, description="of matrices; norms have none")
    memory: float = Field(
        0.95, ge=0, lt=1, description="how much AdamW keeps of past squared gradients, beta 2"
    )
    max_grad_norm: float = Field(1.0, gt=0, description="gradients are clipped to this length")
    text_weight: float = Field(
        1.0, ge=0, description="weight of next-token prediction beside distributions to match"
    )
    mixed: bool = Field(
        False, description="multiply matrices in bfloat16, where the processor does so faster"
    )
    evaluate_every: Positive = Field(50, description="updates between held-out evaluations")


class Measured(NamedTuple):
    """How well a model does on a batch, place by place; there may be none of a kind."""

    text: torch.Tensor  # (P,) nats, of the tokens that follow
    kl: torch.Tensor  # (D,) nats, from the distributions that are wanted
    agreed: torch.Tensor  # (D,) 1 if the likeliest token is one of the likeliest that are wanted


def measure(model: Decoder, batch: Batch, mixed: bool = False) -> Measured:
    """What a model makes of a batch on its device; the losses have gradients.

    Args:
        model: any.
        batch: on its device.
        mixed: multiply matrices in bfloat16 (Micikevicius et al. 2017, arXiv 1710.03740).
    """
    with torch.autocast(batch.tokens.device.type, torch.bfloat16, enabled=mixed):
        embedded = model.embed(batch.tokens).flatten(0, 1)
        # Logits take far more memory than all else: only those that count are computed.
        logits = model.logits(embedded[torch.cat([batch.places, batch.marked])])
    logits = logits.float()
    text, marked = logits.tensor_split([len(batch.places)])
    wanted = batch.targets(logits.shape[1])
    chosen = wanted.gather(1, marked.detach().argmax(1, keepdim=True))[:, 0]
    return Measured(
        functional.cross_entropy(text, batch.following, reduction="none"),
        functional.kl_div(marked.log_softmax(1), wanted, reduction="none").sum(1),
        (chosen == wanted.amax(1)).float(),
    )


Measure = Callable[[Any, Batch, bool], Measured]
"""What a model makes of a batch on its device; whether to multiply matrices in bfloat16."""


class LanguageLearner:
    """One run, a :class:`training.run.Learner`; bit for bit repeatable on a CPU.

    A step of the run is an update, and its return is the held-out loss with the sign turned, so
    that a run that has levelled off can end early.

    Args:
        model: on the device that everything is to happen on.
        data: what it learns from.
        settings: all numbers.
        measure: what such a model makes of a batch; of a decoder if left out.
    """

    def __init__(
        self, model: nn.Module, data: Data, settings: Learning, measure: Measure = measure
    ) -> None:
        self.model, self.data, self.settings = model, data, settings
        self.measure = measure
        self.device = next(model.parameters()).device
        self.generator = torch.Generator(self.device).manual_seed(settings.seed)
        self.optimizer = adamw(
            model, settings.learning_rate, settings.weight_decay, settings.memory
        )
        self.steps_done = 0
        self.tokens_done = 0

    @property
    def progress(self) -> float:
        """Share of the run that is done."""
        return min(1.0, self.steps_done / self.settings.steps)

    def iterate(self) -> dict[str, float]:
        """Update until the next evaluation, and evaluate.

        Returns:
            ``steps`` and ``tokens`` so far; ``return``; means over the updates of ``loss``,
            ``text_loss``, ``kl`` (nats), and ``grad_norm``; ``learning_rate``, of the last one;
            on held-out examples ``held_out_loss``, ``held_out_text_loss``, ``held_out_kl`` and
            ``agreement``, the share of marked places whose likeliest token is one of the
            likeliest that are wanted. What no example is about is not a number.
        """
        ahead = self.settings.steps - self.steps_done
        updates = [self.update() for _ in range(min(self.settings.evaluate_every, ahead))]
        learned = {
            name: float(torch.stack([update[name] for update in updates]).nanmean())
            for name in updates[0]
        }
        held_out = self.evaluate()
        return {
            "steps": self.steps_done,
            "tokens": self.tokens_done,
            "return": -held_out["held_out_loss"],
            **learned,
            "learning_rate": self.optimizer.param_groups[0]["lr"],
            **held_out,
        }

    def update(self) -> dict[str, torch.Tensor]:
        """Learn from one batch; returns what was measured."""
        set_rate(self.optimizer, self.rate())
        batch = self.data.batch(self.generator).to(self.device)
        measured = self.measure(self.model, batch, self.settings.mixed)
        loss = self.loss(measured)
        norm = descend(loss, self.optimizer, self.settings.max_grad_norm)
        self.steps_done += 1
        self.tokens_done += batch.tokens.numel()
        return {
            "loss": loss.detach(),
            "text_loss": measured.text.detach().mean(),
            "kl": measured.kl.detach().mean(),
            "grad_norm": norm,
        }

    def rate(self) -> float:
        """The next update's learning rate: a linear rise, then the schedule."""
        settings = self.settings
        rise = min(settings.warm_up, settings.steps)
        after = (self.steps_done - rise) / max(1, settings.steps - rise)
        share = warmed_up(self.steps_done, rise) * remaining(settings.schedule, max(0.0, after))
        return settings.learning_rate * share

    def loss(self, measured: Measured) -> torch.Tensor:
        """The means of both kinds, weighed; a kind without a place does not count."""
        kinds = (measured.text, self.settings.text_weight), (measured.kl, 1.0)
        return torch.stack([weight * nats.mean() for nats, weight in kinds if len(nats)]).sum()

    @torch.no_grad()
    def evaluate(self) -> dict[str, float]:
        """Means over all places of what is held out."""
        parts = [self.measure(self.model, b.to(self.device), False) for b in self.data.held_out()]
        whole = Measured(*(torch.cat(column) for column in zip(*parts, strict=True)))
        return {
            "held_out_loss": float(self.loss(whole)),
            "held_out_text_loss": float(whole.text.mean()),
            "held_out_kl": float(whole.kl.mean()),
            "agreement": float(whole.agreed.mean()),
        }

    def state_dict(self) -> dict[str, Any]:
        """Everything that a run needs to go on bit for bit, but the data."""
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "generator": self.generator.get_state(),
            "steps_done": self.steps_done,
            "tokens_done": self.tokens_done,
        }

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Go on where another run with the same data and settings was."""
        self.model.load_state_dict(saved["model"])
        self.optimizer.load_state_dict(saved["optimizer"])
        self.generator.set_state(saved["generator"].cpu())
        self.steps_done, self.tokens_done = saved["steps_done"], saved["tokens_done"]
