"""A question as the text that a model was trained to continue."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache

from jinja2 import Template, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from training.errors import TeacherError
from training.teacher.question import Question

_environment = ImmutableSandboxedEnvironment(
    trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
)
_environment.globals["strftime_now"] = lambda pattern: datetime.now().strftime(pattern)


class _RefusedError(TemplateError):
    """A template does not take these messages."""


def _refuse(message: str) -> None:
    raise _RefusedError(message)


_environment.globals["raise_exception"] = _refuse


@lru_cache
def _compiled(template: str) -> Template:
    """Compiling takes ten times as long as all else that is done to a prompt's text."""
    return _environment.from_string(template)


def render(question: Question, template: str | None, bos: str = "", eos: str = "") -> str:
    """The conversation up to where the model's answer begins; the reply's beginning comes after.

    A template that refuses a system message gets it at the head of the user's. Without a template,
    both are plain text with a blank line after each.

    Args:
        question: what is asked.
        template: the model's chat template, in Jinja.
        bos: text of the token that begins a text, which templates may use.
        eos: of the one that ends it.

    Raises:
        TeacherError: the template cannot be used.
    """
    if not template:
        return f"{question.system}\n\n{question.user}\n\n"
    apart = [("system", question.system), ("user", question.user)]
    together = [("user", f"{question.system}\n\n{question.user}")]
    try:
        compiled = _compiled(template)
        for roles in (apart, together):
            messages = [{"role": role, "content": content} for role, content in roles]
            try:
                return compiled.render(
                    messages=messages, add_generation_prompt=True, bos_token=bos, eos_token=eos
                )
            except _RefusedError as error:
                refused = error
        raise refused
    except (TemplateError, ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise TeacherError(
            f"the model's chat template cannot be used ({error}); take a file with another one"
        ) from error
