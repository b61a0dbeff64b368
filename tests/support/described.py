"""
Whether an answer is one that the description of the interface tells of.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from jsonschema_rs import validator_for

from tests.support.httpwire import Answer

Document = Mapping[str, Any]

PROBLEM = "application/problem+json"


class Described:
    """
    What C{/openapi.json} says.
    """

    def __init__(self, document: Document) -> None:
        self.document = document
        self._paths = [(_pattern(path), item) for path, item in document["paths"].items()]
        self._valid = cache(self._validator)

    def check(self, method: str, target: str, answer: Answer) -> None:
        """
        Compare an answer with what is said of it.

        @param target: Of the request: a path, and perhaps a query.
        @raise AssertionError: With all that is not as it is said.
        """
        faults = list(self.faults(method, target.partition("?")[0], answer))
        assert not faults, f"{method} {target}: {faults}"

    def faults(self, method: str, path: str, answer: Answer) -> Iterator[str]:
        """
        What is not as it is said.
        """
        said = self._said(method, path, answer.status)
        if said is None:
            yield f"{answer.status} is not described"
            return
        for name, ref in said.get("headers", {}).items():
            header = self.resolved(ref)
            values = answer.headers.get(name.lower(), [])
            if not values and header["required"]:
                yield f"{answer.status} has no {name}"
            for value in values:
                yield from self._wrong(header["schema"], value, name)
        yield from self._body(method, answer, said.get("content", {}))

    def valid(self, name: str, document: object) -> None:
        """
        Compare a document with the schema of that name.

        @raise AssertionError: With all that is wrong with it.
        """
        self.valid_as({"$ref": f"#/components/schemas/{name}"}, document)

    def valid_as(self, schema: Document, document: object) -> None:
        """
        Compare a document with a schema.

        @raise AssertionError: With all that is wrong with it.
        """
        faults = list(self._wrong(schema, document, "the document"))
        assert not faults, f"{document}: {faults}"

    def _said(self, method: str, path: str, status: int) -> Document | None:
        """
        The response that is described, if one is.
        """
        if path == "*" and status == 204:
            return {}  # what the server as a whole can do
        found = [item for pattern, item in self._paths if pattern.fullmatch(path)]
        if not found:
            return self._of_codes("not-found", "bad-request") if status in (400, 404) else None
        name = "get" if method == "HEAD" else method.lower()
        operation = found[0].get(name) if method.isupper() else None  # "get" is another method
        if operation is None:
            if method == "OPTIONS" and status == 204:
                return {"headers": {"Allow": {"$ref": "#/components/headers/Allow"}}}
            names = {405: "method-not-allowed", 404: "not-found", 400: "bad-request"}
            return self._of_codes(names[status]) if status in names else None
        response = operation["responses"].get(str(status))
        return None if response is None else self.resolved(response)

    def _of_codes(self, *codes: str) -> Document:
        responses = self.document["components"]["responses"]
        names = [name for name in responses if set(codes) & set(name.split("."))]
        schemas = [responses[name]["content"][PROBLEM]["schema"] for name in names]
        headers = responses[names[0]]["headers"] if len(codes) == 1 else {}
        return {"headers": headers, "content": {PROBLEM: {"schema": {"anyOf": schemas}}}}

    def _body(self, method: str, answer: Answer, content: Document) -> Iterator[str]:
        kind = ",".join(answer.headers.get("content-type", [])).partition(";")[0]
        if not content:
            if answer.body:
                yield f"{answer.status} has a body"
            return
        media = content.get(kind, content.get("*/*"))
        if media is None:
            yield f"{answer.status} is {kind}, not {list(content)}"
        elif method != "HEAD" and "schema" in media:
            body: object = answer.body.decode("utf-8", "replace")
            if kind.endswith("json") and "ndjson" not in kind:
                body = json.loads(answer.body)
            yield from self._wrong(media["schema"], body, f"{answer.status}")

    def _wrong(self, schema: Document, value: object, what: str) -> Iterator[str]:
        for error in self._valid(json.dumps(schema)).iter_errors(value):
            yield f"{what}: {error.message}"

    def _validator(self, schema: str) -> Any:
        components = self.document["components"]
        return validator_for(
            {"allOf": [json.loads(schema)], "components": components}, validate_formats=True
        )

    def resolved(self, given: Document) -> Document:
        """
        What a reference is to, or what was given, if that is none.
        """
        if "$ref" not in given:
            return given
        found: Any = self.document
        for part in given["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        resolved: Document = found
        return resolved


def _pattern(path: str) -> re.Pattern[str]:
    """
    What the targets of a described path look like.
    """
    parts = re.split(r"(\{\w+\})", path)
    return re.compile(
        "".join(
            (".+" if part == "{file}" else "[^/]+") if part.startswith("{") else re.escape(part)
            for part in parts
        ),
        re.DOTALL,
    )
