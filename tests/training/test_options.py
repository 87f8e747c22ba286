"""Settings models as command-line options."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

import pytest
import typer
from pydantic import BaseModel, Field
from typer.testing import CliRunner

from training.options import with_options
from training.settings import Ending, Settings


class Kitchen(BaseModel):
    """A small model."""

    cups: Annotated[int, Field(ge=1)] = Field(2, description="how many cups")
    strength: float = Field(0.5, gt=0, description="how strong")
    bean: Literal["arabica", "robusta"] = Field("arabica", description="which bean")
    sugar: float | None = Field(None, description="spoons, if any")
    hot: bool = Field(True, description="whether to heat")
    order_of: list[int] = Field([3, 4], description="who drinks")


class Table(BaseModel):
    legs: int = Field(4, ge=3, description="how many legs")


app = typer.Typer()


@app.command()
@with_options(kitchen=Kitchen, table=Table)
def brew(
    place: Annotated[str, typer.Argument()],
    kitchen: Kitchen,
    table: Table,
    loud: Annotated[bool, typer.Option()] = False,
) -> None:
    """Brew."""
    made = {"kitchen": kitchen.model_dump(), "table": table.model_dump()}
    print(json.dumps({"place": place, "loud": loud, **made}))


def invoke(*arguments: str) -> Any:
    terminal = {"COLUMNS": "200", "TERMINAL_WIDTH": "200", "NO_COLOR": "1", "TERM": "dumb"}
    return CliRunner().invoke(app, list(arguments), env=terminal)


def brewed(*arguments: str) -> dict[str, Any]:
    done = invoke("home", *arguments)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_options_left_out_are_the_models_defaults() -> None:
    assert brewed() == {
        "place": "home", "loud": False,
        "kitchen": Kitchen().model_dump(), "table": Table().model_dump(),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "name", "value"),
    [
        (["--cups", "5"], "cups", 5),
        (["--strength", "1e-3"], "strength", 0.001),
        (["--bean", "robusta"], "bean", "robusta"),
        (["--sugar", "1.5"], "sugar", 1.5),
        (["--no-hot"], "hot", False),
        (["--order-of", "7", "--order-of", "8"], "order_of", [7, 8]),
    ],
)
def test_every_kind_of_field_is_an_option(arguments: list[str], name: str, value: Any) -> None:
    assert brewed(*arguments)["kitchen"] == Kitchen().model_dump() | {name: value}


def test_the_commands_own_parameters_stay() -> None:
    found = brewed("--loud", "--legs", "3")
    assert (found["loud"], found["table"]) == (True, {"legs": 3})


def test_help_has_every_description_and_default() -> None:
    shown = " ".join(invoke("--help").output.split())
    fields = Kitchen.model_fields | Table.model_fields
    assert all(field.description and field.description in shown for field in fields.values())
    assert all("--" + name.replace("_", "-") in shown for name in fields)
    assert "[default: 0.5]" in shown
    assert "[default: 3, 4]" in shown


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--cups", "0"), ("--cups", "x"), ("--strength", "0"), ("--bean", "moss"),
        ("--order-of", "x"), ("--legs", "2"),
    ],
)  # fmt: skip
def test_a_refused_value_is_a_usage_error_that_names_the_option(option: str, value: str) -> None:
    done = invoke("home", option, value)
    assert done.exit_code == 2
    assert option in done.output
    assert "Traceback" not in done.output


def test_the_real_settings_are_options() -> None:
    small = typer.Typer()

    @small.command()
    @with_options(settings=Settings, ending=Ending)
    def command(settings: Settings, ending: Ending) -> None:
        assert (settings, ending) == (Settings(gamma=0.5, value_clip=0.1), Ending(window=3))

    arguments = ["--gamma", "0.5", "--value-clip", "0.1", "--window", "3"]
    done = CliRunner().invoke(small, arguments)
    assert done.exit_code == 0, done.output
