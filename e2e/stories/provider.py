"""A pod that stands in for a provider: HTTPS, one key, and OpenAI's shape of an answer."""

import tempfile
from pathlib import Path
from typing import Any

from e2e.kit import restricted
from e2e.kit.certificates import Authority
from e2e.kit.kubectl import Namespace
from e2e.load.pod import IMAGE
from e2e.stories.fleet import API, ROUTER

NAME = "provider"
SECRET = "provider-key"
PORT = 8443
PRICE = {"prompt": "2", "completion": "10"}
"""Of a million tokens."""
USAGE = {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4}
COST = (2 * 3 + 10) / 1e6
"""Of one answer."""

_SERVER = """
import http.server, json, ssl

USAGE = {USAGE}

class Answers(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        key = self.headers.get("authorization", "").removeprefix("Bearer sk-")
        if self.path != "/v1/chat/completions" or key not in ("one", "two"):
            return self.answer(401, "application/json", json.dumps({"error": {"message": "refused"}}))
        answer = {"id": "1", "created": 1, "model": asked["model"]}
        said = {"role": "assistant", "content": key}
        if not asked.get("stream"):
            choice = {"index": 0, "message": said, "finish_reason": "stop"}
            whole = {**answer, "object": "chat.completion", "choices": [choice], "usage": USAGE}
            return self.answer(200, "application/json", json.dumps(whole))
        choice = {"index": 0, "delta": said, "finish_reason": "stop"}
        answer["object"] = "chat.completion.chunk"
        pieces = [json.dumps({**answer, "choices": [choice]})]
        if (asked.get("stream_options") or {}).get("include_usage"):
            pieces.append(json.dumps({**answer, "choices": [], "usage": USAGE}))
        text = "".join(f"data: {piece}\\n\\n" for piece in [*pieces, "[DONE]"])
        self.answer(200, "text/event-stream", text)

    def answer(self, status, kind, text):
        body = text.encode()
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

server = http.server.ThreadingHTTPServer(("", PORT), Answers)
context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
context.load_cert_chain("/provider/certificate", "/provider/key")
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
"""


def documents(namespace: Namespace) -> tuple[dict[str, Any], ...]:
    """Return the pod, its Service, and the pool that names it."""
    host, authority = f"{NAME}.{namespace.name}.svc", Authority.new("provider")
    with tempfile.TemporaryDirectory() as folder:
        certificate, key = (part.read_text() for part in authority.issue(host, Path(folder)))
    files = {
        "server.py": _SERVER.replace("PORT", str(PORT)).replace("{USAGE}", str(USAGE)),
        "certificate": certificate,
        "key": key,
    }
    pool = {
        "type": "External",
        "served": {"modelName": "gpt"},
        "price": {"type": "PerMillionTokens", "perMillionTokens": PRICE},
        "external": {
            "provider": "OpenAI",
            "baseURL": f"https://{host}/v1",
            "caBundle": authority.pem,
            "credentialSecretRef": {"name": SECRET, "key": "key"},
        },
    }
    port = {"name": "https", "port": 443, "targetPort": PORT}
    return (
        _core("Secret", NAME, stringData=files),
        _core("Service", NAME, spec={"selector": {"app": NAME}, "ports": [port]}),
        _core("Pod", NAME, spec=_pod()),
        {"apiVersion": API, "kind": "ServingPool", "metadata": {"name": NAME}, "spec": pool},
    )


def key(value: str) -> dict[str, Any]:
    """Return the Secret with the provider's key."""
    return _core("Secret", SECRET, stringData={"key": value})


def let_read(namespace: Namespace) -> None:
    """Let the router read the key, as its owner does it."""
    named = ["--resource=secrets", f"--resource-name={SECRET}"]
    namespace.run("create", "role", "reader", "--verb=get,list,watch", *named)
    account = f"--serviceaccount={namespace.name}:{ROUTER}-router"
    namespace.run("create", "rolebinding", "reader", "--role=reader", account)


def _core(kind: str, name: str, **fields: Any) -> dict[str, Any]:
    metadata = {"name": name, "labels": {"app": name}}
    return {"apiVersion": "v1", "kind": kind, "metadata": metadata, **fields}


def _pod() -> dict[str, Any]:
    container = {
        "name": "provider",
        "image": IMAGE,
        "command": ["python3", "-u", "/provider/server.py"],
        "readinessProbe": {"tcpSocket": {"port": PORT}, "periodSeconds": 1},
        "resources": {"requests": {"cpu": "20m", "memory": "32Mi"}, "limits": {"memory": "128Mi"}},
        "securityContext": restricted.CONTAINER,
        "volumeMounts": [{"name": "files", "mountPath": "/provider", "readOnly": True}],
    }
    return {
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 1,
        "securityContext": restricted.POD,
        "containers": [container],
        "volumes": [{"name": "files", "secret": {"secretName": NAME}}],
    }
