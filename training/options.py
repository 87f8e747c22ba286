"""Settings models as command-line options: a field's description is its option's help."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any

import typer
from pydantic import BaseModel, ValidationError

Command = Callable[..., Any]


def with_options(**models: type[BaseModel]) -> Callable[[Command], Command]:
    """Give a command an option for every field of each model.

    The command takes each model's instance under the model's keyword; the command line has the
    fields instead. A value that a model refuses is a usage error that names the option.
    """

    def decorate(command: Command) -> Command:
        own = inspect.signature(command, eval_str=True)
        parameters = [p for name, p in own.parameters.items() if name not in models]
        parameters += [option for model in models.values() for option in _options(model)]

        @wraps(command)
        def run(**values: Any) -> Any:
            made = {name: _make(model, values) for name, model in models.items()}
            return command(**values, **made)

        run.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {p.name: p.annotation for p in parameters}
        return run

    return decorate


def _options(model: type[BaseModel]) -> list[inspect.Parameter]:
    return [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=field.get_default(call_default_factory=True),
            annotation=Annotated[field.annotation, typer.Option(help=field.description)],
        )
        for name, field in model.model_fields.items()
    ]


def _make(model: type[BaseModel], values: dict[str, Any]) -> BaseModel:
    """The model's instance; takes its fields out of ``values``."""
    try:
        return model(**{name: values.pop(name) for name in model.model_fields})
    except ValidationError as error:
        details = error.errors()[0]
        # A refusal of the model as a whole has no field.
        options = ["--" + str(field).replace("_", "-") for field in details["loc"][:1]]
        raise typer.BadParameter(details["msg"], param_hint=options) from None
