"""The program that fills a cache from the hub, run by the Python of the engine's own image.

It uses `huggingface_hub`, which engines download with, so files lie where they look for them. It
takes what engines load: of a repository with safetensors only those, and none of the formats of
other programs. An engine fetches what is missing all the same.

Several containers run it one after the other, each for a further part of all bytes. Each leaves one
line of JSON as its termination message: so the pod's status tells of progress, and nobody needs the
right to read logs, nor a way to the pod.

    fetch.py MODELS PART PARTS FILE

    MODELS   [[repository, revision or null], ...] as JSON
    PART     0 downloads nothing and only tells sizes; PARTS downloads everything
    FILE     the container's termination message
"""

from typing import Final

PROGRAM: Final = """\
import json, os, sys
from concurrent.futures import ThreadPoolExecutor

os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
from huggingface_hub import HfApi, hf_hub_download

OTHERS = (".h5", ".msgpack", ".onnx", ".ot", ".tflite", ".mlmodel")
FOLDERS = ("original/", "onnx/", "openvino/", "coreml/")
SLOWER = (".bin", ".gguf", ".pt", ".pth")


def wanted(files):
    kept = [f for f in files if not f.rfilename.startswith(FOLDERS)]
    kept = [f for f in kept if not f.rfilename.endswith(OTHERS)]
    safe = any(f.rfilename.endswith(".safetensors") for f in kept)
    return [f for f in kept if not (safe and f.rfilename.endswith(SLOWER))]


def fetch(models, part, parts, message):
    files = []
    for repo, revision in models:
        info = HfApi().model_info(repo, revision=revision, files_metadata=True)
        files += [(repo, revision, f.rfilename, f.size) for f in wanted(info.siblings)]
    known = all(f[3] is not None for f in files)
    sizes = [f[3] if known else 1 for f in files]
    limit = sum(sizes) * part / parts
    last = part == parts
    chosen = [f for i, f in enumerate(files) if last or (part and sum(sizes[:i]) < limit)]
    with ThreadPoolExecutor(8) as pool:
        for _ in pool.map(lambda f: hf_hub_download(f[0], f[2], revision=f[1]), chosen):
            pass
    told = {"files": len(chosen), "totalFiles": len(files)}
    if known:
        told.update(bytes=sum(f[3] for f in chosen), totalBytes=sum(sizes))
    print(json.dumps(told), flush=True)
    with open(message, "w") as out:
        json.dump(told, out)


try:
    fetch(json.loads(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
except Exception as error:
    sys.exit(f"{type(error).__name__}: {' '.join(str(error).split())}")
"""
