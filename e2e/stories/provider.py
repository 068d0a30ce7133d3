"""A pod that stands in for a provider: HTTPS, one key, and OpenAI's shape of an answer."""

import tempfile
from pathlib import Path
from typing import Any

from e2e.kit.certificates import Authority
from e2e.kit.kubectl import Namespace
from e2e.load.pod import IMAGE, USER
from e2e.stories.fleet import API

NAME = "provider"
SECRET = "provider-key"
PORT = 8443

_SERVER = """
import http.server, json, ssl

class Answers(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        key = self.headers.get("authorization", "").removeprefix("Bearer sk-")
        good = self.path == "/v1/chat/completions" and key in ("one", "two")
        message = {"role": "assistant", "content": key}
        answer = {
            "id": "1", "object": "chat.completion", "created": 1, "model": asked["model"],
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4},
        }
        body = json.dumps(answer if good else {"error": {"message": "refused"}}).encode()
        self.send_response(200 if good else 401)
        self.send_header("content-type", "application/json")
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
        "server.py": _SERVER.replace("PORT", str(PORT)),
        "certificate": certificate,
        "key": key,
    }
    pool = {
        "type": "External",
        "served": {"modelName": "gpt"},
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


def _core(kind: str, name: str, **fields: Any) -> dict[str, Any]:
    metadata = {"name": name, "labels": {"app": name}}
    return {"apiVersion": "v1", "kind": kind, "metadata": metadata, **fields}


def _pod() -> dict[str, Any]:
    locked = {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    container = {
        "name": "provider",
        "image": IMAGE,
        "command": ["python3", "-u", "/provider/server.py"],
        "readinessProbe": {"tcpSocket": {"port": PORT}, "periodSeconds": 1},
        "resources": {"requests": {"cpu": "20m", "memory": "32Mi"}, "limits": {"memory": "128Mi"}},
        "securityContext": locked,
        "volumeMounts": [{"name": "files", "mountPath": "/provider", "readOnly": True}],
    }
    return {
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 1,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
        "volumes": [{"name": "files", "secret": {"secretName": NAME}}],
    }
