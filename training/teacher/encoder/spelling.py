"""Where in a text an encoder's answer stands: one place for each subject, one label a kind.

An encoder does not answer in words. What it says of "restore host4" is its score for the label
"restore" at the token that names host4, where that host's line begins; kinds of actions that
concern no host are scored at the text's first token. The softmax over all actions' scores is the
distribution, so one pass gives all of it.

The text is the prompt's, but that each rule begins with the label of the host that it stands below:
by content an encoder finds what belongs together, by place alone it may not (docs/results.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from training.errors import TeacherError
from training.teacher.lm.tokenizer import Tokenizer
from training.teacher.question import Question


class Spelled(NamedTuple):
    """A question for an encoder.

    Attributes:
        tokens: of the whole text.
        places: of each action, the position of the token at which it is scored.
        labels: of each action, its kind's number.
    """

    tokens: list[int]
    places: list[int]
    labels: list[int]


def spell(question: Question, tokenizer: Tokenizer, kinds: Sequence[str]) -> Spelled:
    """A question as tokens, and where its actions are scored.

    Args:
        question: its reply does not matter.
        tokenizer: the encoder's.
        kinds: that it can tell apart.

    Raises:
        TeacherError: there is a kind that it does not know, or a host without a line.
    """
    tokens = tokenizer.encode(f"{question.system}\n")
    places, label = {"": 0}, ""
    for line in question.user.split("\n"):
        rule = line.startswith(" ")
        if not rule:
            label = line.partition(" ")[0]
            places[label] = len(tokens) + 1
        tokens += tokenizer.encode(f" {label}{line}\n" if rule else f"{line}\n")
    choices = question.choices
    where, labels = [0] * sum(map(len, choices.numbers)), [0] * sum(map(len, choices.numbers))
    for kind, hosts, numbers in zip(choices.kinds, choices.hosts, choices.numbers, strict=True):
        if kind not in kinds:
            raise TeacherError(
                f"the encoder was not trained on actions called {kind!r}; it knows"
                f" {', '.join(kinds)}"
            )
        for host, number in zip(hosts or ("",), numbers, strict=True):
            if host not in places:
                raise TeacherError(f"no line is about {host}, so nothing can be said of it")
            where[number], labels[number] = places[host], kinds.index(kind)
    return Spelled(tokens, where, labels)
