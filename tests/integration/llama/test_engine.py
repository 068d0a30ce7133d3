"""llama.cpp's own server, started as a pod template says, with a small random model.

`TOKENFLEET_LLAMA_CPP=off` leaves its build out, and these tests with it.
"""

import contextlib
import json
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from e2e.cluster import llama
from e2e.cluster.packages import install_missing
from e2e.kit.ports import free_port
from tests.integration.vllm.engines import container
from tokenfleet.api.v1alpha1.servingpool import ServingPool
from tokenfleet.domain.pools.engines import llama_cpp

pytestmark = pytest.mark.skipif(
    llama.switched_off(), reason=f"{llama.SWITCH}=off leaves out the build of llama.cpp"
)

REPOSITORY = Path(__file__).parents[3]
CASE = REPOSITORY / "tests/unit/domain/pools/testdata/llama-cpp-cpu/in.yaml"
LIMIT = 120.0
"""Seconds for anything that a busy machine may delay."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """One running server."""

    url: str
    process: subprocess.Popen[bytes]

    def chat(self, **more: Any) -> dict[str, Any]:
        return {"model": "chat", "messages": [{"role": "user", "content": "hello"}], **more}

    def metrics(self) -> str:
        return httpx.get(f"{self.url}/metrics", timeout=LIMIT).text


def pool(*, grace: str = "60s") -> ServingPool:
    written = yaml.safe_load(CASE.read_text())
    written["spec"]["managed"]["terminationGracePeriod"] = grace
    return ServingPool.model_validate(written)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a random model."""
    file = tmp_path_factory.mktemp("models") / "small.gguf"
    writer = REPOSITORY / "e2e" / "models" / "tiny_gguf.py"
    subprocess.run([llama.tools() / "bin" / "python", writer, file], check=True)
    return file


@contextlib.contextmanager
def started(model: Path, folder: Path) -> Iterator[Server]:
    port = free_port()
    spec = container(pool())
    moved = {"/weights/models/small.gguf": str(model), "8000": str(port), "0.0.0.0": "127.0.0.1"}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [llama.server(), *(moved.get(text, text) for text in spec["args"])],
            env={item["name"]: item["value"] for item in spec["env"]} | {"HOME": str(folder)},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    server = Server(url=f"http://127.0.0.1:{port}", process=process)
    try:
        until = time.monotonic() + LIMIT
        while not _healthy(server):
            ended = process.poll() is not None or time.monotonic() > until
            assert not ended, (folder / "log").read_text(errors="replace")[-3000:]
            time.sleep(0.2)
        yield server
    finally:
        process.kill()
        process.wait(LIMIT)


def _healthy(server: Server) -> bool:
    try:
        return httpx.get(f"{server.url}/health", timeout=LIMIT).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False


@pytest.fixture(scope="module")
def server(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with started(model, tmp_path_factory.mktemp("server")) as running:
        yield running


def test_it_answers_under_an_alias_with_its_usage(server: Server) -> None:
    answer = httpx.post(
        f"{server.url}/v1/chat/completions", json=server.chat(max_tokens=4), timeout=LIMIT
    ).json()

    assert answer["usage"]["completion_tokens"] == 4
    assert answer["usage"]["prompt_tokens"] > 0


def test_a_stream_ends_with_its_usage_when_asked(server: Server) -> None:
    asked = server.chat(max_tokens=4, stream=True, stream_options={"include_usage": True})
    with httpx.stream(
        "POST", f"{server.url}/v1/chat/completions", json=asked, timeout=LIMIT
    ) as answer:
        lines = [line.removeprefix("data: ") for line in answer.iter_lines() if line]

    assert lines[-1] == "[DONE]"
    assert json.loads(lines[-2])["usage"]["completion_tokens"] == 4


def test_it_says_what_the_control_loop_reads(server: Server) -> None:
    told = set(re.findall(r"^llamacpp:\w+", server.metrics(), re.MULTILINE))
    signals = llama_cpp.SIGNALS
    asked = (signals.waiting, signals.cache_hits, signals.cache_queries, signals.accepted)

    assert {name for names in (*asked, signals.drafted) for name in names} <= told
    assert not any("kv" in name for name in told), "it says now what it lacked"


@pytest.fixture(scope="module")
def options() -> list[tuple[list[str], str]]:
    """Return (every spelling, what is said of it) of each option that the program knows."""
    told = subprocess.run([llama.server(), "--help"], capture_output=True, text=True, check=True)
    begun = re.split(r"^(-[\w-]+(?:,\s+-[\w-]+)*)", told.stdout, flags=re.MULTILINE)
    spellings, texts = begun[1::2], begun[2::2]
    found = [
        (re.split(r",\s+", names), " ".join(text.split()))
        for names, text in zip(spellings, texts, strict=True)
    ]
    assert len(found) > 200
    return found


def test_what_we_refuse_exists(options: list[tuple[list[str], str]]) -> None:
    """A refused name that the program does not know would be a leftover, or a typing error."""
    known = {name for names, _ in options for name in names}

    assert sorted(set(llama_cpp.GRAMMAR.refused) - known) == []


def test_an_option_is_refused_by_every_spelling(options: list[tuple[list[str], str]]) -> None:
    """But not by one that only switches it off."""
    refused = set(llama_cpp.GRAMMAR.refused)
    one_of_several = [names for names, _ in options if refused & set(names)]

    assert [
        name
        for names in one_of_several
        for name in names
        if name not in refused and not name.lstrip("-").startswith("no-")
    ] == []


def test_what_the_program_itself_warns_of_is_refused(options: list[tuple[list[str], str]]) -> None:
    warned = [names for names, text in options if "untrusted environments" in text]

    assert len(warned) >= 4
    assert [names for names in warned if not set(names) & set(llama_cpp.GRAMMAR.refused)] == []


def test_a_stream_ends_whole_before_the_engine_is_told_to_stop(model: Path, tmp_path: Path) -> None:
    """The script of `preStop` waits for it; SIGTERM then ends the program at once."""
    install_missing([] if Path("/usr/bin/curl").exists() else ["curl"])
    with started(model, tmp_path) as server:
        done: list[str] = []

        def stream() -> None:
            asked = server.chat(max_tokens=1500, stream=True, ignore_eos=True)
            with httpx.stream(
                "POST", f"{server.url}/v1/chat/completions", json=asked, timeout=LIMIT
            ) as answer:
                done.extend(line for line in answer.iter_lines() if line)

        client = threading.Thread(target=stream)
        client.start()
        until = time.monotonic() + LIMIT
        while "llamacpp:requests_processing 1" not in server.metrics() and not done:
            assert time.monotonic() < until
            time.sleep(0.05)
        *shell, script = container(pool(grace="10m"))["lifecycle"]["preStop"]["exec"]["command"]
        port = server.url.rpartition(":")[2]
        script = script.replace("sleep 10;", "").replace(":8000/", f":{port}/")
        subprocess.run([*shell, script], env=dict(os.environ), check=True, timeout=5 * LIMIT)

        idle = "llamacpp:requests_processing 0" in server.metrics()
        client.join(LIMIT)
        server.process.send_signal(signal.SIGTERM)

        assert idle
        assert done[-1] == "data: [DONE]"
        assert server.process.wait(LIMIT) == 0
