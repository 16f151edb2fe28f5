"""A fixture, not Batfish: an HTTP server on loopback that speaks the part of Batfish's REST v2 that
pybatfish uses, and answers each question with a table that it was given.

What it proves is that our calls go through pybatfish as intended and that its frames are read
right; what Batfish itself would answer, only a Batfish service can say.
"""

from __future__ import annotations

import io
import json
import re
import threading
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

COLUMNS = {
    "fileParseStatus": {
        "File_Name": "String",
        "Status": "String",
        "File_Format": "String",
        "Nodes": "List<String>",
    },
    "parseWarning": {
        "Filename": "String",
        "Line": "Integer",
        "Text": "String",
        "Parser_Context": "String",
        "Comment": "String",
    },
    "undefinedReferences": {
        "File_Name": "String",
        "Struct_Type": "String",
        "Ref_Name": "String",
        "Context": "String",
        "Lines": "FileLines",
    },
    "isisEdges": {"Interface": "Interface", "Remote_Interface": "Interface"},
    "ospfEdges": {"Interface": "Interface", "Remote_Interface": "Interface"},
    "routes": {
        "Node": "Node",
        "VRF": "String",
        "Network": "Prefix",
        "Next_Hop": "NextHop",
        "Next_Hop_IP": "Ip",
        "Next_Hop_Interface": "String",
        "Protocol": "String",
        "Metric": "Long",
        "Admin_Distance": "Integer",
        "Tag": "Long",
    },
    "reachability": {"Flow": "Flow", "Traces": "Set<Trace>", "TraceCount": "Integer"},
    "detectLoops": {"Flow": "Flow", "Traces": "Set<Trace>", "TraceCount": "Integer"},
}
"""Question -> column -> schema, as Batfish's question documentation has them."""

VERSION: dict[str, str] = {"api_version": "2.1.0", "Batfish": "replay"}

_VARIABLES = {
    "routes": {"rib": "string", "network": "string", "nodes": "nodeSpec", "protocols": "string"},
    "reachability": {
        "actions": "dispositionSpec",
        "headers": "headerConstraint",
        "pathConstraints": "pathConstraint",
        "maxTraces": "integer",
    },
    "detectLoops": {"maxTraces": "integer"},
}

JOBS = "work"
"""What the service calls its queue."""


def template(name: str) -> str:
    """Return a question template in the form that the service serves them."""
    variables = {
        variable: {"description": variable, "type": kind, "optional": True}
        for variable, kind in _VARIABLES.get(name, {}).items()
    }
    body = {v: f"${{{v}}}" for v in variables}
    instance = {
        "description": name,
        "longDescription": name,
        "instanceName": name,
        "tags": ["replay"],
        "variables": variables,
    }
    return json.dumps(
        {"class": f"replay.{name}", "differential": False, "instance": instance} | body
    )


def table(name: str, rows: list[Mapping[str, Any]]) -> dict[str, Any]:
    """Return an answer in the form of Batfish's TableAnswerElement."""
    columns = [
        {"name": column, "schema": schema, "description": column, "isKey": True, "isValue": True}
        for column, schema in COLUMNS[name].items()
    ]
    element = {
        "class": "org.batfish.datamodel.table.TableAnswerElement",
        "metadata": {"columnMetadata": columns},
        "rows": rows,
        "summary": {"numResults": len(rows)},
    }
    return {"status": "SUCCESS", "answerElements": [element], "summary": {}}


class Replay(ThreadingHTTPServer):
    """Holds what pybatfish sent, and the tables to answer with."""

    daemon_threads = True

    def __init__(self, answers: Mapping[str, list[Mapping[str, Any]]]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers = answers
        """Question -> rows; a question that is not here is unknown to this service."""
        self.networks: set[str] = set()
        self.snapshots: dict[str, dict[str, str]] = {}
        """Snapshot -> path inside it -> text."""
        self.questions: dict[str, dict[str, Any]] = {}

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_port}"


@contextmanager
def replaying(answers: Mapping[str, list[Mapping[str, Any]]]) -> Iterator[Replay]:
    server = Replay(answers)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: Replay
    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16  # headers and body in one segment: no delayed acknowledgement between them
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        if path == "/v2/version":
            self._reply(VERSION)
        elif path == "/v2/question_templates":
            self._reply({name: template(name) for name in self.server.answers})
        elif match := re.fullmatch(r"/v2/networks/([^/]+)", path):
            known = match[1] in self.server.networks
            self._reply({"name": match[1]} if known else {}, 200 if known else 404)
        elif re.fullmatch(r"/v2/networks/[^/]+/snapshots", path):
            self._reply(sorted(self.server.snapshots))
        elif re.fullmatch(rf"/v2/networks/[^/]+/{JOBS}/[^/]+", path):
            self._reply({"workstatuscode": "TERMINATEDNORMALLY", "task": {}})
        elif match := re.fullmatch(r"/v2/networks/[^/]+/questions/([^/]+)/answer", path):
            name = self.server.questions[match[1]]["class"].removeprefix("replay.")
            self._reply(table(name, self.server.answers[name]))
        else:
            self._reply({"error": path}, 404)

    def do_POST(self) -> None:
        url, body = urlsplit(self.path), self._body()
        if url.path == "/v2/networks":
            self.server.networks.add(parse_qs(url.query)["name"][0])
        elif match := re.fullmatch(r"/v2/networks/[^/]+/snapshots/([^/]+)", url.path):
            with zipfile.ZipFile(io.BytesIO(body)) as archive:
                names = [n for n in archive.namelist() if not n.endswith("/")]
                self.server.snapshots[match[1]] = {
                    name.split("/", 1)[1]: archive.read(name).decode() for name in names
                }
        self._reply({})

    def do_PUT(self) -> None:
        name = self.path.rsplit("/", 1)[1]
        self.server.questions[name] = json.loads(self._body())
        self._reply({})

    def do_DELETE(self) -> None:
        self.server.snapshots.pop(self.path.rsplit("/", 1)[1], None)
        self._reply({})

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _reply(self, value: object, status: int = 200) -> None:
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass
