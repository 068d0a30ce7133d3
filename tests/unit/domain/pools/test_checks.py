"""What a user is told to fix before anything is deployed."""

import json
from types import SimpleNamespace

import pytest

from tests.unit.domain.pools.builders import cpu_pool, drafting, gpu_pool
from tokenfleet.api.v1alpha1.servingpool import ServingPool
from tokenfleet.domain.pools.checks import adapters_unsupported
from tokenfleet.domain.pools.workloads import workload

HUB = {
    "type": "HuggingFace",
    "huggingFace": {"repo": "o/m", "tokenSecretRef": {"name": "a", "key": "k"}},
}
OTHER_HUB = {
    "type": "HuggingFace",
    "huggingFace": {"repo": "o/d", "tokenSecretRef": {"name": "b", "key": "k"}},
}

ADAPTED = {
    "modelName": "m",
    "adapters": [
        {
            "name": "legal",
            "source": {
                "type": "PersistentVolumeClaim",
                "persistentVolumeClaim": {"claimName": "weights", "path": "legal"},
            },
        }
    ],
}


CAPTURES = json.dumps({"cudagraph_capture_sizes": [*range(8, 2048, 8)]})


def engine(*arguments: str) -> dict:
    return {"image": "engine:1", "extraArgs": list(arguments)}


def tensorrt_pool(config: str) -> ServingPool:
    return gpu_pool(engine={**engine(), "type": "TensorRTLLM", "config": config})


def sglang_pool(*arguments: str, **managed) -> ServingPool:
    return gpu_pool(engine={**engine(*arguments), "type": "SGLang"}, **managed)


@pytest.mark.parametrize(
    ("pool", "reason", "named"),
    [
        pytest.param(gpu_pool(engine=engine("--api-key=x")), "ArgumentRefused", "--api-key", id="a key on the command line"),
        pytest.param(gpu_pool(engine=engine("--api_key", "x")), "ArgumentRefused", "--api_key", id="underscores are dashes"),
        pytest.param(gpu_pool(engine=engine("--api-k=x")), "ArgumentRefused", "--api-k", id="a beginning stands for the whole"),
        pytest.param(gpu_pool(engine=engine("--Trust-Remote-Code")), "ArgumentRefused", "--Trust-Remote-Code", id="case does not hide it"),
        pytest.param(gpu_pool(engine=engine("--no-enable-force-include-usage")), "ArgumentRefused", "--no-enable-force-include-usage", id="the negated form"),
        pytest.param(gpu_pool(engine=engine("--speculative-config.method=ngram")), "ArgumentRefused", "--speculative-config.method", id="a part of a JSON argument"),
        pytest.param(gpu_pool(engine=engine("-tp", "4")), "ArgumentRefused", "-tp", id="a short name"),
        pytest.param(gpu_pool(engine=engine("-tp4")), "ArgumentRefused", "-tp4", id="a short name with its value"),
        pytest.param(gpu_pool(engine=engine("-sc.method=ngram")), "ArgumentRefused", "-sc.method", id="a part by short name"),
        pytest.param(gpu_pool(model={"source": {"type": "HuggingFace", "huggingFace": {"repo": "--trust-remote-code"}}}), "ArgumentRefused", "must not begin with a dash", id="a repository that the engine reads as an option"),
        pytest.param(gpu_pool(engine=engine("--config=/x.yaml")), "ArgumentRefused", "--config", id="a file of arguments"),
        pytest.param(gpu_pool(engine=engine("other/model")), "ArgumentRefused", "other/model", id="a model as a word"),
        pytest.param(gpu_pool(engine=engine("--dtype=half", "other/model")), "ArgumentRefused", "other/model", id="a word after an option that has its value"),
        pytest.param(gpu_pool(engine=engine("--enforce-eager", "--")), "ArgumentRefused", "--", id="the end of options"),
        pytest.param(gpu_pool(model={"source": {"type": "HuggingFace", "huggingFace": {"repo": "--headless"}}}), "ArgumentRefused", "--headless", id="a model that is an option"),
        pytest.param(cpu_pool(engine=engine("--kv-cache-memory-bytes=1")), "ArgumentRefused", "cpu.kvCache", id="what the CPU block sets"),
        pytest.param(gpu_pool(resources={"limits": {"cpu": "4"}}), "NoDevices", "nvidia.com/gpu: 1", id="a GPU pool without a GPU"),
        pytest.param(gpu_pool(parallelism={"tensor": 4}), "NotEnoughDevices", "has 1", id="more parallel than devices"),
        pytest.param(gpu_pool(engine=engine("-t", "4")), "ArgumentRefused", "-t", id="the beginning of a short name"),
        pytest.param(gpu_pool(engine=engine("-dp4")), "ArgumentRefused", "-dp4", id="parallelism of another kind"),
        pytest.param(gpu_pool(engine=engine("--data-parallel-hybrid-lb", "--data-parallel-size-local=8")), "ArgumentRefused", "data-parallel ranks", id="an address for each node"),
        pytest.param(gpu_pool(engine=engine("-dpr", "8")), "ArgumentRefused", "-dpr", id="a rank that the operator places"),
        pytest.param(sglang_pool("--enable-dp-attention", parallelism={"tensor": 8, "data": 8}, resources={"limits": {"nvidia.com/gpu": 4}}), "NotEnoughDevices", "(tensor 8 x pipeline 1 x data 1) needs 8", id="attention that shares too few devices"),
        pytest.param(sglang_pool(parallelism={"tensor": 8, "data": 8}, resources={"limits": {"nvidia.com/gpu": 8}}), "NotEnoughDevices", "data adds none with --enable-dp-attention", id="copies where attention was meant"),
        pytest.param(gpu_pool(parallelism={"tensor": 8}, resources={"limits": {"google.com/tpu": 3}}), "NotEnoughDevices", "has 6", id="more parallel than any chip has cores"),
        pytest.param(sglang_pool("--disaggregation-mode=decode"), "ArgumentRefused", "type Existing", id="a server of one half"),
        pytest.param(tensorrt_pool("{x"), "ArgumentRefused", "engine.config is not JSON", id="options that are not JSON"),
        pytest.param(tensorrt_pool("[" * 4096), "ArgumentRefused", "more brackets", id="options nested too deep"),
        pytest.param(tensorrt_pool("[1]"), "ArgumentRefused", "engine.config must be a JSON object", id="options that are no object"),
        pytest.param(tensorrt_pool('{"tensor_parallel_size": 8}'), "ArgumentRefused", "parallelism sets it", id="an option that a field sets"),
        pytest.param(tensorrt_pool('{"return_perf_metrics": false}'), "ArgumentRefused", "the operator sets it", id="an option that the operator counts on"),
        pytest.param(gpu_pool(engine=engine("--reasoning-parser-p=x")), "ArgumentRefused", "--reasoning-parser-p", id="a beginning beside an option that is shorter"),
        pytest.param(gpu_pool(engine={"image": "vllm/vllm-openai:v0.8.5"}), "EngineTooOld", "0.18", id="an engine without the shutdown timeout"),
        pytest.param(gpu_pool(engine={"image": "e:1", "files": [{"name": "a", "mountPath": "/t", "configMap": "a"}, {"name": "b", "mountPath": "/t/", "secret": "b"}]}), "FileConflict", "/t twice", id="two files in one place"),
        pytest.param(gpu_pool(model={"source": HUB}, engine={"image": "e:1", "env": [{"name": "HF_TOKEN", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]}), "TokenConflict", "engine.env", id="a hub token twice"),
        pytest.param(gpu_pool(model={"source": {"type": "HuggingFace", "huggingFace": {"repo": "o/m", "revision": "0123456789" * 4}}, "remoteCode": "Allowed"}, speculative={"type": "DraftModel", "tokens": 3, "draftModel": {"source": {"type": "HuggingFace", "huggingFace": {"repo": "o/d", "revision": "main"}}}}), "RemoteCodeUnpinned", "o/d", id="a draft whose code can change"),
        pytest.param(gpu_pool(speculative={"type": "Custom", "tokens": 3, "custom": {"config": "{x"}}), "ArgumentRefused", "not JSON", id="speculation that is not JSON"),
        pytest.param(gpu_pool(speculative={"type": "Custom", "tokens": 3, "custom": {"config": "[" * 4096}}), "ArgumentRefused", "more brackets", id="speculation nested too deep"),
        pytest.param(gpu_pool(speculative={"type": "Custom", "tokens": 3, "custom": {"config": "[1]"}}), "ArgumentRefused", "JSON object", id="speculation that is no object"),
        pytest.param(gpu_pool(speculative={"type": "Custom", "tokens": 3, "custom": {"config": "{}"}}), "ArgumentRefused", "method", id="speculation without a method"),
        pytest.param(gpu_pool(speculative={"type": "Custom", "tokens": 3, "custom": {"config": '{"method": "custom_class"}'}}), "ArgumentRefused", "custom_class", id="speculation by foreign code"),
        pytest.param(gpu_pool(speculative={"type": "Custom", "tokens": 3, "custom": {"config": '{"method": "suffix", "num_speculative_tokens": 9}'}}), "ArgumentRefused", "speculative.tokens", id="speculation that sets what a field sets"),
        pytest.param(gpu_pool(parallelism={"tensor": 8}, resources={"limits": {"nvidia.com/gpu": 1, "rdma/ib": 8}}), "NotEnoughDevices", "has 1", id="network adapters are no devices"),
        pytest.param(gpu_pool(parallelism={"tensor": 4}, resources={"limits": {"nvidia.com/gpu": 1, "nvidia.com/gpumem": 3000}}), "NotEnoughDevices", "has 1", id="a share of memory is no device"),
        pytest.param(gpu_pool(parallelism={"tensor": 2, "pipeline": 2, "data": 2}, resources={"limits": {"nvidia.com/gpu": 7}}), "NotEnoughDevices", "needs 8", id="every kind of parallelism counts"),
        pytest.param(cpu_pool(cpu={"kvCache": "8Gi"}), "NotEnoughMemory", "8Gi", id="a cache as large as the limit"),
        pytest.param(gpu_pool(parallelism={"tensor": 2}, resources={"limits": {"nvidia.com/gpu": 2}}, speculative=drafting("DraftModel", 1)), "DraftParallelismMismatch", "needs 2", id="a draft on fewer devices than its target"),
        pytest.param(gpu_pool(parallelism={"tensor": 4}, resources={"limits": {"nvidia.com/gpu": 4}}, speculative=drafting("Eagle3", 2)), "DraftParallelismMismatch", "needs 1 or 4", id="a head on neither one nor all"),
        pytest.param(gpu_pool(model={"source": HUB}, speculative={"type": "DraftModel", "tokens": 3, "draftModel": {"source": OTHER_HUB}}), "TokenConflict", "a/k and b/k", id="two hub tokens"),
        pytest.param(gpu_pool(pod={"labels": {"tokenfleet.dev/pool": "other"}}), "LabelRefused", "tokenfleet.dev/pool", id="a label of the operator's"),
        pytest.param(gpu_pool(engine=engine("--max-loras=4"), spec={"served": ADAPTED}), "ArgumentRefused", "lora.maxActive", id="what the list of adapters sets"),
        pytest.param(gpu_pool(engine=engine("--lora-modules", "a=/a"), spec={"served": ADAPTED}), "ArgumentRefused", "served.adapters", id="adapters beside the list"),
        pytest.param(gpu_pool(model={"source": HUB}, spec={"served": {**ADAPTED, "adapters": [{"name": "legal", "source": OTHER_HUB}]}}), "TokenConflict", "a/k and b/k", id="an adapter behind another token"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_and_nothing_is_deployed(pool, reason: str, named: str) -> None:
    found = workload(pool)

    assert [problem.reason for problem in found.problems] == [reason]
    assert found.objects == ()
    message = found.problems[0].message
    assert message.startswith("pool large: ")
    assert named in message


@pytest.mark.parametrize(
    "pool",
    [
        pytest.param(gpu_pool(engine=engine("--kv-cache-memory-bytes=1")), id="the cache size of a GPU"),
        pytest.param(gpu_pool(engine=engine("--config-format=hf", "--model-impl=vllm", "--no-enable-prefix-caching", "-cc.mode=3", "-O3")), id="names that only look like refused ones"),
        pytest.param(gpu_pool(engine=engine("--hf-overrides", '{"model": "--api-key"}')), id="a value that looks like a flag"),
        pytest.param(gpu_pool(engine=engine("--lora-modules", "a=/a", "b=/b")), id="an option with several values"),
        pytest.param(gpu_pool(resources={"limits": {"amd.com/gpu": 1}}), id="a GPU of another make"),
        pytest.param(gpu_pool(parallelism={"tensor": 2}, resources={"limits": {"nvidia.com/mig-3g.40gb": 2}}), id="slices of a GPU"),
        pytest.param(gpu_pool(parallelism={"tensor": 8}, resources={"limits": {"aws.amazon.com/neuron": 1}}), id="a chip of several cores"),
        pytest.param(gpu_pool(engine=engine("--api-server-count=2")), id="several servers on one node"),
        pytest.param(gpu_pool(parallelism={"tensor": 8}, resources={"limits": {"google.com/tpu": 4}}), id="TPU chips of two cores"),
        pytest.param(gpu_pool(parallelism={"tensor": 2}, resources={"limits": {"gpu.intel.com/i915": 1}}), id="a GPU of two tiles"),
        pytest.param(sglang_pool("--cuda-graph-bs", *map(str, range(8, 768, 8))), id="an option with 95 values"),
        pytest.param(gpu_pool(engine=engine(f"--compilation-config={CAPTURES}")), id="an option of a thousand characters"),
        pytest.param(sglang_pool("--enable-dp-attention", parallelism={"tensor": 8, "data": 8, "expert": True}, resources={"limits": {"nvidia.com/gpu": 8}}), id="attention in groups of the same devices"),
        pytest.param(gpu_pool(parallelism={"tensor": 8}, resources={"limits": {"example.com/npu": 1}}), id="a make that nobody knows"),
        pytest.param(gpu_pool(parallelism={"tensor": 2}, resources={"claims": [{"name": "gpus"}]}, pod={"resourceClaims": [{"name": "gpus", "resourceClaimTemplateName": "two"}]}), id="devices that are claimed"),
        pytest.param(gpu_pool(engine=engine("--reasoning-parser=openai_gptoss", "-dpl=1", "-dcp=1", "-pcp=1")), id="options that begin like refused ones"),
        pytest.param(gpu_pool(engine={"image": "registry:5000/vllm/vllm-openai:v0.32.0@sha256:aa"}), id="an image with port, tag and digest"),
        pytest.param(gpu_pool(speculative={"type": "MTP", "tokens": 1}), id="the target's own prediction layers"),
        pytest.param(gpu_pool(parallelism={"tensor": 4}, resources={"limits": {"nvidia.com/gpu": 4}}, speculative=drafting("Eagle3", 1)), id="an EAGLE-3 head on one device"),
        pytest.param(gpu_pool(model={"source": HUB}, speculative={"type": "DraftModel", "tokens": 3, "draftModel": {"source": HUB}}), id="one hub token for both"),
        pytest.param(cpu_pool(parallelism={"tensor": 2}), id="two CPU sockets"),
    ],
)  # fmt: skip
def test_what_is_right_is_deployed(pool) -> None:
    found = workload(pool)

    assert found.problems == ()
    assert {body["kind"] for body in found.objects} == {
        "Service",
        "PodDisruptionBudget",
        "Deployment",
    }


@pytest.mark.parametrize(
    "image",
    [
        "vllm/vllm-openai:v0.8.5",
        "docker.io/vllm/vllm-tpu:v0.11.1",
        "mirror.example:5000/library/vllm-openai:v0.9.2@sha256:aa",
        "aibrix/vllm-openai:v0.7.3.self.post1",
        "public.ecr.aws/q9t5s3a7/vllm-cpu-release-repo:v0.9.1",
        "intel/vllm:0.17.0-xpu",
        "vllm/vllm-openai:v0.17",
    ],
)
def test_a_tag_that_counts_vllms_releases_is_judged(image: str) -> None:
    (problem,) = workload(gpu_pool(engine={"image": image})).problems

    assert problem.reason == "EngineTooOld"
    assert image in problem.message


@pytest.mark.parametrize(
    "image",
    [
        "vllm/vllm-openai:v0.18.0",
        "vllm/vllm-openai:nightly",
        "vllm/vllm-openai:v1",
        "lmcache/vllm-openai:v0.3.5",
        "docker.io/lmcache/vllm-openai:v0.3.9post2",
        "nvcr.io/nvidia/ai-dynamo/vllm-runtime:0.9.0",
        "opea/vllm-gaudi:0.8",
        "kserve/vllmserver:v0.15.0",
        "ghcr.io/llm-d/llm-d-vllm:0.1.0",
        "nvcr.io/nvidia/vllm:25.09-py3",
    ],
)
def test_a_tag_that_counts_something_else_is_not_judged(image: str) -> None:
    assert workload(gpu_pool(engine={"image": image})).problems == ()


def test_an_engine_without_adapters_is_named() -> None:
    told = SimpleNamespace(TITLE="Other", ADAPTERS=False)

    (problem,) = adapters_unsupported(gpu_pool(spec={"served": ADAPTED}), told)

    assert problem.reason == "AdaptersUnsupported"
    assert "Other cannot serve served.adapters" in problem.message
    assert adapters_unsupported(gpu_pool(), told) == ()


def test_all_mistakes_are_named_at_once() -> None:
    found = workload(gpu_pool(engine=engine("--port=1", "--api-key=x"), resources={}))

    assert [problem.reason for problem in found.problems] == [
        "ArgumentRefused",
        "ArgumentRefused",
        "NoDevices",
    ]
