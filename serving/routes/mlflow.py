"""`/invocations`, `/ping`, `/version`: MLflow's scoring protocol, for clients that speak it."""

from __future__ import annotations

import csv
import io
from typing import Any, Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field, JsonValue, RootModel, ValidationError

from pipeline.columns import FEATURE_NAMES, FEATURES
from serving.http.problems import BadJson, Invalid, WrongType
from serving.http.requests import EXAMPLE, Row
from serving.http.responses import Prediction
from serving.routes.predict import model_headers, problems
from serving.service import Service

RAW_NAMES = {feature.raw: feature.name for feature in FEATURES}


class Shape(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    params: dict[str, JsonValue] | None = Field(
        default=None, description="Taken and ignored: the model has none"
    )


class Split(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    columns: list[str]
    data: list[list[JsonValue]]
    index: list[JsonValue] | None = None


class DataframeSplit(Shape):
    dataframe_split: Split


class DataframeRecords(Shape):
    dataframe_records: list[dict[str, JsonValue]]


class Instances(Shape):
    instances: list[dict[str, JsonValue]] | list[list[JsonValue]]


class Inputs(Shape):
    inputs: dict[str, list[JsonValue]] | list[list[JsonValue]]


class Invocation(RootModel[DataframeSplit | DataframeRecords | Instances | Inputs]):
    """MLflow's four shapes of a table."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"dataframe_records": [EXAMPLE]},
                {"dataframe_split": {"columns": list(EXAMPLE), "data": [list(EXAMPLE.values())]}},
                {"instances": [EXAMPLE]},
                {"inputs": {name: [value] for name, value in EXAMPLE.items()}},
            ]
        }
    )


class Predictions(BaseModel):
    predictions: list[Prediction]


def records_of(invocation: Invocation) -> list[dict[str, Any]]:
    """The table as one dictionary a row.

    Raises:
        Invalid: rows and columns do not fit.
    """
    given = invocation.root
    if isinstance(given, DataframeSplit):
        return _zipped(given.dataframe_split.columns, given.dataframe_split.data)
    if isinstance(given, DataframeRecords):
        return given.dataframe_records
    table = given.instances if isinstance(given, Instances) else given.inputs
    if isinstance(table, dict):
        if len({len(column) for column in table.values()}) > 1:
            raise Invalid((), "The columns in `inputs` are not of one length")
        return _zipped(list(table), [list(row) for row in zip(*table.values(), strict=True)])
    if table and isinstance(table[0], dict):
        return table
    return _zipped(list(FEATURE_NAMES), table)  # type: ignore[arg-type] # or for lists


def _zipped(columns: list[str], data: list[list[Any]]) -> list[dict[str, Any]]:
    for index, row in enumerate(data):
        if len(row) != len(columns):
            raise Invalid(
                (), f"Row {index} has {len(row)} values, there are {len(columns)} columns"
            )
    if len(set(columns)) < len(columns):
        raise Invalid((), "A column is given twice")
    return [dict(zip(columns, row, strict=True)) for row in data]


def records_of_csv(text: str) -> list[dict[str, Any]]:
    """The rows of a CSV table, numbers as numbers."""
    try:
        header, *rows = [row for row in csv.reader(io.StringIO(text, newline="")) if row] or [[]]
    except csv.Error as error:
        raise Invalid((), f"The body is no CSV: {error}") from None
    return _zipped(header, [[_number(cell) for cell in row] for row in rows])


def _number(cell: str) -> float | str:
    try:
        return float(cell)
    except ValueError:
        return cell


def router(service: Service) -> APIRouter:
    routes = APIRouter(tags=["mlflow"])

    def rows_of(data: bytes, kind: str) -> list[Row]:
        if kind == "text/csv":
            try:
                records = records_of_csv(data.decode("utf-8-sig"))
            except UnicodeDecodeError:
                raise Invalid((), "The body is not UTF-8") from None
        else:
            try:
                records = records_of(Invocation.model_validate_json(data))
            except ValidationError as error:
                first = error.errors(include_url=False, include_context=False, include_input=False)[
                    0
                ]
                if first["type"] == "json_invalid":
                    raise BadJson(first["msg"]) from None
                wanted = "`dataframe_split`, `dataframe_records`, `instances` and `inputs`"
                place = ".".join(str(part) for part in first["loc"])
                raise Invalid(
                    (), f"The body is none of MLflow's shapes {wanted}: {first['msg']} ({place})"
                ) from None
        renamed = [
            {RAW_NAMES.get(name, name): value for name, value in record.items()}
            for record in records
        ]
        return service.reader.records(renamed)

    @routes.post(
        "/invocations",
        summary="Predict a table, in MLflow's scoring protocol",
        response_model=Predictions,
        responses=problems(400, 401, 408, 413, 415, 422, 500, 503),
        openapi_extra={
            "requestBody": {
                "required": True,
                "content": {
                    "application/json": {"schema": {"$ref": "#/components/schemas/Invocation"}},
                    "text/csv": {"schema": {"type": "string"}},
                },
            }
        },
    )
    async def invocations(request: Request) -> Response:
        """`dataframe_split`, `dataframe_records`, `instances` or `inputs` as JSON, or a table as text/csv."""
        headers = dict(request.scope["headers"])
        kind = headers.get(b"content-type", b"").split(b";", 1)[0].strip().lower().decode("latin-1")
        if kind == "text/csv":
            data = await service.bodies.whole(headers, request.receive)
        elif kind == "application/json":
            data = await service.bodies.json(headers, request.receive)
        else:
            raise WrongType(kind, "application/json or text/csv")
        model = service.model()
        scored = await service.predict(model, rows_of(data, kind), request.state.request_id)
        body = b'{"predictions":[' + b",".join([item.answer for item in scored]) + b"]}"
        return Response(body, media_type="application/json", headers=model_headers(model))

    async def ping() -> Literal["ready"]:
        """200 when it can predict."""
        service.model()
        return "ready"

    for path in ("/ping", "/health"):
        routes.add_api_route(path, ping, summary="Can it predict?", responses=problems(503))

    @routes.get("/version", summary="Version of this code", response_class=Response)
    async def version() -> Response:
        """As plain text."""
        return Response(service.code_version, media_type="text/plain")

    return routes
