"""Column types that the tables share."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, Column, Text
from sqlmodel import Field, SQLModel

# Every constraint has a name, or no later migration could find it again.
SQLModel.metadata.naming_convention = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}
# None is stored as NULL, not as the JSON text null.
JSON_TYPE = JSON(none_as_null=True)
# Numbers are never given out twice, not even when the newest rows were removed.
AUTOINCREMENT = {"sqlite_autoincrement": True}


class Table(SQLModel):
    """The base of the tables; validators are not built, since no row is ever made through a class (30 ms at start)."""

    model_config = {"defer_build": True}


def json_field(default: Any = None, *, nullable: bool = False) -> Any:
    """A JSON column: a plain dict or list in a record."""
    if nullable:
        return Field(default=default, sa_type=JSON_TYPE, nullable=True)
    return Field(default_factory=type(default), sa_type=JSON_TYPE, nullable=False)


def named_json(name: str) -> Any:
    """A JSON object, never NULL, whose column has another name than the attribute."""
    return Field(default_factory=dict, sa_column=Column(name, JSON_TYPE, nullable=False, default=dict))


def text_field() -> Any:
    """A text column without a limit."""
    return Field(default=None, sa_type=Text, nullable=True)
