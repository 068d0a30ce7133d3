"""Which line of the end of a log names the cause; the logs are shortened ones of real engines."""

import pytest

from tokenfleet.domain.fleet.last_words import cause

NOTICED = """\
(APIServer pid=1)   File "/opt/vllm/v1/engine/utils.py", line 972, in launch_core_engines
(APIServer pid=1)     wait_for_engine_startup(
(APIServer pid=1)   File "/opt/vllm/v1/engine/utils.py", line 1031, in wait_for_engine_startup
(APIServer pid=1)     raise RuntimeError(
(APIServer pid=1) RuntimeError: Engine core initialization failed. See root cause above. Failed \
core proc(s): {'EngineCore_0': 1}
"""
CLEANED_UP = """\
/usr/lib/python3.12/multiprocessing/resource_tracker.py:279: UserWarning: resource_tracker: There \
appear to be 1 leaked shared_memory objects to clean up at shutdown
  warnings.warn('resource_tracker: There appear to be %d '
"""
FULL = (
    "ValueError: Free memory on device (3.22/4.0 GiB) on startup is less than desired GPU memory"
    " utilization (0.9, 3.6 GiB)."
)


@pytest.mark.parametrize(
    ("log", "text"),
    [
        pytest.param("", "", id="nothing"),
        pytest.param("loading\n\n  listening \n\n", "listening", id="no exception: the last line"),
        pytest.param(
            "Traceback (most recent call last):\nValueError: unknown option --x\n\n",
            "ValueError: unknown option --x",
            id="the only process",
        ),
        pytest.param(
            f"(EngineCore_0 pid=104) ERROR 09-28 15:47:24 [core.py:718]     raise ValueError(\n"
            f"(EngineCore_0 pid=104) ERROR 09-28 15:47:24 [core.py:718] {FULL}\n"
            f"(EngineCore_0 pid=104) Process EngineCore_0:\n{NOTICED}",
            FULL,
            id="the engine's log line, before the server's traceback",
        ),
        pytest.param(
            f"ERROR 05-23 09:31:47 [core.py:396] EngineCore failed to start.\n"
            f"ERROR 05-23 09:31:47 [core.py:396] {FULL}\n{NOTICED}{CLEANED_UP}",
            FULL,
            id="warnings at the end",
        ),
        pytest.param(
            "(VllmWorker rank=1 pid=24) torch.OutOfMemoryError: CUDA out of memory. Tried\n"
            "(EngineCore pid=104) Exception: WorkerProc initialization failed due to an exception"
            " in a background process. See stack trace for root cause.\n"
            f"(VllmWorker rank=0 pid=23) RuntimeError: cancelled\n{NOTICED}",
            "torch.OutOfMemoryError: CUDA out of memory. Tried",
            id="a worker, two processes further",
        ),
        pytest.param(
            f"(EngineCore pid=114)     assert new.page_size_bytes == most\n"
            f"(EngineCore pid=114) AssertionError\n{NOTICED}",
            "AssertionError",
            id="an exception that says nothing",
        ),
        pytest.param(
            "(EngineCore pid=9) triton.runtime.errors.OutOfResources: out of resource: shared"
            f" memory\n{NOTICED}",
            "triton.runtime.errors.OutOfResources: out of resource: shared memory",
            id="an exception that is not called Error",
        ),
        pytest.param(
            f"{NOTICED}{CLEANED_UP}",
            "RuntimeError: Engine core initialization failed. See root cause above. Failed core"
            " proc(s): {'EngineCore_0': 1}",
            id="the cause is further up than the log reaches",
        ),
        pytest.param(
            "(APIServer pid=93) pydantic_core._pydantic_core.ValidationError: 1 validation error"
            " for ModelConfig\n"
            "(APIServer pid=93)   Value error, Model architectures ['X'] failed to be inspected."
            " [type=value_error, input_value=ArgsKwargs((), {}), input_type=ArgsKwargs]\n"
            "(APIServer pid=93)     For further information visit https://errors.pydantic.dev/v\n",
            "ModelConfig: Value error, Model architectures ['X'] failed to be inspected.",
            id="a configuration that is not valid",
        ),
        pytest.param(
            "pydantic_core._pydantic_core.ValidationError: 1 validation error for Args\n",
            "pydantic_core._pydantic_core.ValidationError: 1 validation error for Args",
            id="cut off before it says what is not valid",
        ),
        pytest.param(
            "OSError: a/b is not a local folder and is not a valid model identifier\n"
            "If this is a private repository, make sure to pass a token\n",
            "OSError: a/b is not a local folder and is not a valid model identifier",
            id="advice after the exception",
        ),
        pytest.param(
            "usage: api_server.py [-h]\napi_server.py: error: unrecognized arguments: --foo\n",
            "api_server.py: error: unrecognized arguments: --foo",
            id="an argument",
        ),
        pytest.param(
            "llama_model_load: error loading model: unknown model architecture: 'x'\n"
            "main: exiting due to model loading error\n",
            "llama_model_load: error loading model: unknown model architecture: 'x'",
            id="llama.cpp",
        ),
    ],
)
def test_the_line_that_names_the_cause_is_told(log: str, text: str) -> None:
    assert cause(log) == text
