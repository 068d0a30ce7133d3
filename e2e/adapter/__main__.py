"""Serves `external.metrics.k8s.io/v1beta1`, as a HorizontalPodAutoscaler asks for it.

    HPA controller -> API server (aggregation) -> this -> Prometheus

What a production cluster has in KEDA or a Prometheus adapter, as small as the API allows: a metric's
name is the name of a series, its label selector is what the series must match, and each row is one
value. Standard library only: it runs in any image that has Python.
"""

import argparse
import json
import ssl
import urllib.parse
import urllib.request
from collections.abc import Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

GROUP_VERSION = "external.metrics.k8s.io/v1beta1"
ROOT = f"/apis/{GROUP_VERSION}"


def promql(namespace: str, metric: str, selector: str) -> str:
    """Return the query for a metric of a namespace; the selector is `a=b,c=d`."""
    matched = [f'namespace="{namespace}"']
    for part in filter(None, selector.split(",")):
        name, _, value = part.partition("=")
        matched.append(f'{name}="{value.lstrip("=")}"')
    return f"max({metric}{{{','.join(matched)}}})"


def value_list(metric: str, rows: list[Mapping[str, Any]], now: str) -> dict[str, Any]:
    """Return rows of Prometheus as the API's list; values in thousandths, as quantities are."""
    items = [
        {
            "metricName": metric,
            "metricLabels": row["metric"],
            "timestamp": now,
            "value": f"{round(float(row['value'][1]) * 1000)}m",
        }
        for row in rows
    ]
    kind = "ExternalMetricValueList"
    return {"kind": kind, "apiVersion": GROUP_VERSION, "metadata": {}, "items": items}


def discovery() -> dict[str, Any]:
    """Return the group's resources: any external metric may be asked for."""
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": GROUP_VERSION,
        "resources": [],
    }


class Adapter(BaseHTTPRequestHandler):
    """One request of the API server."""

    prometheus = ""

    def do_GET(self) -> None:
        """Answer discovery, or one metric."""
        url = urllib.parse.urlsplit(self.path)
        parts = url.path.removeprefix(ROOT).strip("/").split("/")
        if not url.path.startswith(ROOT):
            self._answer(HTTPStatus.NOT_FOUND, {"kind": "Status", "status": "Failure"})
        elif parts[0] != "namespaces":
            self._answer(HTTPStatus.OK, discovery())
        else:
            _, namespace, metric = parts
            selector = urllib.parse.parse_qs(url.query).get("labelSelector", [""])[0]
            rows = self._rows(promql(namespace, metric, selector))
            now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            self._answer(HTTPStatus.OK, value_list(metric, rows, now))

    def _rows(self, query: str) -> list[Mapping[str, Any]]:
        asked = urllib.parse.urlencode({"query": query})
        with urllib.request.urlopen(f"{self.prometheus}/api/v1/query?{asked}", timeout=5) as answer:  # noqa: S310
            return list(json.load(answer)["data"]["result"])

    def _answer(self, status: HTTPStatus, body: dict[str, Any]) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def main() -> None:
    """Serve until stopped."""
    parser = argparse.ArgumentParser(prog="e2e.adapter", description=__doc__)
    parser.add_argument("--prometheus", required=True, help="URL of Prometheus")
    parser.add_argument("--port", type=int, default=6443)
    parser.add_argument("--certificate", required=True, help="PEM file")
    parser.add_argument("--key", required=True, help="PEM file")
    args = parser.parse_args()
    Adapter.prometheus = args.prometheus
    server = ThreadingHTTPServer(("", args.port), Adapter)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(args.certificate, args.key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
