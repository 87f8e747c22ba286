"""How a vocabulary spells the answers that count, so that their probabilities can be read.

The tokens of an answer are those of the whole text: conversation, reply, label, line break. A
label's probability is that of its tokens, each given those before; and where another label goes on
from the same tokens ("host1" and "host12"), it is also that of what ends it: the line break after
an action, a host's first token after a kind. So no label's spelling begins another's, and what
tells labels apart is all that is added: where they part at their first token, as in the paper's own
reading (arXiv 2509.05311), one look at the model's logits decides.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise, takewhile
from typing import Final

from training.teacher.question import Choices

Tokens = tuple[int, ...]
Label = tuple[Tokens, ...]
"""Spellings of one label, none of which begins another; its probability is their sum."""

END: Final = "\n"  # what follows an action


@dataclass(frozen=True, slots=True)
class Answers:
    """Answers as tokens.

    Attributes:
        first: tokens of the stem and the first answer with its end.
        lead: tokens with which all answers begin, the stem's among them.
        kinds: labels of the kinds, after the lead.
        hosts: of each kind, labels of its hosts, after the lead: the kind's tokens come first.
    """

    first: Tokens
    lead: Tokens
    kinds: tuple[Label, ...]
    hosts: tuple[tuple[Label, ...], ...]

    @property
    def longest(self) -> int:
        """Tokens of the longest spelling, after the lead."""
        labels = [*self.kinds, *(label for hosts in self.hosts for label in hosts)]
        return max(len(path) for label in labels for path in label)


def spell(stem: str, choices: Choices, tokenize: Callable[[str], Tokens]) -> Answers:
    """The answers after a stem.

    Args:
        stem: text before the label, as much of it as matters to how the label is cut into tokens.
        choices: the labels.
        tokenize: a text's tokens.
    """
    ends = [[f" {host}{END}" for host in hosts] or [END] for hosts in choices.hosts]
    whole = [
        [tokenize(stem + kind + end) for end in its]
        for kind, its in zip(choices.kinds, ends, strict=True)
    ]
    lead = whole[0][0][: shared(*(tokens for kind in whole for tokens in kind))]
    kinds = [
        (shared(tokenize(stem + kind), *its), its)
        for kind, its in zip(choices.kinds, whole, strict=True)
    ]
    hosts = [
        [
            (shared(tokenize(f"{stem}{kind} {host}"), tokens), [tokens])
            for host, tokens in zip(its, spelled, strict=bool(its))
        ]
        for kind, its, spelled in zip(choices.kinds, choices.hosts, whole, strict=True)
    ]
    return Answers(
        whole[0][0],
        lead,
        tuple(_apart(kinds, len(lead))),
        tuple(tuple(_apart(its, len(lead))) for its in hosts),
    )


def _apart(labels: Sequence[tuple[int, list[Tokens]]], lead: int) -> list[Label]:
    """Cut each label's sequences where no other label's go on, but not within the label itself.

    Args:
        labels: for each, the length of its own tokens, and sequences that begin with them.
        lead: tokens that are left out of the result.
    """
    owners: dict[Tokens, set[int]] = {}
    for number, (_, sequences) in enumerate(labels):
        for tokens in sequences:
            for end in range(len(tokens) + 1):
                owners.setdefault(tokens[:end], set()).add(number)

    def cut(tokens: Tokens, own: int) -> Tokens:
        ends = range(own, len(tokens))
        common = takewhile(lambda end: len(owners[tokens[:end]]) > 1, ends)
        return tokens[lead : own + sum(1 for _ in common)]

    return [tuple(dict.fromkeys(cut(tokens, own) for tokens in its)) for own, its in labels]


def shared(first: Sequence[int], *others: Sequence[int]) -> int:
    """Number of tokens with which all sequences begin."""
    columns = zip(first, *others, strict=False)
    return sum(1 for _ in takewhile(lambda column: len(set(column)) == 1, columns))


def branches(paths: Sequence[Tokens]) -> list[Tokens]:
    """The least set of sequences that pass through all that must be evaluated to score paths.

    A path's last token is only looked up, in the logits after the ones before.
    """
    heads = sorted({path[:-1] for path in paths if len(path) > 1})
    return [a for a, b in pairwise([*heads, ()]) if b[: len(a)] != a]


def tree(ends: Sequence[Tokens]) -> dict[Tokens, list[int]]:
    """Nodes on the way to each end, parents first, and which of the ends lie beyond each."""
    nodes: dict[Tokens, list[int]] = {}
    for number, end in enumerate(ends):
        for depth in range(1, len(end) + 1):
            nodes.setdefault(end[:depth], []).append(number)
    return nodes
