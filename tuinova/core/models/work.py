"""Work orders and the change feed."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Index
from sqlmodel import Field

from tuinova.core.models.base import AUTOINCREMENT, Table, json_field, text_field


class WorkOrder(Table, table=True):
    """What an accepted request still has to do; the row goes when it is done."""

    __tablename__ = "work_order"
    __table_args__ = (Index("ix_work_order_host", "host"), AUTOINCREMENT)

    id: int | None = Field(default=None, primary_key=True)
    method: str = Field(max_length=64)
    instance_uuid: str = Field(max_length=36, index=True)
    host: str | None = Field(default=None, max_length=255)
    args: dict[str, Any] = json_field({})
    ctx: dict[str, Any] = json_field({})
    created_at: datetime
    started_at: datetime | None = None
    attempts: int = 0


class Change(Table, table=True):
    """One entry of the change feed; `view` is JSON text as the stream sends it."""

    __tablename__ = "change"
    __table_args__ = (AUTOINCREMENT,)

    id: int | None = Field(default=None, primary_key=True)
    kind: str = Field(max_length=16)
    op: str = Field(max_length=16)
    key: str = Field(max_length=255)
    project_id: str | None = Field(default=None, max_length=64)
    at: datetime
    view: str | None = text_field()
